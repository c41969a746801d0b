"""Projects, for programs: listed, made, changed, deleted."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Body, Query, Router, Schema
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from ... import artifacts, caches, inputs, recipe
from ...access import Caller
from ...models import Project
from .. import projectsettings, schemas
from ..items import project_items
from ..problems import Problem, expected
from . import asking

MOST = 500
_MOST_UNFIT = 20
"""So many are told."""

router = Router()


class Room(Schema):
    """What is stored of a project."""

    count: int
    bytes: int


class ProjectSettings(Schema):
    """What a project can be given, and can be changed of it."""

    slug: Annotated[str, Field(description="its name in addresses: letters, digits, - and _")]
    name: str
    description: str
    repository: Annotated[str, Field(description="address of the git repository; empty: none")]
    credential: Annotated[str | None, Field(description="the name of what opens the repository; null: nothing does")]
    branch: Annotated[str, Field(description="built where a start names nothing; empty: the repository's default")]
    recipe_path: str
    submodules: bool
    lfs: bool
    depth: Annotated[int | None, Field(description="commits that are checked out; null: the whole history")]
    recipe: Annotated[str, Field(description="YAML; of a project with a repository: for commits that have none")]
    enabled: Annotated[bool, Field(description="else it starts no builds")]
    runs_on: Annotated[str, Field(description="labels that a worker needs, separated by spaces")]
    max_running: Annotated[int | None, Field(description="how many of its builds run at a time; null: any number")]
    auto_retries: Annotated[int, Field(description="how often a build that was lost is retried by itself, 0 to 10")]
    network: Annotated[bool, Field(description="its steps reach the network")]
    groups: Annotated[list[str], Field(description="whose members alone see it; empty: everyone who is signed in")]
    keep_days: Annotated[int | None, Field(description="of logs; 0: for ever; null: as the board has it")]
    keep_builds: Annotated[int | None, Field(description="whose logs stay; 0: any number; null: as the board has it")]


class ProjectDetail(schemas.ProjectItem):
    caches: Annotated[Room | None, Field(description="null for nobody who is known")]
    artifacts: Room
    settings: Annotated[ProjectSettings | None, Field(description="null for those who may not change them")]
    inputs: Annotated[
        dict[str, Any] | None,
        Field(description="JSON Schema of the inputs that a build takes; null: the recipe is not valid"),
    ]


class ProjectList(Schema):
    items: list[schemas.ProjectItem]
    next: Annotated[str | None, Field(description="address of the next page")]


class ProjectGiven(schemas.Given):
    """What is left out stays, or is as a new project has it. What is not of its type waits as `_unfit`, to be told
    together with what is wrong otherwise."""

    slug: str = ""
    name: str = ""
    description: str = ""
    repository: str = ""
    credential: str | None = None
    branch: str = ""
    recipe_path: str = ""
    submodules: schemas.Flag = False
    lfs: schemas.Flag = False
    depth: int | None = None
    recipe: str = ""
    enabled: schemas.Flag = True
    runs_on: str = ""
    max_running: int | None = None
    auto_retries: int = 0
    network: schemas.Flag = True
    groups: list[str] = []
    keep_days: int | None = None
    keep_builds: int | None = None
    _unfit: list[tuple[str, str]] = PrivateAttr(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _fit(cls, values: Any, handler: Any) -> Any:
        try:
            return handler(values)
        except ValidationError as error:
            wrong = error.errors()
            if not isinstance(values, dict) or not all(one["loc"] for one in wrong):
                raise
        names = {one["loc"][0] for one in wrong}
        found = handler({name: value for name, value in values.items() if name not in names})
        found._unfit = [(".".join(map(str, one["loc"]))[:80], expected(one)) for one in wrong[:_MOST_UNFIT]]
        return found


Given = Annotated[ProjectGiven, Body()]
_REFUSED = {403: schemas.Details, 404: schemas.Details}
_PATH = "/projects/{slug:slug}"


@router.get("/projects", response={200: ProjectList, 422: schemas.Details}, summary="All projects that you may see")
def projects(
    request: HttpRequest,
    after: Annotated[str, Query("", description="only those whose slug is behind this one", max_length=100)] = "",
    limit: Annotated[int, Query(MOST, ge=1, le=MOST)] = MOST,
) -> Any:
    """By their slugs."""
    found = asking.caller(request).projects().filter(slug__gt=after.replace("\0", "")).order_by("slug")
    items = project_items(request, found[: limit + 1])
    following = asking.following(request, after=items[limit - 1]["slug"]) if len(items) > limit else None
    return {"items": items[:limit], "next": following}


@router.post("/projects", response={201: ProjectDetail, 422: schemas.Details, 403: schemas.Details})
def make(request: HttpRequest, body: Given) -> Any:
    """`slug`, and a `repository` or a `recipe`, are needed; without a `name` it is called as its slug is."""
    caller = asking.caller(request)
    asking.require(caller, caller.may_add_projects(), "projects", "add projects")
    given = body.model_dump(exclude_unset=True)
    given["name"] = given.get("name") or given.get("slug", "")
    made = Project()
    _store(made, given, caller, body)
    answer = asking.answer(_detail(request, caller, made), 201)
    answer["Location"] = request.build_absolute_uri(reverse("api:project", args=[made.slug]))
    return answer


@router.get(_PATH, response={200: ProjectDetail, 404: schemas.Details})
def project(request: HttpRequest, slug: str) -> Any:
    caller = asking.caller(request)
    return asking.answer(_detail(request, caller, asking.project(caller, slug, reading=True)))


@router.patch(_PATH, response={200: ProjectDetail, 422: schemas.Details, **_REFUSED})
def change(request: HttpRequest, slug: str, body: Given) -> Any:
    """What the body has."""
    caller = asking.caller(request)
    found = asking.project(caller, slug)
    asking.require(caller, caller.may_change_projects(), "projects", "change projects")
    _store(found, body.model_dump(exclude_unset=True), caller, body)
    return asking.answer(_detail(request, caller, found))


@router.delete(_PATH, response={204: None, 409: schemas.Details, **_REFUSED})
def delete(request: HttpRequest, slug: str) -> Any:
    """With its schedules, secrets, targets and caches. 409: it has builds; these would go with it."""
    caller = asking.caller(request)
    found = asking.project(caller, slug)
    asking.require(caller, caller.may_delete_projects(), "projects", "delete projects")
    try:
        projectsettings.delete(found, caller)
    except projectsettings.HasBuilds:
        said = f"The project {slug} has builds, which would be deleted with it; disable it instead (enabled: false)."
        raise Problem(409, said) from None
    return HttpResponse(status=204)


# --- Inside ---


def _store(project: Project, given: dict[str, Any], caller: Caller, body: ProjectGiven) -> None:
    try:
        projectsettings.store(project, given, caller, body._unfit)
    except projectsettings.Unfit as unfit:
        errors = [{"at": field, "expected": text} for field, text in unfit.wrong]
        raise Problem(422, f"Not as expected: {unfit}", errors=errors) from unfit
    except Project.DoesNotExist:
        raise asking.no_project(project.slug) from None


def _detail(request: HttpRequest, caller: Caller, found: Project) -> dict[str, Any]:
    [item] = project_items(request, Project.objects.filter(pk=found.pk))
    try:
        takes = inputs.schema(recipe.parse(found.known_recipe).inputs)
    except recipe.RecipeError:
        takes = None
    kept, stored = caches.used(found.pk) if caller.is_known else None, artifacts.used(found.pk)
    return {
        **item,
        "inputs": takes,
        "caches": {"count": kept.archives, "bytes": kept.bytes} if kept else None,
        "artifacts": {"count": stored.files, "bytes": stored.bytes},
        "settings": projectsettings.of(found) if caller.may_change_projects() else None,
    }
