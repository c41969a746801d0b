"""Settings from the environment: each reader returns a checked value or refuses by name.

A wrong value stops the start with the variable's name, what it was and what was expected; nothing is guessed.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}

_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?:\*|\.?{_WORD}(?:\.{_WORD})*|\[[0-9A-Fa-f:.]+\])\Z")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,254}\Z")
_HOST_EXPECTED = (
    "names of hosts, separated by commas, without scheme, port and path, such as board.example, .example.org (with all "
    "names below it), 192.0.2.7 or [2001:db8::7]; or * for any"
)


class Environment:
    """Reads `variables` (the process's own by default). An empty value counts as not set."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        return self._variables.get(name, "").strip() or default

    def flag(self, name: str, default: bool | None) -> bool | None:
        """1/0, true/false, yes/no, on/off; `default` where the variable is not set."""
        value = self.text(name).lower()
        if not value:
            return default
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        raise refused(name, self.text(name), "1 or 0 (also true/false, yes/no, on/off)")

    def number(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        value = self.text(name)
        if not value:
            return default
        expected = f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise refused(name, value, expected)
        number = int(value)
        if number < least or (most is not None and number > most):
            raise refused(name, value, expected)
        return number

    def items(self, name: str) -> list[str]:
        """A list separated by commas."""
        return [item for item in (part.strip() for part in self.text(name).split(",")) if item]

    def hosts(self, name: str) -> list[str]:
        """Names of hosts, as requests have them: without scheme, port and path."""
        found = self.items(name)
        for host in found:
            if not _HOST.match(host):
                raise refused(name, host, _HOST_EXPECTED)
        return found

    def folders(self, name: str) -> list[str]:
        """Whole paths of folders, separated by commas; they need not be there yet."""
        found = self.items(name)
        for folder in found:
            if not folder.startswith("/") or ".." in folder.split("/"):
                raise refused(name, folder, "whole paths of folders, separated by commas, such as /srv/git")
        return found

    def program(self, name: str, among: Sequence[str]) -> str:
        """One of these names, or the whole path of a program, which need not be there yet; empty: not set."""
        value = self.text(name)
        if value and value not in among and not value.startswith("/"):
            raise refused(name, value, f"{', '.join(among)} or the whole path of a program")
        return value

    def image(self, name: str) -> str:
        """The name of a container's image; empty: not set."""
        value = self.text(name)
        if value and not _IMAGE.match(value):
            raise refused(name, value, "the name of an image, such as docker.io/library/debian:12")
        return value

    def words(self, name: str) -> list[str]:
        """As a shell splits them."""
        try:
            return shlex.split(self.text(name))
        except ValueError as error:
            raise refused(name, self.text(name), f"words as a shell reads them ({error})") from None

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        value = self.text(name, default).lower()
        if value not in among:
            raise refused(name, self.text(name), f"{', '.join(among[:-1])} or {among[-1]}")
        return value

    def folder(self, name: str, default: Path) -> Path:
        path = Path(self.text(name, str(default))).expanduser()
        if path.exists() and not path.is_dir():
            raise refused(name, str(path), "a folder, and this is a file")
        return path.absolute()


def refused(name: str, value: str, expected: str) -> ImproperlyConfigured:
    """The error for a wrong value. `value` is shown: pass "" for anything secret."""
    shown = f"={value!r}" if value else ""
    return ImproperlyConfigured(f"{name}{shown}: expected {expected}.")
