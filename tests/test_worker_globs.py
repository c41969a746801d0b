"""Which files a pattern means, and that nothing outside of a workspace is ever read."""

import errno
import fnmatch
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.worker import globs
from builds.worker.globs import BadPattern, Found, Match, Pattern, Refused, find, open_within, opened_folder


class GlobCase(SimpleTestCase):
    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="bb-globs-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.work = self.home / "work"
        self.work.mkdir()
        (self.home / "secret").write_text("secret")

    def make(self, *paths: str) -> None:
        for path in paths:
            file = self.work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)

    def find(self, *patterns: str) -> Found:
        return find(self.work, [Pattern(one) for one in patterns], lambda: None)

    def paths(self, *patterns: str) -> list[str]:
        return [match.path for match in self.find(*patterns).files]


@tag("fast")
class PatternTest(GlobCase):
    def test_what_patterns_mean(self) -> None:
        self.make(
            "a.txt", "b.md", "dist/x.whl", "dist/y.tar.gz", "dist/deep/z.whl", ".git/config", "dist/.hidden", "é.txt"
        )
        for patterns, meant in (
            (["*.txt"], ["a.txt", "é.txt"]),
            (["dist/*.whl"], ["dist/x.whl"]),
            (["dist/**/*.whl"], ["dist/deep/z.whl", "dist/x.whl"]),
            (["**/*.whl"], ["dist/deep/z.whl", "dist/x.whl"]),
            (["**/**/z.whl"], ["dist/deep/z.whl"]),
            (["dist"], ["dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz"]),
            (["./dist/deep/"], ["dist/deep/z.whl"]),
            (["dist/**"], ["dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz"]),
            (["?.[tm]*"], ["a.txt", "b.md", "é.txt"]),
            (["[!a].*"], ["b.md", "é.txt"]),
            (["[a-b].*"], ["a.txt", "b.md"]),
            (["dist/.hidden", ".git"], [".git/config", "dist/.hidden"]),
            (["*"], ["a.txt", "b.md", "dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz", "é.txt"]),
            (["a.txt", "*.txt", "**"], ["a.txt", "b.md", "dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz", "é.txt"]),
            (["A.TXT", "dist/x.whl/y", "[", "nothing/*"], []),
        ):
            with self.subTest(patterns):
                self.assertEqual(self.paths(*patterns), meant)

    def test_a_pattern_that_means_nothing_is_named(self) -> None:
        self.make("a.txt")
        found = self.find("a.txt", "*.whl", "*")
        self.assertEqual(found.unmatched, ["*.whl"])
        written = (self.work / "a.txt").stat().st_mtime_ns
        self.assertEqual(found.files, [Match("a.txt", 5, written)])

    def test_a_pattern_that_leads_out_is_refused(self) -> None:
        for wrong, why in (
            ("/etc/passwd", "without a / at its beginning"),
            ("~/.ssh/*", "without a / at its beginning"),
            ("../x", "expected no .."),
            ("a/../../x", "expected no .."),
            ("a\0b", "NUL"),
            ("", "empty"),
            ("  ", "empty"),
            ("x" * 501, "longer than 500"),
            ("a/" * 101, "more than 100 folders"),
        ):
            with self.subTest(wrong[:20]), self.assertRaisesRegex(BadPattern, why):
                Pattern(wrong)

    @given(st.text(max_size=30))
    def test_any_text_is_a_pattern_or_is_refused(self, text: str) -> None:
        try:
            pattern = Pattern(text)
        except BadPattern:
            return
        at = pattern.begin()
        for name in ("a", ".b", "c" * 255):
            at = pattern.step(at, name)

    @given(st.text("ab*?[]!", min_size=1, max_size=8), st.text("ab", min_size=1, max_size=6))
    def test_within_one_name_it_is_as_a_shell_has_it(self, text: str, name: str) -> None:
        if text == "**":
            return
        pattern = Pattern(text)
        self.assertEqual(pattern.means(pattern.step(pattern.begin(), name)), fnmatch.fnmatchcase(name, text))

    @settings(max_examples=50)
    @given(st.integers(1, 60))
    def test_stars_without_end_take_no_time(self, count: int) -> None:
        pattern = Pattern(("*a" * count)[:250] + "b")
        self.assertFalse(pattern.means(pattern.step(pattern.begin(), "a" * 250)))


