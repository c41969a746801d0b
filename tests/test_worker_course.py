"""Steps that run beside each other, are tried again, are allowed to fail, or work in a workspace of their own."""

import time
from collections.abc import Iterable
from unittest import mock

from django.test import override_settings

from builds import events, lifecycle, printed
from builds.models import Build
from builds.states import Status
from builds.worker import runner
from builds.worker.endings import Ending
from builds.worker.jobs import Desk, Work
from builds.worker.running import Hook, Running, Start
from tests.support.processes import alive, eventually

from .test_worker_runner import DAEMON, WAIT, RunnerCase

MEET = 'touch "$PIDS/$BUILDBOARD_STEP"; while [ ! -e "$PIDS/{other}" ]; do sleep 0.01; done; echo met'
"""Ends only where the other step runs at the same time."""


def beside(run: str, **more: object) -> dict[str, object]:
    return {"run": run, "needs": [], **more}


class CourseCase(RunnerCase):
    def reasons(self, build: Build) -> list[str]:
        return [step.reason for step in build.steps.order_by("position")]

    def spans(self, build: Build) -> list[tuple[object, object]]:
        return [(step.started_at, step.finished_at) for step in build.steps.order_by("position")]


class ParallelTests(CourseCase):
    def test_steps_that_need_nothing_of_each_other_run_at_the_same_time(self) -> None:
        build = self.run_build(
            beside(MEET.format(other="s2")),
            beside(MEET.format(other="s1")),
            {"run": "echo last", "needs": ["s1", "s2"]},
        )
        self.assertEqual((build.status, self.steps(build)), ("passed", ["passed"] * 3))
        self.assertEqual([self.log(build, at) for at in range(3)], [["met"], ["met"], ["last"]])
        spans = self.spans(build)
        self.assertLessEqual(max(spans[0][1], spans[1][1]), spans[2][0])
        self.assertEqual([step.needed for step in build.steps.order_by("position")], [[], [], [0, 1]])

    def test_the_lines_of_all_are_numbered_for_each_and_none_is_lost(self) -> None:
        build = self.run_build(*[beside(f"seq 1 {count}") for count in (3_000, 20_000, 1, 9_000)])
        for at, count in enumerate((3_000, 20_000, 1, 9_000)):
            self.assertEqual(self.log(build, at), list(map(str, range(1, count + 1))))
        self.assertEqual(events.gaps(build.pk), [])

    def test_no_more_run_at_a_time_than_the_setting_says(self) -> None:
        with override_settings(BUILDBOARD_MAX_PARALLEL_STEPS=2):
            build = self.run_build(*[beside("sleep 0.2")] * 5)
        self.assertEqual(build.status, "passed")
        spans = self.spans(build)
        for began, _ in spans:
            self.assertLessEqual(sum(one <= began < ended for one, ended in spans), 2)

    def test_one_at_a_time_runs_them_in_the_order_of_the_recipe(self) -> None:
        with override_settings(BUILDBOARD_MAX_PARALLEL_STEPS=1):
            build = self.run_build({"run": "true", "needs": ["s3"]}, beside("true"), beside("true"))
        began = [began for began, _ in self.spans(build)]
        self.assertLess(began[1], began[2])
        self.assertLess(began[2], began[0])

    def test_when_one_fails_those_that_run_end_by_themselves_and_no_other_begins(self) -> None:
        build = self.run_build(
            beside("exit 3"),
            beside("sleep 0.5; echo done"),
            {"run": "echo never", "needs": ["s1"]},
            {"run": "echo never", "needs": ["s2"]},
        )
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 3."))
        self.assertEqual(self.steps(build), ["failed", "passed", "skipped", "skipped"])
        self.assertEqual(self.log(build, 1), ["done"])
        self.assertEqual(self.reasons(build)[2:], ["It needs s1, which failed.", "Step s1 failed before it began."])

    def test_all_that_fail_are_named(self) -> None:
        build = self.run_build(beside("exit 3"), beside("sleep 0.5; exit 4"))
        self.assertEqual(build.reason, "Step s1: exit code 3. Failed as well: s2.")

    def test_a_steps_own_time_ends_that_step_and_no_other(self) -> None:
        build = self.run_build(beside("sleep 60", timeout=1), beside("sleep 1.5; echo done"))
        self.assertEqual((build.status, build.reason), ("failed", "Step s1 took longer than its 1s."))
        self.assertEqual((self.steps(build), self.log(build, 1)), (["failed", "passed"], ["done"]))

    def test_a_cancel_ends_all_of_them(self) -> None:
        run = (
            DAEMON.replace("daemon", "$BUILDBOARD_STEP")
            + 'while [ ! -s "$PIDS/$BUILDBOARD_STEP" ]; do sleep 0.01; done; sleep 60'
        )
        lease = self.queue(beside(run), beside(run), {"run": "echo never", "if": "always()"})

        def cancel() -> None:
            self.pid("s1"), self.pid("s2")
            lifecycle.cancel(lease.build_id, by="alice")

        self.meanwhile(cancel)
        build = self.run_lease(lease)
        self.assertEqual((build.status, build.reason), ("cancelled", "Cancelled by alice."))
        self.assertEqual(self.steps(build), ["cancelled", "cancelled", "skipped"])
        self.assertFalse(alive(self.pid("s1")) or alive(self.pid("s2")))

    def test_a_guardian_that_is_killed_costs_its_own_step_alone(self) -> None:
        build = self.run_build(
            beside(DAEMON + WAIT + "kill -9 $PPID; sleep 60"), beside("sleep 1; echo done", allow_failure=True)
        )
        self.assertEqual(build.reason, "Step s1 was stopped because its guardian process died.")
        self.assertEqual((self.steps(build), self.log(build, 1)), (["failed", "passed"], ["done"]))
        self.assertFalse(alive(self.pid()))

    def test_the_builds_time_ends_all_of_them(self) -> None:
        build = self.run_build(beside("sleep 60"), beside("sleep 60"), timeout=1)
        self.assertEqual((build.status, build.reason), ("failed", "The build took longer than its 1s."))
        self.assertEqual(self.steps(build), ["failed", "failed"])


