"""One line of a terminal while it is being written: characters in columns, as control sequences left them. Pure."""

import re
import unicodedata
from itertools import groupby

from .style import PLAIN, Pen, change, linked, styled

LINE_BYTES = 16 * 1024
"""Where nothing else is asked for, a line is stored up to this length."""
MAX_MOVE = 1_000
"""A terminal ends somewhere: moving to the right goes no further."""
MAX_BLANKS = 4_000_000
"""Columns that a line may blank; what asks for more is hostile, and is passed over."""
_TAB = 8

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_CSI = re.compile(r"(?:\x1b\[|\x9b)([0-?]{0,64})([ -/]{0,4})([@-~])?")
_STRING = re.compile(r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])([^\x00-\x1f\x7f\x9c]{0,4096})(\x07|\x1b\\|\x9c)?")
_ESCAPE = re.compile(r"\x1b([ -/]{0,4})([0-~])?")
_PROGRESS = re.compile(r"9;4;1;(\d{1,3})\Z", re.ASCII)


class Canvas:
    """Written to in pieces; what it holds is bounded, whatever is written."""

    def __init__(self, max_bytes: int = LINE_BYTES) -> None:
        """`max_bytes`: a line is rendered up to this length in UTF-8, colours included; then comes a mark that says how
        much was cut."""
        self._max_bytes = max_bytes
        self._max_columns = 2 * max_bytes
        """Kept while the line is open: a quarter of it in characters fits in whatever they are, tabs included."""
        self.pen: Pen = PLAIN
        """Carried over from line to line."""
        self.progress: float | None = None
        """The step's own last word on how far it is, 0–1."""
        self.clear()

    def clear(self) -> None:
        """A new line begins."""
        self._cells: list[str] = []  # "" continues the character to its left: the rest of a wide one, or of a tab
        self._pens: list[Pen] = []
        self._column = 0
        self._beyond = 0  # columns written past the last that is kept
        self._attached = 0  # combining characters kept
        self._dropped = 0
        self._blanked = 0
        self._narrow = True  # each cell is one character of one column: no character to break when overwriting

    def write(self, text: str, *, final: bool = False) -> str:
        """Take `text`, without line feeds. Returns its end where that may be the beginning of a control sequence.

        `final`: no more will come in this line, so nothing is returned.
        """
        position, end = 0, len(text)
        while position < end:
            found = _TEXT.match(text, position)
            if found:
                self._put(found[0])
                position = found.end()
                continue
            character = text[position]
            if character == "\r":
                self._column = 0
            elif character == "\b":
                self._column = max(self._column - 1, 0)
            elif character == "\t":
                self._tab()
            elif character in "\x1b\x9b\x9d\x90\x98\x9e\x9f":
                after = self._sequence(text, position, final)
                if after is None:
                    return text[position:]
                position = after
                continue
            position += 1
        return ""

    def render(self) -> str:
        """The line as it stands: neutral at both ends, at most `max_bytes` and a mark."""
        cut = self._beyond + self._dropped
        parts: list[str] = []
        pen = PLAIN
        size = column = 0
        for new, run in groupby(self._pens):
            length = sum(1 for _ in run)
            opening = change(pen, new)
            closing = change(new, PLAIN)
            text = "".join(self._cells[column : column + length])
            size += len(opening) + len(text.encode())
            if size + len(closing) > self._max_bytes:
                room = self._max_bytes - (size - len(text.encode())) - len(closing)
                kept = text.encode()[:room].decode("utf-8", "ignore") if room > 0 else ""
                cut += len("".join(self._cells[column:])) - len(kept)
                if kept:
                    parts += [opening, kept]
                    pen = new
                break
            if text:
                parts += [opening, text]
                pen = new
            column += length
        parts.append(change(pen, PLAIN))
        if cut:
            parts.append(f"… [{cut:,} more characters were cut]")
        return "".join(parts)

    # --- Writing characters ---

    def _put(self, text: str) -> None:
        if self._narrow and text.isascii():
            self._put_narrow(text)
            return
        for character in text:
            columns = width(character)
            if columns == 0 and self._column > 0:
                self._attach(character)
                continue
            self._place(character, max(columns, 1))

    def _put_narrow(self, text: str) -> None:
        column = self._column
        self._column += len(text)
        if column >= self._max_columns:
            self._beyond = max(self._beyond, self._column - self._max_columns)
            return
        if self._column > self._max_columns:
            self._beyond = max(self._beyond, self._column - self._max_columns)
            text = text[: self._max_columns - column]
        self._pad(column)
        self._cells[column : column + len(text)] = text
        self._pens[column : column + len(text)] = [self.pen] * len(text)

    def _place(self, character: str, columns: int) -> None:
        """One character of so many columns at the cursor."""
        column = self._column
        self._column += columns
        if self._column > self._max_columns:
            self._beyond = max(self._beyond, self._column - self._max_columns)
            return
        self._pad(column)
        self._break(column)
        self._break(column + columns)
        self._cells[column : column + columns] = [character] + [""] * (columns - 1)
        self._pens[column : column + columns] = [self.pen] * columns
        if columns > 1 or width(character) != 1:
            self._narrow = False

    def _attach(self, character: str) -> None:
        """A combining character joins the one before the cursor, or the blank where none is."""
        column = self._column - 1
        if self._column > self._max_columns:
            self._dropped += 1
            return
        self._pad(self._column)
        while column > 0 and self._cells[column] == "":
            column -= 1
        if self._attached >= self._max_bytes:
            self._dropped += 1
        else:
            self._attached += 1
            self._cells[column] += character
            self._narrow = False

    def _tab(self) -> None:
        stop = (self._column // _TAB + 1) * _TAB
        if self._column >= len(self._cells) and self._column < self._max_columns:
            self._place("\t", stop - self._column)
            self._narrow = False
        elif self._column < len(self._cells):
            self._column = stop
        else:
            self._column += 1
            self._beyond = max(self._beyond, self._column - self._max_columns)

    def _pad(self, column: int) -> None:
        """Blanks up to `column`, where the cursor was moved past the end."""
        missing = column - len(self._cells)
        if missing > 0:
            self._cells += " " * missing
            self._pens += [PLAIN] * missing

    def _break(self, column: int) -> None:
        """A character that spans `column` and begins before it is about to lose a half: blanks remain of it."""
        if self._narrow or not 0 < column < len(self._cells) or self._cells[column] != "":
            return
        first = column
        while first > 0 and self._cells[first] == "":
            first -= 1
        last = column
        while last < len(self._cells) and self._cells[last] == "":
            last += 1
        self._cells[first:last] = " " * (last - first)

    # --- Control sequences ---

    def _sequence(self, text: str, position: int, final: bool) -> int | None:
        """Carry out the sequence at `position`; where it ends. None: its end has not come yet."""
        found = _CSI.match(text, position)
        if found:
            parameters, intermediate, command = found.groups()
            if command is None and found.end() == len(text) and not final:
                return None
            if command and not intermediate:
                self._command(command, parameters)
            return found.end()
        found = _STRING.match(text, position)
        if found:
            body, end = found.groups()
            if end is None:
                missing = len(text) - found.end()
                if not final and (missing == 0 or (missing == 1 and text[-1] == "\x1b")):
                    return None
                return found.start(1)  # it never ends: only its introducer is dropped, and no text is lost
            if text[position : found.start(1)] in ("\x1b]", "\x9d"):
                self._system(body)
            return found.end()
        found = _ESCAPE.match(text, position)
        if found is None:
            return position + 1
        if found[2] is None and found.end() == len(text) and not final:
            return None
        return found.end()

    def _command(self, command: str, parameters: str) -> None:
        if command == "m":
            if parameters[:1] not in ("<", "=", ">", "?"):
                self.pen = styled(self.pen, parameters)
            return
        first = parameters.partition(";")[0]
        number = min(int(first), MAX_MOVE) if first.isdigit() else 0
        count = max(number, 1)
        if command in "KJ":
            self._erase(number)
        elif command in "G`":
            self._column = count - 1
        elif command in "Ca":
            self._column = max(self._column, min(self._column + count, MAX_MOVE))
        elif command == "D":
            self._column = max(self._column - count, 0)
        elif command in "EF":
            self._column = 0
        elif command == "P":
            self._break(self._column)
            self._break(self._column + count)
            del self._cells[self._column : self._column + count]
            del self._pens[self._column : self._column + count]
        elif command == "X":
            self._blank(self._column, self._column + count)

    def _erase(self, mode: int) -> None:
        """In the line: 0 from the cursor to its end, 1 up to the cursor, 2 all. The cursor stays."""
        if mode == 0:
            self._break(self._column)
            del self._cells[self._column :]
            del self._pens[self._column :]
            self._beyond = max(self._column - self._max_columns, 0) if self._beyond else 0
        elif mode == 1:
            self._blank(0, self._column + 1)
        elif mode == 2:
            self._cells.clear()
            self._pens.clear()
            self._beyond = self._dropped = self._attached = 0
            self._narrow = True

    def _blank(self, first: int, last: int) -> None:
        last = min(last, len(self._cells))
        if first < last and self._blanked < MAX_BLANKS:
            self._blanked += last - first
            self._break(first)
            self._break(last)
            self._cells[first:last] = " " * (last - first)
            self._pens[first:last] = [PLAIN] * (last - first)

    def _system(self, body: str) -> None:
        if body.startswith("8;"):
            self.pen = linked(self.pen, body[2:].partition(";")[2])
            return
        found = _PROGRESS.match(body)
        if found:
            self.progress = min(int(found[1]), 100) / 100


def width(character: str) -> int:
    """Columns that a terminal gives it: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
