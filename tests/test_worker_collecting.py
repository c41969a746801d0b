"""A step's artifacts: collected, bounded, told; and a storage that fails is no secret."""

import hashlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from unittest import mock

from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from buildboard import filestores
from builds import artifacts, filestore
from builds.events import LeaseLost
from builds.landmarks import Annotation, parse
from builds.models import Artifact, Build
from builds.worker.aside import Aside
from builds.worker.collecting import Budget, NotStored, Source, collect, command
from builds.worker.running import readable

from . import live
from .stored import OwnStorage

MEGABYTE = 1024 * 1024


class CollectingTest(OwnStorage, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.work = Path(tempfile.mkdtemp(prefix="bb-work-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.lease = live.running()
        self.budget = Budget(1000, 1000 * MEGABYTE)

    def make(self, **files: bytes) -> None:
        for name, content in files.items():
            path = self.work / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def collect(self, *patterns: str, failed: bool = False, prefix: str = "") -> list[str]:
        """What is said in the log."""
        source = Source(0, self.work, prefix)
        aside = Aside(lambda one: collect(one, self.lease, source, patterns, self.budget, failed=failed))
        said = []
        try:
            while not aside.is_over:
                readable([aside.file], 1)
                said += aside.serve()
            said += aside.serve()
        finally:
            aside.close()
        if aside.error:
            raise aside.error
        return said

    def stored(self) -> dict[str, int]:
        return dict(artifacts.stored(self.lease.build_id).values_list("path", "size"))

    def warned(self, said: list[str]) -> list[str]:
        return [found.message for line in said if isinstance(found := parse(line), Annotation)]

    def test_files_are_stored_and_told(self) -> None:
        content = os.urandom(3 * filestore.CHUNK_BYTES + 7)
        self.make(dist__a_bin=content, dist__b_txt=b"text", c_txt=b"")
        self.assertEqual(
            self.collect("dist/*", "c.txt"), ["3 artifacts stored, 786.4 kB: c.txt, dist/a.bin, dist/b.txt"]
        )
        self.assertEqual(self.stored(), {"c.txt": 0, "dist/a.bin": len(content), "dist/b.txt": 4})
        row = artifacts.find(self.lease.build_id, "dist/a.bin")
        self.assertEqual((row.sha256, row.content_type), (hashlib.sha256(content).hexdigest(), artifacts.ANY))
        self.assertEqual(b"".join(filestore.read(row.name)), content)
        self.assertEqual(Build.objects.get(pk=self.lease.build_id).artifact_count, 3)
        self.assertEqual(len(self.stored_files()), 3)

    def test_many_are_told_in_one_line(self) -> None:
        self.make(**{f"f{number:03}": b"x" for number in range(120)})
        [line] = self.collect("*")
        self.assertRegex(line, r"^120 artifacts stored, 120 bytes: f000, .*, f009 and 110 more$")
        self.assertEqual(len(self.stored()), 120)

    def test_a_pattern_that_means_nothing_is_a_warning_unless_the_step_failed(self) -> None:
        self.assertEqual(self.warned(self.collect("dist/*.whl")), ["dist/*.whl means no file."])
        self.assertEqual(self.collect("dist/*.whl", failed=True), ["dist/*.whl means no file."])

    def test_what_is_not_stored_is_said_with_its_reason(self) -> None:
        self.make(a_txt=b"x")
        (self.work / "link").symlink_to("/etc/passwd")
        os.mkfifo(self.work / "pipe")
        said = self.warned(self.collect("*", "../../etc/*"))
        self.assertEqual(
            said,
            [
                "The pattern ../../etc/* is not within the workspace: expected no ..: nothing of it is stored.",
                "link: a symbolic link is not followed: not stored.",
                "pipe: not a plain file: not stored.",
            ],
        )
        self.assertEqual(self.stored(), {"a.txt": 1})

    def test_each_bound_is_said(self) -> None:
        self.make(big=b"x" * (MEGABYTE + 1), a=b"a", b=b"b", c=b"c")
        self.budget = Budget(2, 5 * MEGABYTE)
        with override_settings(BUILDBOARD_MAX_ARTIFACT_MB=1):
            said = self.warned(self.collect("*"))
        self.assertEqual(
            said,
            [
                "big (1.0 MB) is not stored: an artifact has 1.0 MB at most.",
                "c (1 byte) is not stored: a build has 1,000 artifacts and 4,096 MB at most.",
            ],
        )
        self.assertEqual(set(self.stored()), {"a", "b"})
        self.budget = Budget(9, 1)
        self.make(**{f"x{number:02}": b"xx" for number in range(15)})
        said = self.warned(self.collect("x*"))
        self.assertEqual(
            (len(said), said[-1]),
            (11, "5 more files were not stored: a build has 1,000 artifacts and 4,096 MB at most."),
        )

    def test_a_path_that_is_too_long(self) -> None:
        self.make(**{"d" * 200 + "__" + "e" * 200 + "__" + "f" * 200: b"x"})
        [line] = self.warned(self.collect("**"))
        self.assertIn("its path is longer than 500 characters", line)

    def test_the_same_path_of_another_step_is_replaced_or_told_apart(self) -> None:
        self.make(a=b"one")
        self.collect("a")
        self.make(a=b"other")
        self.collect("a")
        self.collect("a", prefix="test (1)/")
        self.assertEqual(self.stored(), {"a": 5, "test (1)/a": 5})

    def test_a_file_that_goes_meanwhile_is_left_out_and_one_that_grows_is_cut(self) -> None:
        self.make(a=b"aaaa", b=b"bbbb", c=b"cccc")
        real = artifacts.intend

        def intend(*args: object) -> None:
            real(*args)  # type: ignore[arg-type]
            (self.work / "a").unlink()
            (self.work / "b").write_bytes(b"bbbbbbbb")
            (self.work / "c").write_bytes(b"c")

        with mock.patch.object(artifacts, "intend", intend):
            said = self.collect("*")
        self.assertEqual(self.warned(said), ["a is not stored: it is gone."])
        self.assertEqual(self.stored(), {"b": 4, "c": 1})
        self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(Artifact.objects.count(), 2)

    def test_a_storage_that_fails_is_an_error_and_leaves_nothing(self) -> None:
        self.make(a=b"a", b=b"b")
        full = mock.patch.object(filestores.Folder, "_save", side_effect=OSError(28, "No space left on device"))
        with full, self.assertRaisesMessage(NotStored, "The storage failed: No space left on device."):
            self.collect("*")
        self.assertEqual(self.stored(), {})
        artifacts.sweep()
        self.assertFalse(Artifact.objects.exists())
        self.assertEqual(self.stored_files(), [])

    def test_a_lost_lease_stores_nothing_and_the_file_is_swept_later(self) -> None:
        self.make(a=b"a")
        real = artifacts.settle

        def settle(lease: object, done: object) -> None:
            self.lease.token = "another"
            real(lease, done)  # type: ignore[arg-type]

        with mock.patch.object(artifacts, "settle", settle), self.assertRaises(LeaseLost):
            self.collect("a")
        self.assertEqual(self.stored(), {})
        Build.objects.update(status="lost", finished_at=timezone.now(), lease_token=None)
        later = timezone.now() + 2 * artifacts.FORGOTTEN_AFTER
        with mock.patch("django.utils.timezone.now", return_value=later):
            self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(self.stored_files(), [])

    def test_work_that_was_left_while_it_stored_deletes_what_it_stores_too_late(self) -> None:
        self.make(a=b"a")
        begun, go = threading.Event(), threading.Event()

        def save(*args: object) -> None:
            begun.set()
            go.wait(10)
            real(*args)  # type: ignore[arg-type]

        real = filestore.save
        with mock.patch.object(filestore, "save", save):
            source = Source(0, self.work)
            aside = Aside(lambda one: collect(one, self.lease, source, ["a"], self.budget, failed=False))
            while not begun.is_set():
                readable([aside.file], 1)
                aside.serve()
            aside.close()
            go.set()
            while not aside.is_over:
                pass
        self.assertEqual((self.stored(), self.stored_files(), aside.error), ({}, [], None))

    def test_a_line_is_taken_for_an_annotation_whatever_is_in_it(self) -> None:
        found = parse(command("error", "Artifacts", "50 %: a\nb\r\nc%0A"))
        self.assertEqual((found.level, found.title, found.message), ("error", "Artifacts", "50 %: a\nb\nc%0A"))
