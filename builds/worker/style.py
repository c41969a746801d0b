"""Colours and links of a terminal as a value: compared, carried to the next line, and written again. Pure."""

import re
from functools import lru_cache
from typing import NamedTuple

MAX_URI = 2_000
RESET = "\x1b[0m"
CLOSE_LINK = "\x1b]8;;\x1b\\"
_URI = re.compile(r"https?://[\x21-\x7e]+\Z", re.IGNORECASE)


class Pen(NamedTuple):
    """How the next character looks. Each part is the SGR parameter that sets it, or empty."""

    bold: str = ""
    dim: str = ""
    italic: str = ""
    underline: str = ""
    blink: str = ""
    inverse: str = ""
    conceal: str = ""
    strike: str = ""
    overline: str = ""
    foreground: str = ""
    background: str = ""
    line_colour: str = ""
    link: str = ""
    """Its address; http and https only."""


PLAIN = Pen()

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


@lru_cache(maxsize=4096)
def styled(pen: Pen, parameters: str) -> Pen:
    """`pen` after `ESC [ parameters m`. What is not known is passed over."""
    codes = parameters.split(";")
    index = 0
    while index < len(codes):
        code = codes[index].lstrip("0")
        index += 1
        if ":" in code:
            pen = _with_colons(pen, code)
        elif code == "":
            pen = Pen(link=pen.link)
        elif code in _EXTENDED:
            mode = codes[index].lstrip("0") if index < len(codes) else ""
            count = {"5": 1, "2": 3}.get(mode)
            values = codes[index + 1 : index + 1 + (count or 0)]
            index += 1 + (count or 0)
            if count and len(values) == count and all(_is_byte(value) for value in values):
                colour = ";".join([code, mode, *(str(int(value or "0")) for value in values)])
                pen = pen._replace(**{_EXTENDED[code]: colour})
        else:
            pen = pen._replace(**_SET.get(code, {}))
    return pen


def _with_colons(pen: Pen, code: str) -> Pen:
    """`4:3`, `38:5:n`, `38:2:r:g:b` and `38:2::r:g:b`."""
    head, *rest = code.split(":")
    if head == "4":
        return pen._replace(underline="" if rest[:1] == ["0"] else "4")
    if head not in _EXTENDED or not rest:
        return pen
    mode, values = rest[0], rest[1:]
    if mode == "2" and len(values) >= 4:
        values = values[1:]  # the colour space
    count = {"5": 1, "2": 3}.get(mode, 0)
    values = values[:count]
    if not count or len(values) != count or not all(_is_byte(value) for value in values):
        return pen
    return pen._replace(**{_EXTENDED[head]: ";".join([head, mode, *(str(int(value or "0")) for value in values)])})


def _is_byte(value: str) -> bool:
    return value == "" or (len(value) <= 3 and value.isascii() and value.isdigit() and int(value) <= 255)


@lru_cache(maxsize=4096)
def linked(pen: Pen, uri: str) -> Pen:
    """`pen` after `ESC ] 8 ; … ; uri`. Any address that is not plainly http or https ends the link."""
    return pen._replace(link=uri if len(uri) <= MAX_URI and _URI.match(uri) else "")


@lru_cache(maxsize=4096)
def change(before: Pen, after: Pen) -> str:
    """What a terminal has to be told to go from `before` to `after`."""
    if before == after:
        return ""
    text = ""
    if before.link != after.link:
        text = f"\x1b]8;;{after.link}\x1b\\"
    old, new = before[:-1], after[:-1]
    if old != new:
        codes = ";".join(code for code in new if code)
        reset = any(old)
        text += f"\x1b[{'0;' if reset else ''}{codes}m" if codes else RESET
    return text
