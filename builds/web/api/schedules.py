"""A project's schedules, for programs."""

from datetime import datetime
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Schema
from pydantic import ConfigDict, Field

from ... import inputs, recipe, schedules
from ...access import Caller
from ...cron import MAX_CRON, MAX_ZONE
from ...models import Project, Schedule, iso
from .. import schemas
from ..problems import Problem, joined
from . import asking

router = Router()


class ScheduleGiven(schemas.Given):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    cron: Annotated[
        str, Field(max_length=MAX_CRON, description="minute, hour, day of month, month, day of week; or @daily")
    ]
    zone: Annotated[str, Field(max_length=MAX_ZONE, description="time zone, such as Europe/Berlin")] = "UTC"
    ref: Annotated[str, Field(max_length=200, description="branch, tag or commit")] = ""
    inputs: Annotated[dict[str, Any], Field(description="of the recipe, by their names")] = {}
    enabled: schemas.Flag = True


class ScheduleItem(ScheduleGiven):
    model_config = ConfigDict(extra="ignore")
    id: int
    next_at: Annotated[datetime | None, Field(description="null: never, or it is not enabled")]
    last_at: Annotated[datetime | None, Field(description="the time for which it was looked at last")]
    last_build: int | None
    note: Annotated[str, Field(description="what was not as it should have been then; empty: nothing")]
    missed: Annotated[int, Field(description="how many of its times nobody looked at, ever")]
    missed_at: datetime | None


class ScheduleList(Schema):
    items: list[ScheduleItem]


Given = Annotated[ScheduleGiven, Body()]
_CHANGED = {200: ScheduleItem, 403: schemas.Details, 404: schemas.Details, 422: schemas.Details}
_PATH = "/projects/{slug:slug}/schedules"


@router.get(_PATH, response={200: ScheduleList, 401: schemas.Details, 404: schemas.Details})
def listed(request: HttpRequest, slug: str) -> Any:
    """When a project is built by itself. 401 for nobody who is known."""
    project = asking.inside(asking.caller(request), slug)
    return asking.answer({"items": [_item(one) for one in Schedule.objects.filter(project=project)]})


@router.post(_PATH, response={201: ScheduleItem} | {key: _CHANGED[key] for key in (403, 404, 422)})
def make(request: HttpRequest, slug: str, body: Given) -> Any:
    caller = asking.caller(request)
    made = Schedule(project=_changing(caller, slug), made_by=caller.name)
    return asking.answer(_item(_store(made, body)), 201)


@router.put(_PATH + "/{int:number}", response=_CHANGED)
def change(request: HttpRequest, slug: str, number: int, body: Given) -> Any:
    """Replace it as a whole."""
    return asking.answer(_item(_store(_one(_changing(asking.caller(request), slug), number), body)))


@router.delete(_PATH + "/{int:number}", response={204: None, 403: schemas.Details, 404: schemas.Details})
def delete(request: HttpRequest, slug: str, number: int) -> Any:
    """Its builds stay."""
    _one(_changing(asking.caller(request), slug), number).delete()
    return HttpResponse(status=204)


# --- Inside ---


def _changing(caller: Caller, slug: str) -> Project:
    """Whoever makes a schedule starts builds, and changes what the project does."""
    found = asking.project(caller, slug)
    may = caller.may_start() and caller.may_change_starts()
    asking.require(caller, may, "start", "change the schedules of projects and start builds")
    return found


def _one(project: Project, number: int) -> Schedule:
    found = Schedule.objects.filter(project=project, pk=number).first()
    if found is None:
        raise _gone(project, number)
    return found


def _gone(project: Project, number: int) -> Problem:
    return Problem(404, f"The project {project.slug} has no schedule {number}.")


def _store(schedule: Schedule, body: ScheduleGiven) -> Schedule:
    for name in ("name", "cron", "zone", "ref", "enabled"):
        setattr(schedule, name, getattr(body, name))
    wrong: list[tuple[str, str]] = []
    try:
        fit = recipe.parse(schedule.project.known_recipe).values(body.inputs)
        # Defaults are the recipe's of the day: it may have others by then, or have no such input.
        schedule.inputs = {name: value for name, value in fit.items() if body.inputs.get(name) is not None}
    except inputs.InputError as error:
        wrong += [(f"inputs.{one.name}" if one.name else "inputs", one.text) for one in error.all]
    except recipe.RecipeError:
        schedule.inputs = body.inputs  # not known before the checkout, or not valid: starting says so
    schedule.next_at = None  # it follows from what is checked here
    try:
        schedule.full_clean(validate_constraints=False)  # the one that can be broken here is told in words below
    except ValidationError as error:
        wrong += [
            ("" if field == "__all__" else field, text) for field, texts in error.message_dict.items() for text in texts
        ]
    fits = not any(at == "name" for at, _ in wrong)
    if fits and Schedule.objects.filter(project=schedule.project, name=schedule.name).exclude(pk=schedule.pk).exists():
        wrong.append(("name", "This project has a schedule of that name."))
    if wrong:
        errors = [{"at": at, "expected": text} for at, text in wrong if at]
        if not errors:
            raise Problem(422, wrong[0][1])  # there are as many as there may be
        raise Problem(422, f"Not as expected: {joined(wrong)}.", errors=errors)
    try:
        schedules.save(schedule)
    except Schedule.DoesNotExist:
        raise _gone(schedule.project, schedule.pk) from None
    return schedule


def _item(one: Schedule) -> dict[str, Any]:
    kept = ("name", "cron", "zone", "ref", "inputs", "enabled", "note", "missed")
    times = {name: iso(getattr(one, name)) for name in ("next_at", "last_at", "missed_at")}
    return {"id": one.pk, "last_build": one.last_build_id} | times | {name: getattr(one, name) for name in kept}
