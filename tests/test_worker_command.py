"""`manage.py worker` as people and service managers use it: labels, signals, and what is stopped and goes on."""

import re
import signal
import tempfile
import time
from pathlib import Path

import psutil
from django.core.management import CommandError, call_command
from django.test import SimpleTestCase, tag

from builds import labels, queue
from builds.models import Build, Project, Worker
from builds.worker.supervisor import STOP_SECONDS
from tests.support import ROOT
from tests.support.board import Board
from tests.support.processes import Process, alive, eventually
from tests.support.servers import postgres_url


class EveryDatabase:
    """What becomes of builds when processes are stopped and go on, with real ones."""

    def database_url(self) -> str | None:
        return None

    def setUp(self) -> None:
        self.board = Board(self.database_url(), BUILDBOARD_LEASE_SECONDS="3", BUILDBOARD_GRACE_SECONDS="1")
        self.addCleanup(self.board.close)

    def begin(self, slug: str = "p") -> tuple[int, int]:
        """A build that prints a line ten times a second, and its step's process."""
        file = self.board.data / slug
        recipe = f"steps: [{{name: a, run: 'echo $$ > {file}; while :; do date +%s.%N; sleep 0.1; done'}}]"
        self.board.project(slug, recipe)
        build_id = self.board.enqueue(slug)
        eventually(lambda: len(self.board.lines(build_id)) > 2, 30, self.board.outputs)
        return build_id, int(file.read_text())

    def family(self, supervisor: Process) -> list[psutil.Process]:
        """The supervisor, its worker, that one's guardian, and the step."""
        return [psutil.Process(supervisor.pid), *psutil.Process(supervisor.pid).children(recursive=True)]

    def works_on(self) -> None:
        self.board.project("after", "steps: [{name: a, run: echo next}]")
        self.board.wait(self.board.enqueue("after"), 30, status="passed")

    def test_a_worker_that_was_stopped_for_longer_than_its_lease_writes_nothing_more_and_works_on(self) -> None:
        supervisor = self.board.workers(1)
        build_id, step = self.begin()
        [worker] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        worker.suspend()
        lost = self.board.wait(build_id, 15, status="lost")
        self.assertIn("gave no sign of life for 3 s", lost["reason"])
        eventually(lambda: not alive(step), 6, "its step went on")
        log = self.board.stored(build_id)
        worker.resume()
        supervisor.wait_for("state=abandoned")
        self.works_on()
        self.assertEqual(self.board.stored(build_id), log)
        self.assertEqual(self.board.build(build_id)["status"], "lost")
        self.assertEqual(worker.status() != psutil.STATUS_ZOMBIE and supervisor.terminate(), 0)

    def test_a_machine_that_stood_still_for_longer_than_a_lease_goes_on_with_other_builds(self) -> None:
        supervisor = self.board.workers(1)
        self.board.web()  # elsewhere: it watches leases, too
        build_id, step = self.begin()
        family = [process for process in self.family(supervisor) if process.pid != step]
        for process in [*family, psutil.Process(step)]:
            process.suspend()
        self.board.wait(build_id, 20, status="lost")
        log = self.board.stored(build_id)
        for process in [psutil.Process(step), *reversed(family)]:
            process.resume()
        eventually(lambda: not alive(step), 10, "its step went on")
        self.works_on()
        self.assertEqual(self.board.stored(build_id), log)
        self.assertEqual(supervisor.terminate(), 0)

    def test_a_machine_that_stood_still_while_nobody_watched_goes_on_where_it_was(self) -> None:
        supervisor = self.board.workers(1)
        build_id, step = self.begin()
        family = self.family(supervisor)
        self.assertIn(step, [process.pid for process in family])
        for process in family:
            process.suspend()
        time.sleep(7)
        seen = len(self.board.lines(build_id))
        for process in family:  # the one that watches first
            process.resume()
        eventually(lambda: len(self.board.lines(build_id)) > seen + 40, 20, self.board.outputs)
        self.assertEqual(self.board.build(build_id)["status"], "running")
        seqs = [record.seq for record in self.board.stored(build_id)]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def test_a_build_of_a_killed_worker_is_started_again_where_its_project_asks(self) -> None:
        supervisor = self.board.workers(1)
        build_id, step = self.begin()
        with self.board.database():
            Project.objects.update(auto_retries=1)
        [worker] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        worker.kill()
        lost = self.board.wait(build_id, 10, status="lost")
        self.assertRegex(lost["reason"], r" died \(signal SIGKILL\)\. Retried as build \d+\.$")
        again = self.board.wait(build_id + 1, 30, status="running")
        self.assertEqual((again["attempt"], again["retry_of"], again["started_by"]), (2, build_id, "Buildboard"))
        self.assertFalse(alive(step))


class StoppedOnSqliteTests(EveryDatabase, SimpleTestCase):
    databases = {"default"}


class StoppedOnPostgresTests(EveryDatabase, SimpleTestCase):
    databases = {"default"}

    def database_url(self) -> str:
        return postgres_url()


class DrainTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.board = Board(BUILDBOARD_LEASE_SECONDS="30", BUILDBOARD_GRACE_SECONDS="1")
        self.addCleanup(self.board.close)
        self.board.project("p", "steps: [{name: a, run: 'echo ready; sleep 600'}]", auto_retries=1)

    def begin(self) -> int:
        build_id = self.board.enqueue("p")
        eventually(lambda: "ready" in self.board.lines(build_id), 20, self.board.outputs)
        return build_id

    def test_a_drain_that_takes_too_long_ends_the_build_and_starts_it_again(self) -> None:
        supervisor = self.board.workers(1, "--drain-seconds", "2")
        build_id = self.begin()
        supervisor.signal(signal.SIGTERM)
        eventually(self.draining, 10, "nobody sees it drain")
        self.assertEqual(self.board.build(build_id)["status"], "running")
        ended = self.board.wait(build_id, 15)
        self.assertEqual(
            (ended["status"], ended["reason"]),
            (
                "cancelled",
                f"The worker was told to stop, and the build had not ended 2 s later. Retried as build {build_id + 1}.",
            ),
        )
        self.assertEqual(supervisor.wait(), 0)
        self.assertEqual(self.board.build(build_id + 1)["status"], "queued")

    def draining(self) -> bool:
        with self.board.database():
            return queue.outlook().draining == 1

    def test_a_worker_that_does_not_stop_is_killed_and_its_build_lost_with_that_reason(self) -> None:
        supervisor = self.board.workers(1, "--no-drain")
        build_id = self.begin()
        [worker] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        worker.suspend()
        self.assertEqual(supervisor.terminate(20), 0)
        ended = self.board.build(build_id)
        self.assertEqual(ended["status"], "lost")
        self.assertRegex(ended["reason"], r" was told to stop, did not within 10 s, and was killed\. Retried as")


class CrashTests(SimpleTestCase):
    databases = {"default"}

    def test_a_worker_that_crashes_at_its_start_for_ever_is_started_later_and_later(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Board() as board:
            crash = "import os, sys\nif '--one' in sys.orig_argv: os._exit(3)\n"
            Path(folder, "sitecustomize.py").write_text(crash)
            board.env["PYTHONPATH"] = f"{folder}:{board.env['PYTHONPATH']}"
            supervisor = board.spawn("worker", "--concurrency", "1")
            supervisor.wait_for("state=died")
            time.sleep(5)
            output = supervisor.output()
            self.assertTrue(supervisor.running)
            self.assertIn("how=died (exit code 3)", output)
            self.assertIn(output.count("action=start "), (2, 3))  # at once, after 1 s, after 2 s more
            self.assertEqual(supervisor.terminate(), 0)


class LabelTests(SimpleTestCase):
    databases = {"default"}

    def test_a_build_goes_to_a_worker_that_has_what_it_needs_and_says_so_while_none_does(self) -> None:
        with Board() as board:
            board.project("p", "steps: [{name: a, run: echo on it}]", runs_on="gpu")
            board.workers(1)
            follow = board.spawn("startbuild", "p", "--follow")
            follow.wait_for("Waiting for a worker with the label gpu: none is alive.")
            with board.database():
                self.assertEqual(
                    queue.outlook().places[1].reason, "no living worker has the label gpu (1 worker lives)"
                )
            board.env["BUILDBOARD_LABELS"] = "large"
            board.workers(1, "--label", "gpu")
            self.assertEqual(follow.wait(), 0, follow.output())
            with board.database():
                taken = Build.objects.get().worker
                own = Worker.objects.get(name=taken).labels
            self.assertEqual(own, labels.joined("gpu large", *labels.own()))


@tag("fast")
class WorkerCommandTests(SimpleTestCase):
    def test_a_wrong_label_is_refused_by_name(self) -> None:
        for given, said in (
            (["--label", "GPU"], "--label 'GPU': 'GPU' is not a label; expected words of lower-case letters"),
            (["--label", ""], "--label '': it is empty"),
            (["--label", " ".join("abcdefghijklmnop")], "--label and BUILDBOARD_LABELS together: expected at most 16"),
        ):
            with self.assertRaisesMessage(CommandError, said):
                call_command("worker", *given, skip_checks=True)

    def test_a_wrong_drain_limit_is_refused_by_name(self) -> None:
        for number in ("-1", "604801"):
            with self.assertRaisesMessage(CommandError, f"--drain-seconds {number}: expected a number from 0"):
                call_command("worker", f"--drain-seconds={number}", skip_checks=True)

    def test_systemd_gives_the_workers_the_time_that_they_drain(self) -> None:
        unit = (ROOT / "deploy/buildboard-worker.service").read_text()
        drain = int(re.search(r"--drain-seconds (\d+)", unit).group(1))
        patience = int(re.search(r"TimeoutStopSec=(\d+)$", unit, re.MULTILINE).group(1))
        self.assertGreater(patience, drain + STOP_SECONDS + 10)

    def test_a_wrong_concurrency_is_refused_by_name(self) -> None:
        for number in ("0", "257", "-1"):
            with self.assertRaisesMessage(CommandError, f"--concurrency {number}: expected a number from 1 to 256"):
                call_command("worker", f"--concurrency={number}", skip_checks=True)
