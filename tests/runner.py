"""The test runner: Django's own, with warnings as errors, a database of its own, and the slowest tests named."""

import logging
import shutil
import signal
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.test.runner import DiscoverRunner

SLOWEST = 12
SLOW_SECONDS = 1.0


class Result(unittest.TextTestResult):
    """Also measures each test, and the set-up of its class with the first of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seconds: list[tuple[float, str]] = []
        self._since = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        now = time.monotonic()
        self.seconds.append((now - self._since, test.id()))
        self._since = now


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt  # what unittest does not take for a test's own failure


class Runner(DiscoverRunner):
    """`manage.py test`. A TERM ends it as Ctrl-C does, so that no server outlives it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"interactive": False}))

    def setup_test_environment(self, **kwargs: Any) -> None:
        super().setup_test_environment(**kwargs)
        signal.signal(signal.SIGTERM, _interrupt)
        for module in ("builds", "buildboard", "tests"):
            warnings.filterwarnings("error", module=rf"{module}(\.|\Z)")
        if self.verbosity < 2:  # a log of what tests provoke on purpose hides what they say
            for handler in logging.getLogger().handlers:
                handler.setLevel(logging.CRITICAL)
        # Tests hash many passwords, and none is worth a stretch.
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

    def setup_databases(self, **kwargs: Any) -> Any:
        default = connections["default"].settings_dict
        if default["ENGINE"].endswith("sqlite3"):
            # A file, since tests have threads and processes; of its own, since two runs may be under way.
            self._folder = tempfile.mkdtemp(prefix="bb-tests-")
            default["TEST"]["NAME"] = str(Path(self._folder) / "test.sqlite3")
        return super().setup_databases(**kwargs)

    def teardown_databases(self, old_config: Any, **kwargs: Any) -> None:
        super().teardown_databases(old_config, **kwargs)
        if hasattr(self, "_folder"):
            shutil.rmtree(self._folder, ignore_errors=True)

    def get_resultclass(self) -> Any:
        return super().get_resultclass() or Result

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        result = super().run_suite(suite, **kwargs)
        slow = sorted(getattr(result, "seconds", ()), reverse=True)[:SLOWEST]
        for seconds, name in slow:
            if seconds >= SLOW_SECONDS:
                sys.stderr.write(f"{seconds:6.1f} s  {name}\n")
        for test, reason in result.skipped:
            sys.stderr.write(f"skipped: {test.id()}: {reason}\n")
        return result
