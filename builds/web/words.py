"""Times and statuses in words, as pages show them. Pure: no database, no clock.

`static/builds/words.js` has the same functions for what changes while a page is open, and a test holds the two
together.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..cuts import left_out
from ..plans import CHECK_OUT
from ..retention import size

ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def duration(seconds: float | None, *, fine: bool = False) -> str:
    """`28 s`, `1 m 05 s`, `2 h 03 m`, `3 d 4 h`; empty for None. `fine`: tenths below ten seconds."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if fine and seconds < 10:
        return f"{math.floor(seconds * 10) / 10:.1f} s"
    whole = math.floor(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def ago(seconds: float) -> str:
    """How long ago something was that happened `seconds` before now."""
    if seconds < 5:
        return "just now"
    for limit, one, unit in ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{math.floor(seconds / one)} {unit} ago"
    return f"{math.floor(seconds / 86400)} d ago"


def left(remaining: float | None, low: float | None = None) -> str:
    """`about 2 min left`, `about 45 s left`, then `any moment`; empty where nothing is known.

    Coarser the longer it is: a guess that wanders by a few seconds is not to be seen wandering. `low`: how soon it may
    end; once that is now, the last half minute is not counted any more.
    """
    if remaining is None:
        return ""
    if remaining < 0.5 or (low is not None and low < 0.5 and remaining <= 30):
        return "any moment"
    if remaining <= 30:
        return f"about {math.ceil(remaining)} s left"
    if remaining <= 90:
        return f"about {math.ceil(remaining / 5) * 5} s left"
    if remaining <= 90 * 60:
        return f"about {math.ceil(remaining / 60)} min left"
    return f"about {math.ceil(remaining / 3600)} h left"


def usually(low: float | None, high: float | None) -> str:
    """`usually 14–22 s`, `usually 1–3 min`, of the time that is left, as coarse as `left`; empty for None.

    Where it may be over already, only the end is said: `usually within 3 min`.
    """
    if low is None or high is None:
        return ""
    size, unit = (1, "s") if high <= 30 else (5, "s") if high <= 90 else (60, "min") if high <= 5400 else (3600, "h")
    part = size if unit == "s" else 1
    first, last = math.floor(low / size) * part, max(math.ceil(high / size), 1) * part
    if low < 0.5 or not first:
        return f"usually within {last} {unit}"
    return f"usually {first}–{last} {unit}" if first < last else f"usually {last} {unit}"


def outlasted(count: int, of: int) -> str:
    """`longer than 9 of 10 builds`, of a build that has run for longer than `count` of the last `of` passed ones.

    Empty where that is nothing unusual, or where they are fewer than three.
    """
    if of < 3 or count * 10 < of * 9:
        return ""
    return f"longer than {count} of {of} builds" if count < of else f"longer than all of the last {of} builds"


def compared(seconds: float | None, usual: float | None) -> str:
    """`12 s longer than usual`, `3 s shorter than usual`, `as usual` within a second or a twentieth; empty for None."""
    if seconds is None or usual is None:
        return ""
    apart = abs(seconds - usual)
    if apart < max(1.0, usual / 20):
        return "as usual"
    return f"{duration(apart)} {'longer' if seconds > usual else 'shorter'} than usual"


def silence(seconds: float, step: str, line: int) -> str:
    """`42 s in compile, after line 84`. `line` 0: it had printed none."""
    return f"{duration(seconds, fine=True)} in {step}, {f'after line {line:,}' if line else 'before its first line'}"


def percent(fraction: float | None) -> str:
    """`62 %`, never rounded up; empty where nothing is known."""
    return "" if fraction is None else f"{math.floor(fraction * 100 + 1e-9)} %"


def ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ORDINALS.get(number % 10, 'th')}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 line`, `2,143 lines`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def phrase(build: Mapping[str, Any]) -> str:
    """The status of a build in a few words, from its `data` (see `Build.data`)."""
    status, steps = build["status"], build["steps"]
    if status == "running":
        if build["cancel_requested"]:
            return "cancelling, until its worker has stopped it"
        first, more = _running(steps)
        if first is None:
            return "running"
        if more:
            return f"running {steps[first]['name']} and {more} more of {len(steps)} steps"
        return f"running {steps[first]['name']}, step {first + 1} of {len(steps)}"
    ended = [step for step in steps if step["status"] == status != "passed" and not step.get("allow_failure")]
    return f"{status} in {min(ended, key=_ended)['name']}" if ended else status


def _ended(step: Mapping[str, Any]) -> str:
    """Steps by it: as they ended, the first one first. Times of one form, so their text is in order as they are."""
    return step["finished_at"] or "~"


def _running(steps: Sequence[Mapping[str, Any]]) -> tuple[int | None, int]:
    """Which is the first that runs, and how many besides."""
    found = [at for at, step in enumerate(steps) if step["status"] == "running"]
    return (found[0], len(found) - 1) if found else (None, 0)


def step_note(steps: Sequence[Mapping[str, Any]], at: int) -> str:
    """What is to be said of a step besides its status and its time; empty: nothing."""
    step = steps[at]
    if step["status"] == "skipped":
        return step["reason"]
    said = [] if is_in_matrix(steps, at) else [needs_note(steps, at)]
    if step["attempt"] > 1:
        said.append(f"attempt {step['attempt']} of {step['attempts']}")
    if step["allow_failure"]:
        said.append("failed, allowed" if step["status"] == "failed" else "may fail")
    image = step.get("image", "")  # an older event has none
    if image and not image_of_all(steps):
        said.append(f"in {image}")
    return " · ".join(filter(None, said))


def image_of_all(steps: Sequence[Mapping[str, Any]]) -> str:
    """The image that every step names, but the board's own; empty: there is none."""
    first, *others = [step.get("image", "") for step in steps if step["name"] != CHECK_OUT] or [""]
    return str(first) if all(other == first for other in others) else ""


def is_allowed(step: Mapping[str, Any]) -> bool:
    """It failed, and its build goes on: no more than a warning."""
    return bool(step["status"] == "failed" and step["allow_failure"])


def ending(step: Mapping[str, Any]) -> str:
    """Why it ended as it did; empty: nothing to say."""
    return f"failed, allowed: {step['reason']}" if is_allowed(step) and step["reason"] else str(step["reason"])


def needs_note(steps: Sequence[Mapping[str, Any]], at: int) -> str:
    """`after compile, test`, where that is not simply the step above it. All of a matrix are called by its name."""
    needs = steps[at]["needs"]
    if needs == list(range(max(at - 1, 0), at)):
        return ""
    missing = {matrix_of(step["name"]) for one, step in enumerate(steps) if one not in needs}
    called = (steps[one]["name"] for one in needs)
    names = list(dict.fromkeys(name if matrix_of(name) in missing else matrix_of(name) or name for name in called))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"after {shown}" if names else "at once"


_OF_MATRIX = re.compile(r"(.+?) \([A-Za-z_][A-Za-z0-9_]*=.*\)", re.DOTALL)


@lru_cache(4_096)
def matrix_of(name: str) -> str:
    """`test` of `test (python=3.12, database=sqlite)`; empty: no matrix has made a step of that name."""
    found = _OF_MATRIX.fullmatch(name)
    return found[1] if found else ""


def is_in_matrix(steps: Sequence[Mapping[str, Any]], at: int) -> bool:
    """Whether it stands beside another one of its matrix."""
    own = matrix_of(steps[at]["name"])
    beside = (steps[one]["name"] for one in (at - 1, at + 1) if 0 <= one < len(steps))
    return bool(own) and any(matrix_of(name) == own for name in beside)


def verdict(build: Mapping[str, Any]) -> str:
    """Why it ended, where that says more than the head of its page, which names who cancelled it."""
    told = build["status"] == "cancelled" and build["cancelled_by"]
    return "" if told and build["reason"].startswith(f"Cancelled by {told}") else build["reason"]


def output(lines: int, status: str, reason: str, missing: int = 0) -> str:
    """`12 lines · Exit code 2.`: the heading of a step's part of the log. `missing`: so many of them were left out."""
    silent = {"pending": "pending", "skipped": "skipped", "running": "no output yet"}.get(status, "no output")
    said = count(lines, "line") if lines else silent
    said = f"{said}, {missing:,} left out" if missing else said
    return f"{said} · {reason}" if reason else said


def cut(line: int, lines: int, bytes: int, reason: str) -> str:
    """`50 lines left out (11 to 60, 3.4 kB): It was long.`: what stands in a log for lines that are not kept."""
    numbers = str(line) if lines == 1 else f"{line} to {line + lines - 1}"
    much = f", {size(bytes)}" if bytes else ""
    return f"{count(lines, 'line')} left out ({numbers}{much}){reason and f': {reason}'}"


def stored(lines: int, missing: int) -> str:
    """`4,000 lines stored, 46,000 left out`, of a log that had so many `lines`; `2 lines`: nothing is missing."""
    return f"{count(lines - missing, 'line')} stored, {missing:,} left out" if missing else count(lines, "line")


def log_fact(lines: int, missing: int, *, kept: bool) -> str:
    """What the facts of a build say about its log; empty: nothing that is not said elsewhere."""
    return "; ".join(said for said in (left_out(lines, missing), "kept, never pruned" if kept else "") if said)


def worker(name: str, status: str) -> str:
    """Who runs it, or ran it."""
    return name or ("none yet" if status == "queued" else "none: it never ran")


def recipe(repository: str, path: str, *, known: bool) -> str:
    """Where the recipe of a build is from; empty: that needs no word, or is not known."""
    return path or "the project's own" if repository and known else ""


def sandbox(name: str, network: bool) -> str:
    """Where its steps run; empty: that is not known yet, or was not kept."""
    if name == "none":
        return "none: as the worker's user"
    return f"{name}{'' if network else ', no network'}" if name else ""


def current_step(build: Mapping[str, Any]) -> str:
    """`compile · step 4 of 6` of a running build; `starting` before the first."""
    if build["cancel_requested"]:
        return "cancelling"
    steps = build["steps"]
    first, more = _running(steps)
    if first is None:
        return "starting"
    if more:
        return f"{steps[first]['name']} and {more} more of {len(steps)} steps"
    return f"{steps[first]['name']} · step {first + 1} of {len(steps)}"
