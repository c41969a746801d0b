"""The language of `if`: a few names, comparisons, `and`, `or`, `not`. Pure, and bounded in length and depth.

    branch == "main" and not pull_request
    always() and steps.compile.status == "failed"
    tag ~ "v*" or (inputs.target == "staging" and branch ~ "release/**")

Values are texts, numbers, true, false and nothing. Empty text, 0, false and nothing do not hold. `==` and `!=` compare
two numbers as numbers and everything else as text; `~` and `!~` ask whether a text fits a pattern (`globs.py`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from ..inputs import Value, text
from . import globs

MAX_CONDITION = 1_000
"""Characters of an expression."""
MAX_DEPTH = 20
"""How deep parentheses and `not` may be nested."""
PLAIN = ("branch", "tag", "ref", "commit", "event", "trigger", "pull_request", "fork")
FUNCTIONS = ("always", "failed", "passed")
_NAMES = ", ".join((*PLAIN, "inputs.NAME", "env.NAME", "matrix.NAME", "steps.NAME.status"))
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<text>"[^"]*"|'[^']*')|(?P<number>[0-9]+(?:\.[0-9]+)?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_-]*)|(?P<sign>==|!=|!~|[~().\[\]])"""
)
_INSTEAD = {"&&": "and", "||": "or", "!": "not", "=": "==", "&": "and", "|": "or", "=~": "~"}


class ConditionError(ValueError):
    """Not an expression: what is wrong at which character, counted from 1."""


@dataclass(frozen=True)
class Facts:
    """What a condition may ask for, at the moment when it is asked."""

    plain: Mapping[str, Value | None] = field(default_factory=dict)
    """By the names of PLAIN."""
    inputs: Mapping[str, Value] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    """Statuses by the names of steps, and of the groups that a matrix has made."""
    failed: bool = False
    """A step of the build has failed that was not allowed to."""


class Name(NamedTuple):
    """A name as it stands there: `("steps", "compile", "status")`; `at`: its first character, from 1."""

    path: tuple[str, ...]
    at: int


_Tree = Callable[[Facts], Value | None]


@dataclass(frozen=True)
class Condition:
    """An expression that was understood. Equal where the text is."""

    text: str
    _tree: _Tree = field(compare=False, repr=False)
    names: tuple[Name, ...] = field(default=(), compare=False)
    compared: tuple[tuple[Name, str], ...] = field(default=(), compare=False)
    """Names with the texts that they are said to equal, or not to."""
    asks_status: bool = field(default=False, compare=False)
    """It calls always(), failed() or passed(): it decides itself what becomes of a build that has failed."""

    def holds(self, facts: Facts) -> bool:
        """Without a call of its own it holds only while nothing has failed."""
        return (self.asks_status or not facts.failed) and bool(self._tree(facts))


def parse(said: str) -> Condition:
    """`ConditionError` where it is not an expression."""
    return _Parser(said).whole()


class _Token(NamedTuple):
    kind: str
    said: str
    at: int


