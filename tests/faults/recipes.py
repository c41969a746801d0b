"""Builds whose output is known. Pure.

Each recipe is a project of the bench's board, with its slug for its name.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from builds.states import Status

_PRINTER = Path(__file__).with_name("printer.py")
CANCELLED_ON_PURPOSE = "cancel"
"""Its build goes on until it is cancelled."""
WARM = "warm"
"""For the board to become warm before anything is measured."""


@dataclass(frozen=True)
class Step:
    name: str
    lines: int
    options: str = ""
    """Of the printer."""
    status: Status = Status.PASSED
    """How it ends where nothing harms its build."""


@dataclass(frozen=True)
class Recipe:
    slug: str
    steps: tuple[Step, ...]
    status: Status = Status.PASSED
    """How it ends where nothing harms it …"""
    reason: str = ""
    """… and why, as a regular expression."""

    def text(self, record: Path) -> str:
        """Its YAML. The steps write down what they printed in the folder `record`."""
        lines = ["steps:"]
        for step in self.steps:
            # `exec`: the step's first process is the one that prints.
            command = f"exec {sys.executable} -I -S -E {_PRINTER} {record} {step.name} {step.lines} {step.options}"
            lines += [f"  - name: {step.name}", f"    run: {command.rstrip()}"]
        return "\n".join(lines) + "\n"


RECIPES = {
    recipe.slug: recipe
    for recipe in (
        Recipe(
            "steady", (Step("tick", 90, "--rest 0.1 --daemon --farewell 300"), Step("tock", 60, "--batch 3 --rest 0.1"))
        ),
        Recipe(
            "steps",
            tuple(Step(name, 40, "--batch 5 --rest 0.05 --farewell 40") for name in ("one", "two", "three", "four")),
        ),
        Recipe("flood", (Step("quiet", 3, "--rest 0.5"), Step("pour", 30_000, "--batch 200"))),
        Recipe("pieces", (Step("half", 25, "--pieces --rest 0.3 --farewell 20"),)),
        Recipe("daemon", (Step("leave", 10, "--daemon --rest 0.05"), Step("after", 40, "--rest 0.1 --daemon"))),
        Recipe(
            "fails",
            (
                Step("fine", 20, "--rest 0.05"),
                Step("no", 30, "--rest 0.1 --exit 3", Status.FAILED),
                Step("never", 5, status=Status.SKIPPED),
            ),
            Status.FAILED,
            r"Step no: exit code 3\.",
        ),
        Recipe(
            CANCELLED_ON_PURPOSE,
            (Step("endless", 100_000, "--rest 0.1 --farewell 3000", Status.CANCELLED),),
            Status.CANCELLED,
            r"Cancelled by alice \(tests\)( while it was queued)?\.",
        ),
        Recipe(
            "lull",
            (Step("before", 5, "--rest 0.1"), Step("silence", 2, "--rest 8 --daemon"), Step("last", 20, "--batch 20")),
        ),
        Recipe(WARM, (Step("up", 200, "--batch 10 --rest 0.1"),)),
    )
}
USUAL = tuple(slug for slug in RECIPES if slug != WARM)