@tag("fast")
class RefusedTest(GlobCase):
    def test_links_devices_and_pipes_are_named_and_not_read(self) -> None:
        self.make("real")
        (self.work / "link").symlink_to(self.home / "secret")
        (self.work / "folder").symlink_to(self.home)
        os.mkfifo(self.work / "pipe")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.work / "socket"))
        found = self.find("**")
        self.assertEqual([match.path for match in found.files], ["real"])
        self.assertEqual(
            found.refused,
            [
                "folder: a symbolic link is not followed",
                "link: a symbolic link is not followed",
                "pipe: not a plain file",
                "socket: not a plain file",
            ],
        )
        self.assertEqual(self.paths("folder/secret", "link/x"), [])

    def test_of_many_that_are_refused_some_are_named_and_the_others_counted(self) -> None:
        for number in range(25):
            (self.work / f"{number:02}").symlink_to("/etc/passwd")
        found = self.find("*")
        self.assertEqual((len(found.refused), found.more_refused), (20, 5))

    def test_names_that_cannot_be_shown(self) -> None:
        for name in (b"bad\xff", b"two\nlines", "turned\u202eround".encode()):
            with open(os.fsencode(self.work) + b"/" + name, "w"):
                pass
        found = self.find("*")
        self.assertEqual(found.files, [])
        self.assertIn(r"two\nlines: its name has characters that cannot be shown", found.refused)
        self.assertTrue(all(line.isprintable() for line in found.refused))

    def test_more_names_than_are_looked_at(self) -> None:
        self.make(*(f"a{number}" for number in range(9)))
        with mock.patch.object(globs, "MAX_LOOKED_AT", 5):
            found = self.find("*")
        self.assertTrue(found.cut)
        self.assertEqual(len(found.files), 5)

    def test_folders_without_end(self) -> None:
        path = self.work
        for _ in range(globs.MAX_DEPTH + 2):
            path /= "d"
            path.mkdir()
        self.assertIn("more than 100 folders deep", self.find("**").refused[0])

    def test_it_ends_when_it_is_told_to(self) -> None:
        self.make("a")

        def check() -> None:
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            find(self.work, [Pattern("*")], check)


@tag("fast")
class OpeningTest(GlobCase):
    def read(self, path: str) -> str:
        with opened_folder(self.work) as folder:
            file = open_within(folder, path)
            with os.fdopen(file) as opened:
                return opened.read()

    def test_a_file_is_opened_below_the_folder(self) -> None:
        self.make("a", "b/c/d")
        self.assertEqual((self.read("a"), self.read("b/c/d")), ("a", "b/c/d"))

    def test_what_has_become_a_link_since_it_was_found_is_not(self) -> None:
        self.make("a", "b/secret")
        (self.work / "a").unlink()
        (self.work / "a").symlink_to(self.home / "secret")
        shutil.rmtree(self.work / "b")
        (self.work / "b").symlink_to(self.home)
        os.mkfifo(self.work / "pipe")
        for path, why in (("a", "link"), ("b/secret", "link"), ("pipe", "plain"), ("gone", "gone"), ("", ".*")):
            with self.subTest(path), self.assertRaisesRegex(Refused, why):
                self.read(path)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            with self.assertRaises(Refused):
                self.read("b/secret")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_a_folder_that_turns_into_a_link_again_and_again_never_leads_out(self) -> None:
        inside, link, place = self.work / "inside", self.work / "link", self.work / "x"
        inside.mkdir()
        (inside / "secret").write_text("inside")
        link.symlink_to(self.home)
        over = threading.Event()

        def swap() -> None:
            while not over.is_set():
                for source in (inside, link):
                    os.rename(source, place)
                    os.rename(place, source)

        racer = threading.Thread(target=swap)
        racer.start()
        try:
            for _ in range(3_000):
                try:
                    self.assertEqual(self.read("x/secret"), "inside")
                except Refused:
                    continue
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOENT)
        finally:
            over.set()
            racer.join()