class _Parser:
    """By recursive descent, each level as one method. A tree is a function of the facts."""

    def __init__(self, said: str) -> None:
        if len(said) > MAX_CONDITION:
            raise ConditionError(f"expected at most {MAX_CONDITION:,} characters, not {len(said):,}")
        self._said = said
        self._tokens = list(_tokens(said))
        self._next = 0
        self._depth = 0
        self._names: list[Name] = []
        self._compared: list[tuple[Name, str]] = []
        self._asks_status = False

    def whole(self) -> Condition:
        tree = self._any()
        if self._now.kind != "end":
            self._refuse("expected and, or, or the end", self._now)
        return Condition(self._said, tree, tuple(self._names), tuple(self._compared), self._asks_status)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *said: str) -> bool:
        if self._now.kind in ("word", "sign") and self._now.said in said:
            self._next += 1
            return True
        return False

    def _any(self) -> _Tree:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda facts: any(bool(part(facts)) for part in parts)

    def _all(self) -> _Tree:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda facts: all(bool(part(facts)) for part in parts)

    def _not(self) -> _Tree:
        if not self._take("not"):
            return self._comparison()
        self._deeper()
        inner = self._not()
        self._depth -= 1
        return lambda facts: not inner(facts)

    def _comparison(self) -> _Tree:
        first, known = self._now, len(self._names)
        left = self._value()
        sign = self._now.said if self._now.kind == "sign" else ""
        if not self._take("==", "!=", "~", "!~"):
            return left
        token = self._now
        right = self._value()
        if first.kind == "word" and len(self._names) == known + 1 and token.kind == "text" and "=" in sign:
            self._compared.append((self._names[-1], token.said[1:-1]))
        if self._now.kind == "sign" and self._now.said in ("==", "!=", "~", "!~"):
            self._refuse("expected and, or, or the end: one comparison does not follow another", self._now)
        same = _equal if sign in ("==", "!=") else _fits
        if sign.startswith("!"):
            return lambda facts: not same(left(facts), right(facts))
        return lambda facts: same(left(facts), right(facts))

    def _value(self) -> _Tree:
        token = self._now
        if self._take("("):
            self._deeper()
            inner = self._any()
            self._depth -= 1
            if not self._take(")"):
                self._refuse("expected )", self._now)
            return inner
        if token.kind in ("text", "number"):
            self._next += 1
            found: Value = token.said[1:-1] if token.kind == "text" else _number(token.said)
            return lambda facts: found
        if token.kind == "word" and token.said not in ("and", "or", "not"):
            self._next += 1
            return self._word(token)
        self._refuse('expected a name, a call such as always(), or a value such as "main"', token)

    def _word(self, token: _Token) -> _Tree:
        if token.said in ("true", "false"):
            said = token.said == "true"
            return lambda facts: said
        if self._take("("):
            if token.said not in FUNCTIONS:
                self._refuse(f"there is no {token.said}(); expected always(), failed() or passed()", token)
            if not self._take(")"):
                self._refuse("expected )", self._now)
            self._asks_status = True
            return {"always": lambda facts: True, "failed": _failed, "passed": _passed}[token.said]
        if token.said in FUNCTIONS:
            self._refuse(f"expected {token.said}(), with its parentheses", token)
        return self._name(token)

    def _name(self, token: _Token) -> _Tree:
        path = [token.said]
        while self._now.kind == "sign" and self._now.said in (".", "["):
            bracket = self._take("[")
            if not bracket:
                self._take(".")
            part = self._now
            if part.kind != ("text" if bracket else "word"):
                self._refuse(
                    'expected a name in quotes, as in steps["unit tests"]' if bracket else "expected a name", part
                )
            self._next += 1
            path.append(part.said[1:-1] if bracket else part.said)
            if bracket and not self._take("]"):
                self._refuse("expected ]", self._now)
        shape = {1: path[0] in PLAIN, 2: path[0] in ("inputs", "env", "matrix")}
        shape[3] = path[0] == "steps" and path[2:] == ["status"]
        if not shape.get(len(path)):
            self._refuse(f"there is no {'.'.join(path)[:80]}; expected {_NAMES}", token)
        self._names.append(Name(tuple(path), token.at))
        first, name = path[0], path[1] if len(path) > 1 else path[0]
        if len(path) == 1:
            return lambda facts: facts.plain.get(name)
        return lambda facts: getattr(facts, first).get(name)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"expected parentheses and not at most {MAX_DEPTH} deep", self._now)

    @staticmethod
    def _refuse(expected: str, token: _Token) -> NoReturn:
        found = "the end" if token.kind == "end" else repr(token.said[:40])
        joint = f", not {found}" if expected.startswith("expected") and "parentheses" not in expected else ""
        raise ConditionError(f"character {token.at}: {expected}{joint}")


def _tokens(said: str) -> Iterator[_Token]:
    at = 0
    while at < len(said):
        found = _TOKEN.match(said, at)
        if found is None:
            _refuse_character(said, at)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), at + 1)
        at = found.end()
    yield _Token("end", "", len(said) + 1)


def _refuse_character(said: str, at: int) -> NoReturn:
    if said[at] in "\"'":
        raise ConditionError(f"character {at + 1}: this text has no end; expected {said[at]} behind it")
    for wrong in (said[at : at + 2], said[at]):
        if wrong in _INSTEAD:
            raise ConditionError(f"character {at + 1}: expected {_INSTEAD[wrong]}, not {wrong!r}")
    raise ConditionError(f"character {at + 1}: {said[at]!r} has no meaning here; texts stand in quotes")


def _number(said: str) -> int | float:
    return float(said) if "." in said else int(said)


def _failed(facts: Facts) -> bool:
    return facts.failed


def _passed(facts: Facts) -> bool:
    return not facts.failed


def _is_number(value: Value | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _written(value: Value | None) -> str:
    return "" if value is None else text(value)


def _equal(one: Value | None, other: Value | None) -> bool:
    if _is_number(one) and _is_number(other):
        return one == other
    return _written(one) == _written(other)


def _fits(name: Value | None, pattern: Value | None) -> bool:
    wanted = _written(pattern)
    return len(wanted) <= globs.MAX_GLOB and globs.matches(wanted, _written(name))
