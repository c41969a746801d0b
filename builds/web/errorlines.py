"""Which line of a log looks like an error. Pure, but for the time that it may take.

What compilers, test runners and tools print when they fail, told apart from lines that only speak of errors: counts of
none, names of flags and files.
"""

import re
import time
from collections.abc import Iterable

from buildboard.terminal.style import plain

MOST_CHARACTERS = 500
"""Of each line: what is behind them is not looked at."""
MOST_TEXT = 256 * 1024
"""Characters of all lines together, of each as many as are looked at."""
MOST_SECONDS = 0.3
"""Of a processor, with what it takes to get the lines."""
_LONGEST_TRACEBACK = 200
"""Lines."""
_SLICE = 50
"""After so many lines other threads get a turn."""

_WORDS = (
    *("error", "fail", "fatal", "panic", "traceback", "exception", "not ok", "*** ", "fault", "undefined reference"),
    *("not found", "killed"),
)
"""Most lines have none of these, and none of `_BEGINS` at their beginning: they need not be looked at closely."""
_BEGINS = ("E ", "E:", "\u2717", "\u2718")
_ERROR = re.compile(
    r"""
      \b(?i:(?:fatal\s|internal\s|compiler\s|syntax\s)?error)(?:\[\w+\]|\s[A-Z]+[0-9]+)?\s?:   # compilers
    | \b[A-Z]\w*(?:Error|Exception)\b(?=:|$|\s\()                                  # Python, JavaScript, Java
    | ^\s*(?:\S+\s)?Traceback\s\(most\srecent\scall\slast\)
    | \bException\sin\sthread\b
    | \bERROR\b
    | \bFAILED\b | \bFAILURES?\b | ^\s*(?:---\s)?FAIL(?:[:\s]|$)
    | \b(?i:fatal)\s?: | \bFATAL\b
    | \bpanic: | \bpanicked\sat\b
    | ^not\sok\b
    | \bnpm\s(?:ERR!|error)
    | \*\*\*\s\[ | ^\S*make(?:\[[0-9]+\])?:\s\*\*\*
    | \#\#\[error\] | ^::error\b
    | \bSegmentation\sfault\b | \bundefined\sreference\sto\b | :\scommand\snot\sfound$ | :\snot\sfound$ | ^Killed$
    | ^E\s{2,}\S | ^E:\s
    | ^\s*[✗✘]\s
    | \b[1-9][0-9]*\s(?:failed|failures?|errors?)\b(?!\.\w)
    """,
    re.VERBOSE,
)
_TRACEBACK = "Traceback (most recent call last):"
_HARMLESS = re.compile(
    r"""
      \b(?i:no|zero|without|any)\s(?:\w+\s)?(?i:errors?|failures?|exceptions?)\b
    | (?<![\w.])0\s(?:\w+\s)?(?i:errors?|failed|failures?)\b
    | \b(?i:errors?|failed|failures?)\s?[:=]\s?0(?=\s*(?:$|[,;|)\]]|\w+\s?[:=]))
    | \b(?i:error)[-_\s]free\b
    | (?<!\S)-{1,2}[\w=-]*(?i:error)[\w=:,.-]*                                      # flags
    | \[-W[\w=+-]*\]
    """,
    re.VERBOSE,
)


def looks_like_an_error(text: str) -> bool:
    text = text[:MOST_CHARACTERS]
    if "\x1b" in text:
        text = plain(text)
    lower = text.lower()
    if not any(word in lower for word in _WORDS) and not text.lstrip().startswith(_BEGINS):
        return False
    text = _HARMLESS.sub(" ", text).rstrip()
    return _ERROR.search(text) is not None


def earliest(newest_first: Iterable[str]) -> int | None:
    """Which of the last lines of a log is the first that looks like an error; None: none of them does.

    The lines come from the end, and so does their index. Of a Python traceback it is the line that it ends with. Where
    they are too many for the bounds above, the first error is the first among those that were looked at: the end of a
    log tells most about its failure.
    """
    found, size = None, 0
    flush = None  # the line below that is not indented: behind a traceback's heading, what it says
    until = time.thread_time() + MOST_SECONDS
    for at, text in enumerate(newest_first):
        if at % _SLICE == 0:
            time.sleep(0)  # whoever waits for the interpreter gets it
            if at and time.thread_time() > until:
                break
        text = text[:MOST_CHARACTERS]
        is_heading = _TRACEBACK in text and plain(text).rstrip() == _TRACEBACK
        if is_heading and flush is not None and at - flush < _LONGEST_TRACEBACK:
            found = flush
        elif looks_like_an_error(text):
            found = at
        if text.strip() and not text[0].isspace():
            flush = at
        size += len(text)
        if size >= MOST_TEXT:
            break
    return found
