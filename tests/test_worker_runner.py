"""Whole builds, run by a runner in this process on the test database: statuses, reasons, logs, and who is left."""

import os
import tempfile
import threading
import time
from itertools import groupby
from pathlib import Path
from unittest import mock

import yaml
from django.db import OperationalError, connection
from django.test import TransactionTestCase, override_settings

from builds import events, lifecycle, printed
from builds.events import Lease
from builds.models import Build, Project
from builds.states import Status
from builds.worker.orders import Orders
from builds.worker.runner import Runner
from builds.worker.storing import Storing
from tests.support.processes import alive, eventually

DAEMON = "(setsid sh -c 'echo $$ > \"$PIDS/daemon\"; while :; do sleep 0.1; done' >/dev/null 2>&1 &)\n"
WAIT = 'while [ ! -s "$PIDS/daemon" ]; do sleep 0.01; done\n'


class RunnerCase(TransactionTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-runner-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        changed = override_settings(BUILDBOARD_DATA=self.folder)
        changed.enable()
        self.addCleanup(changed.disable)
        self.orders = Orders()

    def queue(self, *scripts: str, **recipe: object) -> Lease:
        """A claimed build with a step `s1`, `s2` … for each script; a script may be a whole step."""
        steps = [
            {"name": f"s{number}"} | (script if isinstance(script, dict) else {"run": script})
            for number, script in enumerate(scripts, 1)
        ]
        text = yaml.safe_dump({"steps": steps, "env": {"PIDS": str(self.folder)}} | recipe)
        project = Project.objects.create(name="p", slug="p", recipe=text)
        lifecycle.enqueue(project, by="alice")
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        assert lease is not None
        return lease

    def run_build(self, *scripts: str, **recipe: object) -> Build:
        return self.run_lease(self.queue(*scripts, **recipe))

    def run_lease(self, lease: Lease, grace: float = 0.3, storing: Storing | None = None) -> Build:
        self.result = Runner(lease, self.orders, grace=grace, storing=storing).run()
        return Build.objects.get(pk=lease.build_id)

    def log(self, build: Build, step: int = 0) -> list[str]:
        return [line.text for line in printed.lines(build.pk, step, 1, printed.total_lines(build.pk, step))]

    def steps(self, build: Build) -> list[str]:
        return [step.status for step in build.steps.order_by("position")]

    def pid(self, name: str = "daemon") -> int:
        file = self.folder / name
        eventually(lambda: file.exists() and file.read_text().strip(), 10)
        return int(file.read_text())

    def meanwhile(self, action: object) -> None:
        """Do that in another thread while the build runs; with the test's end it has ended too."""

        def act() -> None:
            try:
                action()
            finally:
                connection.close()

        thread = threading.Thread(target=act)
        thread.start()
        self.addCleanup(thread.join)


class EndingTests(RunnerCase):
    def test_a_build_whose_steps_exit_with_0_has_passed(self) -> None:
        build = self.run_build("echo one", "echo two; printf 'no line feed'")
        self.assertEqual((build.status, build.reason, self.steps(build)), ("passed", "", ["passed", "passed"]))
        self.assertEqual((self.log(build), self.log(build, 1)), (["one"], ["two", "no line feed"]))
        kinds = [kind for kind, _ in groupby(record.kind for record in events.read(build.pk, 0))]
        self.assertEqual(kinds, ["build", "step", "log", "step", "log", "step", "build"])

    def test_a_step_that_fails_ends_the_build_and_skips_the_rest(self) -> None:
        build = self.run_build("exit 3", "echo never")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 3."))
        self.assertEqual(self.steps(build), ["failed", "skipped"])
        self.assertEqual(build.steps.get(position=0).exit_code, 3)

    def test_a_step_ended_by_a_signal_has_failed_and_says_which(self) -> None:
        build = self.run_build("kill -9 $$")
        self.assertEqual(build.reason, "Step s1 was ended by signal 9 (SIGKILL).")
        self.assertEqual(build.steps.get().exit_code, -9)

    def test_a_command_that_does_not_exist_has_failed_with_the_shells_own_words(self) -> None:
        build = self.run_build("no-such-command --flag")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 127."))
        self.assertEqual(self.log(build), ["../1-s1.sh: 1: no-such-command: not found"])

    def test_a_workspace_that_cannot_be_written_fails_the_build_and_says_so(self) -> None:
        (self.folder / "workspaces").write_text("a file is in the way")
        build = self.run_build("echo never")
        self.assertEqual(build.status, "failed")
        self.assertIn("workspace could not be made", build.reason)
        self.assertEqual(self.steps(build), ["skipped"])

    def test_a_build_that_was_queued_under_other_bounds_ends_and_says_which(self) -> None:
        lease = self.queue("true", "true", "true")
        with override_settings(BUILDBOARD_MAX_STEPS=2):
            build = self.run_lease(lease)
        reason = "The recipe is not valid: line 4: steps: expected at most 2 steps, not 3."
        self.assertEqual((build.status, build.reason), ("failed", reason))
        self.assertEqual(self.steps(build), ["skipped"] * 3)

    def test_a_long_line_is_cut_where_the_setting_says(self) -> None:
        with override_settings(BUILDBOARD_MAX_LINE_KB=2):
            build = self.run_build(
                "head -c 2048 /dev/zero | tr '\\0' x; echo; head -c 2050 /dev/zero | tr '\\0' y; echo"
            )
        self.assertEqual(self.log(build), ["x" * 2048, "y" * 2048 + "… [2 more characters were cut]"])

    def test_a_step_is_ended_when_its_time_is_over(self) -> None:
        build = self.run_build({"run": "echo before; sleep 60", "timeout": 1}, "echo never")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1 took longer than its 1s."))
        self.assertEqual((self.steps(build), self.log(build)), (["failed", "skipped"], ["before"]))
        self.assertIsNone(build.steps.get(position=0).exit_code)

    def test_a_build_is_ended_when_its_time_is_over(self) -> None:
        build = self.run_build("sleep 0.2", "sleep 60", timeout=1)
        self.assertEqual((build.status, build.reason), ("failed", "The build took longer than its 1s."))
        self.assertEqual(self.steps(build), ["passed", "failed"])

    def test_a_cancel_ends_the_step_and_everything_that_it_started(self) -> None:
        lease = self.queue(DAEMON + WAIT + "echo ready; trap '' TERM; while :; do sleep 0.1; done")

        def cancel() -> None:
            self.pid()
            lifecycle.cancel(lease.build_id, by="alice")

        self.meanwhile(cancel)
        build = self.run_lease(lease)
        self.assertEqual((build.status, build.reason), ("cancelled", "Cancelled by alice."))
        self.assertEqual((self.steps(build), self.result), (["cancelled"], Status.CANCELLED))
        self.assertFalse(alive(self.pid()))
        said = [record.data for record in events.read(build.pk, 0) if record.kind == "build"]
        self.assertIn('"cancel_requested":true', said[2])
        self.assertIn('"status":"running"', said[2])

    def test_what_a_step_says_when_it_is_told_to_end_is_kept_to_the_last_line(self) -> None:
        lease = self.queue("trap 'seq 1 30000; echo last; exit 1' TERM; echo up\nwhile :; do sleep 0.05; done")

        def cancel() -> None:
            eventually(lambda: printed.total_lines(lease.build_id, 0), 10)
            lifecycle.cancel(lease.build_id, by="alice")

        self.meanwhile(cancel)
        build = self.run_lease(lease, grace=20)
        self.assertEqual(build.status, "cancelled")
        self.assertEqual(self.log(build)[-30_001:], [*map(str, range(1, 30_001)), "last"])

    def test_a_worker_that_has_to_go_cancels_its_build_and_says_so(self) -> None:
        lease = self.queue("echo ready; sleep 60")

        def stop() -> None:
            eventually(lambda: printed.total_lines(lease.build_id, 0), 10)
            self.orders.signalled()
            self.orders.signalled()

        self.meanwhile(stop)
        build = self.run_lease(lease)
        self.assertEqual((build.status, build.reason), ("cancelled", "The worker was stopped."))
        self.assertEqual(self.steps(build), ["cancelled"])

    def test_nothing_is_left_after_the_end(self) -> None:
        build = self.run_build(DAEMON + WAIT + "echo > left-here")
        self.assertEqual(build.status, "passed")
        self.assertFalse(alive(self.pid()))
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])

    def test_a_step_whose_guardian_is_killed_fails_and_leaves_nothing(self) -> None:
        build = self.run_build(DAEMON + WAIT + "kill -9 $PPID; sleep 60")
        self.assertEqual(
            (build.status, build.reason), ("failed", "Step s1 was stopped because its guardian process died.")
        )
        self.assertFalse(alive(self.pid()))


