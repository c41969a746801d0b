"""Artifacts of builds that run outside, as a program sends them over the API: in pieces, whole, bounded, once."""

import hashlib
from typing import Any
from unittest import mock

import hypothesis.extra.django
from django.core.files.base import ContentFile
from django.test import override_settings, tag
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from builds import access, artifacts, filestore, lifecycle, runs, uploads
from builds.events import Lease
from builds.models import Artifact, Build, Project
from builds.models.artifact import STORED, STORING
from builds.source import Source
from builds.uploads import Announced

from .asking import ApiCase
from .stored import OwnStorage

LEASE = "0123456789abcdef" * 2
PIECE = 8


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class UploadCase(OwnStorage, ApiCase):
    def setUp(self) -> None:
        super().setUp()
        for module in ("builds.uploads", "builds.web.api.uploads"):
            piece = mock.patch(f"{module}.PIECE_BYTES", PIECE)
            piece.start()
            self.addCleanup(piece.stop)
        body = {"lease": LEASE, "steps": ["make all", "test"], "where": "laptop"}
        begun = self.ask("POST", "/projects/open/runs", body).json()
        self.number, self.head = begun["id"], begun["head"]

    def announce(self, *files: tuple[str, bytes], token: str = "", lease: str = LEASE, **more: Any) -> Any:
        said = [{"step": 0, "path": path, "size": len(data), "sha256": digest(data)} | more for path, data in files]
        body = {"lease": lease, "files": said}
        return self.ask("POST", f"/runs/{self.number}/artifacts", body, token=token)

    def place(self, path: str, content: bytes) -> dict[str, Any]:
        answer = self.announce((path, content))
        self.assertEqual(answer.status_code, 200, answer.content)
        return answer.json()["files"][0]

    def send(self, number: int, offset: Any, data: bytes, lease: str | None = LEASE, token: str = "") -> Any:
        headers = {} if lease is None else {"Buildboard-Lease": lease}
        path = f"/runs/{self.number}/artifacts/{number}?offset={offset}"
        return self.ask("PUT", path, data, token=token, **headers)

    def complete(self, number: int, head: int | None = None, token: str = "") -> Any:
        body = {"lease": LEASE, "head": self.head if head is None else head}
        return self.ask("POST", f"/runs/{self.number}/artifacts/{number}/complete", body, token=token)

    def upload(self, path: str, content: bytes) -> None:
        number = self.place(path, content)["number"]
        for offset in range(0, len(content), PIECE):
            self.assertEqual(self.send(number, offset, content[offset : offset + PIECE]).status_code, 200)
        answer = self.complete(number)
        self.assertEqual(answer.status_code, 200, answer.content)
        self.head = answer.json()["head"]

    def stored(self) -> dict[str, bytes]:
        rows = artifacts.stored(self.number)
        return {row.path: b"".join(filestore.read(row.name, 0, row.size)) for row in rows}