class ConditionTests(CourseCase):
    def test_a_failure_that_is_allowed_does_not_fail_the_build(self) -> None:
        build = self.run_build({"run": "exit 3", "allow_failure": True}, "echo on")
        self.assertEqual((build.status, build.reason, self.steps(build)), ("passed", "", ["failed", "passed"]))

    def test_what_runs_is_said_by_conditions_and_what_does_not_by_reasons(self) -> None:
        build = self.run_build(
            "exit 3",
            {"run": "echo never"},
            {"run": "echo failed", "if": "failed() and steps.s1.status == 'failed'"},
            {"run": "echo always", "if": "always()"},
            {"run": "echo never", "if": 'always() and (branch == "x" or inputs.a == 2)'},
            inputs={"a": {"type": "number", "default": 1}},
        )
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 3."))
        self.assertEqual(self.steps(build), ["failed", "skipped", "passed", "passed", "skipped"])
        condition = 'Its condition does not hold: always() and (branch == "x" or inputs.a == 2)'
        self.assertEqual(self.reasons(build), ["Exit code 3.", "It needs s1, which failed.", "", "", condition])

    def test_a_matrix_finds_its_values_in_the_environment(self) -> None:
        build = self.run_build(
            {"run": 'echo "$MATRIX_A-$MATRIX_B"', "matrix": {"a": [1, 2], "b": ["x y"]}, "needs": []},
        )
        self.assertEqual(
            [step.name for step in build.steps.order_by("position")], ["s1 (a=1, b=x y)", "s1 (a=2, b=x y)"]
        )
        self.assertEqual([self.log(build, at) for at in range(2)], [["1-x y"], ["2-x y"]])

    def test_what_is_started_by_hand_of_what_somebody_proposes_is_a_fork_s(self) -> None:
        lease = self.queue({"run": "echo ours", "if": "not fork"}, {"run": "echo anybody", "if": "fork"})
        lifecycle.finish(lease, Status.PASSED)
        project = Build.objects.get(pk=lease.build_id).project
        for ref, ran in (("main", ["passed", "skipped"]), ("refs/pull/7/head", ["skipped", "passed"])):
            lifecycle.enqueue(project, by="alice", ref=ref)
            build = self.run_lease(lifecycle.claim("test:1", ref))
            self.assertEqual(self.steps(build), ran, ref)


