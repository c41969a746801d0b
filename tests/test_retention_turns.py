"""One process at a time prunes a board, and its turns come when they are due, however many ask."""

import os
import subprocess
import sys
import threading
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now
from django.test import TransactionTestCase

from builds import retention
from builds.models import Board
from builds.retention.turns import lock_file

from .racing import together


class TurnTests(TransactionTestCase):
    def test_of_many_that_ask_one_is_told_yes_and_the_next_one_when_it_is_due(self) -> None:
        self.assertEqual(sum(together([lambda: retention.take_turn(60)] * 8)), 1)
        self.assertFalse(retention.take_turn(60))
        Board.objects.update(prune_at=Now() - timedelta(minutes=59))
        self.assertFalse(retention.take_turn(60))
        Board.objects.update(prune_at=Now() - timedelta(minutes=61))
        self.assertEqual(sum(together([lambda: retention.take_turn(60)] * 8)), 1)


class AloneTests(TransactionTestCase):
    def test_a_second_one_is_told_so_and_the_next_one_gets_it(self) -> None:
        held, over = threading.Event(), threading.Event()

        def first() -> bool:
            with retention.alone() as got:
                held.set()
                over.wait(10)
                return got

        def second() -> list[bool]:
            held.wait(10)
            found = []
            with retention.alone() as got:
                found.append(got)
            found.append(retention.run().busy)
            over.set()
            return found

        self.assertEqual(together([first, second]), [True, [False, True]])
        with retention.alone() as got:
            self.assertTrue(got)
        with retention.alone() as got:
            self.assertTrue(got)

    def test_whoever_dies_with_it_gives_it_back(self) -> None:
        if connection.vendor != "sqlite":
            return  # there it goes with the connection
        code = (
            "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('held', flush=True); time.sleep(60)"
        )
        path = os.fspath(lock_file())
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as other:
            other.stdout.readline()
            with retention.alone() as got:
                self.assertFalse(got)
            other.kill()
        with retention.alone() as got:
            self.assertTrue(got)
