"""A recipe as a drawing: who needs whom, from left to right, and the same as a list. A matrix is one box. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from unicodedata import east_asian_width

from ..recipe import Recipe, StepRecipe, duration
from ..states import Status
from .marks import ALL

MOST = 60
"""So many boxes are drawn; a recipe of more has its list alone."""
WIDTH, HEIGHT = 156, 34
LEAST_WIDTH, MOST_WIDTH = 720, 1_100
"""A drawing between these is shrunk to its place, down to LEAST_WIDTH; any other is scrolled where it is wider."""
_ACROSS, _DOWN = 40, 12
_EDGE = 2
_LETTERS = 16
"""Of a name in a box; one of Chinese, Japanese or Korean is as wide as two."""


@dataclass
class Box:
    """A step, or all that a matrix has made of it."""

    name: str
    steps: list[StepRecipe]
    needs: list[int] = field(default_factory=list)
    """Other boxes, by place: all that its steps need."""
    depth: int = 0
    row: int = 0
    status: str = ""
    """Of the last build; empty: it had none of that name."""

    @property
    def x(self) -> int:
        return _left(self.depth)

    @property
    def y(self) -> int:
        return _EDGE + self.row * (HEIGHT + _DOWN)

    @property
    def label(self) -> str:
        """As much of its name as there is room for."""
        ends = list(accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in self.name))
        if not ends or ends[-1] <= _LETTERS:
            return self.name
        return self.name[: sum(end < _LETTERS for end in ends)] + "…"

    @property
    def mark(self) -> str:
        """An SVG path in a square of 16; empty: none."""
        return ALL[Status(self.status)] if self.status else ""

    @property
    def look(self) -> str:
        """Of its mark: what may fail and did is no more than a warning."""
        is_allowed = self.status == Status.FAILED and all(step.allow_failure for step in self.steps)
        return "warning" if is_allowed else self.status

    @property
    def count(self) -> str:
        return f"×{len(self.steps)}" if self.steps[0].group else ""


@dataclass(frozen=True)
class Item:
    """The same in words."""

    name: str
    status: str
    said: str
    is_allowed: bool = False
    """To fail, as it did."""


@dataclass(frozen=True)
class Graph:
    boxes: list[Box]
    """None: there are too many to draw."""
    edges: list[str]
    """SVG paths."""
    items: list[Item]
    width: int
    height: int

    @property
    def shrinks(self) -> bool:
        """Whether all of it can be read where it is made as narrow as its place."""
        return LEAST_WIDTH < self.width <= MOST_WIDTH


def draw(plan: Recipe, statuses: Mapping[str, str]) -> Graph:
    """`statuses`: of the last build's steps, by name."""
    boxes = _boxes(plan.steps)
    for box in boxes:
        box.status = _together([statuses[step.name] for step in box.steps if step.name in statuses])
    items = [Item(box.name, box.status, _said(box, boxes, at), box.look == "warning") for at, box in enumerate(boxes)]
    if len(boxes) > MOST:
        return Graph([], [], items, 0, 0)
    behind = _place(boxes)
    ways = [
        (one, at)
        for at, box in enumerate(boxes)
        for one in box.needs
        if not any(one in behind[other] for other in box.needs)  # that way is drawn already, through the other
    ]
    passes = _rows(boxes, ways)
    edges = [_edge(boxes, passes, start, end) for start, end in ways]
    width = max(box.x for box in boxes) + WIDTH + _EDGE
    rows = max([*(box.row for box in boxes), *passes.values()]) + 1
    return Graph(boxes, edges, items, width, 2 * _EDGE + rows * (HEIGHT + _DOWN) - _DOWN)


def _boxes(steps: Sequence[StepRecipe]) -> list[Box]:
    places: dict[str, int] = {}
    at_of: list[int] = []
    boxes: list[Box] = []
    for step in steps:
        name = step.group or step.name
        if name not in places:
            places[name] = len(boxes)
            boxes.append(Box(name, []))
        boxes[places[name]].steps.append(step)
        at_of.append(places[name])
    for box in boxes:
        box.needs = sorted({at_of[one] for one in box.steps[0].needs})
    return boxes


def _place(boxes: Sequence[Box]) -> list[set[int]]:
    """Gives each its column. Returns of each those that it needs, directly or through others."""
    behind: list[set[int]] = [set() for _ in boxes]
    waiting = list(range(len(boxes)))
    done: set[int] = set()
    while waiting:
        for at in [one for one in waiting if done.issuperset(boxes[one].needs)]:
            box = boxes[at]
            box.depth = 1 + max((boxes[one].depth for one in box.needs), default=-1)
            behind[at] = set(box.needs).union(*(behind[one] for one in box.needs))
            done.add(at)
        waiting = [one for one in waiting if one not in done]
    return behind


def _rows(boxes: Sequence[Box], ways: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Gives each box its row. Returns by box and column the row in which its way passes that column: no way runs behind
    a box. In a column everything stands in the order of what it comes from."""
    passes: dict[tuple[int, int], int] = {}
    for column in range(max(box.depth for box in boxes) + 1):
        here: list[tuple[float, int, int | None]] = []  # where it comes from; a box, or whose way passes this column
        for at, box in enumerate(boxes):
            if box.depth == column:
                come = [passes.get((one, column - 1), boxes[one].row) for one, end in ways if end == at]
                here.append((sum(come) / len(come) if come else at, at, None))
        for start in {start for start, end in ways if boxes[start].depth < column < boxes[end].depth}:
            here.append((passes.get((start, column - 1), boxes[start].row), start, column))
        for row, (_, at, passing) in enumerate(sorted(here, key=lambda one: (one[0], one[2] is not None, one[1]))):
            if passing is None:
                boxes[at].row = row
            else:
                passes[at, passing] = row
    return passes


def _together(statuses: Sequence[str]) -> str:
    for status in (Status.FAILED, Status.LOST, Status.CANCELLED, Status.RUNNING, Status.PENDING, Status.PASSED):
        if status in statuses:
            return str(status)
    return statuses[0] if statuses else ""


def _edge(boxes: Sequence[Box], passes: Mapping[tuple[int, int], int], start: int, end: int) -> str:
    first, last = boxes[start], boxes[end]
    y = _middle(first.row)
    path = f"M{first.x + WIDTH} {y}"
    for column in range(first.depth + 1, last.depth + 1):
        x, to = _left(column), _middle(last.row if column == last.depth else passes[start, column])
        bend = x - _ACROSS // 2
        path += f"H{x}" if y == to else f"C{bend} {y} {bend} {to} {x} {to}"
        if column < last.depth:
            path += f"H{x + WIDTH}"
        y = to
    return path


def _left(column: int) -> int:
    return _EDGE + column * (WIDTH + _ACROSS)


def _middle(row: int) -> int:
    return _EDGE + row * (HEIGHT + _DOWN) + HEIGHT // 2


def _said(box: Box, boxes: Sequence[Box], at: int) -> str:
    step = box.steps[0]
    said = []
    if box.needs != list(range(max(at - 1, 0), at)):
        said.append(f"after {', '.join(boxes[one].name for one in box.needs)}" if box.needs else "begins at once")
    if step.group:
        said.append(f"{len(box.steps)} of it: {', '.join(step.matrix)}")
    if step.condition is not None:
        said.append(f"if {' '.join(step.condition.text.split())}")
    if step.allow_failure:
        said.append("may fail")
    if step.retry:
        said.append(f"up to {step.retry + 1} attempts")
    if step.timeout is not None:
        said.append(f"at most {duration(step.timeout)}")
    if step.workspace == "own":
        said.append("in a workspace of its own")
    return " · ".join(said)
