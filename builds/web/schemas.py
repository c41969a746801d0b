"""The shapes of the API: what it takes, what it gives, and so its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StrictBool

from ..source import TRIGGERS

Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]{1,100}$")]
Flag = StrictBool
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
    branch: Annotated[str, Field(description="built where a start names nothing; empty: the repository's default")]
    enabled: bool
    runs_on: Annotated[str, Field(description="labels that a worker needs, separated by spaces")]
    max_running: Annotated[int | None, Field(description="how many of its builds run at a time; null: any number")]
    network: Annotated[bool, Field(description="its steps reach the network")]
    url: str
    last_build: LastBuild | None


class Given(Schema):
    """A body. What it does not know it refuses. Its flags are `Flag`: a word such as "no" or "off" is none."""

    model_config = ConfigDict(extra="forbid")


class Start(Given):
    """What a build is started with."""

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
    needs: Annotated[list[int], Field(description="places in the list of the steps that are over before it begins")]
    attempt: Annotated[int, Field(description="which it is in, or ended with")]
    attempts: Annotated[int, Field(description="so many at most")]
    allow_failure: Annotated[bool, Field(description="where it fails its build goes on, and may pass")]
    image: Annotated[str, Field(description="of the container that its recipe puts it into; empty: it names none")]


class Levels(Schema):
    """How many annotations of each level."""

    error: int
    warning: int
    notice: int


class Files(Schema):
    """How many artifacts, and their size."""

    count: int
    bytes: int


class Tests(Schema):
    """How many tests, as the reports of the steps say."""

    passed: int
    failed: int
    skipped: int


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
    repository: Annotated[str, Field(description="its address; empty: a build without a checkout")]
    trigger: Annotated[str, Field(description=f"what started it: {', '.join(TRIGGERS)}")]
    branch: str
    tag: str
    commit: Annotated[str, Field(description="whole; empty where it is not known yet, or there is no repository")]
    commit_title: str
    commit_author: str
    committed_at: datetime | None
    pull_request: int | None
    fork: Annotated[
        bool, Field(description="of a pull request from another repository, or of a ref that anybody may have written")
    ]
    recipe_path: Annotated[str, Field(description="file of the repository; empty: the project's own recipe")]
    recipe_known: Annotated[
        bool, Field(description="its recipe is found: before that, and where none fits, recipe_path says nothing")
    ]
    inputs: dict[str, str | int | float | bool]
    started_by: str
    cancelled_by: str
    retry_of: int | None
    parent: Annotated[
        int | None,
        Field(description="what it came after, of another project; null in events, and if you may not see it"),
    ]
    attempt: Annotated[int, Field(description="1, and one more for each time it was retried by itself")]
    outside: Annotated[bool, Field(description="no worker of this board runs it, but `buildboard run` elsewhere")]
    runs_on: Annotated[str, Field(description="labels that its worker needs, separated by spaces")]
    worker: str
    network: Annotated[bool, Field(description="its steps reach the network")]
    sandbox: Annotated[str, Field(description="none, bubblewrap or container; empty: no worker has taken it")]
    kept: Annotated[bool, Field(description="its log is never pruned")]
    pruned_at: Annotated[datetime | None, Field(description="since when its log is gone; null: it is there")]
    annotations: Annotated[Levels, Field(description="how many its steps have printed, also beyond those kept")]
    tests: Tests
    artifacts: Annotated[Files, Field(description="files of it that are stored")]
    parallel: Annotated[int, Field(description="how many of its steps run at a time, at most")]
    steps: list[StepItem]


class Waits(Schema):
    position: Annotated[int, Field(description="from 1, in the order in which workers are likely to take them")]
    reason: Annotated[str, Field(description="what it waits for, in a few words")]


class BuildDetail(BuildItem):
    queue: Annotated[Waits | None, Field(description="null for a build that is not queued")]


class BuildList(Schema):
    items: list[BuildItem]
    next: Annotated[str | None, Field(description="address of the next, older page")]


class Run(Schema):
    """A finished build, in a few figures. Times in seconds."""

    id: int
    status: BuildStatus
    ref: str
    finished_at: datetime
    duration: Annotated[float | None, Field(description="how long it ran; null: it never began")]
    waited: Annotated[float | None, Field(description="in the queue; null: it never left it")]


class Rate(Schema):
    passed: int
    counted: Annotated[int, Field(description="builds that passed, failed or were lost; cancelled ones are left out")]
    share: Annotated[float | None, Field(description="of those that passed, 0 to 1; null where none is counted")]


class Spread(Schema):
    """Of so many values, in seconds."""

    count: int
    median: float
    p10: float
    p90: float
    longest: float


class StepStats(Schema):
    name: str
    took: Annotated[Spread | None, Field(description="of the runs in which it passed; null: it has not")]
    failed: int


class FailsMost(Schema):
    name: str
    failed: int
    last: Annotated[int, Field(description="the newest build in which it failed")]


class RateGroup(Rate):
    """Builds that follow each other, 20 of them counted."""

    first: int
    last: int


class Stats(Schema):
    """How a project's builds went of late."""

    builds: Annotated[list[Run], Field(description="the newest 50 finished builds, newest first")]
    results: Rate
    results_before: Annotated[Rate | None, Field(description="of as many builds before; null: fewer than 5")]
    duration: Annotated[Spread | None, Field(description="of those that passed; null: none has")]
    duration_before: Annotated[Spread | None, Field(description="of as many builds before; null: fewer than 5")]
    waited: Annotated[Spread | None, Field(description="of those that began; null: none has")]
    steps: Annotated[list[StepStats], Field(description="the slowest first")]
    fails_most: Annotated[FailsMost | None, Field(description="null: no step has failed")]
    groups: Annotated[list[RateGroup], Field(description="the newest 200 finished builds, oldest first")]


class AnnotationItem(Schema):
    """Also the `data` of an `annotation` event."""

    step: str
    line: Annotated[int, Field(description="of its step's log: the line that says it")]
    level: Literal["error", "warning", "notice"]
    message: str
    title: str
    file: str
    file_line: int | None
    column: int | None
    number: Annotated[int, Field(description="1, 2, 3 … within its build")]


class AnnotationList(Schema):
    items: list[AnnotationItem]
    more: Annotated[Levels, Field(description="how many more were printed, which are not kept")]


class CommitItem(Schema):
    commit: str
    title: str
    author: str
    at: datetime


class ChangesItem(Schema):
    since: Annotated[str, Field(description="the commit of the last passed build before it")]
    since_build: Annotated[int | None, Field(description="that build; null: it was deleted")]
    count: Annotated[int, Field(description="how many commits are new")]
    gone: Annotated[int, Field(description="how many that build had and this one has not")]
    commits: Annotated[list[CommitItem], Field(description="the newest of them, up to 50, newest first")]


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


class Wrong(Schema):
    at: Annotated[str, Field(description="which value: `ref`, `inputs.target`, `limit` …")]
    expected: str


class Details(Schema):
    """Every refusal: problem details (RFC 9457), as application/problem+json."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="a sentence for people")]
    errors: Annotated[list[Wrong] | None, Field(description="every value that is not as expected")] = None


STARTING = {201: Started, 409: Details, 422: Details, 429: Details}
"""What starting a build answers."""
