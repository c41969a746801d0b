"""Tests of a build, for programs."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from ... import events, testcases
from .. import schemas
from ..testpages import FILTERS
from . import asking

MAX_PAGE = 500

router = Router()


class TestItem(Schema):
    """One test of one step, as its report says."""

    step: str
    suite: str
    class_: Annotated[str, Field(alias="class")]
    name: str
    status: Literal["passed", "failed", "error", "skipped"]
    seconds: float | None
    message: str
    text: str
    file: str
    line: int | None
    failed_lately: Annotated[int, Field(description="in how many of its project's newest builds with tests")]
    flaky: bool


class TestList(Schema):
    passed: Annotated[int, Field(description="also of those beyond the ones that are kept")]
    failed: int
    skipped: int
    items: list[TestItem]
    next: Annotated[str | None, Field(description="address of the next page")]


@router.get("/builds/{int:build_id}/tests", response={200: TestList, 404: schemas.Details, 422: schemas.Details})
def listed(
    request: HttpRequest,
    build_id: int,
    status: Annotated[Literal["failed", "skipped", "passed"] | None, Query(None)] = None,
    start: Annotated[int, Query(0, ge=0, lt=10**7, alias="from")] = 0,
    limit: Annotated[int, Query(100, ge=1, le=MAX_PAGE)] = 100,
) -> Any:
    """What the test reports of its steps say: all tests in the order of the reports, or those of one status."""
    build = asking.build(asking.caller(request), build_id, reading=True)
    rows = list(testcases.cases(build.pk, FILTERS.get(status or "", ()))[start : start + limit + 1])
    names, pasts = events.step_names(build.pk), testcases.pasts(build)
    following = None
    if len(rows) > limit:
        following = asking.following(request, **{"from": start + limit})
    items = [testcases.data(row, names, pasts.get(row.key)) for row in rows[:limit]]
    return asking.answer(build.data()["tests"] | {"items": items, "next": following})
