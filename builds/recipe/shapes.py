"""What a recipe is when it has been read: steps with what they need, and what starts a build. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..inputs import Input, Value, values
from . import globs
from .condition import Condition

DEFAULT_SECONDS = 3600
"""Where a recipe says nothing, or as long as a build may take at all, if that is shorter."""


@dataclass(frozen=True)
class Cache:
    """Files that a step finds as an earlier build has left them."""

    key: str
    paths: tuple[str, ...]
    """Relative to the workspace."""
    restore_keys: tuple[str, ...] = ()
    """Beginnings of other keys that will do, in this order, where there is nothing of `key`."""


@dataclass(frozen=True)
class StepRecipe:
    name: str
    run: str
    env: Mapping[str, str] = field(default_factory=dict)
    """Its own, with MATRIX_<AXIS> for each axis of its matrix."""
    timeout: int | None = None
    """Seconds, of each attempt; None: only the build's own timeout bounds it."""
    shell: str = "sh"
    image: str = ""
    """Of the container that it runs in; empty: it does not say, and workers with containers have one of their own."""
    needs: tuple[int, ...] = ()
    """Positions in `Recipe.steps` of those that are over before this one begins."""
    condition: Condition | None = None
    """None: it runs while no step has failed."""
    allow_failure: bool = False
    retry: int = 0
    """Attempts after the first."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variable → the name of a secret of the project."""
    artifacts: tuple[str, ...] = ()
    """Patterns of files of its workspace that are kept; see `globs.py`."""
    reports: tuple[str, ...] = ()
    """Patterns of test reports in JUnit's XML."""
    cache: tuple[Cache, ...] = ()
    workspace: Literal["shared", "own"] = "shared"
    """own: it works in a copy of the shared one, made when it begins."""
    matrix: Mapping[str, str] = field(default_factory=dict)
    """Axis → value, of a step that a matrix has made."""
    group: str = ""
    """The name that is written in the recipe, of a step that a matrix has made; empty: it is the step's own."""


@dataclass(frozen=True)
class Triggers:
    """Which news from a repository start a build: patterns of names, the last that fits decides (`!` takes back)."""

    branches: tuple[str, ...] = ("**",)
    tags: tuple[str, ...] = ("**",)
    pull_requests: tuple[str, ...] = ("**",)
    """Of the branches that they would be merged into."""
    cancel_superseded: bool = False
    """A newer push of a branch, or of a pull request, cancels older builds of it that are still queued."""

    def starts(self, trigger: str, *, branch: str = "", tag: str = "") -> bool:
        """Whether such news start a build. Whatever is not news from a repository always does."""
        match trigger:
            case "push":
                return globs.any_of(self.branches, branch)
            case "tag":
                return globs.any_of(self.tags, tag)
            case "pull_request":
                return globs.any_of(self.pull_requests, branch)
        return True


@dataclass(frozen=True)
class Recipe:
    steps: tuple[StepRecipe, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int = DEFAULT_SECONDS
    """Seconds that the whole build may take."""
    inputs: tuple[Input, ...] = ()
    on: Triggers | None = None
    """None: the recipe leaves that to the project."""

    def values(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """What a build that was given these inputs gets. `InputError`: one does not fit."""
        return values(self.inputs, given)