class OutputTests(RunnerCase):
    def test_a_background_process_lives_on_and_is_read_until_the_build_ends(self) -> None:
        build = self.run_build("(while :; do echo tick; sleep 0.1; done) & echo started", "sleep 0.6; echo two")
        self.assertEqual(build.status, "passed")
        self.assertLess(build.steps.get(position=0).duration, 0.6)
        self.assertGreater(self.log(build).count("tick"), 3)
        self.assertEqual(self.log(build, 1), ["two"])

    def test_the_last_line_is_there_however_fast_the_step_ends(self) -> None:
        build = self.run_build("seq 1 30000; sleep 60 & echo last")
        self.assertEqual(self.log(build), [*map(str, range(1, 30001)), "last"])

    def test_any_output_passes_and_is_stored(self) -> None:
        script = (
            "printf 'nul\\0 bad \\377\\n'; head -c 1000000 /dev/zero | tr '\\0' x; echo; printf '\\342\\200\\250u\\n';"
            'awk \'BEGIN { for (i = 0; i <= 100000; i++) printf "\\r%d%%", i / 1000; print "" }\';'
            "printf '\\033[2J\\033]0;t\\007\\033[31mred\\n</script>\\n'; head -c 20000 /dev/urandom; echo; echo end"
        )
        build = self.run_build(script)
        self.assertEqual(build.status, "passed")
        log = self.log(build)
        self.assertEqual(log[0], "nul bad \ufffd")
        self.assertTrue(log[1].endswith("… [983,616 more characters were cut]"))
        self.assertEqual(log[2:4], ["\u2028u", "100%"])
        self.assertEqual(log[4:6], ["\x1b[31mred\x1b[0m", "\x1b[31m</script>\x1b[0m"])
        self.assertTrue(log[-1].endswith("end") or "end" in log[-1])

    def test_an_open_line_is_seen_before_it_ends(self) -> None:
        build = self.run_build("printf 'working'; sleep 0.5; echo ' done'")
        records = [record.data for record in events.read(build.pk, 0) if record.kind == "log"]
        self.assertIn('"open":true', records[0])
        self.assertEqual(self.log(build), ["working done"])

    def test_a_steps_own_word_on_its_progress_is_stored(self) -> None:
        build = self.run_build("printf '\\033]9;4;1;40\\007'; sleep 0.3")
        told = [record.data for record in events.read(build.pk, 0) if record.kind == "progress"]
        self.assertEqual(told, ['{"step":"s1","progress":0.4}'])
        self.assertEqual(build.steps.get().progress, 1.0)  # it passed: all of it is done
        self.assertEqual(self.log(build), [])

    def test_a_step_finds_its_own_environment_and_none_of_the_boards(self) -> None:
        secrets = {"SECRET_KEY": "s", "DATABASE_URL": "d", "REDIS_URL": "r", "BUILDBOARD_ADMIN_PASSWORD": "p"}
        with mock.patch.dict(os.environ, secrets):
            build = self.run_build({"run": "env; pwd; cat", "env": {"MINE": "a b", "TERM": "dumb"}})
        log = self.log(build)
        found = dict(line.split("=", 1) for line in log if "=" in line)
        self.assertEqual((found["MINE"], found["TERM"], found["PIDS"]), ("a b", "dumb", str(self.folder)))
        self.assertEqual((found["BUILDBOARD_BUILD_ID"], found["BUILDBOARD_PROJECT"]), (str(build.pk), "p"))
        self.assertEqual((found["PAGER"], found["CI"], found["BUILDBOARD_STEP"]), ("cat", "true", "s1"))
        self.assertEqual(log[-1], found["BUILDBOARD_WORKSPACE"])
        self.assertFalse({*secrets, "DJANGO_SETTINGS_MODULE", "BUILDBOARD_DATA"} & set(found))


