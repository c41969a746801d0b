"""Typed parameters of a recipe, given at the start of a build: what may be given, and what was. Pure.

A step finds each as BUILDBOARD_INPUT_<NAME>: text as it is, numbers in decimals, booleans as `true` or `false`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Type = Literal["text", "number", "boolean", "choice"]
TYPES: tuple[str, ...] = get_args(Type)
Value = str | int | float | bool

MAX_INPUTS = 50
MAX_CHOICES = 200
MAX_TEXT = 2_000
"""Characters of one value."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?\Z", re.ASCII)
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class InputError(ValueError):
    """A value does not fit, or a name is not one: a sentence that names it and says what is expected."""


@dataclass(frozen=True)
class Input:
    name: str
    type: Type = "text"
    default: Value | None = None
    """None: a build cannot be started without one."""
    choices: Sequence[str] = ()
    """Of a `choice`."""
    help: str = ""

    @property
    def variable(self) -> str:
        """Its name in a step's environment."""
        return "BUILDBOARD_INPUT_" + self.name.upper().replace("-", "_")

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        if self.type == "choice":
            return f"expected {' or '.join(self.choices)}"
        words = {
            "text": f"expected text of up to {MAX_TEXT:,} characters, without control characters other than line feeds",
            "number": "expected a number, such as 4 or 0.5",
            "boolean": "expected true or false",
        }
        return words[self.type]

    def value(self, given: Any) -> Value:
        """`given` as this type, also where it is the text of one. `InputError` where it is not."""
        found = getattr(self, f"_{self.type}")(given)
        if found is None:
            shown = given if isinstance(given, str) else repr(given)
            raise InputError(f"input {self.name}: {self.expected}, not {str(shown)[:40]!r}")
        return found  # type: ignore[no-any-return]

    def _text(self, given: Any) -> str | None:
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            return None
        text = str(given).replace("\r\n", "\n")
        wrong = any(not (c.isprintable() or c in "\n\t") or "\ud800" <= c <= "\udfff" for c in text)
        return None if wrong or len(text) > MAX_TEXT else text

    def _number(self, given: Any) -> int | float | None:
        if isinstance(given, str) and _NUMBER.match(given.strip()):
            text = given.strip()
            return float(text) if "." in text else int(text)
        if isinstance(given, bool) or not isinstance(given, int | float):
            return None
        return given if abs(given) < 10**15 and math.isfinite(given) else None

    def _boolean(self, given: Any) -> bool | None:
        if isinstance(given, bool):
            return given
        return _WORDS.get(given.strip().lower()) if isinstance(given, str) else None

    def _choice(self, given: Any) -> str | None:
        text = str(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else None
        return text if text in self.choices else None


def values(inputs: Sequence[Input], given: Mapping[str, Any]) -> dict[str, Value]:
    """What a build gets: of each input the value that was given, else its default. `InputError` for the first that does
    not fit, is not there, or is not one of them."""
    known = {one.name: one for one in inputs}
    for name in given:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputError(f"the recipe has no input {str(name)[:80]!r}; {takes}")
    found: dict[str, Value] = {}
    for one in inputs:
        if one.name in given and given[one.name] is not None:
            found[one.name] = one.value(given[one.name])
        elif one.default is not None:
            found[one.name] = one.default
        else:
            raise InputError(f"input {one.name}: it has no default; {one.expected}")
    return found


def environment(inputs: Sequence[Input], given: Mapping[str, Any]) -> dict[str, str]:
    """Of a build's stored `inputs`."""
    return {one.variable: text(given[one.name]) for one in inputs if one.name in given}


def text(value: Any) -> str:
    """As a step and a page get it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
