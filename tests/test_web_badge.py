"""The badge: what it says, to whom, and that whatever is in it is text."""

import re
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from xml.etree import ElementTree

from django.contrib.auth.models import Group, User
from django.test import RequestFactory, SimpleTestCase, TestCase, override_settings, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import access
from builds.models import Build, Project
from builds.states import FINAL, Status
from builds.web import badge
from builds.web.marks import MARKS

from .support import ROOT

SVG = "{http://www.w3.org/2000/svg}"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "</text><script>alert(1)</script>\"&'<"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


@tag("fast")
class DrawnTest(SimpleTestCase):
    def test_each_status_has_its_word_its_colour_and_its_silhouette(self) -> None:
        drawn = {str(badge.draw("Lantern", status)) for status in (*MARKS, None)}
        self.assertEqual(len({re.findall('fill="#[^"]+"', svg)[1] for svg in drawn}), 4, "none is as cancelled")
        for status in MARKS:
            svg = badge.draw("Lantern", status)
            self.assertEqual(texts(svg), ["Lantern", status])
            self.assertIn(MARKS[status], svg)
            self.assertIn(f"<title>Lantern: {status}</title>", svg)
            self.assertIn(f'role="img" aria-label="Lantern: {status}"', svg)
        self.assertEqual(texts(badge.draw("Lantern", None)), ["Lantern", "no builds"])

    def test_the_silhouettes_are_those_of_the_pages(self) -> None:
        styles = (ROOT / "builds/static/builds/marks.css").read_text()
        self.assertEqual(set(MARKS), FINAL - {Status.SKIPPED})
        for status, path in MARKS.items():
            self.assertIn(f'.mark.s-{status} {{ clip-path: path(evenodd, "{path}"); }}', styles)

    def test_it_needs_no_style_and_nothing_from_elsewhere(self) -> None:
        svg = badge.draw(HOSTILE, "failed")
        self.assertIsNone(re.search(r"style=|<style|<script|href|url\(|\son\w+=|<image|<foreignObject", svg))

    @given(st.text(min_size=1, max_size=60))
    def test_whatever_it_is_called_it_is_an_image_with_that_text(self, name: str) -> None:
        label = badge.plain(name)
        self.assertLessEqual(len(label), badge.MAX_LABEL)
        svg = badge.draw(label, "passed")
        self.assertEqual(texts(svg), [label, "passed"])
        root = ElementTree.fromstring(svg)  # noqa: S314 - our own
        self.assertEqual({element.tag for element in root.iter()}, {f"{SVG}{name}" for name in SHAPES})

    def test_it_is_as_wide_as_its_text(self) -> None:
        self.assertLess(badge.width("lllll"), badge.width("mmmmm"))
        self.assertEqual(badge.width("中文"), 24)
        self.assertEqual(badge.width("e\u0301"), badge.width("e"))

    def test_a_long_name_is_cut_and_an_invisible_one_made_visible(self) -> None:
        self.assertEqual(badge.plain("x" * 100), "x" * 59 + "…")
        self.assertEqual(badge.plain("a\u202eb\n c"), "a b c")


SHAPES = ("svg", "title", "path", "g", "text")


class BadgeCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.inside = Group.objects.create(name="inside")
        cls.alice = User.objects.create_user("alice", password="alice-password")
        cls.alice.groups.add(cls.inside)
        cls.stranger = User.objects.create_user("stranger", password="stranger-password")
        cls.open = Project.objects.create(name="Open & free", slug="open", recipe="x")
        cls.secret = Project.objects.create(name="Secret", slug="secret", recipe="x")
        cls.secret.groups.add(cls.inside)

    def build(self, status: str, ref: str = "", project: Project | None = None) -> Build:
        over = status not in ("queued", "running")
        return Build.objects.create(
            project=project or self.open,
            recipe="x",
            ref=ref,
            status=status,
            worker="w",
            started_at=None if status == "queued" else NOON,
            finished_at=NOON if over else None,
            lease_token=f"t{Build.objects.count()}" if status == "running" else None,
        )

    def ask(self, path: str, user: User | None = None, **headers: str) -> Any:
        self.client.logout()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return self.client.get(f"/projects/{path}", headers=headers)

    def said(self, path: str) -> list[str]:
        answer = self.ask(path, self.alice)
        self.assertEqual((answer.status_code, answer["Content-Type"]), (200, "image/svg+xml; charset=utf-8"))
        return texts(answer.content.decode())


