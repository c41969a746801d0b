"""A step's caches: put back before it begins and kept when it has passed; whatever goes wrong is a warning."""

import re
import time
from typing import Any
from unittest import mock

import yaml
from django.test import override_settings

from buildboard import filestores
from builds import filestore, landmarks, lifecycle
from builds.models import Build, Cache, Project
from builds.worker import caching

from .stored import OwnStorage
from .support import ROOT
from .test_worker_runner import RunnerCase


class CachingTest(OwnStorage, RunnerCase):
    def again(self, run: str = "", cache: Any = None, **more: Any) -> Build:
        """The next build of the project."""
        run = run or "test -e deps/x || { mkdir -p deps; echo made; echo $BUILDBOARD_BUILD_ID > deps/x; }"
        step = {"name": "s1", "run": run, "cache": cache or {"key": "k", "paths": "deps"}, **more}
        project, _ = Project.objects.get_or_create(slug="p", defaults={"name": "p"})
        project.recipe = yaml.safe_dump({"steps": [step]})
        project.save()
        lifecycle.enqueue(project, by="alice")
        lease = lifecycle.claim("test:1", f"token-{Build.objects.count()}")
        assert lease is not None
        return self.run_lease(lease)

    def warned(self, build: Build) -> list[str]:
        return [one.said.message for one in landmarks.annotations(build.pk)]

    def test_what_one_build_has_made_the_next_one_finds(self) -> None:
        first, second = self.again(), self.again()
        self.assertEqual(self.log(first)[:2], ["Cache k: nothing is kept yet", "made"])
        self.assertRegex(self.log(first)[2], r"^Cache k: kept, 1 file, \d+ bytes$")
        self.assertRegex("\n".join(self.log(second)), r"^Cache k: put back, 1 file, \d+ bytes$")
        self.assertEqual(len(self.stored_files()), 1)

    def test_a_step_that_failed_keeps_nothing(self) -> None:
        self.again("mkdir deps; exit 1")
        self.assertFalse(Cache.objects.exists())

    def test_a_key_follows_from_files_and_an_older_one_will_do(self) -> None:
        cache = {"key": 'v-{{ checksum("lock") }}', "paths": ["deps"], "restore_keys": ["v-"]}
        lock = {"name": "s0", "run": "echo 1 > lock"}
        for number in (1, 2):
            step = {"name": "s1", "run": "cat deps/x || true; mkdir -p deps; cp lock deps/x", "cache": cache}
            project, _ = Project.objects.get_or_create(slug="p", defaults={"name": "p"})
            project.recipe = yaml.safe_dump({"steps": [lock | {"run": f"echo {number} > lock"}, step]})
            project.save()
            lifecycle.enqueue(project, by="alice")
            lease = lifecycle.claim("test:1", f"token-{number}")
            assert lease is not None
            build = self.run_lease(lease)
        said = self.log(build, 1)
        self.assertRegex(said[0], r"^Cache v-[0-9a-f]{64}: put back, from v-[0-9a-f]{64}, 1 file")
        self.assertEqual(said[1], "1")
        self.assertEqual(Cache.objects.count(), 2)

    def test_a_key_that_cannot_be_made_is_a_warning(self) -> None:
        for key, why in (
            ('{{ checksum("none") }}', "has the checksum of none, and there is no such file"),
            ("{{ nonsense }}", 'has {{ nonsense }}: expected checksum("FILE") or one of'),
            ('{{ checksum("../x") }}', "is not within the workspace"),
        ):
            build = self.again("true", {"key": key, "paths": "deps"})
            self.assertIn(why, self.warned(build)[0])
            self.assertEqual(build.status, "passed")

    def test_paths_that_are_not_there_and_those_with_wildcards(self) -> None:
        build = self.again("true", {"key": "k", "paths": ["deps", "x*"]})
        self.assertEqual(self.warned(build), ["k is not kept: deps, x* is not there."])
        self.again("mkdir .pip x1 x2; touch .pip/a x1/b x2/c", {"key": "w", "paths": [".pip", "x*"]})
        build = self.again("find . -type f | sort", {"key": "w", "paths": [".pip", "x*"]})
        self.assertEqual(self.log(build)[1:], ["./.pip/a", "./x1/b", "./x2/c"])

    @override_settings(BUILDBOARD_MAX_CACHE_MB=1)
    def test_what_is_too_large_is_not_kept(self) -> None:
        build = self.again("mkdir deps; head -c 1100000 /dev/zero > deps/x")
        self.assertEqual(self.warned(build), ["k is not kept: they have more than 1 MB."])
        self.assertEqual((build.status, self.stored_files()), ("passed", []))

    def test_a_damaged_archive_is_forgotten_and_the_step_goes_on(self) -> None:
        self.again()
        [name] = self.stored_files()
        (self.files / name).write_bytes(b"x" * Cache.objects.get().size)
        build = self.again()
        self.assertEqual(self.warned(build), ["k could not be put back: the archive is not what was stored."])
        self.assertEqual((build.status, self.log(build)[1]), ("passed", "made"))
        self.assertEqual(Cache.objects.filter(state="stored").count(), 1)

    def test_a_storage_that_fails_or_hangs_is_a_warning(self) -> None:
        self.again()
        with mock.patch.object(filestore, "read", side_effect=filestore.Failed("The storage failed: no.")):
            build = self.again()
        self.assertEqual(self.warned(build), ["k could not be put back: The storage failed: no."])
        full = mock.patch.object(filestores.Folder, "_save", side_effect=OSError(28, "No space left on device"))
        with full:
            build = self.again(cache={"key": "other", "paths": "deps"})
        self.assertEqual(self.warned(build), ["other is not kept: The storage failed: No space left on device."])
        self.assertEqual(build.status, "passed")

        def hang(*_: object) -> Any:
            time.sleep(1)
            yield b""

        with mock.patch.object(filestore, "read", hang), mock.patch.object(caching, "PATIENCE", 0.1):
            build = self.again()
        self.assertEqual(
            (self.warned(build), build.status), (["k could not be put back: the storage does not answer."], "passed")
        )

    def test_the_example_of_the_page_about_caches(self) -> None:
        text = (ROOT / "docs/caches.md").read_text()
        [example] = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for said in ("nothing is kept yet", "put back"):
            project, _ = Project.objects.get_or_create(slug="p", defaults={"name": "p", "recipe": example})
            lifecycle.enqueue(project, by="alice")
            lease = lifecycle.claim("test:1", f"token-{said}")
            assert lease is not None
            build = self.run_lease(lease)
            self.assertEqual((build.status, self.warned(build)), ("passed", []))
            self.assertIn(said, self.log(build, 1)[0])
