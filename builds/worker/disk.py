"""Room on the disk of the data folder: workspaces are there, and SQLite's database."""

import os
import time
from pathlib import Path

from django.conf import settings

from . import endings
from .endings import Ending

LOOK_SECONDS = 2.0
_MEGABYTE = 1024 * 1024


def shortage() -> str:
    """Why a build cannot go on, in a sentence; empty: there is as much room as BUILDBOARD_MIN_FREE_MB asks for."""
    required = settings.BUILDBOARD_MIN_FREE_MB
    free, total = _room()
    return _sentence(free, total, required) if free < required * _MEGABYTE else ""


def is_full() -> bool:
    """Whether hardly anything can be written any more, whatever is required."""
    return _room()[0] < _MEGABYTE


class Room:
    """What a runner asks, as often as it likes. Once it was short, the build is to end, whatever becomes free then."""

    def __init__(self) -> None:
        self.ending: Ending | None = None
        self._look_at = float("-inf")

    def look(self) -> Ending | None:
        now = time.monotonic()
        if self.ending is None and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._judge(shortage())
        return self.ending

    def failed_to_store(self) -> None:
        """The database had no room."""
        self._judge(shortage() or _sentence(*_room(), 0))

    def explain(self, ending: Ending) -> Ending:
        """A step that failed while there was too little room: both are said."""
        short = shortage()
        return endings.also(ending, short) if short else ending

    def _judge(self, short: str) -> None:
        if short and self.ending is None:
            self.ending = endings.no_room(short)


def _room() -> tuple[int, int]:
    """Bytes that are free, and that there are in all."""
    place: Path = settings.BUILDBOARD_DATA
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _sentence(free: int, total: int, required: int) -> str:
    rest = f", and {_size(required * _MEGABYTE)} are required" if required else ""
    return f"The worker's disk is full: {_size(free)} free of {_size(total)}{rest}."


def _size(size: int) -> str:
    megabytes = size / _MEGABYTE
    return f"{megabytes:,.0f} MB" if megabytes < 10_000 else f"{megabytes / 1024:,.0f} GB"
