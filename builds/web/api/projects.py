"""Projects, for programs."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from ... import inputs, recipe
from .. import schemas
from ..items import project_items
from ..problems import Problem
from .asking import caller

router = Router()


@router.get("/projects", response=schemas.ProjectList, summary="All projects that you may see")
def projects(request: HttpRequest) -> Any:
    return {"items": project_items(request, caller(request).projects())}


@router.get("/projects/{slug:slug}", response={200: schemas.ProjectDetail, 404: schemas.Details})
def project(request: HttpRequest, slug: str) -> Any:
    wanted = caller(request).projects().filter(slug=slug)
    found = project_items(request, wanted)
    if not found:
        raise Problem(404, f"There is no project {slug!r} that you may see.")
    try:
        takes = inputs.schema(recipe.parse(wanted[0].known_recipe).inputs)
    except recipe.RecipeError:
        takes = None
    return {**found[0], "inputs": takes}
