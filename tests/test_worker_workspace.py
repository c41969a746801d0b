"""The folder of a build: fresh, private, and gone afterwards."""

import stat
import tempfile
from pathlib import Path

from django.test import SimpleTestCase, override_settings, tag

from builds.recipe import StepRecipe
from builds.worker import workspace
from builds.worker.workspace import Workspace


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
