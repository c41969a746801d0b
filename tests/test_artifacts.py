"""What is known of the files that steps leave behind: never a file without its row, never two of one path."""

import json
from datetime import timedelta
from unittest import mock

from django.db import IntegrityError, transaction
from django.test import SimpleTestCase, TransactionTestCase, override_settings, tag
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from builds import artifacts, events, filestore, retention
from builds.artifacts import ANY, TEXT, Done, content_type
from builds.events import LeaseLost
from builds.models import Artifact, Build
from builds.retention import Pace
from builds.states import Status

from . import live
from .oldlogs import hurried
from .stored import OwnStorage, intent, store

SHA = "0" * 64


@tag("fast")
class ContentTypeTest(SimpleTestCase):
    def test_by_what_it_begins_with_and_never_what_a_browser_runs(self) -> None:
        for head, kind in (
            (b"\x89PNG\r\n\x1a\n...", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a...", "image/gif"),
            (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
            (b"<html><script>alert(1)</script>", TEXT),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", TEXT),
            (b"", TEXT),
            ("grün\n\x1b[31m".encode(), TEXT),
            (b"PK\x03\x04", ANY),
            (b"\x00\x01", ANY),
            (b"\xff\xfe", ANY),
        ):
            self.assertEqual(content_type(head, whole=True), kind, head)

    def test_a_character_that_was_cut_in_two_is_text_unless_the_file_ends_there(self) -> None:
        head = "x€".encode()[:-1]
        self.assertEqual(content_type(head, whole=False), TEXT)
        self.assertEqual(content_type(head, whole=True), ANY)

    @given(st.binary(max_size=40), st.booleans())
    def test_any_bytes_have_one_of_few_types(self, head: bytes, whole: bool) -> None:
        self.assertIn(content_type(head, whole=whole), {*artifacts.IMAGES, TEXT, ANY})


class ArtifactsTest(OwnStorage, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.lease = live.running()
        self.build_id = self.lease.build_id

    def build(self) -> Build:
        return Build.objects.get(pk=self.build_id)

    def counts(self) -> tuple[int, int]:
        build = self.build()
        return build.artifact_count, build.artifact_bytes

    def store(self, path: str, content: bytes, step: int = 0) -> str:
        return store(self.lease, path, content, step)

    def end(self) -> None:
        live.ended(self.lease)

    def test_a_file_that_is_stored_is_an_event_and_counted(self) -> None:
        self.store("dist/a.txt", b"hello")
        [record] = [one for one in events.read(self.build_id, 0) if one.kind == "artifact"]
        told = json.loads(record.data)
        self.assertEqual(
            (told["step"], told["path"], told["size"], told["content_type"]), ("one", "dist/a.txt", 5, TEXT)
        )
        self.assertEqual(self.counts(), (1, 5))
        self.assertEqual(self.build().data()["artifacts"], {"count": 1, "bytes": 5})
        self.assertEqual(events.gaps(self.build_id), [])

    def test_the_newer_of_a_path_takes_the_older_ones_place(self) -> None:
        self.store("a", b"first")
        new = self.store("a", b"second one", step=1)
        self.assertEqual(self.counts(), (1, 10))
        self.assertEqual(artifacts.find(self.build_id, "a").name, new)
        self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(self.stored_files(), [new])

    def test_what_had_landed_is_not_stored_twice(self) -> None:
        one = intent("a", b"x")
        artifacts.intend(self.lease, [one])
        artifacts.intend(self.lease, [one])
        before = self.lease.head
        for _ in range(2):  # the first answer is lost: the head stays where it was
            self.lease.head = before
            artifacts.settle(self.lease, [Done(one.name, 1, SHA, TEXT)])
        self.assertEqual(self.counts(), (1, 1))
        self.assertEqual(Artifact.objects.count(), 1)
        self.assertEqual(self.build().head, before + 1)

    def test_whoever_lost_the_lease_stores_nothing(self) -> None:
        one = intent("a", b"x")
        artifacts.intend(self.lease, [one])
        self.lease.token = "another"
        for call in (
            lambda: artifacts.intend(self.lease, [intent("b")]),
            lambda: artifacts.settle(self.lease, [Done(one.name, 1, SHA, TEXT)]),
        ):
            with self.assertRaises(LeaseLost):
                call()
        self.assertEqual(self.counts(), (0, 0))

    def test_after_a_kill_what_was_only_announced_is_swept_and_nothing_else(self) -> None:
        kept = self.store("kept", b"k")
        half = intent("half", b"half")
        artifacts.intend(self.lease, [half])
        (self.files / half.name).parent.mkdir(exist_ok=True)
        (self.files / half.name).write_bytes(b"ha")
        later = timezone.now() + 2 * artifacts.FORGOTTEN_AFTER
        with mock.patch("django.utils.timezone.now", return_value=later):
            self.assertEqual(artifacts.sweep(), 0)  # it runs: its worker may still be at it
        self.end()
        self.assertEqual(artifacts.sweep(), 0)  # a worker that was held up may still write
        with mock.patch("django.utils.timezone.now", return_value=later):
            self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(self.stored_files(), [kept])
        self.assertEqual(list(Artifact.objects.values_list("path", flat=True)), ["kept"])

    def test_what_failed_is_swept_at_once(self) -> None:
        one = intent("a", b"x")
        artifacts.intend(self.lease, [one])
        artifacts.forget([one.name])
        self.assertEqual(artifacts.sweep(), 1)
        self.assertFalse(Artifact.objects.exists())

    def test_a_build_that_is_deleted_leaves_no_file(self) -> None:
        self.store("a", b"x")
        self.end()
        self.build().delete()
        self.assertEqual(len(self.stored_files()), 1)
        self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(self.stored_files(), [])
        self.assertFalse(Artifact.objects.exists())

    def test_a_storage_that_fails_leaves_the_rest_for_the_next_time(self) -> None:
        self.store("a", b"x")
        self.end()
        artifacts.expire(self.build_id)
        with (
            mock.patch.object(filestore, "delete", side_effect=filestore.Failed("no")),
            self.assertLogs("builds.filestore", "WARNING"),
        ):
            self.assertEqual(artifacts.sweep(), 0)
        self.assertEqual(artifacts.sweep(), 1)

    def test_the_database_refuses_what_cannot_be(self) -> None:
        good = {"build_id": self.build_id, "step": 0, "path": "a", "size": 1, "name": "n"}
        for wrong in ({"state": "lost"}, {"size": -1}, {"path": ""}, {"state": "stored"}, {"name": ""}):
            with self.subTest(wrong), self.assertRaises(IntegrityError), transaction.atomic():
                Artifact.objects.create(**good | wrong)
        whole = good | {"state": "stored", "sha256": SHA, "content_type": TEXT}
        Artifact.objects.create(**whole)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Artifact.objects.create(**whole | {"name": "m"})


@hurried
@override_settings(BUILDBOARD_KEEP_LEAST=0)
class KeepingTest(OwnStorage, TransactionTestCase):
    def over(self, days: float) -> int:
        lease = live.running()
        store(lease, "a", b"hello")
        live.ended(lease)
        ended = timezone.now() - timedelta(days=days)
        Build.objects.filter(pk=lease.build_id).update(created_at=ended, started_at=ended, finished_at=ended)
        return lease.build_id

    def files_of(self, build_id: int) -> int:
        return artifacts.stored(build_id).count()

    def test_a_log_that_is_pruned_takes_its_artifacts_with_it(self) -> None:
        old, young = self.over(91), self.over(2)
        tally = retention.run()
        self.assertEqual((self.files_of(old), self.files_of(young), tally.files), (0, 1, 1))
        self.assertEqual(len(self.stored_files()), 1)
        data = json.loads(events.read(old, 0)[-1].data)
        self.assertEqual(data["artifacts"], {"count": 0, "bytes": 0})

    @override_settings(BUILDBOARD_KEEP_ARTIFACT_DAYS=7)
    def test_artifacts_may_go_before_their_log_unless_the_build_is_kept(self) -> None:
        old, young, kept = self.over(8), self.over(6), self.over(8)
        Build.objects.filter(pk=kept).update(kept=True)
        self.assertEqual(retention.with_old_files(), [old])
        self.assertEqual(retention.run(compact_only=True).files, 0)
        self.assertEqual(retention.run().files, 1)
        self.assertEqual([self.files_of(one) for one in (old, young, kept)], [0, 1, 1])
        self.assertIsNone(Build.objects.get(pk=old).pruned_at)
        self.assertEqual(retention.run().files, 0)

    def test_a_build_that_is_kept_meanwhile_or_has_none_is_left(self) -> None:
        build_id = self.over(1)
        Build.objects.filter(pk=build_id).update(kept=True)
        self.assertEqual(artifacts.expire(build_id), 0)
        Build.objects.filter(pk=build_id).update(kept=False, artifact_count=0)
        self.assertEqual(artifacts.expire(build_id), 0)
        self.assertIsNone(retention.prune(0, "", Pace()))
        self.assertEqual(Build.objects.get(pk=build_id).status, Status.FAILED)
