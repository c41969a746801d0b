"""Containers that outlived everyone who had to remove them: found by their names, and removed by a supervisor."""

import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from django.db import OperationalError
from django.test import TransactionTestCase, override_settings

from builds import lifecycle
from builds.models import Board, Project
from builds.worker import containers
from builds.worker import stranded as module
from builds.worker.stranded import Stranded, stranded
from tests.support.docker import Docker, Made
from tests.support.processes import eventually


def name(world: str, build_id: int, folder: str = "") -> str:
    return f"buildboard.{world}.{build_id}.{folder or containers.folder()}.{'0' * 16}"


class StrandedTests(TransactionTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-stranded-")
        self.addCleanup(folder.cleanup)
        self.docker = Docker(Path(folder.name))
        self.addCleanup(self.docker.close)
        changed = override_settings(
            BUILDBOARD_SANDBOX="container", BUILDBOARD_CONTAINER_ENGINE=str(self.docker.program)
        )
        changed.enable()
        self.addCleanup(changed.disable)
        self.world = Board.get().world
        project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: x}]")
        lifecycle.enqueue(project, by="alice")
        self.leased = lifecycle.claim("test:1", os.urandom(16).hex()).build_id

    def test_whose_build_has_a_lease_stays_and_so_does_what_is_another_boards(self) -> None:
        gone, old = name(self.world, self.leased + 1), name("another-world", self.leased)
        theirs = name("another-world", 7, "0123456789ab")
        names = [name(self.world, self.leased), gone, old, theirs, "postgres", "buildboard.x", "", "buildboard.a.b.c.d"]
        self.assertEqual(stranded(names), [gone, old])
        self.assertEqual(stranded(["postgres"]), [])

    def add(self, *names: str) -> None:
        for each in names:
            self.docker.containers[each] = Made([], "/", "x")

    def until(self, sweep: Stranded, done: object, seconds: float = 20) -> None:
        def turn() -> object:
            sweep.look(time.monotonic())
            return done()

        eventually(turn, seconds)

    def test_they_are_removed_and_nothing_else(self) -> None:
        gone, kept = name(self.world, self.leased + 1), name(self.world, self.leased)
        self.add(gone, kept, "postgres")
        sweep = Stranded()
        self.addCleanup(sweep.close)
        self.until(sweep, lambda: "rm" in self.docker.words() and gone not in self.docker.containers)
        self.assertEqual(set(self.docker.containers), {kept, "postgres"})
        self.assertEqual(self.docker.calls[-1], ["rm", "--force", "--volumes", gone])
        for _ in range(20):
            sweep.look(time.monotonic())
            time.sleep(0.01)
        self.assertEqual(self.docker.words(), ["ps", "rm"])
        self.add(gone)
        sweep.hurry()
        self.until(sweep, lambda: gone not in self.docker.containers)

    def test_a_trial_is_removed_only_where_it_has_outlived_who_made_it(self) -> None:
        own, theirs = f"buildboard-trial.{containers.folder()}.{'1' * 16}", f"buildboard-trial.0123456789ab.{'1' * 16}"
        self.assertIsNone(containers.owner(own))
        self.add(own, theirs)
        sweep = Stranded()
        self.addCleanup(sweep.close)
        began = time.monotonic()
        for seconds, stays in ((0, True), (100, True), (121, False)):
            sweep.hurry()
            asked = len(self.docker.calls)

            def is_done(now: float = began + seconds, asked: int = asked) -> bool:
                sweep.look(now)
                return len(self.docker.calls) > asked and sweep._asked is None

            eventually(is_done, 20)
            self.assertEqual(own in self.docker.containers, stays)
        self.assertIn(theirs, self.docker.containers)

    def test_an_engine_that_hangs_or_is_away_holds_nobody_up(self) -> None:
        self.docker.hangs = {"ps"}
        sweep = Stranded()
        self.addCleanup(sweep.close)
        self.until(sweep, lambda: self.docker.calls)
        with mock.patch.object(module, "PATIENCE_SECONDS", 0):
            sweep.look(time.monotonic() + 61)
        self.until(sweep, lambda: sweep._asked is None)
        with override_settings(BUILDBOARD_CONTAINER_ENGINE="/no/such/docker"):
            sweep.hurry()
            sweep.look(time.monotonic())
        self.docker.hangs = set()
        self.add(gone := name(self.world, self.leased + 1))
        sweep.hurry()
        self.until(sweep, lambda: gone not in self.docker.containers)

    def test_a_database_that_is_away_ends_no_supervisor_and_is_asked_again(self) -> None:
        self.add(gone := name(self.world, self.leased + 1))
        sweep = Stranded()
        self.addCleanup(sweep.close)
        with (
            mock.patch.object(module.lifecycle, "leases", side_effect=OperationalError("away")),
            self.assertLogs("builds.worker.stranded", "WARNING") as said,
        ):
            self.until(sweep, lambda: sweep._look_at > float("-inf") and sweep._asked is None)
        self.assertIn("state=failed error=away", said.output[0])
        self.assertIn(gone, self.docker.containers)
        sweep.look(time.monotonic())
        self.assertEqual(self.docker.words(), ["ps"], "not at once")
        with mock.patch.object(module, "PATIENCE_SECONDS", 600):
            sweep.look(time.monotonic() + 61)
        self.until(sweep, lambda: gone not in self.docker.containers)

    @override_settings(BUILDBOARD_SANDBOX="bubblewrap")
    def test_without_containers_no_engine_is_asked(self) -> None:
        Stranded().look(time.monotonic())
        self.assertEqual(self.docker.calls, [])
