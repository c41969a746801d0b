"""A step's processes for a test, without a runner: started, read, ended, and nothing of them left."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.test import SimpleTestCase

from builds.worker import sandbox
from builds.worker.process import Enclosure, Process
from builds.worker.sandbox import Sandbox

from . import ROOT, missing
from .processes import eventually


def need_sandbox() -> None:
    """Skip this test where the machine has no bubblewrap that works."""
    trouble = sandbox.trouble()
    if trouble:
        missing(f"bubblewrap that works: {trouble}")


class Step:
    """What a script printed, and how it ended. `folder` gets the places of a build's workspace."""

    def __init__(
        self,
        folder: Path,
        script: str,
        *,
        sandbox: dict[str, Any] | None = None,
        enclosure: Callable[..., Enclosure] | None = None,
        bare_env: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        """`sandbox`: more of it than its places, where it is to run in one; `enclosure` makes something else of these
        places. `bare_env`: all of its environment. `options` go to `Process`."""
        self.work, home, temporary = folder / "work", folder / "home", folder / "tmp"
        for place in (self.work, home, temporary):
            place.mkdir(exist_ok=True)
        around: Enclosure | None = None if sandbox is None else Sandbox(self.work, home, temporary, **sandbox)
        if enclosure is not None:
            around = enclosure(self.work, home, temporary)
        env = (
            {"PATH": os.environ["PATH"], "HOME": str(home), **options.pop("env", {})} if bare_env is None else bare_env
        )
        argv = options.pop("argv", ["sh", "-c", script])
        self.process = Process(
            argv, env=env, cwd=self.work, sandbox=around, **({"grace": 0.3, "silence": 60.0} | options)
        )
        self.output = ""

    def read(self) -> str:
        self.output += self.process.read().decode("utf-8", "replace")
        self.process.hear()
        return self.output

    def wait(self, seconds: float = 30) -> "Step":
        """Until its first process has ended, or all of it."""
        deadline = time.monotonic() + seconds
        while self.process.exit_code is None and not self.process.is_over:
            self.read()
            assert time.monotonic() < deadline, f"it did not end:\n{self.output}"
            time.sleep(0.005)
        time.sleep(0.05)
        self.read()
        return self

    def over(self, grace: float = 0.1) -> "Step":
        """Stop what it left, and wait until nothing lives."""
        self.process.stop(grace)

        def gone() -> bool:
            self.read()
            return self.process.is_over

        eventually(gone, 20, "something of the step still lives")
        return self

    def says(self, text: str, seconds: float = 20) -> str:
        """Wait until it has printed that."""
        eventually(lambda: text in self.read(), seconds, lambda: f"it did not say {text!r}:\n{self.output}")
        return self.output


class StepCase(SimpleTestCase):
    """`self.folder`: a private folder; `self.step(script)`: a step that is ended with the test."""

    def setUp(self) -> None:
        # Not in /tmp, of which a sandbox has its own.
        place = ROOT / "var"
        place.mkdir(exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="step-", dir=place)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def step(self, script: str, **options: Any) -> Step:
        step = Step(self.folder, script, **options)
        self.addCleanup(step.process.close)
        return step
