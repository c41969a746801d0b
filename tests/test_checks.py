"""System checks: each speaks when it should, and is silent on a board as `make run` sets it up."""

import os
import subprocess
import sys
import tempfile
import unittest.mock
from pathlib import Path

from django.conf import settings
from django.core import checks as django_checks
from django.test import SimpleTestCase, override_settings, tag

from builds import checks

from .support import ROOT


@tag("fast")
class ChecksTests(SimpleTestCase):
    def with_environment(self, **variables: str) -> list[django_checks.CheckMessage]:
        with unittest.mock.patch.dict(os.environ, variables):
            return checks.unknown_variables()

    def test_a_misspelt_variable_is_told_its_closest_name(self) -> None:
        (warning,) = self.with_environment(BUILDBOARD_WORKER="3")
        self.assertEqual(warning.id, "builds.W001")
        self.assertIn("BUILDBOARD_WORKER,", warning.msg)
        self.assertEqual(warning.hint, "Did you mean BUILDBOARD_WORKERS?")
        (warning,) = self.with_environment(BUILDBOARD_SOMETHING_THAT_IS_LIKE_NOTHING_ELSE="3")
        self.assertIn("BUILDBOARD_DATA", warning.hint)

    def test_settings_and_what_a_step_is_given_are_known(self) -> None:
        self.assertEqual(self.with_environment(BUILDBOARD_WORKERS="2", BUILDBOARD_LEASE_SECONDS="15"), [])
        given = {f"BUILDBOARD_{name}": "x" for name in checks.GIVEN_TO_STEPS}
        self.assertEqual(self.with_environment(**given), [])

    @override_settings(WSGI_APPLICATION="buildboard.wsgi.application")
    def test_a_board_under_wsgi_is_told_that_it_cannot_stream(self) -> None:
        self.assertEqual([message.id for message in checks.served_by_asgi()], ["builds.W002"])

    def test_debug_is_for_this_machine_alone(self) -> None:
        for debug, hosts, ids in (
            (True, ["localhost", "127.0.0.1", "[::1]"], []),
            (True, ["localhost", "board.example"], ["builds.W003"]),
            (True, ["*"], ["builds.W003"]),
            (False, ["board.example"], []),
        ):
            with self.subTest(debug=debug, hosts=hosts), override_settings(DEBUG=debug, ALLOWED_HOSTS=hosts):
                self.assertEqual([message.id for message in checks.debug_for_others()], ids)

    def test_a_short_lease_is_said_at_deployment(self) -> None:
        for seconds, ids in ((3, ["builds.W004"]), (15, [])):
            with override_settings(BUILDBOARD_LEASE_SECONDS=seconds):
                self.assertEqual([message.id for message in checks.short_lease()], ids)

    def test_a_database_that_everyone_may_read_is_said(self) -> None:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            path = Path(folder) / "board.sqlite3"
            path.touch(mode=0o644)
            database = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}}
            with unittest.mock.patch.object(settings, "DATABASES", database):
                Path(folder).chmod(0o755)
                self.assertEqual([message.id for message in checks.readable_database()], ["builds.W005"])
                Path(folder).chmod(0o750)
                self.assertEqual(checks.readable_database(), [])
                path.unlink()
                self.assertEqual(checks.readable_database(), [])

    def test_a_sandbox_without_its_program_is_said_and_so_is_none(self) -> None:
        wanted = (("bubblewrap", ["builds.W008"]), ("container", ["builds.W008"]), ("none", []))
        for path, box, ids in (("/nowhere", *each) for each in wanted):
            with unittest.mock.patch.dict(os.environ, {"PATH": path}), override_settings(BUILDBOARD_SANDBOX=box):
                self.assertEqual([message.id for message in checks.sandbox_without_program()], ids)
        for box, ids in (("bubblewrap", []), ("none", ["builds.I002"])):
            with override_settings(BUILDBOARD_SANDBOX=box):
                self.assertEqual([message.id for message in checks.no_sandbox()], ids)

    def test_containers_without_a_usual_image_are_said(self) -> None:
        for box, image, ids in (("container", "", ["builds.W009"]), ("container", "alpine", []), ("none", "", [])):
            with override_settings(BUILDBOARD_SANDBOX=box, BUILDBOARD_CONTAINER_IMAGE=image):
                self.assertEqual([message.id for message in checks.containers_without_image()], ids)

    def test_postgresql_without_redis_is_a_remark(self) -> None:
        database = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "board"}}
        with unittest.mock.patch.object(settings, "DATABASES", database):
            for url, ids in (("", ["builds.I001"]), ("redis://localhost", [])):
                with override_settings(REDIS_URL=url):
                    self.assertEqual([message.id for message in checks.no_shared_layer()], ids)

    def test_every_check_is_registered(self) -> None:
        names = {check.__name__ for check in django_checks.registry.registry.get_checks(include_deployment_checks=True)}
        self.assertLessEqual(
            {
                "unknown_variables",
                "served_by_asgi",
                "debug_for_others",
                "short_lease",
                "readable_database",
                "no_shared_layer",
            },
            names,
        )


class LoadedTests(SimpleTestCase):
    def test_what_every_command_checks_loads_no_pages(self) -> None:
        said = (
            "import django, sys; django.setup()\n"
            "from django.core.checks import run_checks; from builds.checks import OWN\n"
            "run_checks(tags=[OWN]); print(sorted({'ninja', 'buildboard.urls', 'daphne'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[]")
