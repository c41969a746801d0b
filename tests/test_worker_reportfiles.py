"""Whose report a file is, where steps share a workspace: each is told once, by a step that may have written it."""

from unittest import mock

from builds import landmarks, testcases
from builds.models import Build, TestReport
from builds.worker import reporting

from .test_worker_runner import RunnerCase


def write(file: str, tests: int = 1) -> str:
    """A script that writes a report of so many tests, which are called by their file."""
    cases = "".join(f'<testcase name="{file}-{number}"/>' for number in range(tests))
    return f"echo '<testsuite>{cases}</testsuite>' > {file}"


def until(file: str) -> str:
    return f"until test -e {file}; do sleep 0.02; done"


class ReportFilesTest(RunnerCase):
    def told(self, build: Build) -> list[list[str]]:
        """By step: what its tests are called."""
        rows = list(testcases.cases(build.pk).values_list("step", "name"))
        count = TestReport.objects.filter(build=build).count()
        self.assertEqual(len({step for step, _ in rows}), count)
        return [[name for step, name in rows if step == at] for at in range(build.steps.count())]

    def said(self, build: Build) -> list[str]:
        return [one.said.message for one in landmarks.annotations(build.pk)]

    def test_a_step_that_collects_tells_what_is_nobodys(self) -> None:
        build = self.run_build(write("a.xml"), {"run": "true", "reports": "*.xml"}, {"run": "true", "reports": "a.xml"})
        self.assertEqual(self.told(build), [[], ["a.xml-0"], []])
        self.assertIn("Test reports: 1 file is left to another step.", self.log(build, 2))

    def test_what_is_moved_or_copied_into_a_workspace_of_its_own_is_the_same(self) -> None:
        build = self.run_build(
            {"run": write("a.xml"), "reports": "a.xml"},
            {"run": write("b.xml"), "reports": "*.xml", "workspace": "own"},
            {"run": "mv a.xml c.xml", "reports": "*.xml"},
            {"run": "touch a.xml; " + write("a.xml"), "reports": "*.xml", "workspace": "own"},
        )
        self.assertEqual(self.told(build), [["a.xml-0"], ["b.xml-0"], [], ["a.xml-0"]])

    def beside_one_that_has_written(self, workspace: str) -> Build:
        return self.run_build(
            {"run": f"{write('a.xml')}; {until('$PIDS/over')}", "reports": "*.xml", "needs": []},
            {"run": until("a.xml"), "needs": []},
            {"run": "true", "reports": "*.xml", "needs": "s2", "workspace": workspace},
            {"run": "touch $PIDS/over", "needs": "s3"},
        )

    def test_what_a_step_that_still_runs_has_written_before_another_began_is_its_own(self) -> None:
        self.assertEqual(self.told(self.beside_one_that_has_written("shared")), [["a.xml-0"], [], [], []])

    def test_also_where_the_other_one_has_a_copy_of_it(self) -> None:
        self.assertEqual(self.told(self.beside_one_that_has_written("own")), [["a.xml-0"], [], [], []])

    def test_of_several_that_may_have_written_it_the_first_that_is_over_tells_it(self) -> None:
        build = self.run_build(
            {"run": f"{until('begun')}; {write('a.xml')}; {until('$PIDS/over')}", "reports": "*.xml", "needs": []},
            {"run": f"touch begun; {until('a.xml')}; sleep 0.1", "reports": "*.xml", "needs": []},
            {"run": "touch $PIDS/over", "needs": "s2"},
        )
        self.assertEqual(self.told(build), [[], ["a.xml-0"], []])

    def test_what_is_no_whole_report_yet_is_left_to_who_may_be_writing_it(self) -> None:
        half = "printf '<testsuite><testcase name=\"a\"/>' > a.xml"
        rest = "printf '<testcase name=\"b\"/></testsuite>' >> a.xml"
        build = self.run_build(
            {"run": f"{until('begun')}; {half}; {until('$PIDS/over')}; {rest}", "reports": "*.xml", "needs": []},
            {"run": f"touch begun; {until('a.xml')}; sleep 0.1", "reports": "*.xml", "needs": []},
            {"run": "touch $PIDS/over", "needs": "s2"},
        )
        self.assertEqual(self.told(build), [["a", "b"], [], []])
        self.assertEqual(self.said(build), [])
        self.assertIn(
            "a.xml is no whole report yet: left to a step that still runs, and may be writing it.", self.log(build, 1)
        )

    def test_what_nobody_completes_is_an_error_of_the_last(self) -> None:
        build = self.run_build(
            {"run": f"{until('begun')}; echo '<t' > a.xml; {until('$PIDS/over')}", "reports": "*.xml", "needs": []},
            {"run": f"touch begun; {until('a.xml')}; sleep 0.1", "reports": "*.xml", "needs": []},
            {"run": "touch $PIDS/over", "needs": "s2"},
            {"run": "true", "reports": "*.xml", "needs": "s1"},
        )
        self.assertEqual(len(self.said(build)), 1)
        self.assertIn("a.xml is not well-formed XML", self.said(build)[0])

    def test_the_reports_of_other_steps_count_for_no_bound(self) -> None:
        first = "; ".join(write(f"a{number}.xml") for number in range(3))
        with mock.patch.object(reporting, "MAX_FILES", 3):
            build = self.run_build({"run": first, "reports": "*.xml"}, {"run": write("b.xml"), "reports": "*.xml"})
        self.assertEqual(self.told(build), [["a0.xml-0", "a1.xml-0", "a2.xml-0"], ["b.xml-0"]])
        self.assertEqual(self.said(build), [])

    def bounded(self, script: str, **bound: int) -> None:
        with mock.patch.multiple(reporting, **bound):
            build = self.run_build(
                {"run": f"{write('a.xml', 2)}; {script}", "reports": "*.xml"}, {"run": "true", "reports": "*.xml"}
            )
        self.assertEqual(self.told(build), [["a.xml-0", "a.xml-1"], ["b.xml-0"]])
        self.assertIn("b.xml and what follows is not read", self.said(build)[0])

    def test_what_is_one_file_too_many_for_a_step_is_not_lost_for_another(self) -> None:
        self.bounded(write("b.xml"), MAX_FILES=1)

    def test_nor_is_what_is_too_large_for_it(self) -> None:
        self.bounded(f"{write('b.xml')}; printf '%1048500s' >> b.xml", MAX_ALL_BYTES=1024 * 1024)
