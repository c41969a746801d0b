"""A database that answers nothing is hung up on, and one that answers is left alone."""

import time

from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import SimpleTestCase

from builds.worker.watchdog import Watchdog
from tests.support.board import Board
from tests.support.servers import postgres_url


class WatchdogTests(SimpleTestCase):
    databases = {"default"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(postgres_url())
        cls.addClassCleanup(cls.board.close)

    def sleep(self, seconds: float) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds])

    def test_a_query_that_does_not_come_back_fails_and_the_next_one_works(self) -> None:
        dog = Watchdog()
        with self.board.database():
            began = time.monotonic()
            with self.assertLogs("builds.worker.watchdog"), self.assertRaises(OperationalError), dog.limit(0.3):
                self.sleep(60)
            self.assertLess(time.monotonic() - began, 30)
            connection.close()
            with dog.limit(30):
                self.assertTrue(User.objects.exists())

    def test_a_call_that_is_over_in_time_is_never_hung_up_on(self) -> None:
        dog = Watchdog()
        with self.board.database():
            for _ in range(3):
                with dog.limit(1.2):
                    self.sleep(0.6)
            self.sleep(2)  # outside: nobody watches
            with dog.limit(5):
                self.assertTrue(User.objects.exists())

    def test_sqlite_needs_no_watching(self) -> None:
        dog = Watchdog()
        if connection.vendor == "sqlite":
            with dog.limit(0.01):
                self.assertIsNone(dog._thread)
