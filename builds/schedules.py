"""Starts what is due by a schedule: each time once, whoever looks first, and not again after a crash.

Supervisors look every few seconds. A time that nobody looked at (the board was down, or had no supervisor) is missed:
the newest of those is made up for where it is not longer ago than BUILDBOARD_SCHEDULE_LATE_MINUTES, and how many were
missed stands at the schedule.
"""

import contextlib
import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from . import cron, lifecycle
from .models import Build, Schedule
from .source import Source

logger = logging.getLogger(__name__)

PUNCTUAL = timedelta(minutes=1)
"""So late is not late: whoever looks does so every few seconds."""
_SET = ("project", "name", "cron", "zone", "ref", "inputs", "enabled", "next_at")
_MOST = 100
"""Due schedules that are started at one look; the others with the next."""


def save(schedule: Schedule) -> None:
    """Store a schedule that was made or changed: its next time is the first one from now on. Of one that is there only
    what is set: it may just have started a build. `CronError`; `Schedule.DoesNotExist`: it was deleted meanwhile."""
    cron.check(schedule.cron, schedule.zone)
    schedule.next_at = cron.following(schedule.cron, schedule.zone, timezone.now()) if schedule.enabled else None
    if schedule.pk is None:
        schedule.save()
        return
    if not Schedule.objects.filter(pk=schedule.pk).update(**{name: getattr(schedule, name) for name in _SET}):
        raise Schedule.DoesNotExist
    schedule.refresh_from_db()


def start_due(now: datetime | None = None) -> list[Build]:
    """Start what is due, and say when each is due next. Costs one query where nothing is. Returns what was started."""
    now = now or timezone.now()
    due = Schedule.objects.filter(next_at__lte=now).order_by("next_at", "pk").values_list("pk", "next_at")[:_MOST]
    return [build for number, since in list(due) if since and (build := _start(number, since, now))]


def skip_missed() -> None:
    """Whatever was due until now is neither started nor missed: of a board that was restored from a backup nobody knows
    what its former world has started meanwhile."""
    now = timezone.now()
    for schedule in Schedule.objects.filter(next_at__lte=now):
        with contextlib.suppress(cron.CronError):  # the next look says so
            Schedule.objects.filter(pk=schedule.pk).update(
                next_at=cron.following(schedule.cron, schedule.zone, now),
                note="The board was restored from a backup: what was due until then was left out.",
            )


# --- Inside ---


def note_misfit(build: Build, why: str) -> None:
    """`build` was started and then found a recipe that its inputs do not fit. `why`: a sentence, for the schedule whose
    newest build it is, if it is one's, beside what is said of starts that were missed."""
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().filter(last_build=build).first()
        if schedule is not None and why not in schedule.note:
            schedule.note = f"{schedule.note} {why}".strip()[:500]
            schedule.save(update_fields=["note"])


def _start(number: int, since: datetime, now: datetime) -> Build | None:
    """In one transaction, which whoever moves `next_at` first has alone: the build, and the next time."""
    with transaction.atomic():
        schedule = Schedule.objects.select_related("project").filter(pk=number, next_at=since).first()
        if schedule is None:
            return None  # somebody else was faster, or it was changed
        try:
            lifecycle.hold(schedule.project)
        except lifecycle.ProjectGone:
            return None  # and this with it
        try:
            count, newest = cron.passed(schedule.cron, schedule.zone, since, now)
            following = cron.following(schedule.cron, schedule.zone, now)
        except cron.CronError as error:  # a zone that this machine does not know, or does not know any more
            count, newest, following, refused = 1, since, None, str(error)
        else:
            refused = ""
        mine = Schedule.objects.filter(pk=number, next_at=since)
        if not mine.update(next_at=following, last_at=newest):
            return None
        late = now - newest
        is_in_time = late <= max(PUNCTUAL, timedelta(minutes=settings.BUILDBOARD_SCHEDULE_LATE_MINUTES))
        build = None
        if is_in_time and not refused:
            try:
                with transaction.atomic():
                    build = _enqueue(schedule, newest)
            except lifecycle.Refused as refusal:
                refused = str(refusal)
            except (OperationalError, InterfaceError):
                raise  # of the database: with a later look
            except Exception as error:  # no schedule holds up the others, or whoever looks
                logger.exception("action=start-due state=failed schedule=%d", number)
                refused = f"It could not be started: {type(error).__name__}."
        missed = count - 1 if is_in_time else count
        schedule.note = (_missed(missed, since, is_made_up=is_in_time and late > PUNCTUAL) + refused).strip()[:500]
        if build is not None:
            schedule.last_build = build
        if missed:
            schedule.missed, schedule.missed_at = schedule.missed + missed, newest
        schedule.save(update_fields=["note", "last_build", "missed", "missed_at"])
    return build


def _enqueue(schedule: Schedule, moment: datetime) -> Build:
    return lifecycle.enqueue(
        schedule.project,
        by=f"schedule {schedule.name}",
        ref=schedule.ref,
        source=Source("schedule"),
        inputs=schedule.inputs,
        request_key=f"schedule:{schedule.pk}:{int(moment.timestamp())}",
    )


def _missed(count: int, since: datetime, *, is_made_up: bool) -> str:
    if not count:
        return "It was started late: nobody looked when it was due. " if is_made_up else ""
    many = f"{count:,}{' or more' if count >= cron.MOST_COUNTED - 1 else ''}"
    said = f"{many} start{'s were' if count > 1 else ' was'} missed, since {since:%Y-%m-%d %H:%M} UTC: nobody looked. "
    return said + ("The last one was made up for. " if is_made_up else "")
