"""The shapes of the API: what it takes, what it gives, and so its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]{1,100}$")]
BuildStatus = Literal["queued", "running", "passed", "failed", "cancelled", "lost"]
StepStatus = Literal["pending", "running", "passed", "failed", "cancelled", "lost", "skipped"]


class LastBuild(Schema):
    id: int
    status: BuildStatus
    url: str
    created_at: datetime
    finished_at: datetime | None


class ProjectItem(Schema):
    slug: str
    name: str
    description: str
    repository: str
    enabled: bool
    runs_on: Annotated[str, Field(description="labels that a worker needs, separated by spaces")]
    max_running: Annotated[int | None, Field(description="how many of its builds run at a time; null: any number")]
    url: str
    last_build: LastBuild | None


class ProjectList(Schema):
    items: list[ProjectItem]


class Start(Schema):
    """What a build is started with."""

    model_config = ConfigDict(extra="forbid")
    ref: Annotated[str, Field(max_length=200, description="branch, tag or commit")] = ""
    inputs: Annotated[dict[str, Any], Field(description="typed parameters of the recipe")] = {}


class Started(Schema):
    id: int
    status: BuildStatus
    url: str
    events_url: str


class StepItem(Schema):
    name: str
    status: StepStatus
    exit_code: int | None
    started_at: datetime | None
    finished_at: datetime | None
    reason: str
    expected_seconds: float | None
    progress: float | None


class BuildItem(Schema):
    """`Build.data()`: also the `data` of a `build` event."""

    id: int
    project: str
    status: BuildStatus
    reason: str
    progress: Annotated[float | None, Field(description="0 to 1; null where nothing is known")]
    eta_seconds: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    ref: str
    started_by: str
    cancelled_by: str
    retry_of: int | None
    attempt: Annotated[int, Field(description="1, and one more for each time it was started again by itself")]
    runs_on: Annotated[str, Field(description="labels that its worker needs, separated by spaces")]
    worker: str
    kept: Annotated[bool, Field(description="its log is never pruned")]
    pruned_at: Annotated[datetime | None, Field(description="since when its log is gone; null: it is there")]
    steps: list[StepItem]


class Waits(Schema):
    position: Annotated[int, Field(description="from 1, in the order in which workers are likely to take them")]
    reason: Annotated[str, Field(description="what it waits for, in a few words")]


class BuildDetail(BuildItem):
    queue: Annotated[Waits | None, Field(description="null for a build that is not queued")]


class BuildList(Schema):
    items: list[BuildItem]
    next: Annotated[str | None, Field(description="address of the next, older page")]


class ErrorLine(Schema):
    step: str
    line: Annotated[int, Field(description="from 1 within its step")]
    text: str


class DifferenceLine(Schema):
    which: Annotated[
        Literal["before", "was", "is"],
        Field(description="`was`: in the passed build; `is`: the first line that differs; `before`: ahead of it"),
    ]
    build: int
    line: int
    text: str


class DifferenceItem(Schema):
    passed_build: Annotated[
        int, Field(description="the last passed build before it, of the same ref where there is one")
    ]
    step: str
    lines: Annotated[list[DifferenceLine], Field(description="empty: `detail` says why")]
    detail: str


class Failure(Schema):
    first_error: ErrorLine | None
    difference: Annotated[
        DifferenceItem | None, Field(description="null: it did not fail in a step, or no build passed before it")
    ]


class Details(Schema):
    """Every refusal: problem details (RFC 9457), as application/problem+json."""

    type: str
    title: str
    status: int
    detail: str


STARTING = {201: Started, 409: Details, 422: Details, 429: Details}
"""What starting a build answers."""
