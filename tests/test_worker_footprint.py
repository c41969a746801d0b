"""How much of the disk a workspace takes."""

import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase

from builds.worker import footprint
from builds.worker.footprint import Footprint, sizes
from tests.support.processes import eventually

MEGABYTE = 1024 * 1024


class FootprintTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-footprint-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, megabytes: int) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * megabytes * MEGABYTE)
        return path

    def measured(self) -> float:
        return sum(sizes(self.folder)) / MEGABYTE

    def test_all_that_lies_in_it_counts_once_and_nothing_else(self) -> None:
        self.assertEqual(self.measured(), 0)
        one = self.write("a/b/one", 3)
        self.write("two", 2)
        os.link(one, self.folder / "again")
        (self.folder / "out").symlink_to("/usr")
        (self.folder / "round").symlink_to(self.folder)
        (self.folder / "locked").mkdir(mode=0)
        self.assertTrue(5 <= self.measured() < 5.2, self.measured())

    def test_what_a_file_claims_and_does_not_take_does_not_count(self) -> None:
        with open(self.folder / "sparse", "wb") as file:
            file.truncate(10_000 * MEGABYTE)
        self.assertLess(self.measured(), 1)

    def test_too_much_ends_the_build_with_both_figures(self) -> None:
        self.write("a/large", 3)
        watch = Footprint(self.folder, 2)
        ending = eventually(watch.look, 10)
        self.assertEqual(ending.build_reason, "The build's workspace takes 3 MiB of the disk; 2 MiB are allowed.")
        (self.folder / "a/large").unlink()
        self.assertIs(watch.look(), ending)

    def test_without_a_limit_or_within_it_nothing_ends(self) -> None:
        self.write("a", 3)
        for most in (0, 4):
            watch = Footprint(self.folder, most)
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                self.assertIsNone(watch.look())

    def test_many_files_are_measured_in_slices(self) -> None:
        for number in range(200):
            (self.folder / str(number)).touch()
        self.write("large", 3)
        watch = Footprint(self.folder, 2)
        looks = 0
        with mock.patch.object(footprint, "SLICE_SECONDS", 0.0):
            while watch.ending is None:
                watch.look()
                looks += 1
                watch._look_at = float("-inf")
        self.assertGreater(looks, 1)

    def test_a_folder_that_is_gone_takes_nothing(self) -> None:
        self.assertEqual(list(sizes(self.folder / "gone")), [])
