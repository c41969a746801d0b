"""Times in the notation of cron, in a time zone. Pure: no database, and no clock but the one that is given.

Five fields (minute, hour, day of month, month, day of week) as Debian's cron has them, and its names for some. Where
a zone's clocks go forward, a time that they leave out is made up for at once; where they go back, a time that they
show twice counts once, and what runs every so many minutes runs on.
"""

import functools
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice

from cronsim import CronSim, CronSimError

MAX_CRON = 100
MAX_ZONE = 64
MOST_COUNTED = 1_000
"""Missed times are counted so far."""
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class CronError(ValueError):
    """It is no such time, or no such zone: a sentence that says what was expected."""


def check(cron: str, zone: str) -> None:
    """`CronError` where they are not valid, or the time never comes."""
    if following(cron, zone, datetime.now(UTC)) is None:
        raise _never(cron)


def check_zone(zone: str) -> None:
    """`CronError`."""
    _zone(zone)


def following(cron: str, zone: str, after: datetime) -> datetime | None:
    """The first time after `after`, in UTC. None: it never comes. `CronError`."""
    return next(_times(cron, zone, after), None)


def upcoming(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The first `count` times after `after`, in the zone's own time. `CronError`."""
    own = _zone(zone)
    return [moment.astimezone(own) for moment in islice(_times(cron, zone, after), count)]


def local(moment: datetime, zone: str) -> datetime:
    """`CronError`."""
    return moment.astimezone(_zone(zone))


def passed(cron: str, zone: str, since: datetime, now: datetime) -> tuple[int, datetime]:
    """How many times have come from `since` on, which is one of them, up to `now`; and the newest of these.

    At most MOST_COUNTED are counted; the newest is found in any case. `CronError`.
    """
    count, newest = 1, since
    for moment in islice(_times(cron, zone, since), MOST_COUNTED):
        if moment > now:
            return count, newest
        count, newest = count + 1, moment
    return count - 1, next(_times(cron, zone, now, back=True), newest)


def _times(cron: str, zone: str, start: datetime, *, back: bool = False) -> Iterator[datetime]:
    own = _zone(zone)
    try:
        found = CronSim(_fields(cron), start.astimezone(own), reverse=back)
    except CronSimError as error:
        part = str(error).removeprefix("Bad ")
        if part == "day-of-month" and _is_a_day(cron):
            raise _never(cron) from error
        said = f"its {part} is not one" if part != str(error) else "it has not five fields"
        raise CronError(f"{cron.strip()[:MAX_CRON]!r} is no time of cron: {said}. {_EXPECTED}") from error
    return (moment.astimezone(UTC) for moment in found)


def _never(cron: str) -> CronError:
    return CronError(f"{cron.strip()[:MAX_CRON]!r} never comes: none of its months has such a day.")


def _is_a_day(cron: str) -> bool:
    """Whether its day of month is one that some month has."""
    minute, hour, day, _, weekday = _fields(cron).split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", datetime.now(UTC))
    except CronSimError:
        return False
    return True


_EXPECTED = "Expected minute, hour, day of month, month and day of week, such as 30 3 * * 1-5, or @daily."


def _fields(cron: str) -> str:
    text = cron.strip()
    found = NAMED.get(text.lower(), text)
    if not text or len(text) > MAX_CRON or not text.isascii() or len(found.split()) != 5:
        shown = repr(text[:MAX_CRON])
        raise CronError(f"{shown} is no time of cron. {_EXPECTED}")
    return found


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name not in zones():
        raise CronError(f"There is no time zone {name[:MAX_ZONE]!r}. Expected a name such as Europe/Berlin, or UTC.")
    return zoneinfo.ZoneInfo(name)


@functools.cache
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(zoneinfo.available_timezones())
