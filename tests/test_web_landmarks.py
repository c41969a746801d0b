"""What steps said about their output, on the build's page, in the API and in the administration: bounded, escaped, and
for nobody who may not see the build."""

import html
import json
import re

from django.contrib.auth.models import Group
from django.test import SimpleTestCase
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import access, events, lifecycle, retention
from builds.events import Chunk
from builds.landmarks import MAX_ANNOTATIONS, MAX_GROUPS, place
from builds.lookout import Finder
from builds.models import Build
from builds.retention import Pace
from builds.states import Status
from builds.web import landmarks

from .node import twins
from .oldlogs import hurried
from .pages import HOSTILE, PagesCase

NOTHING = {"error": 0, "warning": 0, "notice": 0}


class LandmarksCase(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.running_build, self.lease = self.running()
        self.finder = Finder()
        self.line = 1

    def print(self, *lines: str, step: int = 0) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            chunks = [Chunk(step, self.line + at, lines[at : at + 1000]) for at in range(0, len(lines), 1000)]
            events.append(self.lease, *self.finder.look(chunks))
        self.line += len(lines)

    def stored(self) -> Build:
        return Build.objects.get(pk=self.running_build.pk)

    def open(self) -> str:
        return self.page(f"/builds/{self.running_build.pk}/")

    def end(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.end_step(self.lease, 0, Status.FAILED, exit_code=2)
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.finish(self.lease, Status.FAILED, "It said no.")


class PageTests(LandmarksCase):
    def notes(self, page: str) -> list[str]:
        """Each as its text."""
        found = re.findall(r'<li class="note.*?</li>', page, re.DOTALL)
        return [html.unescape(" ".join(re.sub(r"<[^>]+>", " ", one).split())) for one in found]

    def test_a_build_that_says_nothing_has_a_hidden_panel_and_asks_nothing(self) -> None:
        self.print("hello")
        self.assertRegex(self.open(), r'<section class="panel notes"[^>]* hidden>')
        with self.assertNumQueries(0):
            landmarks.panel(self.running_build, [])
            self.assertEqual(landmarks.of_build(self.running_build), {})

    def test_errors_come_first_with_their_place_and_a_link_to_the_line(self) -> None:
        self.print("::warning file=b.c,line=3,col=9,title=unused::unused x", "::error::It broke")
        page = self.open()
        self.assertEqual(
            self.notes(page),
            ["error It broke compile, line 2", "warning unused unused x b.c:3:9 compile, line 1"],
        )
        self.assertIn('<a href="#1:2">compile, line 2</a>', page)
        self.assertIn('id="1:2"', page)
        self.assertIn(">1 error, 1 warning<", page)
        self.assertRegex(page, r'<section class="panel notes"[^>]*data-linked="1">')

    def test_what_is_not_kept_is_told(self) -> None:
        self.print(*["::error::x"] * (MAX_ANNOTATIONS + 2431))
        page = self.open()
        self.assertEqual(len(self.notes(page)), MAX_ANNOTATIONS)
        self.assertIn("2,531 or more errors", page, "it runs, and nobody tells of each")
        self.assertIn("and 2,431 more errors", page)
        self.end()
        self.assertIn(">2,531 errors<", self.open())

    def test_what_steps_say_is_escaped(self) -> None:
        for text in HOSTILE:
            self.print(f"::error file={text[:40]},title={text[:40]}::{text[:400]}".replace("\x00", ""))
        page = self.open()
        self.assertNotRegex(page, r"<script>alert|<img")
        self.assertEqual(len(self.notes(page)), len(HOSTILE))

    @hurried
    def test_when_the_log_is_pruned_the_annotations_stay_and_lead_nowhere(self) -> None:
        self.print("::group::g", "::error::It broke")
        self.end()
        retention.prune(self.running_build.pk, "90 days after it ended", Pace())
        page = self.open()
        self.assertEqual(self.notes(page), ["error It broke compile, line 2"])
        self.assertNotIn("#1:2", page)
        self.assertEqual(landmarks.of_build(self.stored()), {})

    def test_the_groups_of_each_step_as_data(self) -> None:
        self.print("::group::a", "x", "::endgroup::", "::group::b")
        found = landmarks.of_build(self.stored())
        self.assertEqual(
            json.loads(json.dumps(found)),
            {
                "0": [
                    {"number": 1, "name": "a", "line": 1, "last": 3},
                    {"number": 2, "name": "b", "line": 4, "last": None},
                ]
            },
        )

    @hurried
    def test_groups_that_are_not_kept_are_told_at_the_foot_of_the_log(self) -> None:
        self.print(*["::group::c"] * MAX_GROUPS)
        self.assertNotIn("folded", self.open())
        self.print("::group::d")
        self.assertIn("<span>1 more group is not folded</span>", self.open())
        self.print(*["::group::e"] * 1_230)
        self.assertIn("<span>1,231 more groups are not folded</span>", self.open())
        self.assertEqual(len(landmarks.of_build(self.stored())[0]), MAX_GROUPS)
        self.end()
        retention.prune(self.running_build.pk, "90 days after it ended", Pace())
        self.assertNotIn("folded", self.open())


class ApiTests(LandmarksCase):
    def ask(self, token: str) -> tuple[int, dict]:
        self.as_user(None)
        path = f"/api/v1/builds/{self.running_build.pk}/annotations"
        answer = self.client.get(path, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    def test_annotations_as_printed_and_how_many_more(self) -> None:
        token = access.new_token(self.alice)
        self.assertEqual(self.ask(token), (200, {"items": [], "more": NOTHING}))
        self.print("::notice::n", "::error file=a.c,line=3,title=t::x%0Ay", *["::warning::w"] * (MAX_ANNOTATIONS + 3))
        status, found = self.ask(token)
        self.assertEqual((status, len(found["items"])), (200, 2 + MAX_ANNOTATIONS))
        self.assertEqual([item["number"] for item in found["items"]], list(range(1, 3 + MAX_ANNOTATIONS)))
        error = {"step": "compile", "line": 2, "level": "error", "message": "x\ny", "title": "t", "file": "a.c"}
        self.assertEqual(found["items"][1], error | {"file_line": 3, "column": None, "number": 2})
        self.assertEqual(found["more"], NOTHING | {"warning": 3})
        told = [json.loads(one.data) for one in events.read(self.running_build.pk, 0) if one.kind == "annotation"]
        self.assertEqual(told, found["items"], "events and API say the same")

    def test_a_stranger_gets_none(self) -> None:
        self.print("::error::It broke")
        self.project.groups.add(Group.objects.create(name="insiders"))
        status, found = self.ask(access.new_token(self.stranger))
        self.assertEqual((status, "It broke" in json.dumps(found)), (404, False))
        self.as_user(self.stranger)
        self.assertNotIn("It broke", self.page(f"/builds/{self.running_build.pk}/", 404))
        token = access.new_token(self.alice, scopes=("start",))
        self.assertEqual(self.ask(token)[0], 403)

    def test_a_list_of_builds_has_the_counts_and_asks_for_no_annotation(self) -> None:
        self.print("::error::x", "::error::x")
        token = access.new_token(self.alice)
        self.as_user(None)
        with self.assertNumQueries(4):  # token, its use, builds with projects, steps
            answer = self.client.get("/api/v1/builds", headers={"Authorization": f"Bearer {token}"})
        self.assertEqual(answer.json()["items"][0]["annotations"], NOTHING | {"error": 2})


class AdminTests(LandmarksCase):
    def test_annotations_are_looked_at_on_the_build(self) -> None:
        self.alice.is_superuser = self.alice.is_staff = True
        self.alice.save()
        self.print("::group::g", "::error file=a.c,line=3::<b>It broke</b>")
        page = self.page(reverse("admin:builds_build_change", args=[self.running_build.pk]))
        self.assertIn("&lt;b&gt;It broke&lt;/b&gt;", page)
        self.assertIn("a.c:3", page)
        self.assertIn("1 group, 1 error", page)
        self.assertNotIn('name="annotations-0-message"', page)


class TwinTests(SimpleTestCase):
    def test_the_page_says_what_the_server_says(self) -> None:
        cases: list = []
        counts = st.fixed_dictionaries(dict.fromkeys(NOTHING, st.sampled_from([0, 1, 2, 99, 100, 101, 2531, 10**7])))
        number = st.none() | st.integers(1, 10**6)

        @settings(max_examples=200, database=None)
        @given(counts, st.booleans(), st.sampled_from(["", "a.c"]), number, number)
        def collect(told: dict, final: bool, file: str, line: int | None, column: int | None) -> None:
            cases.append(("heading", [told, final], landmarks.heading(told, final)))
            cases.append(("more", [told], landmarks.more(told)))
            cases.append(("place", [file, line, column], place(file, line, column)))

        collect()
        answers = twins([(name, given_) for name, given_, _ in cases])
        for (name, given_, said), answer in zip(cases, answers, strict=True):
            self.assertEqual(answer, said, f"{name}({given_})")
