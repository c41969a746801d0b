"""The pages' own modules, run by Node."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from .support import ROOT, missing


def node() -> str:
    return shutil.which("node") or missing("Node (20 or newer)")


def twins(calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """What the functions of `static/builds/*.js` answer to each (name, arguments)."""
    done = subprocess.run(
        [node(), "tests/js/twins.mjs"], cwd=ROOT, input=json.dumps(calls), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)
