"""The test reports of a step: read however it ended, bounded, and what cannot be read is said."""

import re
from typing import Any
from unittest import mock

import yaml

from builds import junit, landmarks, safe, testcases
from builds.models import Build, TestCase, TestReport
from builds.worker import reporting

from .support import ROOT
from .test_worker_runner import RunnerCase

REPORTS = ROOT / "tests/reports"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'


class ReportingTest(RunnerCase):
    def build(self, run: str, *patterns: str, **more: Any) -> Build:
        return self.run_build({"run": run, "reports": list(patterns), **more})

    def counts(self, build: Build) -> tuple[int, int, int]:
        return build.tests_passed, build.tests_failed, build.tests_skipped

    def said(self, build: Build) -> list[tuple[str, str]]:
        return [(one.said.level, one.said.message) for one in landmarks.annotations(build.pk)]

    def test_what_the_usual_tools_write(self) -> None:
        build = self.build(f"cp {REPORTS}/*.xml .", "*.xml")
        self.assertEqual(self.log(build), ["Tests: 4 passed, 4 failed, 2 skipped"])
        self.assertEqual((build.status, self.counts(build)), ("passed", (4, 4, 2)))
        self.assertEqual(testcases.cases(build.pk).count(), 10)
        self.assertEqual(self.said(build), [])

    def test_a_step_that_failed_has_its_tests(self) -> None:
        build = self.build(f"cp {REPORTS}/pytest.xml .; exit 1", "pytest.xml", "none.xml")
        self.assertEqual((build.status, self.counts(build)), ("failed", (1, 2, 1)))
        self.assertEqual(self.said(build), [])

    def test_a_file_is_a_report_of_one_step_and_of_another_once_it_is_written_again(self) -> None:
        one = {"run": f"cp {REPORTS}/pytest.xml a.xml", "reports": ["*.xml"]}
        both = {"run": f"cp {REPORTS}/pytest.xml b.xml", "reports": ["*.xml"]}
        again = {"run": "cp a.xml c; mv c a.xml", "reports": ["*.xml"]}
        build = self.run_build(one, both, again)
        self.assertEqual(self.counts(build), (3, 6, 3))
        by_step = TestReport.objects.filter(build=build).order_by("step").values_list("passed", flat=True)
        self.assertEqual(list(by_step), [1, 1, 1])

    def test_no_secret_is_in_it(self) -> None:
        value = "hunter22-of-the-board"
        filler = "x" * (junit.MAX_TEXT // 2 - 5)
        with open(self.folder / "r.xml", "w") as file:
            file.write(
                f'<testsuite name="{value}"><testcase name="a[{value}]" classname="{value}" file="{value}">'
                f'<failure message="{value} != 1">{filler}{value}{filler}{"y" * 80_000}{value}\n</failure>'
                f'</testcase><testcase name="{"n" * 490}{value}"/></testsuite>'
            )
        script = 'echo "::add-mask::other-secret"; sed "s/a\\[/other-secret a[/" $PIDS/r.xml > r.xml'
        lease = self.queue({"run": script, "reports": ["r.xml"], "secrets": ["TOKEN"]})
        safe.put(Build.objects.get(pk=lease.build_id).project, "TOKEN", value, by="alice")
        build = self.run_lease(lease)
        self.assertEqual(self.counts(build), (1, 1, 0))
        stored = repr(list(TestCase.objects.filter(build=build).values()))
        for part in (value, value[:8], value[-8:], "other-secret"):
            self.assertNotIn(part, stored)
        self.assertIn("*** a[***]", stored)

    def test_no_report_is_a_warning(self) -> None:
        build = self.build("true", "reports/*.xml")
        self.assertEqual(self.said(build), [("warning", "reports/*.xml means no file.")])
        self.assertFalse(TestReport.objects.exists())

    def test_what_cannot_be_read_is_an_error_and_the_rest_is_read(self) -> None:
        (self.folder / "bomb.xml").write_text(BOMB)
        build = self.build(
            f"cp $PIDS/bomb.xml a.xml; echo no > b.xml; ln -s /etc/passwd c.xml; cp {REPORTS}/jest.xml d.xml", "*.xml"
        )
        self.assertEqual(
            self.said(build),
            [
                ("warning", "c.xml: a symbolic link is not followed: left out."),
                ("error", "a.xml has a document type, and with it there could be entities: expected none."),
                ("error", "b.xml is not well-formed XML: syntax error, line 1."),
            ],
        )
        self.assertEqual((build.status, self.counts(build)), ("passed", (0, 1, 0)))

    def test_each_bound_is_said(self) -> None:
        inside = "".join(f'<testcase name="t{number}"/>' for number in range(9))
        for number in range(3):
            (self.folder / f"r{number}.xml").write_text(f"<testsuite>{inside}</testsuite>")
        bounds = mock.patch.multiple(reporting, MAX_CASES=10, MAX_FILES=2, BATCH=4)
        with bounds:
            build = self.build("cp $PIDS/r*.xml .", "*.xml")
        self.assertEqual(self.counts(build), (18, 0, 0))
        self.assertEqual(testcases.cases(build.pk).count(), 10)
        self.assertEqual(
            self.said(build),
            [
                ("error", "r2.xml and what follows is not read: a step has 2 reports at most."),
                ("warning", "8 tests are counted and not kept: a step has 10 at most."),
            ],
        )

    def test_all_bytes_of_a_step_are_bounded(self) -> None:
        with mock.patch.object(reporting, "MAX_ALL_BYTES", 1024 * 1024):
            build = self.build(
                f"cp {REPORTS}/jest.xml a.xml; head -c 1048576 /dev/zero > b.xml; cp a.xml c.xml", "*.xml"
            )
        self.assertEqual(self.counts(build), (0, 1, 0))
        self.assertIn("b.xml and what follows is not read: a step's reports have 1 MB at most.", self.said(build)[0][1])

    def test_of_a_step_that_is_tried_again_the_last_attempt_counts(self) -> None:
        first = f"cp {REPORTS}/jest.xml a.xml; touch again; exit 1"
        build = self.build(
            f"if test -e again; then cp {REPORTS}/googletest.xml a.xml; else {first}; fi", "a.xml", retry=1
        )
        self.assertEqual((build.status, self.counts(build)), ("passed", (1, 0, 1)))

    def test_the_example_of_the_page_about_tests(self) -> None:
        text = (ROOT / "docs/tests.md").read_text()
        [example] = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        build = self.run_build(**yaml.safe_load(example))
        self.assertEqual(self.counts(build), (1, 1, 0))
        [failed] = testcases.failed(build.pk)
        self.assertEqual((failed.name, failed.message), ("test_three", "assert 5 == 3 + 3"))
