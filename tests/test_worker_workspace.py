"""The folder of a build: fresh, private, and gone afterwards."""

import os
import stat
import subprocess
import tempfile
from pathlib import Path

from django.test import SimpleTestCase, override_settings, tag

from builds.recipe import StepRecipe
from builds.worker import workspace
from builds.worker.workspace import Workspace
from tests.support import missing
from tests.support.users import as_nobody


@tag("fast")
class WorkspaceTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-workspace-")
        self.addCleanup(folder.cleanup)
        self.data = Path(folder.name)
        changed = override_settings(BUILDBOARD_DATA=self.data)
        changed.enable()
        self.addCleanup(changed.disable)

    def test_it_is_fresh_private_and_gone_after_it_was_removed(self) -> None:
        first = Workspace(7)
        (first.path / "old").write_text("old")
        second = Workspace(7)
        self.assertEqual(list(second.path.iterdir()), [])
        self.assertEqual(stat.S_IMODE(second.path.parent.stat().st_mode), 0o700)
        second.remove()
        self.assertEqual(list((self.data / "workspaces").iterdir()), [])

    def test_scripts_lie_beside_it_under_harmless_names(self) -> None:
        place = Workspace(7)
        command = place.script(0, StepRecipe("../../etc/pass wd ü", "echo hi", {}, None, "bash"))
        self.assertEqual(command, ["bash", "-e", "../1-etc-pass-wd.bash"])
        self.assertEqual((place.path / command[-1]).read_text(), "echo hi\n")
        self.assertEqual(place.script(1, StepRecipe("---", "x"))[-1], "../2-step.sh")
        self.assertEqual(list(place.path.iterdir()), [])

    def test_what_may_not_be_written_is_removed_too(self) -> None:
        place = Workspace(7)
        deep = place.path / "module" / "cache"
        deep.mkdir(parents=True)
        (deep / "file").write_text("x")
        deep.chmod(0o500)
        deep.parent.chmod(0o500)
        place.remove()
        self.assertFalse(place.path.parent.exists())

    def test_a_link_that_leads_out_is_not_followed(self) -> None:
        outside = self.data / "outside"
        outside.mkdir()
        (outside / "file").write_text("stays")
        place = Workspace(7)
        (place.path / "link").symlink_to(outside)
        place.remove()
        self.assertTrue((outside / "file").exists())

    def test_only_workspaces_of_builds_that_do_not_run_are_stale(self) -> None:
        self.assertEqual(workspace.stale(list), [])
        Workspace(7)
        Workspace(8)
        (self.data / "workspaces" / "notes").mkdir()
        self.assertEqual([path.name for path in workspace.stale(lambda: [8])], ["7"])

    def test_a_script_is_written_anew_whatever_an_earlier_step_has_put_there(self) -> None:
        place = Workspace(7)
        outside = self.data / "outside"
        outside.write_text("stays")
        (place.path.parent / "2-later.sh").symlink_to(outside)
        command = place.script(1, StepRecipe("later", "echo mine"))
        script = place.path / command[-1]
        self.assertEqual((outside.read_text(), script.read_text()), ("stays", "echo mine\n"))
        self.assertEqual(stat.S_IMODE(script.stat().st_mode), 0o400)
        place.script(1, StepRecipe("later", "echo again"))
        self.assertEqual(script.read_text(), "echo again\n")


class RemovalTests(SimpleTestCase):
    """What a step may leave, and that nothing else goes with it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-removal-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        (self.outside / "file").write_text("stays")
        self.place = self.folder / "place"
        self.place.mkdir()

    def removed(self) -> None:
        workspace.remove(self.place)
        self.assertFalse(os.path.lexists(self.place))
        self.assertEqual((self.outside / "file").read_text(), "stays")

    def test_a_tree_far_deeper_than_a_path_may_be_long(self) -> None:
        made = os.open(self.place, os.O_RDONLY)
        for _ in range(700):
            os.mkdir("deeper", dir_fd=made)
            below = os.open("deeper", os.O_RDONLY, dir_fd=made)
            os.close(made)
            made = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=made))
        os.close(made)
        self.removed()

    def test_folders_that_nobody_may_enter(self) -> None:
        inner = self.place / "a" / "b" / "c"
        inner.mkdir(parents=True)
        (inner / "file").touch(0o000)
        for folder in (inner, inner.parent, inner.parent.parent, self.place):
            folder.chmod(0o000)
        as_nobody(self.folder, self.removed)

    def test_links_of_every_kind(self) -> None:
        (self.place / "to-a-folder").symlink_to(self.outside)
        (self.place / "to-a-file").symlink_to(self.outside / "file")
        (self.place / "to-nothing").symlink_to("nowhere")
        (self.place / "to-itself").symlink_to("to-itself")
        (self.place / "to-above").symlink_to("..")
        os.link(self.outside / "file", self.place / "hard")
        os.mkfifo(self.place / "fifo")
        (self.place / os.fsdecode(b"\xff\n name")).mkdir()
        self.removed()

    def test_a_link_in_its_place_is_removed_and_not_what_it_leads_to(self) -> None:
        self.place.rmdir()
        self.place.symlink_to(self.outside)
        self.removed()
        self.removed()  # nothing there is nothing to do

    def test_what_is_mounted_in_it_stays(self) -> None:
        if os.geteuid() != 0:
            missing("right to mount (root)")
        (self.place / "deep" / "mount").mkdir(parents=True)
        (self.place / "mount").mkdir()
        for target in ("mount", "deep/mount"):
            subprocess.run(["mount", "--bind", self.outside, self.place / target], check=True)
        try:
            workspace.remove(self.place)
            self.assertEqual((self.outside / "file").read_text(), "stays")
        finally:
            for line in Path("/proc/self/mounts").read_text().splitlines():
                if (mounted := line.split()[1]).startswith(str(self.place)):
                    subprocess.run(["umount", mounted], check=True)
        self.removed()