class StatusTest(BadgeCase):
    def test_it_is_that_of_the_newest_finished_build(self) -> None:
        self.assertEqual(self.said("open/badge.svg"), ["Open & free", "no builds"])
        for status in ("passed", "failed", "cancelled", "lost"):
            self.build(status)
            self.build("queued")
            self.build("running")
            self.build("failed" if status == "passed" else "passed", project=self.secret)
            self.assertEqual(self.said("open/badge.svg")[1], status)

    def test_what_anybody_may_have_proposed_or_ran_elsewhere_says_nothing(self) -> None:
        self.build("passed", "main")
        for more in ({"pull_request": 7}, {"pull_request": 7, "fork": True}, {"fork": True}, {"outside": True}):
            build = self.build("failed", "main")
            Build.objects.filter(pk=build.pk).update(**more)
            self.assertEqual(self.said("open/badge.svg")[1], "passed")
            self.assertEqual(self.said("open/badge.svg?branch=main")[1], "passed")
        self.assertContains(self.ask("open/", self.alice), "<title>Open &amp; free: passed</title>")

    def test_without_a_branch_it_is_the_project_s_own(self) -> None:
        Project.objects.filter(slug="open").update(branch="main")
        self.build("passed", "main")
        self.build("failed", "topic")
        self.assertEqual(self.said("open/badge.svg")[1], "passed")
        self.build("lost")  # of nothing that was named: of the branch that is the project's
        self.assertEqual(self.said("open/badge.svg")[1], "lost")

    def test_a_branch_has_a_status_of_its_own(self) -> None:
        self.build("passed", "main")
        self.build("failed", "packets & more")
        self.build("queued", "main")
        self.assertEqual(self.said("open/badge.svg?branch=main")[1], "passed")
        self.assertEqual(self.said("open/badge.svg?branch=packets+%26+more")[1], "failed")
        self.assertEqual(self.said("open/badge.svg?branch=nowhere")[1], "no builds")

    def test_a_branch_is_that_of_the_commit_and_not_what_would_be_merged_into_it(self) -> None:
        self.build("passed", "")
        Build.objects.update(branch="main", commit="a" * 40)
        for more in ({"pull_request": 7}, {"tag": "v1"}):
            self.build("failed", "refs/x")
            Build.objects.filter(ref="refs/x").update(branch="main", ref="", **more)
        self.assertEqual(self.said("open/badge.svg?branch=main")[1], "passed")

    def test_a_branch_is_looked_for_among_the_newest_finished_builds(self) -> None:
        self.build("passed", "rare")
        for _ in range(3):
            self.build("failed", "main")
            self.build("queued", "main")
        with mock.patch.object(badge, "LOOKED_AT", 4):
            self.assertEqual(self.said("open/badge.svg?branch=rare")[1], "passed")
        with mock.patch.object(badge, "LOOKED_AT", 3):
            self.assertEqual(self.said("open/badge.svg?branch=rare")[1], "no builds")

    def test_a_label_is_text(self) -> None:
        from urllib.parse import quote

        self.assertEqual(self.said(f"open/badge.svg?label={quote(HOSTILE)}"), [HOSTILE, "no builds"])
        self.assertEqual(self.said(f"open/badge.svg?label={quote('build (日本)')}")[0], "build (日本)")

    def test_what_makes_no_sense_is_told_by_name(self) -> None:
        for query, name in (
            ("label=", "label"),
            ("label=%20", "label"),
            (f"label={'x' * 61}", "label"),
            ("label=a%00b", "label"),
            ("label=a%E2%80%AEb", "label"),
            ("branch=", "branch"),
            ("branch=a%00b", "branch"),
            (f"branch={'x' * 201}", "branch"),
        ):
            with self.subTest(query):
                answer = self.ask(f"open/badge.svg?{query}", self.alice)
                self.assertEqual((answer.status_code, answer["Content-Type"]), (400, "application/problem+json"))
                self.assertIn(f"{name}: expected 1 to", answer.json()["detail"])

    def test_only_reading_is_possible(self) -> None:
        self.client.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        self.assertEqual(self.client.post("/projects/open/badge.svg").status_code, 405)
        answer = self.client.head("/projects/open/badge.svg")
        self.assertEqual((answer.status_code, answer.content), (200, b""))


