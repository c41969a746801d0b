"""Why a step, and with it the build, ended: the status, and the sentences that people read. Pure."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..recipe import RecipeError, duration
from ..states import Status

HURRIED_GRACE = 2.0
"""Seconds between TERM and KILL when the worker itself has to go."""


@dataclass(frozen=True)
class Ending:
    status: Status
    build_reason: str = ""
    step_reason: str = ""
    exit_code: int | None = None
    again: bool = False
    """The build ended with its worker: its project may want it retried."""
    for_good: bool = False
    """Of a step: another attempt would end in the same way."""


PASSED = Ending(Status.PASSED, exit_code=0)
CANCELLED = Ending(Status.CANCELLED, "Cancelled.", "Cancelled.")


def exited(name: str, code: int | None) -> Ending:
    """The step's first process ended with `code`; negative: by that signal; None: its guardian was killed."""
    if code == 0:
        return PASSED
    if code is None:
        why = "was stopped because its guardian process died"
        return Ending(Status.FAILED, f"Step {name} {why}.", _sentence(why))
    why = f"was ended by signal {-code} ({signal_name(-code)})" if code < 0 else f"exit code {code}"
    joint = " " if code < 0 else ": "
    return Ending(Status.FAILED, f"Step {name}{joint}{why}.", _sentence(why), code)


def not_started(name: str, error: OSError) -> Ending:
    why = f"could not be started: {error.strerror or error}"
    return Ending(Status.FAILED, f"Step {name} {why}.", _sentence(why))


def no_sandbox(name: str, code: int) -> Ending:
    """The step's log has the sandbox's own words."""
    why = f"could not be started: its sandbox could not be made (exit code {code}; its log says why)"
    return Ending(Status.FAILED, f"Step {name} {why}.", _sentence(why))


def excess(name: str, what: str) -> Ending:
    """`what`: what the step did beyond a limit, to go behind its name."""
    return Ending(Status.FAILED, f"Step {name} {what}.", f"It {what}.")


def broken(name: str, fault: str) -> Ending:
    """What the board itself does for a step did not end well. `fault`: a sentence."""
    return Ending(Status.FAILED, f"Step {name}: {fault[:1].lower()}{fault[1:]}", fault)


def together(failed: Sequence[tuple[str, Ending]]) -> Ending:
    """Of a build whose steps are over: `failed` are those that were not allowed to, the first one first, by name."""
    if not failed:
        return PASSED
    first, others = failed[0][1], [name for name, _ in failed[1:]]
    if not others:
        return first
    shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return replace(first, build_reason=f"{first.build_reason} Failed as well: {shown}.")


def withheld(name: str, why: Exception) -> Ending:
    """It is not given a secret that it names. `why`: part of a sentence."""
    return Ending(Status.FAILED, f"Step {name} {why}.", _sentence(str(why)), for_good=True)


def bad_recipe(error: RecipeError, path: str = "") -> Ending:
    """`path`: the file of the repository that it is in."""
    others = len(error.all) - 1
    more = f" {others} more error{'s' if others > 1 else ''} in it: manage.py checkrecipe tells all." if others else ""
    return Ending(Status.FAILED, f"The recipe{f' in {path}' if path else ''} is not valid: {error}.{more}")


def bad_inputs(error: Exception) -> Ending:
    """They were given before the commit's recipe was known."""
    return Ending(Status.FAILED, f"The inputs do not fit the commit's recipe: {error}.")


def declined(why: str) -> Ending:
    """The recipe that was found wants no build of this commit. `why`: a sentence."""
    return Ending(Status.CANCELLED, why)


def step_timeout(name: str, seconds: int) -> Ending:
    why = f"took longer than its {duration(seconds)}"
    return Ending(Status.FAILED, f"Step {name} {why}.", _sentence(why))


def build_timeout(seconds: int) -> Ending:
    reason = f"The build took longer than its {duration(seconds)}."
    return Ending(Status.FAILED, reason, reason)


def refused(why: str) -> Ending:
    """No step of the build is begun. `why`: a sentence."""
    return Ending(Status.FAILED, why)


def no_room(why: str) -> Ending:
    """`why`: a sentence."""
    return Ending(Status.FAILED, why, why)


def also(ending: Ending, why: str) -> Ending:
    """`ending`, and a sentence more that explains it."""
    return replace(ending, build_reason=f"{ending.build_reason} {why}", step_reason=f"{ending.step_reason} {why}")


def stopped(why: str) -> Ending:
    """The worker has to go. `why`: a sentence."""
    return Ending(Status.CANCELLED, why, why, again=True)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _sentence(why: str) -> str:
    return why[:1].upper() + why[1:] + "."
