"""Which container engine there is, and what is said where there is none."""

import os
import tempfile
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.test import SimpleTestCase, override_settings, tag

from builds.worker import containers, engine, isolation
from builds.worker.engine import Engine, NoEngine


@tag("fast")
class EngineTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-engine-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        engine._known.clear()
        self.addCleanup(engine._known.clear)
        path = mock.patch.dict(os.environ, {"PATH": f"{self.folder}:/usr/bin:/bin"})
        path.start()
        self.addCleanup(path.stop)

    def program(self, name: str, version: str, info: str = "") -> Path:
        place = self.folder / name
        place.write_text(f"#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; exit; fi\n{info}\n")
        place.chmod(0o755)
        return place

    def test_a_docker_with_root_and_one_without(self) -> None:
        place = self.program("docker", "Docker version 28.2.2, build e6534b4", "echo '28.2.2 [name=seccomp]'")
        with override_settings(BUILDBOARD_CONTAINER_ENGINE="docker"):
            self.assertEqual(engine.get(), Engine(str(place), "docker", "28.2.2", rootless=False))
        self.assertEqual(engine.get().user(), ["--user", f"{os.geteuid()}:{os.getegid()}"])
        engine._known.clear()
        self.program("docker", "Docker version 28.2.2, build e6534b4", "echo '28.2.2 [name=seccomp name=rootless]'")
        with override_settings(BUILDBOARD_CONTAINER_ENGINE=str(place)):
            self.assertEqual(engine.get().user(), ["--user", "0:0"])

    def test_a_podman_whatever_its_name(self) -> None:
        place = self.program("engine", "podman version 4.3.1", "echo '4.3.1 true'")
        with override_settings(BUILDBOARD_CONTAINER_ENGINE=str(place)):
            self.assertEqual(engine.get(), Engine(str(place), "podman", "4.3.1", rootless=True))
            self.assertEqual(engine.get().user()[:2], ["--userns", "keep-id"])

    def test_what_is_missing_or_does_not_answer_is_told(self) -> None:
        wanted = {
            "docker": (
                "echo 'Cannot connect to the Docker daemon' >&2; exit 1",
                "info said: Cannot connect to the Dock",
            ),
            "silent": ("echo", "does not tell a version"),
            "podman": ("exit 3", "info said: exit code 3"),
        }
        for name, (info, why) in wanted.items():
            place = self.program(name, "Docker version 1")
            self.program(name, "Docker version 1", info)
            with self.subTest(name), override_settings(BUILDBOARD_CONTAINER_ENGINE=str(place)):
                self.assertIn(why, containers.trouble())
        for name, why in (
            ("/no/such", "/no/such is not installed"),
            (str(self.program("ls", "x")), "expected podman or"),
        ):
            with self.subTest(name), override_settings(BUILDBOARD_CONTAINER_ENGINE=name):
                self.assertIn(why, containers.trouble())
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
            self.assertIn("neither podman nor docker is installed", containers.trouble())

    def test_one_that_hangs_is_given_up_and_asked_again_later(self) -> None:
        place = self.program("docker", "Docker version 28", "exec sleep 60")
        with override_settings(BUILDBOARD_CONTAINER_ENGINE="docker"):
            with self.assertRaisesRegex(NoEngine, f"^{place} info has not answered for 1 s$"):
                engine.get(1)
            self.program("docker", "Docker version 28", "echo '28 []'")
            self.assertEqual(containers.trouble(), "")

    def test_what_was_told_is_not_asked_again_and_a_worker_asks_before_it_has_a_lease(self) -> None:
        self.program("docker", "Docker version 28", "echo '28 []'")
        with override_settings(BUILDBOARD_CONTAINER_ENGINE="docker", BUILDBOARD_SANDBOX="container"):
            isolation.prepare()
            self.program("docker", "Docker version 28", "exec sleep 60")
            self.assertEqual(engine.get(1).version, "28")
            engine._known.clear()
            with mock.patch.object(isolation, "_PATIENT_SECONDS", 1):
                isolation.prepare()

    def test_it_gets_what_it_needs_of_the_environment_and_no_secret(self) -> None:
        own = {"HOME": "/h", "DOCKER_HOST": "unix:///s", "XDG_RUNTIME_DIR": "/run/user/1", "CONTAINERS_CONF": "/c"}
        secret = {"SECRET_KEY": "s", "DATABASE_URL": "d", "BUILDBOARD_SECRETS_KEYS": "k"}
        self.assertEqual(engine.environment(own | secret), own)

    def test_a_data_folder_that_engines_would_take_for_two_words(self) -> None:
        with override_settings(BUILDBOARD_DATA=Path("/srv/a,readonly")):
            self.assertIn("comma", containers.trouble())
        self.assertNotIn(",", str(settings.BUILDBOARD_DATA))


@tag("fast")
class ImageTests(SimpleTestCase):
    @override_settings(BUILDBOARD_CONTAINER_IMAGE="debian:12", BUILDBOARD_CONTAINER_IMAGES=["registry.example/*"])
    def test_what_a_recipe_may_name(self) -> None:
        self.assertEqual(containers.image(""), "debian:12")
        self.assertEqual(containers.image("debian:12"), "debian:12")
        self.assertEqual(containers.image("registry.example/team/tools:1"), "registry.example/team/tools:1")
        with self.assertRaisesRegex(containers.Unfit, "the image alpine is none of those that this worker allows"):
            containers.image("alpine")
        with override_settings(BUILDBOARD_CONTAINER_IMAGE=""), self.assertRaisesRegex(containers.Unfit, "no image"):
            containers.image("")

    def test_engines_are_missed_by_name(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}), self.assertRaises(NoEngine):
            engine.find()
