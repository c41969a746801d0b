"""The board's filter: which builds an address asks for. Every value is checked; a wrong one is named and left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q
from django.http import QueryDict

from ..models import Build, BuildQuerySet, Project, ProjectQuerySet
from ..states import BUILD_STATUSES

PERIODS = {"today": "today", "7d": "in the last 7 days", "30d": "in the last 30 days"}
DATES = "dates"
"""`when` of the form, where days are given; an address needs only those."""
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_SLUG = re.compile(r"[-\w]{1,100}\Z", re.ASCII)
_NUMBER = re.compile(r"#?([0-9]{1,18})\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Wrong(ValueError):
    """A value that is none: `part: what was expected, not what came`."""


@dataclass(frozen=True)
class Filter:
    """What an address asks for; without any of it, every build."""

    project: Project | None = None
    statuses: tuple[str, ...] = ()
    branch: str = ""
    """The ref that a build was started for, to the letter."""
    who: str = ""
    """As it is shown behind "started by"."""
    when: str = ""
    """One of `PERIODS`, or `DATES`: from `first` to `last`, both included, days in UTC. It counts when a build was
    asked for."""
    first: date | None = None
    last: date | None = None
    wrong: tuple[str, ...] = ()
    """What was left out, in sentences."""

    def __bool__(self) -> bool:
        return bool(self.project or self.statuses or self.branch or self.who or self.when)

    def narrow(self, builds: BuildQuerySet, now: datetime) -> BuildQuerySet:
        """Those of `builds` that it asks for."""
        wanted = Q()
        if self.project:
            wanted &= Q(project=self.project)
        if self.statuses:
            wanted &= Q(status__in=self.statuses)
        if self.branch:
            wanted &= Q(ref=self.branch)
        if self.who:
            wanted &= Q(started_by=self.who)
        begin, end = self._span(now)
        if begin:
            wanted &= Q(created_at__gte=begin)
        if end:
            wanted &= Q(created_at__lt=end)
        return builds.filter(wanted)

    def said(self) -> str:
        """`failed or lost builds of Lantern on branch main started by alice in the last 7 days`."""
        kinds = " or ".join(filter(None, [", ".join(self.statuses[:-1]), *self.statuses[-1:]]))
        parts = [kinds, "builds"]
        parts += [f"of {self.project.name}"] if self.project else []
        parts += [f"on branch {self.branch}"] if self.branch else []
        parts += [f"started by {self.who}"] if self.who else []
        parts += [self._period()] if self.when else []
        return " ".join(filter(None, parts))

    def query(self) -> str:
        """Its own part of an address: `project=lantern&status=failed`."""
        made = QueryDict(mutable=True)
        if self.project:
            made["project"] = self.project.slug
        made.setlist("status", list(self.statuses))
        for name, value in (("branch", self.branch), ("who", self.who)):
            if value:
                made[name] = value
        if self.when in PERIODS:
            made["when"] = self.when
        for name, day in (("from", self.first), ("to", self.last)):
            if day:
                made[name] = day.isoformat()
        return made.urlencode()

    def _span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        if self.when == "today":
            return _midnight(now.astimezone(UTC).date()), None
        if self.when in PERIODS:
            return now - timedelta(days=int(self.when.removesuffix("d"))), None
        begin = _midnight(self.first) if self.first else None
        return begin, _midnight(self.last) + timedelta(days=1) if self.last else None

    def _period(self) -> str:
        if self.when in PERIODS:
            return PERIODS[self.when]
        if self.first and self.first == self.last:
            return f"on {self.first}"
        return " ".join([f"from {self.first}"] * bool(self.first) + [f"to {self.last}"] * bool(self.last))


def read(query: QueryDict, projects: ProjectQuerySet) -> Filter:
    """What `query` asks for, of `projects`: those that one may see."""
    wrong: list[str] = []
    found: dict[str, object] = {}
    for part in (_project(query, projects), _statuses(query), _texts(query), _when(query)):
        try:
            for name, value in part:
                found[name] = value
        except Wrong as error:
            wrong.append(str(error))
    return Filter(**found, wrong=tuple(wrong))  # type: ignore[arg-type]


def tidy(query: QueryDict) -> str | None:
    """The same address without the fields of the form that say nothing; None: it has none of those."""
    made = query.copy()
    for name in query:
        made.setlist(name, [value for value in query.getlist(name) if value.strip()])
    period = made.get("when", "")
    for name in {DATES: ["when"], **dict.fromkeys(PERIODS, ["from", "to"])}.get(period, []):
        made.setlist(name, [])
    text = made.urlencode()
    return None if text == query.urlencode() else text


def number(query: QueryDict) -> int | None:
    """The build that was asked for by its number. `Wrong` where that is none."""
    text = query.get("number", "").strip()
    if not text:
        return None
    match = _NUMBER.match(text)
    if not match:
        raise Wrong(f"number: expected a build's number such as 42, not {_quoted(text)}.")
    return int(match[1])


def suggestions(builds: BuildQuerySet, newest: int = 200) -> tuple[list[str], list[str]]:
    """(branches, people) of the newest builds, the most recent first."""
    pairs = list(builds.order_by("-id").values_list("ref", "started_by")[:newest])
    branches = list(dict.fromkeys(ref for ref, _ in pairs if ref))
    people = list(dict.fromkeys(who for _, who in pairs if who))
    return branches[:50], people[:50]


# --- Inside ---

Found = Iterator[tuple[str, object]]


def _project(query: QueryDict, projects: ProjectQuerySet) -> Found:
    slug = _one(query, "project")
    if slug:
        found = projects.filter(slug=slug).first() if _SLUG.match(slug) else None
        if found is None:
            raise Wrong(f"project: there is none called {_quoted(slug)} that you may see.")
        yield "project", found


def _statuses(query: QueryDict) -> Found:
    asked = {text.strip() for text in query.getlist("status")} - {""}
    known = [str(status) for status in BUILD_STATUSES]
    if asked:
        yield "statuses", tuple(status for status in known if status in asked)
    for text in sorted(asked - set(known)):
        raise Wrong(f"status: expected some of {', '.join(known)}, not {_quoted(text)}.")


def _texts(query: QueryDict) -> Found:
    for name, field in (("branch", "ref"), ("who", "started_by")):
        text, most = _one(query, name), Build._meta.get_field(field).max_length or 0
        if len(text) > most or _CONTROL.search(text):
            raise Wrong(f"{name}: expected up to {most} characters without control characters, not {_quoted(text)}.")
        if text:
            yield name, text


def _when(query: QueryDict) -> Found:
    period = _one(query, "when")
    if period in PERIODS:
        yield "when", period
        return
    if period not in ("", DATES):
        raise Wrong(f"when: expected one of {', '.join(PERIODS)}, or from and to, not {_quoted(period)}.")
    days, wrong = {}, []
    for name in ("from", "to"):
        try:
            days[name] = _day(query, name)
        except Wrong as error:
            wrong.append(str(error))
    first, last = days.get("from"), days.get("to")
    if first and last and first > last:
        raise Wrong(f"from and to: expected a day and a later one; {first} is after {last}.")
    if first or last:
        yield from (("when", DATES), ("first", first), ("last", last))
    if wrong:
        raise Wrong(" ".join(wrong))


def _day(query: QueryDict, name: str) -> date | None:
    text = _one(query, name)
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _DAY.match(text) else None
    except ValueError:
        found = None
    if found is None or not _FIRST_DAY <= found <= _LAST_DAY:
        raise Wrong(f"{name}: expected a day between {_FIRST_DAY} and {_LAST_DAY}, not {_quoted(text)}.")
    return found


def _one(query: QueryDict, name: str) -> str:
    values = [value.strip() for value in query.getlist(name) if value.strip()]
    if len(set(values)) > 1:
        raise Wrong(f"{name}: expected one value, not {len(values)}.")
    return values[0] if values else ""


def _quoted(text: str) -> str:
    shown = _CONTROL.sub("�", text)
    return f"“{shown[:60]}…”" if len(shown) > 60 else f"“{shown}”"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