class DatabaseTests(RunnerCase):
    def test_a_database_that_is_away_for_a_while_costs_nothing(self) -> None:
        failures = dict.fromkeys(("append", "reserve"), 3)
        append, reserve = events.append, events.reserve

        def failing_append(lease: Lease, chunks: list, counts: dict) -> None:
            if failures["append"]:
                failures["append"] -= 1
                if failures["append"] == 1:
                    before = lease.head
                    append(lease, chunks, counts)  # it lands, and only the answer is lost: nobody hears of the commit
                    lease.head = before
                raise OperationalError("gone")
            append(lease, chunks, counts)

        def failing_reserve(lease: Lease, count: int) -> bool:
            if failures["reserve"]:
                failures["reserve"] -= 1
                raise OperationalError("gone")
            return reserve(lease, count)

        lease = self.queue("seq 1 499; echo ::error::500; sleep 0.3; seq 501 1000")
        with mock.patch.object(events, "append", failing_append), mock.patch.object(events, "reserve", failing_reserve):
            build = self.run_lease(lease)
        self.assertEqual((build.status, failures), ("passed", {"append": 0, "reserve": 0}))
        lines = ["::error::500" if number == 500 else str(number) for number in range(1, 1001)]
        self.assertEqual(self.log(build), lines)
        self.assertEqual((build.errors_told, build.annotations.count()), (1, 1))
        seqs = [record.seq for record in events.read(build.pk, 0)]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def test_a_database_that_stays_away_stops_the_steps(self) -> None:
        lease = self.queue(DAEMON + WAIT + "echo one; sleep 60")
        runner = Runner(
            lease, self.orders, grace=0.2, storing=Storing(lambda seconds: runner.rest(seconds), outage=0.5)
        )
        with mock.patch.object(events, "append", side_effect=OperationalError("gone"), __name__="append"):
            self.assertIsNone(runner.run())
        self.assertFalse(alive(self.pid()))
        self.assertEqual(Build.objects.get().status, "running")

    def test_a_step_is_ended_on_time_while_the_database_is_away(self) -> None:
        lease = self.queue({"run": DAEMON + WAIT + "echo one; sleep 60", "timeout": 1})
        append, until = events.append, time.monotonic() + 3

        def failing(lease: Lease, chunks: list, counts: dict) -> None:
            if time.monotonic() < until:
                raise OperationalError("gone")
            append(lease, chunks, counts)

        seen_dead: list[bool] = []
        self.meanwhile(lambda: (time.sleep(2.5), seen_dead.append(not alive(self.pid()))))
        with mock.patch.object(events, "append", failing):
            build = self.run_lease(lease)
        self.assertEqual((build.reason, self.log(build)), ("Step s1 took longer than its 1s.", ["one"]))
        self.assertEqual(seen_dead, [True])

    def test_a_worker_that_lost_its_lease_stops_and_writes_nothing_more(self) -> None:
        lease = self.queue(DAEMON + WAIT + "echo one; sleep 60", "echo never")

        def lose() -> None:
            self.pid()
            lifecycle.lose(lease.build_id, lease.token, "It was lost.")

        self.meanwhile(lose)
        build = self.run_lease(lease)
        self.assertEqual((build.status, build.reason, self.result), ("lost", "It was lost.", None))
        self.assertEqual(self.steps(build), ["lost", "skipped"])
        self.assertFalse(alive(self.pid()))
        self.assertEqual(events.read(build.pk, 0)[-1].kind, "build")