@tag("fast")
class UploadTests(UploadCase):
    def test_from_the_announcement_to_the_list(self) -> None:
        content = b"a wheel of more than two pieces"
        announced = self.announce(("dist/a b.whl", content), ("empty", b"")).json()
        self.assertEqual(announced["piece_bytes"], PIECE)
        first, second = announced["files"]
        self.assertEqual((first["path"], first["have"], first["refused"]), ("dist/a b.whl", 0, ""))
        have = 0
        while have < len(content):
            answer = self.send(first["number"], have, content[have : have + PIECE])
            self.assertEqual(answer.status_code, 200, answer.content)
            self.assertEqual(self.send(first["number"], have, content[have : have + PIECE]).json(), answer.json())
            have = answer.json()["have"]
        self.assertEqual(self.stored(), {})
        answer = self.complete(first["number"])
        self.assertEqual(answer.json(), {"head": self.head + 1, "cancel_requested": False, "status": "running"})
        self.assertEqual(self.complete(first["number"]).json(), answer.json())  # its answer was lost
        self.head += 1
        self.assertEqual(self.complete(second["number"]).status_code, 200)
        self.assertEqual(self.stored(), {"dist/a b.whl": content, "empty": b""})
        listed = self.ask("GET", f"/builds/{self.number}/artifacts").json()["items"]
        self.assertEqual([(one["path"], one["step"], one["size"]) for one in listed],
                         [("dist/a b.whl", "make all", len(content)), ("empty", "make all", 0)])  # fmt: skip
        self.assertEqual((listed[0]["sha256"], listed[0]["content_type"]), (digest(content), artifacts.TEXT))
        build = Build.objects.get(pk=self.number)
        self.assertEqual((build.artifact_count, build.artifact_bytes), (2, len(content)))
        artifacts.sweep()
        self.assertEqual(len(self.stored_files()), 2)
        self.assertEqual(Artifact.objects.count(), 2)

    def test_a_storage_is_given_as_much_as_it_asks_for(self) -> None:
        """An S3 client takes a shorter answer for the end, and has the rest in memory at once."""
        content = bytes(range(30))
        number = self.place("a", content)["number"]
        for offset in range(0, len(content), PIECE):
            self.send(number, offset, content[offset : offset + PIECE])
        read = []

        def save(name: str, file: Any) -> None:
            while part := file.read(13):
                read.append(part)

        with mock.patch.object(filestore, "save", save):
            self.assertEqual(self.complete(number).status_code, 200)
        self.assertEqual((b"".join(read), [len(part) for part in read]), (content, [13, 13, 4]))

    def test_the_lease_is_kept_while_it_is_put_together(self) -> None:
        number = self.place("a", b"x" * 20)["number"]
        for offset in (0, 8, 16):
            self.send(number, offset, b"x" * min(8, 20 - offset))
        before = Build.objects.get(pk=self.number).renewal
        with mock.patch.object(uploads, "_RENEW_SECONDS", 0):
            self.assertEqual(self.complete(number).status_code, 200)
        self.assertGreater(Build.objects.get(pk=self.number).renewal, before + 2)

    def test_announced_again_it_goes_on_where_it_was(self) -> None:
        content = b"x" * 3 * PIECE
        number = self.place("a", content)["number"]
        self.send(number, 0, content[:PIECE])
        self.send(number, 2 * PIECE, content[:PIECE])  # out of order: the one between is wanted
        again = self.place("a", content)
        self.assertEqual((again["number"], again["have"]), (number, PIECE))
        self.send(number, PIECE, content[:PIECE])
        self.assertEqual(self.place("a", content)["have"], len(content))
        self.assertEqual(self.complete(number).status_code, 200)
        self.assertEqual(self.place("a", content), {"path": "a", "number": None, "have": len(content), "refused": ""})

    def test_what_changed_meanwhile_is_another(self) -> None:
        number = self.place("a", b"first")["number"]
        self.send(number, 0, b"first")
        other = self.place("a", b"second")["number"]
        self.assertNotEqual(number, other)
        self.assert_problem(self.complete(number), 409, "awaits no file")
        self.upload("a", b"second")
        self.upload("a", b"third")  # in its place
        self.assertEqual(self.stored(), {"a": b"third"})
        artifacts.sweep()
        self.assertEqual(len(self.stored_files()), 1)

    def test_what_is_not_what_was_announced_is_not_shown(self) -> None:
        number = self.place("a", b"right")["number"]
        self.send(number, 0, b"wrong")
        self.assert_problem(self.complete(number), 409, "its SHA-256 is another")
        self.assert_problem(self.complete(number), 409, "awaits no file")
        self.assertEqual(self.stored(), {})
        artifacts.sweep()
        self.assertEqual((self.stored_files(), Artifact.objects.count()), ([], 0))

    def test_pieces_that_do_not_fit_are_refused(self) -> None:
        number = self.place("a", b"x" * 20)["number"]
        for offset, data, why in (
            (0, b"x" * 7, "Expected 8 bytes from byte 0 on, not 7."),
            (0, b"", "not 0"),
            (16, b"x" * 8, "Expected 4 bytes"),
            (4, b"x" * 8, "expected a multiple of 8 below 20"),
            (24, b"x", "expected a multiple of 8 below 20"),
        ):
            self.assert_problem(self.send(number, offset, data), 409, why)
        self.assert_problem(self.send(number, 0, b"x" * 9), 413)
        self.assert_problem(self.send(number, -1, b"x" * 8), 422)
        self.assert_problem(self.send(number, "x", b"x" * 8), 422)
        self.assert_problem(self.send(number + 1, 0, b"x" * 8), 409, "awaits no file")
        self.assert_problem(self.complete(number), 409, "From byte 0 on it has not come.")
        self.assertEqual(self.stored_files(), [])

    def test_paths_lead_nowhere_else(self) -> None:
        wrong = ("/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b", "a\nb", "x" * 501)
        for path in wrong:
            place = self.place(path, b"x")
            self.assertEqual(place["number"], None, path)
            self.assertIn("Expected a path within a folder", place["refused"])
        self.assertIn("no step 7", self.announce(("a", b"x"), step=7).json()["files"][0]["refused"])
        self.assertEqual(self.announce(("a", b"x"), sha256="X" * 64).status_code, 422)
        self.assertEqual(self.announce(("a", b"x"), size=-1).status_code, 422)
        self.assertEqual(self.announce(*[("a", b"x")] * 51).status_code, 422)
        self.assertFalse(Artifact.objects.exists())

    @override_settings(BUILDBOARD_MAX_ARTIFACT_MB=1, BUILDBOARD_MAX_BUILD_ARTIFACTS_MB=2, BUILDBOARD_MAX_ARTIFACTS=3)
    def test_what_is_too_much_is_refused_before_it_is_sent(self) -> None:
        mega = 1024 * 1024
        said = self.announce(("big", b""), size=mega + 1).json()["files"][0]
        self.assertIn("an artifact has 1 MB at most", said["refused"])
        for path in ("one", "two"):
            self.assertEqual(self.announce((path, b""), size=mega).json()["files"][0]["refused"], "")
        self.assertIn("2 MB at most", self.announce(("three", b""), size=1).json()["files"][0]["refused"])
        self.assertEqual(self.announce(("two", b""), size=5).json()["files"][0]["refused"], "")
        self.assertEqual(self.announce(("three", b""), size=1).json()["files"][0]["refused"], "")
        self.assertIn("3 artifacts", self.announce(("four", b""), size=1).json()["files"][0]["refused"])

    @override_settings(BUILDBOARD_MAX_ARTIFACTS=2, BUILDBOARD_MAX_BUILD_ARTIFACTS_MB=1)
    def test_what_is_given_up_again_and_again_has_an_end(self) -> None:
        said = [self.announce(("a", str(turn).encode())).json()["files"][0]["refused"] for turn in range(13)]
        self.assertEqual(said[:11], [""] * 11)
        self.assertIn("announced anew", said[12])
        artifacts.sweep()
        self.assertEqual(self.place("a", b"once more")["refused"], "")
        Artifact.objects.update(size=6 * 1024 * 1024, state="going")
        self.assertIn("sent and given up", self.place("b", b"x")["refused"])

    def test_a_write_that_died_leaves_nothing_in_the_way(self) -> None:
        content = b"x" * (PIECE + 1)
        number = self.place("a", content)["number"]
        with mock.patch.object(filestore, "save", side_effect=filestore.Failed("The disk is full.")):
            self.assert_problem(self.send(number, 0, content[:PIECE]), 503, "The disk is full.")
        row = Artifact.objects.get(name__contains=".0.")
        filestore.save(row.name, ContentFile(b"half"))
        Artifact.objects.filter(pk=row.pk).update(state=STORING)  # as one that was killed leaves it
        for offset in (0, PIECE):
            self.assertEqual(self.send(number, offset, content[offset : offset + PIECE]).status_code, 200)
        with mock.patch.object(filestore, "save", side_effect=filestore.Failed("The disk is full.")):
            self.assert_problem(self.complete(number), 503)
        self.assertEqual(self.complete(number).status_code, 200)
        self.assertEqual(self.stored(), {"a": content})
        artifacts.sweep()
        self.assertEqual(len(self.stored_files()), 1)

    def test_one_that_is_completed_twice_at_the_same_time_is_there_once(self) -> None:
        number = self.place("a", b"x")["number"]
        self.send(number, 0, b"x")
        real = runs._lease

        def slow(*asked: Any) -> Lease:
            with mock.patch.object(runs, "_lease", real):
                self.assertEqual(self.complete(number).status_code, 200)
            return real(*asked)

        with mock.patch.object(runs, "_lease", slow):
            answer = self.complete(number)
        self.assertEqual((answer.status_code, answer.json().get("head")), (200, self.head + 1), answer.content)
        self.assertEqual(self.stored(), {"a": b"x"})

    def test_one_that_is_put_together_is_not_put_together_beside_that(self) -> None:
        number = self.place("a", b"x")["number"]
        self.send(number, 0, b"x")
        real, said = filestore.save, []

        def slow(name: str, content: Any) -> None:
            said.append(self.complete(number))
            real(name, content)

        with mock.patch.object(filestore, "save", slow):
            self.assertEqual(self.complete(number).status_code, 200)
        self.assert_problem(said[0], 503, "being put together")
        self.assertEqual(len(said), 1)
        self.assertEqual(self.complete(number).status_code, 200, "asked again: it has landed")

    def test_it_takes_the_lease_the_scope_and_the_right(self) -> None:
        number = self.place("a", b"x")["number"]
        reader = access.new_token(self.alice, scopes=("read",))
        for token in (reader, self.strange_token):
            self.assertEqual(self.announce(("a", b"x"), token=token).status_code, 403)
            self.assertEqual(self.send(number, 0, b"x", token=token).status_code, 403)
            self.assertEqual(self.complete(number, token=token).status_code, 403)
        self.assertEqual(self.ask("PUT", f"/runs/{self.number}/artifacts/1?offset=0", b"", token=None).status_code, 401)
        self.assertTrue(self.announce(("a", b"x"), lease="f" * 32).json()["lost"])
        self.assertTrue(self.send(number, 0, b"x", lease="f" * 32).json()["lost"])
        self.assertEqual(self.send(number, 0, b"x", lease=None).status_code, 422)
        lifecycle.lose(self.number, LEASE, "gone")
        for answer in (self.announce(("a", b"x")), self.send(number, 0, b"x"), self.complete(number)):
            self.assertTrue(self.assert_problem(answer, 409)["lost"])
        self.assertEqual(self.stored_files(), [])

    def test_a_worker_s_build_takes_none(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        lifecycle.claim("w", LEASE[::-1])
        self.number = build.pk
        self.assertTrue(self.announce(("a", b"x"), lease=LEASE[::-1]).json()["lost"])

    def test_what_is_not_completed_is_swept_once_the_build_is_over(self) -> None:
        number = self.place("a", b"x" * 12)["number"]
        self.send(number, 0, b"x" * 8)
        Artifact.objects.update(created_at=Build.objects.get().created_at - artifacts.FORGOTTEN_AFTER)
        self.assertEqual(artifacts.sweep(), 0)
        lifecycle.lose(self.number, LEASE, "gone")
        self.assertEqual(artifacts.sweep(), 2)
        self.assertEqual(self.stored_files(), [])

    def test_many_files_ask_no_more_of_a_piece(self) -> None:
        for count in range(30):
            self.upload(f"file {count}", b"x")
        self.assertEqual(Artifact.objects.filter(state=STORED).count(), 30)
        self.assertEqual(Artifact.objects.filter(state=STORING).count(), 0)


@tag("fast")
class PathTests(hypothesis.extra.django.TestCase):
    @examples(deadline=None, max_examples=60)
    @given(st.text(max_size=30))
    def test_any_path_is_taken_or_refused_with_a_sentence(self, path: str) -> None:
        project = Project.objects.create(name="p", slug="p", recipe="x")
        more: dict[str, Any] = {"by": "alice", "worker": "w", "token": LEASE, "steps": ["a"], "source": Source()}
        lease = lifecycle.begin_outside(project, **more)
        [place] = uploads.announce(lease.build_id, LEASE, [Announced(0, path, 0, "0" * 64)])
        self.assertTrue((place.number is None) == place.refused.endswith("."))
