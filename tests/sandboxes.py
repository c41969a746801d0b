"""What tests of sandboxes share: a step inside one."""

from typing import Any

from builds.worker import sandbox
from tests.support import ROOT
from tests.support.steps import Step, StepCase, need_sandbox


class SandboxCase(StepCase):
    def setUp(self) -> None:
        super().setUp()
        need_sandbox()

    def inside(self, script: str, **given: Any) -> Step:
        options = {name: given.pop(name) for name in ("limits", "env", "argv", "grace") if name in given}
        return self.step(script, sandbox={"readable": sandbox.readable(), "hidden": [ROOT / "var"], **given}, **options)
