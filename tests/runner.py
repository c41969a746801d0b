"""The test runner: Django's own, with warnings as errors, a database of its own, and the slowest tests named.

The whole suite runs in two lanes, one for each of two cores: this process, and a child that runs the modules of
`SECOND_LANE`. Most of them start processes and wait, so that the two hardly meet.
"""

import logging.config
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path
from typing import Any

import hypothesis
from django.conf import settings
from django.db import connections
from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases

# How long an example takes to be made, or to be tried, tells of the machine's load and of nothing that is tested.
hypothesis.settings.register_profile("board", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("board")

SECOND_LANE = (
    "tests.browser.",
    "tests.test_bench.",
    "tests.test_end_to_end.",
    "tests.test_log_bound.",
    "tests.test_faults.",
    "tests.test_postgresql.",
    "tests.test_real_builds.",
    "tests.test_startbuild_command.",
    "tests.test_up.",
    "tests.test_worker_command.",
    "tests.test_worker_outage.",
)
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


class Lane:
    """The tests of `SECOND_LANE`, in a child process; its output is shown when it is over."""

    def __init__(self, verbosity: int) -> None:
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the child has ended
        command = [sys.executable, "manage.py", "test", "-v", str(verbosity)]
        command += sorted(prefix.rstrip(".") for prefix in SECOND_LANE)
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, process_group=0
        )

    def join(self) -> tuple[int, int]:
        """How many tests it ran, and how many of them failed: at least one where it did not end well."""
        code = self._child.wait()
        self._output.seek(0)
        output = self._output.read()
        sys.stderr.write(f"\n--- second lane ---\n{output}\n")
        told = re.findall(r"^(\d+) passed, (\d+) failed", output, re.MULTILINE)
        passed, failed = map(int, told[-1]) if told else (0, 0)
        return passed + failed, failed or int(code != 0)

    def end(self) -> None:
        if self._child.poll() is None:
            self._child.terminate()
            self._child.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt  # what unittest does not take for a test's own failure


class Runner(DiscoverRunner):
    """`manage.py test`. A TERM ends it as Ctrl-C does, so that no server outlives it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"interactive": False}))
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # its absence is a warning for each client of a test
        if self.verbosity < 2:  # a log of what tests provoke on purpose hides what they say
            settings.LOGGING["handlers"]["stderr"]["level"] = "CRITICAL"
            logging.config.dictConfig(settings.LOGGING)
        self._two_lanes = False
        self._ran = 0
        self._skipped = 0

    def run_tests(self, test_labels: list[str], **kwargs: Any) -> int:
        self._two_lanes = not (test_labels or self.tags or self.exclude_tags or self.test_name_patterns)
        lane = Lane(self.verbosity) if self._two_lanes else None
        try:
            failed = super().run_tests(test_labels, **kwargs)
            if lane is not None:
                ran, bad = lane.join()
                self._ran += ran
                failed += bad
        finally:
            if lane is not None:
                lane.end()
        skipped = f", {self._skipped} skipped" if self._skipped else ""
        sys.stderr.write(f"{self._ran - failed} passed, {failed} failed{skipped}\n")
        return failed

    def build_suite(self, *args: Any, **kwargs: Any) -> Any:
        suite = super().build_suite(*args, **kwargs)
        if not self._two_lanes:
            return suite
        return self.test_suite(test for test in iter_test_cases(suite) if not test.id().startswith(SECOND_LANE))

    def setup_test_environment(self, **kwargs: Any) -> None:
        super().setup_test_environment(**kwargs)
        signal.signal(signal.SIGTERM, _interrupt)
        for module in ("builds", "buildboard", "tests"):
            warnings.filterwarnings("error", module=rf"{module}(\.|\Z)")
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
        self._ran += result.testsRun - len(result.skipped)
        self._skipped += len(result.skipped)
        for test, reason in result.skipped:
            sys.stderr.write(f"skipped: {test.id()}: {reason}\n")
        return result
