"""Typed parameters of a recipe, given at the start of a build: what may be given, and what was. Pure.

A step finds each as BUILDBOARD_INPUT_<NAME>: text as it is, numbers in decimals, booleans as `true` or `false`.
"""

import json
import re
import unicodedata
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
MAX_BYTES = 8 * 1024
"""Of all inputs of a build, names and values as JSON: every event of the build repeats them, to every board."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?\Z", re.ASCII)
_MOST = 10**15
"""Numbers stay below."""
_LONGEST = 10**MAX_TEXT
"""And below this where they are text."""
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class InputError(ValueError):
    """A value does not fit, or a name is not one: a sentence that names it and says what is expected."""

    def __init__(self, text: str, name: str = "", also: "Sequence[InputError]" = ()) -> None:
        """`name`: of the input; `also`: whatever else is wrong."""
        super().__init__("; ".join([text, *map(str, also)]))
        self.name = name
        self.all: tuple[InputError, ...] = (self, *also)
        """Every one of them."""
        self.text = text
        """Of this one alone."""


class Missing(InputError):
    """A value is needed, and none was given."""


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
            "text": f"expected text of up to {MAX_TEXT:,} characters, without control characters "
            "other than tabs and line feeds",
            "number": "expected a number, such as 4 or 0.5",
            "boolean": "expected true or false",
        }
        return words[self.type]

    def taken(self, given: Any) -> Value:
        """What a build gets that was given this: the value, or the default where nothing was given. None is nothing,
        and so is an empty text, but that a text which has a default may be emptied. `Missing`: there is no default."""
        if given is not None and (given != "" or (self.type == "text" and not self.required)):
            return self.value(given)
        if self.default is None:
            raise Missing(f"input {self.name}: it has no default; {self.expected}", self.name)
        return self.default

    def value(self, given: Any) -> Value:
        """`given` as this type, also where it is the text of one. `InputError` where it is not."""
        found = getattr(self, f"_{self.type}")(given)
        if found is None:
            raise InputError(f"input {self.name}: {self.expected}, not {_shown(given)}", self.name)
        return found  # type: ignore[no-any-return]

    def _text(self, given: Any) -> str | None:
        text = _plain(given)
        if text is None:
            return None
        text = text.replace("\r\n", "\n")
        wrong = any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text)
        return None if wrong or len(text) > MAX_TEXT else text

    def _number(self, given: Any) -> int | float | None:
        if isinstance(given, str) and _NUMBER.match(given.strip()):
            text = given.strip()
            return float(text) if "." in text else int(text)
        if isinstance(given, bool) or not isinstance(given, int | float):
            return None
        return given if abs(given) < _MOST else None

    def _boolean(self, given: Any) -> bool | None:
        if isinstance(given, bool):
            return given
        return _WORDS.get(given.strip().lower()) if isinstance(given, str) else None

    def _choice(self, given: Any) -> str | None:
        text = _plain(given)
        return text if text in self.choices else None


def values(inputs: Sequence[Input], given: Mapping[str, Any]) -> dict[str, Value]:
    """What a build gets: of each input the value that was given, else its default. `InputError` with all that do not
    fit, are not there, or are none of them."""
    known = {one.name: one for one in inputs}
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    wrong = [
        InputError(f"the recipe has no input {str(name)[:80]!r}; {takes}", str(name)[:80])
        for name in given
        if name not in known
    ][:MAX_INPUTS]
    found: dict[str, Value] = {}
    for one in inputs:
        try:
            found[one.name] = one.taken(given.get(one.name))
        except InputError as error:
            wrong.append(error)
    if wrong:
        raise type(wrong[0])(wrong[0].text, wrong[0].name, wrong[1:])
    check_size(found)
    return found


def untyped(given: Mapping[str, Any]) -> dict[str, Value]:
    """What was given for a recipe that is not known yet: `values` looks at it once that is. `InputError`: it could be
    the input of none."""
    found: dict[str, Value] = {}
    for name, value in given.items():
        if not NAME.match(name):
            raise InputError(f"{name[:80]!r} is no name of an input (up to 40 letters, digits, _ and -)")
        own = Input(name, "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number")
        found[name] = own.value(value)
    check_size(found)
    return found


def schema(inputs: Sequence[Input]) -> dict[str, Any]:
    """What `values` takes, as a JSON Schema (draft 2020-12) of an object."""
    return {
        "type": "object",
        "properties": {one.name: _schema(one) for one in inputs},
        "required": [one.name for one in inputs if one.required],
        "additionalProperties": False,
    }


def _schema(own: Input) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "maxLength": MAX_TEXT},
        "number": {"type": "number", "exclusiveMinimum": -_MOST, "exclusiveMaximum": _MOST},
        "boolean": {"type": "boolean"},
        "choice": {"enum": list(own.choices)},
    }
    about = {} if own.default is None else {"default": own.default}
    return kinds[own.type] | about | ({"description": own.help} if own.help else {})


def check_size(found: Mapping[str, Value]) -> None:
    """`InputError` where they are too much together."""
    size = len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        raise InputError(
            f"inputs: expected at most {MAX_BYTES:,} bytes in all, names and values as JSON and defaults included, "
            f"not {size:,}"
        )


def environment(inputs: Sequence[Input], given: Mapping[str, Any]) -> dict[str, str]:
    """Of a build's stored `inputs`."""
    return {one.variable: text(given[one.name]) for one in inputs if one.name in given}


def text(value: Any) -> str:
    """As a step and a page get it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --- Inside ---


def _plain(given: Any) -> str | None:
    """The text that was given, or that of a number; None: it was neither."""
    if isinstance(given, str):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return str(given) if abs(given) < _LONGEST else None  # nor is one that is infinite, or none


def _shown(given: Any) -> str:
    """As a refusal says it, cut."""
    if isinstance(given, int) and abs(given) >= _LONGEST:
        return f"one of more than {MAX_TEXT:,} digits"
    return repr((given if isinstance(given, str) else repr(given))[:40])