class RetryTests(CourseCase):
    def test_a_step_is_tried_again_and_its_log_says_so(self) -> None:
        build = self.run_build(
            {"run": 'printf "try $BUILDBOARD_ATTEMPT"; test -e again || { touch again; exit 7; }', "retry": 2},
            "echo on",
        )
        self.assertEqual((build.status, self.steps(build)), ("passed", ["passed", "passed"]))
        said = "::notice::Attempt 2 of 3. The one before: exit code 7."
        self.assertEqual(self.log(build), ["try 1", said, "try 2"])
        step = build.steps.get(position=0)
        self.assertEqual((step.attempt, step.attempts, build.notices_told), (2, 3, 1))
        self.assertIn('"attempt":2,"attempts":3', events.read(build.pk, 0, kinds=["step"])[1].data)

    def test_the_last_attempt_decides(self) -> None:
        build = self.run_build({"run": "exit $BUILDBOARD_ATTEMPT", "retry": 1}, "echo never")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 2."))
        self.assertEqual(build.steps.get(position=0).attempt, 2)

    def test_what_would_end_in_the_same_way_is_not_tried_again(self) -> None:
        build = self.run_build({"run": "echo never", "retry": 3, "secrets": ["NONE"]})
        why = "needs the secret NONE, which this project does not have."
        self.assertEqual((build.status, build.reason), ("failed", f"Step s1 {why}"))
        self.assertEqual((build.steps.get().attempt, self.log(build)), (1, []))

    def test_an_attempt_has_its_own_time_and_leaves_nothing_running(self) -> None:
        build = self.run_build(
            {
                "run": f"[ $BUILDBOARD_ATTEMPT = 2 ] || {{ {DAEMON.strip()}; {WAIT.strip()}; sleep 60; }}",
                "timeout": 1,
                "retry": 1,
            }
        )
        self.assertEqual(build.status, "passed")
        self.assertEqual(self.log(build), ["::notice::Attempt 2 of 2. The one before: took longer than its 1s."])
        self.assertFalse(alive(self.pid()))

    def test_a_build_that_is_cancelled_is_not_tried_again(self) -> None:
        lease = self.queue({"run": "echo ready; trap 'exit 1' TERM; while :; do sleep 0.05; done", "retry": 5})

        def cancel() -> None:
            eventually(lambda: printed.total_lines(lease.build_id, 0), 10)
            lifecycle.cancel(lease.build_id, by="alice")

        self.meanwhile(cancel)
        build = self.run_lease(lease)
        self.assertEqual((build.status, build.steps.get().attempt), ("cancelled", 1))


class HookTests(CourseCase):
    def test_what_belongs_to_a_step_is_done_before_and_after_its_script(self) -> None:
        seen: list[str] = []

        class Own(Hook):
            def before(self, step: Running) -> Iterable[Start]:
                yield lambda: Work("Bringing", lambda desk: desk.say(f"bring {step.name}"))
                seen.append("brought")

            def after(self, step: Running, ending: Ending) -> Iterable[Start]:
                yield lambda: Work("Taking", lambda desk: desk.say(f"take {step.name} {ending.status}"))
                seen.append(str(ending.status))

        with mock.patch.object(runner, "hooks", lambda *_: [Own()]):
            build = self.run_build({"run": "echo script; exit 1", "retry": 1})
        header = "::notice::Attempt 2 of 2. The one before: exit code 1."
        self.assertEqual(self.log(build), ["bring s1", "script", header, "script", "take s1 failed"])
        self.assertEqual((build.status, seen), ("failed", ["brought", "failed"]))

    def test_one_that_fails_after_a_step_that_passed_fails_it(self) -> None:
        def refuse(desk: Desk) -> None:
            raise ValueError("it is too large")

        class Own(Hook):
            def after(self, step: Running, ending: Ending) -> Iterable[Start]:
                return [lambda: Work("The artifact", refuse), lambda: Work("Next", lambda desk: desk.say("never"))]

        with mock.patch.object(runner, "hooks", lambda *_: [Own()]):
            build = self.run_build("true")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: the artifact: it is too large."))
        self.assertEqual(self.log(build), [])

    def test_a_cancel_ends_work_as_it_ends_processes(self) -> None:
        begun: list[int] = []

        def wait(desk: Desk) -> None:
            begun.append(1)
            while True:
                desk.check()
                time.sleep(0.01)

        class Own(Hook):
            def before(self, step: Running) -> Iterable[Start]:
                return [lambda: Work("Waiting", wait)]

        lease = self.queue("echo never")

        def cancel() -> None:
            eventually(lambda: begun, 10)
            lifecycle.cancel(lease.build_id, by="alice")

        self.meanwhile(cancel)
        with mock.patch.object(runner, "hooks", lambda *_: [Own()]):
            build = self.run_lease(lease)
        self.assertEqual((build.status, self.steps(build), self.log(build)), ("cancelled", ["cancelled"], []))
        self.assertEqual(self.result, Status.CANCELLED)
