"""Writes that outlive a database that is away."""

import sqlite3
from unittest import mock

from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.test import SimpleTestCase, tag

from builds.worker import disk
from builds.worker.storing import Outage, Storing, wants_room


def full(name: str) -> OperationalError:
    cause = sqlite3.OperationalError("no room")
    cause.sqlite_errorname = name
    error = OperationalError("no room")
    error.__cause__ = cause
    return error


@tag("fast")
class StoringTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.rests: list[float] = []
        self.answers: list = []

    def verb(self, *args: object, **options: object) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, args, options

    def test_a_verb_is_repeated_with_growing_rests_until_it_is_taken(self) -> None:
        self.answers = [OperationalError("gone"), InterfaceError("closed"), OperationalError("gone"), "done"]
        with self.assertLogs("builds.worker.storing", "WARNING"):
            result = Storing(self.rests.append)(self.verb, 1, key=2)
        self.assertEqual(result, ("done", (1,), {"key": 2}))
        self.assertEqual(self.rests, [0.1, 0.2, 0.4])

    def test_a_disk_without_room_is_waited_for_as_long_as_it_takes(self) -> None:
        self.answers = [full("SQLITE_FULL"), full("SQLITE_FULL"), "done"]
        store = Storing(lambda _: self.assertTrue(store.disk_is_full), outage=0)
        self.assertEqual(store(self.verb)[0], "done")
        self.assertFalse(store.disk_is_full)

    def test_what_else_fails_for_want_of_room_is_told_by_the_disk(self) -> None:
        for name, is_full, expected in (
            ("SQLITE_FULL", False, True),
            ("SQLITE_IOERR_WRITE", True, True),
            ("SQLITE_CANTOPEN", True, True),
            ("SQLITE_IOERR_WRITE", False, False),
            ("SQLITE_BUSY", True, False),
        ):
            with self.subTest(name, full=is_full), mock.patch.object(disk, "is_full", return_value=is_full):
                self.assertEqual(wants_room(full(name)), expected)
        self.assertFalse(wants_room(OperationalError("server closed the connection")))

    def test_what_is_not_an_outage_is_raised_at_once(self) -> None:
        self.answers = [DataError("no")]
        with self.assertRaises(DataError):
            Storing(self.rests.append)(self.verb)
        self.assertEqual(self.rests, [])

    def test_what_pointed_to_what_is_deleted_is_asked_once_more(self) -> None:
        gone = IntegrityError("it is not there")
        for answers, is_taken in (([gone, "done"], True), ([gone, gone, "done"], False)):
            with self.subTest(len(answers)), self.assertLogs("builds.worker.storing", "WARNING"):
                self.answers = list(answers)
                if is_taken:
                    self.assertEqual(Storing(self.rests.append)(self.verb)[0], "done")
                else:
                    with self.assertRaises(IntegrityError):
                        Storing(self.rests.append)(self.verb)
        self.assertEqual(self.rests, [])

    def test_an_outage_beyond_the_limit_is_given_up(self) -> None:
        self.answers = [OperationalError("gone")]
        with self.assertRaisesMessage(Outage, "no database for 0 s: gone"):
            Storing(self.rests.append, outage=0)(self.verb)
