"""Bytes → the lines that a log stores: whole, bounded, each complete in itself. Pure, and total: any bytes will do.

Lines end at a line feed and nowhere else. Within a line, what a terminal would show at its end is kept: a carriage
return goes back and overwrites column by column, erasing and moving to and fro are carried out. Of control sequences
only colours (SGR) and links to http and https (OSC 8) stay; a colour that carries over is repeated at the start of the
next line and every line ends neutral, so that any line can be shown without the others.
"""

import codecs
import re
from functools import lru_cache
from operator import add

from .canvas import LINE_BYTES, Canvas, width
from .style import PLAIN, Pen, change, styled

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_BUT_ESCAPE = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
_SGR = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_FEW = 64
"""Colour changes of a line, up to which what they come to is remembered."""


class LineReader:
    """Feed it bytes as they come, cut anywhere: the lines are the same for every way of cutting."""

    def __init__(self, max_bytes: int = LINE_BYTES) -> None:
        """`max_bytes`: a longer line is cut, and says so."""
        self._short = max_bytes // 4  # characters that fit into it whatever they are
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._canvas = Canvas(max_bytes)
        self._held = ""  # the open line's text that is not on the canvas yet
        self._drawn = False  # the canvas has the beginning of the open line

    @property
    def progress(self) -> float | None:
        """The step's own last word on how far it is, 0–1: the terminal progress sequence ESC ] 9 ; 4 ; 1 ; N."""
        return self._canvas.progress

    @property
    def has_open(self) -> bool:
        """Whether a line has begun and is not ended."""
        return bool(self._held) or self._drawn

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` ends."""
        return self._take(self._decoder.decode(data))

    def open_line(self) -> str:
        """The line that is not ended yet, as it stands."""
        if self._held:
            self._draw()
        return self._canvas.render()

    def close(self) -> list[str]:
        """No more bytes will come: the line that no line feed ended, if there is one."""
        lines = self._take(self._decoder.decode(b"", final=True))
        if self.has_open:
            lines.append(self._end_line(""))
        return lines

    def _take(self, text: str) -> list[str]:
        if "\n" not in text:
            self._hold(text)
            return []
        first, *whole = text.replace("\r\n", "\n").split("\n")
        rest = whole.pop()
        lines = [self._end_line(first)]
        if whole:
            # Most output has no control characters at all, so ask once for the whole block.
            if self._canvas.pen == PLAIN and not _CONTROL.search(text) and len(max(whole, key=len)) <= self._short:
                lines += whole
            else:
                lines += [self._whole_line(line) for line in whole]
        self._hold(rest)
        return lines

    def _hold(self, text: str) -> None:
        self._held += text
        if len(self._held) > self._short:
            self._draw()

    def _draw(self) -> None:
        self._drawn = True
        self._held = self._canvas.write(self._held)

    def _end_line(self, text: str) -> str:
        text, self._held = self._held + text, ""
        if not self._drawn:
            return self._whole_line(text)
        self._canvas.write(text, final=True)
        line = self._canvas.render()
        self._canvas.clear()
        self._drawn = False
        return line

    def _whole_line(self, text: str) -> str:
        text = text.rstrip("\r")
        if len(text) <= self._short and not _CONTROL_BUT_ESCAPE.search(text):
            if "\x1b" not in text and self._canvas.pen == PLAIN:
                return text
            line = self._coloured(text)
            if line is not None:
                return line
        self._canvas.write(text, final=True)
        line = self._canvas.render()
        self._canvas.clear()
        return line

    def _coloured(self, text: str) -> str | None:
        """A line of text and colours alone; None: there is more in it, or it grows too long."""
        pieces = _SGR.split(text)
        texts, codes = pieces[::2], pieces[1::2]
        if text.count("\x1b") != len(codes) or len(codes) > _FEW:
            return None
        if not text.isascii() and any(piece and width(piece[0]) == 0 for piece in texts):
            return None  # a combining character has the colour of what it joins
        openings, closing, pen = _changes(self._canvas.pen, tuple(codes), tuple(map(bool, texts)))
        line = "".join(map(add, openings, texts)) + closing
        if len(line) > self._short:
            return None
        self._canvas.pen = pen
        return line


@lru_cache(maxsize=4096)
def _changes(pen: Pen, codes: tuple[str, ...], filled: tuple[bool, ...]) -> tuple[tuple[str, ...], str, Pen]:
    """What to write before each text of a line, and at its end, and the pen that is carried over.

    `codes` stand between the texts; `filled`: which of those are not empty. Lines of one kind repeat, so this is kept.
    """
    shown = PLAIN
    openings = []
    for index, has_text in enumerate(filled):
        if index:
            pen = styled(pen, codes[index - 1])
        openings.append(change(shown, pen) if has_text else "")
        if has_text:
            shown = pen
    return tuple(openings), change(shown, PLAIN), pen
