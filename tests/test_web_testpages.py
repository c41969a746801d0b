"""Tests on pages and in the API: escaped, filtered, and for nobody who may not see the build."""

import html
import re

from django.contrib.auth.models import Group
from django.test import SimpleTestCase

from builds import access, events, testcases
from builds.junit import Case
from builds.models import Build, TestCase, TestReport
from builds.testcases import Counts, Past
from builds.web import testpages
from builds.web.testpages import heading, lately

from .node import twins
from .pages import HOSTILE, PagesCase


class WordsTest(SimpleTestCase):
    def test_the_script_says_the_same(self) -> None:
        some = [(0, 0, 0), (1, 0, 0), (412, 3, 5), (0, 0, 7), (12_345, 1, 0)]
        self.assertEqual(twins([("counts", list(each)) for each in some]), [heading(*each) for each in some])
        self.assertEqual(heading(412, 3, 5), "3 failed, 412 passed, 5 skipped")

    def test_what_is_said_of_the_past(self) -> None:
        self.assertEqual(lately(Past(3, 20, True)), "failed in 3 of the last 20")
        self.assertEqual((lately(None), lately(Past(1, 1, False))), ("", ""))


class TestPagesTest(PagesCase):
    def reported(self, *cases: Case) -> Build:
        build, lease = self.running()
        counts = Counts()
        for one in cases:
            counts = counts.plus(one.status)
        with self.captureOnCommitCallbacks(execute=True):
            testcases.add(lease, 0, events.step_names(build.pk)[0], 1, cases)
        with self.captureOnCommitCallbacks(execute=True):
            testcases.tell(lease, 0, counts)
        return build

    def page(self, build: Build, path: str = "", status: int = 200) -> str:
        answer = self.client.get(f"/builds/{build.pk}/{path}")
        self.assertEqual(answer.status_code, status)
        return html.unescape(answer.content.decode())

    def test_failed_tests_are_at_the_top_of_the_builds_page(self) -> None:
        build = self.reported(
            Case("s", "pkg.TestA", "test_no", "failed", 1.5, "assert 1 == 2", "trace", "a.py", 7),
            Case("s", "pkg.TestA", "test_ok", "passed"),
            Case("s", "pkg.TestA", "test_off", "skipped"),
        )
        page = self.page(build)
        for part in (
            "1 failed, 1 passed, 1 skipped",
            "<b>test_no</b>",
            "pkg.TestA",
            "assert 1 == 2",
            "a.py:7",
            "trace",
        ):
            self.assertIn(part, page)
        self.assertIn(f'href="/builds/{build.pk}/?q=test_no"', page)
        self.assertNotIn("<b>test_ok</b>", page)
        self.assertLess(page.index("test_no"), page.index('id="lines"'))

    def test_a_build_without_tests_has_no_such_panel(self) -> None:
        build, _ = self.running()
        self.assertRegex(self.page(build), r'id="tests"[^>]* hidden>')
        self.assertIn("The build is not over", self.page(build, "tests/"))

    def test_a_test_that_changes_its_mind_is_marked(self) -> None:
        for status in ("failed", "passed", "failed"):
            build = self.reported(Case("", "c", "shaky", status))
            Build.objects.filter(pk=build.pk).update(
                status="failed", finished_at=build.created_at, started_at=build.created_at, lease_token=None
            )
        page = self.page(build)
        self.assertIn("failed in 2 of the last 3", page)
        self.assertIn('<span class="flaky">flaky</span>', page)
        self.assertIn("<b>shaky</b>", self.page(build, "tests/?flaky=1"))

    def test_where_they_are_of_several_steps_each_row_says_of_which(self) -> None:
        build = self.reported(Case("", "c", "first", "failed"))
        for path in ("", "tests/"):
            self.assertNotIn('<span class="muted of"', self.page(build, path))
            self.assertIn("<span>step compile</span>", self.page(build, path))
        step = build.steps.get(position=1)
        TestCase.objects.create(build=build, step=1, number=1, key=7, name="second", classname="c", status="failed")
        TestReport.objects.create(build=build, step=1, failed=1)
        build.steps.filter(pk=step.pk).update(name="test (os=<b>, db=a)")
        for path in ("", "tests/"):
            page = self.page(build, path)
            of = re.findall(r'<span class="muted of".*?</span>(.*?)</span>', page)
            self.assertEqual(of[:2], ["compile", "test (os=<b>, db=a)"])
            self.assertNotIn("<span>step ", page)
            self.assertNotIn("<b>, db", self.client.get(f"/builds/{build.pk}/{path}").content.decode())

    def test_the_list_is_filtered_and_paged(self) -> None:
        cases = [Case("", "pkg", f"t{number:03}", "passed") for number in range(testpages.PAGE + 5)]
        build = self.reported(*cases, Case("", "other", "bad", "error", file="x/y.c"))
        page = self.page(build, "tests/")
        self.assertIn(f'href="?from={testpages.PAGE}"', page)
        self.assertIn("t049", page)
        self.assertNotIn("t050", page)
        self.assertIn("t050", self.page(build, f"tests/?from={testpages.PAGE}"))
        for query in ("status=failed", "q=bad", "q=OTHER", "q=y.c"):
            page = self.page(build, f"tests/?{query}")
            self.assertIn("<b>bad</b>", page)
            self.assertNotIn("<b>t000</b>", page)
        self.assertIn("No such test", self.page(build, "tests/?q=nothing"))
        for odd in ("from=x", "from=-1", "from=99999999999", "status=lost", "q=%00", "flaky=2"):
            self.page(build, f"tests/?{odd}")
        self.assertNotIn("<b>t000</b>", self.page(build, "tests/?panel=1"))

    def test_hostile_words_do_no_harm(self) -> None:
        words = [word[:400].replace("\x00", "") for word in HOSTILE]
        build = self.reported(*(Case(word, word, word, "failed", None, word, word, word, 1) for word in words))
        for path in ("", "tests/"):
            raw = self.client.get(f"/builds/{build.pk}/{path}").content.decode()
            self.assertNotIn("<script>alert", raw)
            self.assertNotIn("<img src=x", raw)

    def test_whoever_may_not_see_the_build_sees_none_of_it(self) -> None:
        build = self.reported(Case("", "c", "a", "failed"))
        self.project.groups.add(Group.objects.create(name="others"))
        self.page(build, "tests/", 404)
        self.api(build, status=404)

    def api(self, build: Build, query: str = "", status: int = 200) -> dict:
        token = access.new_token(self.alice)
        answer = self.client.get(
            f"/api/v1/builds/{build.pk}/tests{query}", headers={"authorization": f"Bearer {token}"}
        )
        self.assertEqual(answer.status_code, status)
        return answer.json()

    def test_the_api_lists_them(self) -> None:
        build = self.reported(Case("s", "c", "a", "failed", 0.5, "m", "t", "f", 3), Case("s", "c", "b", "passed"))
        told = self.api(build, "?limit=1")
        self.assertEqual((told["passed"], told["failed"], told["skipped"]), (1, 1, 0))
        self.assertEqual(
            told["items"],
            [
                {
                    "step": "compile", "suite": "s", "class": "c", "name": "a", "status": "failed", "seconds": 0.5,
                    "message": "m", "text": "t", "file": "f", "line": 3, "failed_lately": 1, "flaky": False,
                }
            ],
        )  # fmt: skip
        self.assertEqual([one["name"] for one in self.client.get(told["next"]).json()["items"]], ["b"])
        self.assertEqual([one["name"] for one in self.api(build, "?status=passed")["items"]], ["b"])
        for wrong in ("?status=lost", "?from=-1", "?limit=501"):
            self.api(build, wrong, 422)
