"""Colours and links of a terminal as a value: compared, carried to the next line, and written again. Pure."""

import re
from functools import lru_cache
from typing import NamedTuple

MAX_URI = 2_000
RESET = "\x1b[0m"
_URI = re.compile(r"https?://[\x21-\x7e]+\Z", re.IGNORECASE)


class Pen(NamedTuple):
    """How the next character looks. Two equal looks are two equal pens, however they came about."""

    codes: str = ""
    """The SGR parameters that set it from nothing, in a fixed order; empty: as text is without any."""
    link: str = ""
    """Its address; http and https only."""


PLAIN = Pen()

_ORDER = (
    "bold", "dim", "italic", "underline", "blink", "inverse", "conceal", "strike", "overline", "foreground",
    "background", "line_colour",
)  # fmt: skip
_SET = {
    "1": {"bold": "1"},
    "2": {"dim": "2"},
    "3": {"italic": "3"},
    "4": {"underline": "4"},
    "5": {"blink": "5"},
    "6": {"blink": "5"},
    "7": {"inverse": "7"},
    "8": {"conceal": "8"},
    "9": {"strike": "9"},
    "21": {"underline": "21"},
    "22": {"bold": "", "dim": ""},
    "23": {"italic": ""},
    "24": {"underline": ""},
    "25": {"blink": ""},
    "27": {"inverse": ""},
    "28": {"conceal": ""},
    "29": {"strike": ""},
    "39": {"foreground": ""},
    "49": {"background": ""},
    "53": {"overline": "53"},
    "55": {"overline": ""},
    "59": {"line_colour": ""},
    **{str(code): {"foreground": str(code)} for code in (*range(30, 38), *range(90, 98))},
    **{str(code): {"background": str(code)} for code in (*range(40, 48), *range(100, 108))},
}
_EXTENDED = {"38": "foreground", "48": "background", "58": "line_colour"}


def styled(pen: Pen, parameters: str) -> Pen:
    """`pen` after `ESC [ parameters m`. What is not known is passed over."""
    return Pen(_combined(pen.codes, parameters), pen.link)


@lru_cache(maxsize=4096)
def _combined(codes: str, parameters: str) -> str:
    look: dict[str, str] = {}
    if codes:
        _apply(look, codes)
    _apply(look, parameters)
    return ";".join(look[part] for part in _ORDER if look.get(part))


def _apply(look: dict[str, str], parameters: str) -> None:
    codes = parameters.split(";")
    index = 0
    while index < len(codes):
        code = codes[index].lstrip("0")
        index += 1
        if ":" in code:
            head, *rest = code.split(":")
            if head == "4":
                look["underline"] = "" if rest[:1] == ["0"] else "4"
            elif head in _EXTENDED and rest:
                values = rest[1:]
                if rest[0] == "2" and len(values) >= 4:
                    values = values[1:]  # the colour space
                _colour(look, head, rest[0], values)
        elif code == "":
            look.clear()
        elif code in _EXTENDED:
            mode = codes[index].lstrip("0") if index < len(codes) else ""
            count = {"5": 1, "2": 3}.get(mode, 0)
            _colour(look, code, mode, codes[index + 1 : index + 1 + count])
            index += 1 + count
        else:
            look.update(_SET.get(code, {}))


def _colour(look: dict[str, str], code: str, mode: str, values: list[str]) -> None:
    """One of 256 (mode 5), or red, green and blue (mode 2)."""
    count = {"5": 1, "2": 3}.get(mode)
    values = values[:count]
    if len(values) == count and all(_is_byte(value) for value in values):
        look[_EXTENDED[code]] = ";".join([code, mode, *(str(int(value or "0")) for value in values)])


def _is_byte(value: str) -> bool:
    return value == "" or (len(value) <= 3 and value.isdigit() and int(value) <= 255)


def linked(pen: Pen, uri: str) -> Pen:
    """`pen` after `ESC ] 8 ; … ; uri`. Any address that is not plainly http or https ends the link."""
    return Pen(pen.codes, uri if len(uri) <= MAX_URI and _URI.match(uri) else "")


@lru_cache(maxsize=4096)
def change(before: Pen, after: Pen) -> str:
    """What a terminal has to be told to go from `before` to `after`."""
    text = ""
    if before.link != after.link:
        text = f"\x1b]8;;{after.link}\x1b\\"
    if before.codes != after.codes:
        text += f"\x1b[{'0;' if before.codes else ''}{after.codes}m" if after.codes else RESET
    return text


STYLING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")


def plain(text: str) -> str:
    """Stored text without colours and links, the only sequences that it has."""
    return STYLING.sub("", text)


_STYLING = re.compile(STYLING.pattern.encode().replace(rb"\x1b\[", rb"\x1b\[[0-9;:]*m|\x1b\[", 1))
"""The same of UTF-8, in which no byte of another character is one of these; first what there is most of."""


def plain_lines(text: bytes) -> bytes:
    """Several lines without colours and links, each by itself: a link that is not closed takes no other line with it.
    Whole logs come through here."""
    if b"\x1b" not in text:
        return text
    shown = _STYLING.sub(b"", text)
    if b"\x1b]" in text and shown.count(b"\n") != text.count(b"\n"):
        return b"\n".join([_STYLING.sub(b"", line) for line in text.split(b"\n")])
    return shown
