"""A step's artifacts: collected however the step ended, bounded, told; and a storage that fails is no secret."""

import hashlib
import os
import re
import threading
from typing import Any
from unittest import mock

import yaml
from django.test import SimpleTestCase, override_settings, tag
from django.utils import timezone

from buildboard import filestores
from builds import artifacts, events, filestore, landmarks, safe
from builds.landmarks import Annotation, parse
from builds.models import Artifact, Build
from builds.worker import collecting
from builds.worker.collecting import command

from .stored import OwnStorage
from .support import ROOT
from .test_worker_runner import RunnerCase

MEGABYTE = 1024 * 1024


class CollectingTest(OwnStorage, RunnerCase):
    def build(self, run: str, *patterns: str, **more: Any) -> Build:
        return self.run_build({"run": run, "artifacts": list(patterns), **more})

    def stored(self, build: Build) -> dict[str, int]:
        return dict(artifacts.stored(build.pk).values_list("path", "size"))

    def warned(self, build: Build) -> list[str]:
        return [one.said.message for one in landmarks.annotations(build.pk) if one.said.title == "Artifacts"]

    def test_files_are_stored_and_told(self) -> None:
        build = self.build(
            "mkdir dist; head -c 786439 /dev/zero > dist/a.bin; printf text > dist/b.txt; : > c", "dist/*", "c"
        )
        self.assertEqual(self.log(build), ["3 artifacts stored, 786.4 kB: c, dist/a.bin, dist/b.txt"])
        self.assertEqual(self.stored(build), {"c": 0, "dist/a.bin": 786439, "dist/b.txt": 4})
        row = artifacts.find(build.pk, "dist/a.bin")
        self.assertEqual((row.sha256, row.content_type), (hashlib.sha256(bytes(786439)).hexdigest(), artifacts.ANY))
        self.assertEqual(b"".join(filestore.read(row.name)), bytes(786439))
        self.assertEqual((build.status, build.artifact_count, len(self.stored_files())), ("passed", 3, 3))

    def test_a_path_with_a_secret_in_it_is_stored_without(self) -> None:
        names = '"$TOKEN" "$TOKEN.log" "a-$TOKEN-$TOKEN" d/b "$TOKEN$TOKEN.log"'
        run = f"mkdir d; for name in {names}; do echo $name > $name; done"
        lease = self.queue({"run": run, "artifacts": ["*"], "secrets": ["TOKEN"]})
        safe.put(Build.objects.get(pk=lease.build_id).project, "TOKEN", "hunter22", by="alice")
        build = self.run_lease(lease)
        self.assertEqual(set(self.stored(build)), {"***", "***.log", "a-***-***", "d/b"})
        [warned] = self.warned(build)
        self.assertEqual(warned, "***.log is not stored: without the secrets in them another file has the same path.")
        told = [record.data for record in events.read(build.pk, 0)]
        self.assertFalse([data for data in told if "hunter22" in data])

    def test_many_are_told_in_one_line(self) -> None:
        build = self.build("for n in $(seq -w 120); do printf x > f$n; done", "*")
        [line] = self.log(build)
        self.assertRegex(line, r"^120 artifacts stored, 120 bytes: f001, .*, f010 and 110 more$")
        self.assertEqual(len(self.stored(build)), 120)

    def test_a_step_that_failed_keeps_what_it_has_left(self) -> None:
        build = self.build("echo why > log.txt; exit 3", "log.txt", "dist/*")
        self.assertEqual((build.status, build.reason), ("failed", "Step s1: exit code 3."))
        self.assertEqual(self.stored(build), {"log.txt": 4})
        self.assertEqual((self.log(build)[0], self.warned(build)), ("dist/* means no file.", []))

    def test_a_pattern_that_means_nothing_is_a_warning(self) -> None:
        build = self.build("printf open", "dist/*.whl")
        self.assertEqual(self.warned(build), ["dist/*.whl means no file."])
        self.assertEqual(self.log(build)[0], "open")
        self.assertEqual(build.status, "passed")

    def test_what_is_not_stored_is_said_with_its_reason(self) -> None:
        build = self.build("printf x > a.txt; ln -s /etc/passwd link; ln -s / root; mkfifo pipe", "*")
        self.assertEqual(
            self.warned(build),
            [
                "link: a symbolic link is not followed: left out.",
                "pipe: not a plain file: left out.",
                "root: a symbolic link is not followed: left out.",
            ],
        )
        self.assertEqual(self.stored(build), {"a.txt": 1})

    @override_settings(BUILDBOARD_MAX_ARTIFACT_MB=1, BUILDBOARD_MAX_ARTIFACTS=13)
    def test_each_bound_is_said(self) -> None:
        build = self.build("head -c 1048577 /dev/zero > big; for n in $(seq -w 25); do printf x > x$n; done", "*")
        said = self.warned(build)
        self.assertEqual(said[0], "big (1.0 MB) is not stored: an artifact has 1 MB at most.")
        self.assertEqual(said[1], "x14 (1 byte) is not stored: a build has 13 artifacts and 4,096 MB at most.")
        self.assertEqual(said[-1], "3 more files were not stored: a build has 13 artifacts and 4,096 MB at most.")
        self.assertEqual(len(self.stored(build)), 13)

    def test_all_bytes_of_a_build_are_bounded(self) -> None:
        with override_settings(BUILDBOARD_MAX_BUILD_ARTIFACTS_MB=1):
            build = self.build("head -c 700000 /dev/zero > a; head -c 700000 /dev/zero > b; printf x > c", "*")
        self.assertEqual(set(self.stored(build)), {"a", "c"})

    def test_a_path_that_is_too_long(self) -> None:
        build = self.build('d=$(printf "%0200d" 0); mkdir -p $d/$d; printf x > $d/$d/$d', "**")
        self.assertIn("its path is longer than 500 characters", self.warned(build)[0])

    def test_the_same_path_is_replaced_but_that_of_a_workspace_of_its_own_is_told_apart(self) -> None:
        build = self.run_build(
            {"run": "printf one > a", "artifacts": "a"},
            {"run": "printf other > a", "artifacts": "a"},
            {"run": "printf own > a", "artifacts": "a", "workspace": "own", "name": "x/y"},
        )
        self.assertEqual(self.stored(build), {"a": 5, "x-y/a": 3})
        self.assertEqual(artifacts.sweep(), 1)

    def test_steps_side_by_side_share_what_a_build_may_store(self) -> None:
        steps = [{"run": f"printf x > f{n}", "artifacts": f"f{n}", "needs": [], "name": f"n{n}"} for n in range(4)]
        with override_settings(BUILDBOARD_MAX_ARTIFACTS=3):
            build = self.run_build(*steps)
        self.assertEqual(len(self.stored(build)), 3)

    def test_a_file_that_goes_meanwhile_is_left_out_and_one_that_grows_is_cut(self) -> None:
        real = artifacts.intend

        def intend(lease: Any, intents: Any) -> None:
            real(lease, intents)
            work = self.folder / "workspaces" / str(lease.build_id) / "work"
            (work / "a").unlink()
            (work / "b").write_bytes(b"bbbbbbbb")
            (work / "c").write_bytes(b"c")

        with mock.patch.object(artifacts, "intend", intend):
            build = self.build("for n in a b c; do printf $n$n$n$n > $n; done", "*")
        self.assertEqual(self.warned(build), ["a is not stored: it is gone."])
        self.assertEqual(self.stored(build), {"b": 4, "c": 1})
        self.assertEqual(artifacts.sweep(), 1)
        self.assertEqual(Artifact.objects.count(), 2)

    def test_a_storage_that_fails_fails_the_step_and_leaves_nothing(self) -> None:
        with mock.patch.object(filestores.Folder, "_save", side_effect=OSError(28, "No space left on device")):
            build = self.build("printf x > a; printf x > b", "*")
        self.assertEqual(build.status, "failed")
        self.assertEqual(
            build.reason,
            "Step s1: its artifacts could not be stored: The storage failed: No space left on device.",
        )
        artifacts.sweep()
        self.assertEqual((Artifact.objects.count(), self.stored_files()), (0, []))

    def test_a_storage_that_hangs_is_left_and_what_it_stores_later_is_deleted(self) -> None:
        go = threading.Event()
        real = filestore.save

        def save(*args: Any) -> None:
            go.wait(20)
            real(*args)

        with mock.patch.object(filestore, "save", save), mock.patch.object(collecting, "PATIENCE", 0.1):
            build = self.build("printf x > a", "*")
        self.assertIn("its artifacts could not be stored: nothing has moved for", build.reason)
        go.set()
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(20)
        self.assertEqual((self.stored(build), self.stored_files()), ({}, []))
        later = timezone.now() + 2 * artifacts.FORGOTTEN_AFTER
        with mock.patch("django.utils.timezone.now", return_value=later):
            self.assertEqual(artifacts.sweep(), 1)

    def test_a_build_that_is_cancelled_meanwhile_stores_nothing_more(self) -> None:
        def save(*_: Any) -> None:
            Build.objects.update(cancel_requested_at=timezone.now(), cancelled_by="alice")
            raise filestore.Failed("The storage failed: no.")

        with mock.patch.object(filestore, "save", save):
            build = self.build("printf x > a", "a")
        self.assertIn(build.status, ("cancelled", "failed"))
        self.assertEqual(self.stored(build), {})

    def test_what_cannot_be_read_is_left_out(self) -> None:
        content = os.urandom(10)
        (self.folder / "x").write_bytes(content)
        with open(self.folder / "x", "rb") as opened:
            measured = collecting.Measured(opened, 4, lambda: None)
            self.assertEqual(b"".join(measured.chunks(3)), content[:4])
            self.assertEqual(
                measured.done("n"), artifacts.Done("n", 4, hashlib.sha256(content[:4]).hexdigest(), mock.ANY)
            )

    def test_the_example_of_the_page_about_artifacts(self) -> None:
        text = (ROOT / "docs/artifacts.md").read_text()
        [example] = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        build = self.run_build(**yaml.safe_load(example))
        self.assertEqual(set(self.stored(build)), {"dist/app.tar.gz", "logs/build.log"})
        self.assertEqual((build.status, self.warned(build)), ("passed", []))


@tag("fast")
class CommandTest(SimpleTestCase):
    def test_a_line_is_taken_for_an_annotation_whatever_is_in_it(self) -> None:
        found = parse(command("error", "Artifacts", "50 %: a\nb\r\nc%0A"))
        assert isinstance(found, Annotation)
        self.assertEqual((found.level, found.title, found.message), ("error", "Artifacts", "50 %: a\nb\nc%0A"))
