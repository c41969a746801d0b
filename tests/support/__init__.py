"""What tests need from the outside: processes, servers, a whole board, a client for streams, a browser.

Everything started here is ended when the test run ends, whatever became of the test. A part of the machine that is
missing (PostgreSQL, Chromium …) skips a test, and fails it where `CI=true` is set: see `missing`.
"""

import os
from pathlib import Path
from typing import NoReturn
from unittest import SkipTest

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def missing(what: str) -> NoReturn:
    """Skip this test because the machine lacks `what`; under CI=true fail instead."""
    if in_ci():
        raise AssertionError(f"this machine has no {what}, and CI=true is set: nothing may be skipped")
    raise SkipTest(f"needs {what}")
