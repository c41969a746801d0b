"""A crowd of workers that ask one project for builds at the same time: real processes, on either database."""

import json
import subprocess
import sys
from typing import Any
from unittest import mock

from django.db import transaction
from django.db.models import QuerySet
from django.test import SimpleTestCase

from builds import lifecycle, queue
from builds.models import Build, Project
from tests.support.board import Board
from tests.support.processes import Process
from tests.support.servers import postgres_url

from .queueing import queued
from .racing import RECIPE

PROCESSES, WORKERS = 4, 8
"""Workers of each process."""
CLAIMERS = """
import json, secrets, sys
import django
django.setup()
from builds import lifecycle
from tests.racing import together
print("ready", flush=True)
sys.stdin.readline()
leases = together([lambda: lifecycle.claim("worker", secrets.token_hex(16))] * int(sys.argv[1]), 300)
print(json.dumps([lease and lease.build_id for lease in leases]), flush=True)
"""


class Crowd:
    """So many at a time, in processes of their own, which are let go together."""

    def __init__(self, board: Board, processes: int, workers: int) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "stderr": None}
        words = [sys.executable, "-c", CLAIMERS, str(workers)]
        self._processes = [Process(words, env=board.env, **pipes) for _ in range(processes)]

    def claim(self) -> list[int | None]:
        """What each has got."""
        for one in self._processes:
            if (said := one.popen.stdout.readline()) != "ready\n":
                raise AssertionError(said)
        for one in self._processes:
            one.popen.stdin.write("\n")
            one.popen.stdin.flush()
        return [found for one in self._processes for found in json.loads(one.popen.communicate(timeout=300)[0])]

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *error: object) -> None:
        for one in self._processes:
            one.close()


class CrowdOnSqliteTest(SimpleTestCase):
    def url(self) -> str | None:
        """Of an empty database."""
        return None

    def test_each_gets_a_build_of_its_own_and_those_are_the_oldest(self) -> None:
        with Board(self.url()) as board:
            board.project("one", RECIPE)
            with board.database():
                made = queued(Project.objects.get(slug="one"), PROCESSES * WORKERS + 5)
            with Crowd(board, PROCESSES, WORKERS) as crowd:
                got = crowd.claim()
            self.assertCountEqual(got, made[: PROCESSES * WORKERS])
            with board.database():
                running = Build.objects.running()
                self.assertCountEqual(running.values_list("pk", flat=True), got)
                self.assertEqual(len({*running.values_list("revision", flat=True)}), len(got))

    def test_a_limit_holds(self) -> None:
        with Board(self.url()) as board:
            board.project("one", RECIPE, max_running=3)
            with board.database():
                made = queued(Project.objects.get(slug="one"), PROCESSES * WORKERS)
            with Crowd(board, PROCESSES, WORKERS) as crowd:
                got = [build_id for build_id in crowd.claim() if build_id is not None]
            self.assertCountEqual(got, made[:3])


class CrowdOnPostgresqlTest(CrowdOnSqliteTest):
    def url(self) -> str:
        return postgres_url()

    def test_nobody_waits_for_one_whose_claim_goes_on_for_long(self) -> None:
        with Board(self.url()) as board:
            board.project("one", RECIPE)
            with board.database():
                first, second, third = queued(Project.objects.get(slug="one"), 3)
                (candidate,) = queue.candidates("")
                with transaction.atomic():
                    self.assertEqual(queue.hold(candidate, "", wait=True), first)
                    with Crowd(board, 1, 2) as crowd:
                        self.assertCountEqual(crowd.claim(), [second, third])
                    transaction.set_rollback(True)
                lease = lifecycle.claim("worker", "token")
                self.assertEqual(lease and lease.build_id, first)

    def test_a_project_that_has_just_got_a_limit_is_left_for_now(self) -> None:
        with Board(self.url()) as board:
            board.project("one", RECIPE, max_running=1)
            with board.database():
                queued(Project.objects.get(slug="one"))
                (candidate,) = queue.candidates("")
                before = mock.patch.object(QuerySet, "exists", return_value=True)  # as it was a moment ago
                with before, self.assertRaises(queue.Busy), transaction.atomic():
                    queue.hold(candidate, "", wait=True)
                self.assertIsNotNone(lifecycle.claim("worker", "token"))
