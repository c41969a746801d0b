"""Artifacts of builds that run outside, where two processes of the board have to do with one file at the same time.

Neither has anything in its memory that the other would have to know, so what two do is tried in one.
"""

from typing import Any
from unittest import mock

from django.db.models.functions import Now

from builds import artifacts, filestore, uploads
from builds.events import Lease
from builds.models import Artifact

from .test_uploads import LEASE, PIECE, UploadCase


class BetweenTests(UploadCase):
    def test_one_that_another_process_puts_together_is_left_to_it_until_that_says_nothing_any_more(self) -> None:
        number = self.place("a", b"x")["number"]
        self.send(number, 0, b"x")
        died = mock.patch.object(filestore, "save", side_effect=KeyboardInterrupt)
        with died, mock.patch.object(artifacts, "forget"), self.assertRaises(KeyboardInterrupt):
            uploads.complete(Lease(self.number, LEASE, self.head), number)  # all that a killed process leaves
        self.assert_problem(self.complete(number), 503, "being put together")
        attempts = Artifact.objects.filter(sha256="")
        attempts.update(created_at=Now() - uploads._AT_IT * 2)
        self.assertEqual(self.complete(number).status_code, 200)
        self.assertEqual(self.stored(), {"a": b"x"})

    def test_whoever_puts_together_says_so_meanwhile(self) -> None:
        number = self.place("a", b"x")["number"]
        self.send(number, 0, b"x")
        real = filestore.save

        def slow(name: str, content: Any) -> None:
            Artifact.objects.filter(name=name).update(created_at=Now() - uploads._AT_IT * 2)
            real(name, content)
            self.assert_problem(self.complete(number), 503, "being put together")

        with mock.patch.object(filestore, "save", slow), mock.patch.object(uploads, "_RENEW_SECONDS", 0):
            self.assertEqual(self.complete(number).status_code, 200)

    def test_a_piece_that_is_sent_again_while_it_is_stored_takes_nothing_from_it(self) -> None:
        content = b"x" * PIECE + b"y"
        number = self.place("a", content)["number"]
        real = filestore.save
        said: list[int] = []
        full = mock.Mock(side_effect=filestore.Failed("The disk is full."))
        for offset, again, status in ((0, real, 200), (PIECE, full, 503)):
            piece = content[offset : offset + PIECE]

            def twice(name: str, data: Any, again: Any = again, offset: int = offset, piece: bytes = piece) -> None:
                real(name, data)
                with mock.patch.object(filestore, "save", again):
                    said.append(self.send(number, offset, piece).status_code)

            with self.subTest(offset), mock.patch.object(filestore, "save", twice):
                self.assertEqual(self.send(number, offset, piece).status_code, 200)
                self.assertEqual(said.pop(), status)
        self.assertEqual(self.complete(number).status_code, 200)
        self.assertEqual(self.stored(), {"a": content})
        artifacts.sweep()
        self.assertEqual(len(self.stored_files()), 1)

    def test_a_piece_that_is_given_up_and_swept_while_it_is_stored_leaves_no_file(self) -> None:
        number = self.place("a", b"x")["number"]
        real = filestore.save

        def slow(name: str, data: Any) -> None:
            self.place("a", b"other")
            artifacts.sweep()
            real(name, data)

        with mock.patch.object(filestore, "save", slow):
            self.assertEqual(self.send(number, 0, b"x").status_code, 200)
        self.assertEqual(self.stored_files(), [])

    def test_nor_where_it_comes_between_the_sweep_of_its_file_and_that_of_its_row(self) -> None:
        number = self.place("a", b"x")["number"]
        real = filestore.save
        swept: list[int] = []

        def slow(name: str, data: Any) -> None:
            self.place("a", b"other")
            swept.extend(artifacts.unsettled().values_list("pk", flat=True))
            real(name, data)

        with mock.patch.object(filestore, "save", slow):
            self.assertEqual(self.send(number, 0, b"x").status_code, 200)
        Artifact.objects.filter(pk__in=swept).delete()
        self.assertEqual(self.stored_files(), [])

    def test_one_that_another_process_has_put_together_meanwhile_is_there(self) -> None:
        number = self.place("a", b"x")["number"]
        self.send(number, 0, b"x")
        real = uploads._begin

        def late(lease: Lease, whole: Artifact) -> str:
            with mock.patch.object(uploads, "_begin", real):
                self.assertEqual(self.complete(number).status_code, 200)
            return real(lease, whole)

        with mock.patch.object(uploads, "_begin", late):
            answer = self.complete(number)
        self.assertEqual(answer.status_code, 200, answer.content)
        self.assertEqual(self.stored(), {"a": b"x"})
        artifacts.sweep()
        self.assertEqual(len(self.stored_files()), 1)
