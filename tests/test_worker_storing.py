"""Writes that outlive a database that is away."""

from django.db import IntegrityError, InterfaceError, OperationalError
from django.test import SimpleTestCase, tag

from builds.worker.storing import Outage, Storing


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

    def test_what_is_not_an_outage_is_raised_at_once(self) -> None:
        self.answers = [IntegrityError("no")]
        with self.assertRaises(IntegrityError):
            Storing(self.rests.append)(self.verb)
        self.assertEqual(self.rests, [])

    def test_an_outage_beyond_the_limit_is_given_up(self) -> None:
        self.answers = [OperationalError("gone")]
        with self.assertRaisesMessage(Outage, "no database for 0 s: gone"):
            Storing(self.rests.append, outage=0)(self.verb)
