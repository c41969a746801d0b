"""Archives of caches: all that was packed comes back, and nothing in one leads out of a workspace."""

import io
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.worker import archive
from builds.worker.archive import BadArchive, Packed, TooMuch, pack, stays_within, unpack
from builds.worker.globs import opened_folder

MEGABYTE = 1024 * 1024


def nothing() -> None:
    pass


class ArchiveCase(SimpleTestCase):
    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="bb-archive-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.work, self.other = self.home / "work", self.home / "other"
        self.work.mkdir()
        self.other.mkdir()
        (self.home / "secret").write_text("secret")

    def pack(self, *paths: str, most: int = MEGABYTE) -> tuple[Packed, bytes]:
        target = io.BytesIO()
        with opened_folder(self.work) as folder:
            packed = pack(folder, paths, target, most, nothing)
        return packed, target.getvalue()

    def unpack(self, content: bytes, most: int = MEGABYTE) -> Packed:
        with opened_folder(self.other) as folder:
            return unpack(io.BytesIO(content), folder, most, nothing)

    def made(self, *entries: tuple[str, dict[str, Any], bytes]) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as made:
            for name, fields, content in entries:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                for field, value in fields.items():
                    setattr(entry, field, value)
                made.addfile(entry, io.BytesIO(content))
        return target.getvalue()


@tag("fast")
class BothWaysTest(ArchiveCase):
    def test_all_that_was_packed_comes_back(self) -> None:
        (self.work / "a/.bin").mkdir(parents=True)
        (self.work / "a/x").write_bytes(os.urandom(5000))
        (self.work / "a/x").chmod(0o755)
        os.utime(self.work / "a/x", (1_000_000_000, 1_000_000_000))
        (self.work / "a/.bin/run").symlink_to("../x")
        (self.work / "a/é").write_text("")
        (self.work / "b").write_text("b")
        (self.work / "not").write_text("not")
        packed, content = self.pack("a", "b", "a", "gone")
        self.assertEqual((packed.files, packed.left_out), (3, 1))
        self.assertEqual(self.unpack(content).files, 3)
        self.assertEqual((self.other / "a/x").read_bytes(), (self.work / "a/x").read_bytes())
        looked = (self.other / "a/x").stat()
        self.assertEqual((stat.S_IMODE(looked.st_mode), looked.st_mtime), (0o755, 1_000_000_000))
        self.assertEqual(os.readlink(self.other / "a/.bin/run"), "../x")
        self.assertEqual(sorted(os.listdir(self.other)), ["a", "b"])
        self.unpack(content)  # over what is there

    def test_what_is_no_file_or_leads_out_is_left_out(self) -> None:
        (self.work / "a").mkdir()
        (self.work / "a/out").symlink_to("../../secret")
        (self.work / "a/abs").symlink_to("/etc/passwd")
        os.mkfifo(self.work / "a/pipe")
        (self.work / "link").symlink_to("a")
        (self.work / "a/ok").write_text("ok")
        packed, content = self.pack("a", "link/ok")
        self.assertEqual((packed.files, packed.left_out), (1, 4))
        self.unpack(content)
        self.assertEqual(os.listdir(self.other / "a"), ["ok"])

    def test_bounds_of_packing(self) -> None:
        (self.work / "a").mkdir()
        for name in "bcd":
            (self.work / "a" / name).write_bytes(b"x" * 400)
        with self.assertRaisesRegex(TooMuch, "they have more than"):
            self.pack("a", most=1000)
        with mock.patch.object(archive, "MAX_FILES", 2), self.assertRaisesRegex(TooMuch, "more than 2 files"):
            self.pack("a")

    @given(st.text("ab./", max_size=12), st.text("ab./", max_size=12))
    def test_a_link_that_is_said_to_stay_stays(self, path: str, target: str) -> None:
        path = "/".join(part for part in path.split("/") if part not in ("", ".", "..")) or "a"
        if stays_within(path, target):
            place = os.path.normpath(os.path.join("/w", os.path.dirname(path), target))
            self.assertTrue(place == "/w" or place.startswith("/w/"), (path, target))


@tag("fast")
class HostileTest(ArchiveCase):
    def refused(self, why: str, *entries: tuple[str, dict[str, Any], bytes], most: int = MEGABYTE) -> None:
        with self.assertRaisesRegex(BadArchive, why):
            self.unpack(self.made(*entries), most)
        self.assertEqual((self.home / "secret").read_text(), "secret")
        self.assertEqual(sorted(os.listdir(self.home)), ["other", "secret", "work"])

    def test_paths_that_lead_elsewhere(self) -> None:
        for name in ("../secret", "a/../../secret", "/etc/x", "a//b", "./a", "..", "a/./b", "d/" * 200 + "x"):
            with self.subTest(name[:20]):
                self.refused("a path that leads elsewhere", (name, {}, b"x"))

    def test_links_that_lead_elsewhere(self) -> None:
        for target in ("../secret", "/etc/passwd", "a/../../secret", ""):
            with self.subTest(target):
                self.refused("a link that leads elsewhere", ("l", {"type": tarfile.SYMTYPE, "linkname": target}, b""))

    def test_nothing_is_written_through_a_link_whoever_made_it(self) -> None:
        (self.other / "out").symlink_to(self.home)
        self.refused("below something that is no folder", ("out/secret", {}, b"x"))
        self.refused(
            "below something that is no folder",
            ("in", {"type": tarfile.SYMTYPE, "linkname": "."}, b""),
            ("in/secret", {}, b"x"),
        )
        (self.other / "secret").symlink_to(self.home / "secret")
        self.unpack(self.made(("secret", {}, b"mine")))
        self.assertEqual(((self.home / "secret").read_text(), (self.other / "secret").read_text()), ("secret", "mine"))
        self.assertFalse((self.other / "secret").is_symlink())

    def test_devices_pipes_and_hard_links(self) -> None:
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE):
            with self.subTest(kind):
                self.refused("no file, folder or link", ("x", {"type": kind, "linkname": "/etc/passwd"}, b""))

    def test_rights_are_not_lent(self) -> None:
        self.unpack(self.made(("x", {"mode": 0o6777, "uid": 0, "uname": "root"}, b"x")))
        looked = (self.other / "x").stat()
        self.assertEqual((stat.S_IMODE(looked.st_mode), looked.st_uid), (0o777, os.getuid()))

    def test_a_bomb_is_stopped_before_it_is_large(self) -> None:
        self.refused("comes to more than 1 MB", ("bomb", {}, bytes(50 * MEGABYTE)))
        self.assertFalse((self.other / "bomb").exists())
        with mock.patch.object(archive, "MAX_FILES", 3):
            self.refused("more than 3 files", *[(f"f{number}", {}, b"") for number in range(5)])

    def test_what_is_no_archive(self) -> None:
        whole = self.made(("a", {}, os.urandom(9000)))
        for content in (b"", b"hello", whole[:100], b"\x1f\x8b" + bytes(50)):
            with self.assertRaisesRegex(BadArchive, "is damaged"):
                self.unpack(content)

    @given(st.binary(max_size=60), st.integers(0, 150))
    def test_any_bytes_are_unpacked_or_refused(self, noise: bytes, at: int) -> None:
        whole = self.made(("a/b", {}, b"x" * 50))
        for content in (noise, whole[:at] + noise + whole[at + len(noise) :]):
            try:
                self.unpack(content)
            except BadArchive:
                continue
        self.assertEqual((self.home / "secret").read_text(), "secret")