class KeptTest(BadgeCase):
    def test_it_is_asked_for_again_each_time_and_told_when_nothing_changed(self) -> None:
        self.build("passed")
        first = self.ask("open/badge.svg", self.alice)
        self.assertEqual(first["Cache-Control"], "private, no-cache, max-age=0")
        again = self.ask("open/badge.svg", self.alice, **{"If-None-Match": first["ETag"]})
        self.assertEqual((again.status_code, again.content, again["ETag"]), (304, b"", first["ETag"]))
        self.build("failed")
        changed = self.ask("open/badge.svg", self.alice, **{"If-None-Match": first["ETag"]})
        self.assertEqual(changed.status_code, 200)
        self.assertNotEqual(changed["ETag"], first["ETag"])
        other = self.ask("open/badge.svg?label=x", self.alice, **{"If-None-Match": changed["ETag"]})
        self.assertEqual(other.status_code, 200)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_what_everyone_may_see_a_proxy_may_keep(self) -> None:
        answer = self.ask("open/badge.svg")
        self.assertEqual(answer["Cache-Control"], "no-cache, max-age=0")
        self.assertIn("Authorization", answer["Vary"])

    def test_it_is_as_strict_as_every_page(self) -> None:
        answer = self.ask("open/badge.svg", self.alice)
        self.assertIn("default-src 'none'", answer["Content-Security-Policy"])
        self.assertEqual(answer["X-Content-Type-Options"], "nosniff")


class WhoTest(BadgeCase):
    """A stranger on every path: what is not theirs to see is not there."""

    def test_nobody_is_told_nothing_not_even_that_a_project_exists(self) -> None:
        answers = [self.ask(f"{slug}/badge.svg") for slug in ("open", "secret", "nowhere")]
        self.assertEqual({answer.status_code for answer in answers}, {401})
        self.assertEqual(len({answer.content for answer in answers}), 1)
        self.assertEqual(answers[0]["WWW-Authenticate"], "Bearer")

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_on_a_public_board_everyone_sees_what_has_no_groups(self) -> None:
        self.assertEqual(self.ask("open/badge.svg").status_code, 200)
        self.assert_hidden(None)

    def test_a_stranger_sees_what_is_open(self) -> None:
        self.assertEqual(self.ask("open/badge.svg", self.stranger).status_code, 200)
        self.assert_hidden(self.stranger)

    def test_a_bad_question_tells_a_stranger_no_more(self) -> None:
        for slug in ("secret", "nowhere"):
            self.assertEqual(self.ask(f"{slug}/badge.svg?label=", self.stranger).status_code, 404)

    def test_a_token_is_as_good_as_a_session(self) -> None:
        for user, status in ((self.alice, 200), (self.stranger, 404)):
            header = f"Bearer {access.new_token(user)}"
            self.assertEqual(self.ask("secret/badge.svg", Authorization=header).status_code, status)
        blind = f"Bearer {access.new_token(self.alice, scopes=('start',))}"
        self.assertEqual(self.ask("secret/badge.svg", Authorization=blind).status_code, 403)
        self.assertEqual(self.ask("open/badge.svg", self.alice, Authorization="Bearer bb_bad").status_code, 401)

    def assert_hidden(self, user: User | None) -> None:
        secret, nowhere = (self.ask(f"{slug}/badge.svg", user) for slug in ("secret", "nowhere"))
        self.assertEqual((secret.status_code, nowhere.status_code), (404, 404))
        self.assertEqual(secret.content.replace(b"secret", b"nowhere"), nowhere.content)
        self.assertNotIn(b"Secret", secret.content)


@tag("fast")
class SnippetsTest(SimpleTestCase):
    def test_they_are_whole_addresses_and_whatever_it_is_called_is_text(self) -> None:
        project = Project(name='A ]"b" <i>*c*_`', slug="a")
        request = RequestFactory().get("/", headers={"host": "testserver"})
        markdown, html = badge.snippets(request, project, "/projects/a/badge.svg")
        self.assertEqual(
            markdown.text,
            '[![A \\]"b" \\<i\\>\\*c\\*\\_\\`](http://testserver/projects/a/badge.svg)](http://testserver/projects/a/)',
        )
        self.assertEqual(
            html.text,
            '<a href="http://testserver/projects/a/"><img src="http://testserver/projects/a/badge.svg"'
            ' alt="A ]&quot;b&quot; &lt;i&gt;*c*_`"></a>',
        )
