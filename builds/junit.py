"""Test reports in JUnit's XML: bytes → cases. Pure.

What comes from a step may be anything. A document type, and with it every entity, is refused; depth, sizes and numbers
are bounded; nothing is fetched. There is no standard: what is read is what pytest, Maven, Gradle, Jest, Go's and Rust's
converters, GoogleTest and CTest write.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn
from xml.parsers import expat

MAX_BYTES = 20 * 1024 * 1024
"""Of one report."""
MAX_CASES = 20_000
"""Of one report so many cases are kept; the others are counted."""
MAX_DEPTH = 50
MAX_NAME = 500
"""Characters of a name, a file or a message."""
MAX_TEXT = 8_000
"""Characters of what a case that failed has to say: the beginning and the end of it are kept."""
STATUSES = ("passed", "failed", "error", "skipped")
"""failed: what was asserted did not hold; error: it broke otherwise."""

_LOOKED_AT = 64 * 1024
"""Characters of an attribute, of which MAX_NAME are kept."""
_BAD = {"failure": "failed", "error": "error"}
_WORSE = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


class ReportError(ValueError):
    """Half a sentence that says what is wrong with the report."""


class Case(NamedTuple):
    """One test. A text that was not given is empty; seconds and line may be unknown."""

    suite: str
    classname: str
    name: str
    status: str
    seconds: float | None = None
    message: str = ""
    text: str = ""
    file: str = ""
    line: int | None = None


@dataclass
class Report:
    cases: list[Case] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    """By status, those beyond the bound."""


def read(content: bytes, most: int = MAX_CASES, masked: Callable[[str], str] = str) -> Report:
    """The cases of a report, of which `most` are kept. `masked`: a text without the secrets in it; whatever is cut is
    cut after it. `ReportError`."""
    if len(content) > MAX_BYTES:
        raise ReportError(f"is larger than {MAX_BYTES // 1024 // 1024} MB")
    if not content.strip():
        raise ReportError("is empty")
    reader = _Reader(most, masked)
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    parser.ExternalEntityRefHandler = _refuse_doctype
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.say
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        why = expat.ErrorString(error.code) or "it cannot be read"
        raise ReportError(f"is not well-formed XML: {why}, line {error.lineno}") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"cannot be decoded: {str(error)[:100]}") from None
    return reader.report


def _refuse_doctype(*_: Any) -> NoReturn:
    raise ReportError("has a document type, and with it there could be entities: expected none")


class _Reader:
    def __init__(self, most: int, masked: Callable[[str], str]) -> None:
        self.report = Report()
        self._most = most
        self._masked = masked
        self._depth = 0
        self._suites: list[tuple[int, str, str]] = []
        """Those that are open: depth, name, file."""
        self._case: dict[str, Any] | None = None
        self._case_depth = 0
        self._outcome = ""
        """What is being said of the open case; empty: nothing that counts."""
        self._outcome_depth = 0
        self._text: list[str] = []
        self._length = 0

    def begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ReportError(f"has more than {MAX_DEPTH} elements within each other")
        name = tag.rpartition(":")[2]
        if self._depth == 1 and name not in ("testsuites", "testsuite"):
            raise ReportError(f"is no test report: expected <testsuites> or <testsuite>, not <{short(tag)[:40]}>")
        if self._case is None:
            if name == "testsuite":
                self._suites.append(
                    (self._depth, self._short(attributes.get("name", "")), self._short(attributes.get("file", "")))
                )
            elif name == "testcase":
                self._begin_case(attributes)
        elif not self._outcome and self._depth == self._case_depth + 1 and name in (*_BAD, "skipped"):
            self._outcome, self._outcome_depth = _BAD.get(name, name), self._depth
            said = self._short(attributes.get("message", "")) or self._short(attributes.get("type", ""))
            if _WORSE[self._outcome] > _WORSE[self._case["status"]]:
                self._case |= {"status": self._outcome, "message": said, "text": ""}
            else:
                self._outcome = "said"  # the first of its kind is what counts
            self._text, self._length = [], 0

    def say(self, text: str) -> None:
        if self._outcome and self._outcome != "said":
            self._text.append(text)
            self._length += len(text)
            if self._length > 8 * MAX_TEXT:  # what is in memory is bounded, too
                self._text = [cut_middle(self._masked("".join(self._text)))]
                self._length = len(self._text[0])

    def end(self, tag: str) -> None:
        if self._case is not None and self._outcome and self._depth == self._outcome_depth:
            if self._outcome != "said":
                self._case["text"] = cut_middle(self._masked("".join(self._text).strip("\n")))
                self._case["message"] = self._case["message"] or short(self._case["text"].partition("\n")[0])
            self._outcome, self._text = "", []
        elif self._case is not None and self._depth == self._case_depth:
            self._keep(Case(**self._case))
            self._case = None
        elif self._suites and self._depth == self._suites[-1][0]:
            self._suites.pop()
        self._depth -= 1

    def _begin_case(self, attributes: Mapping[str, str]) -> None:
        _, suite, file = self._suites[-1] if self._suites else (0, "", "")
        self._case_depth = self._depth
        idle = attributes.get("status", "") in ("notrun", "disabled", "skipped")
        self._case = {
            "suite": suite,
            "classname": self._short(attributes.get("classname", "")),
            "name": self._short(attributes.get("name", "")) or "(no name)",
            "status": "skipped" if idle else "passed",
            "seconds": _seconds(attributes.get("time", "")),
            "file": self._short(attributes.get("file", "")) or file,
            "line": _number(attributes.get("line", "")),
        }

    def _short(self, text: str) -> str:
        return short(self._masked(text[:_LOOKED_AT]))

    def _keep(self, case: Case) -> None:
        if len(self.report.cases) < self._most:
            self.report.cases.append(case)
        else:
            self.report.more[case.status] += 1


def short(text: str) -> str:
    """As it is kept: one piece, without NUL and halves of surrogate pairs."""
    text = text[: 4 * MAX_NAME].strip().replace("\0", "")
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def cut_middle(text: str) -> str:
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n… [{len(text) - 2 * half:,} characters are left out] …\n{text[-half:]}"


def _seconds(text: str) -> float | None:
    try:
        found = float(text.replace(",", "")[:40])
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found < 1e9 else None


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0 else None
