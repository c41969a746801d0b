"""What a step's processes find in their environment: an allow-list, the recipe's own, and what the board tells them."""

import os
from collections.abc import Mapping
from pathlib import Path

from .. import inputs
from ..models import Build
from ..recipe import Recipe, StepRecipe
from .process import COLUMNS, ROWS

_ALLOWED = (
    frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR"})
    | frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"})
    # Where a company's proxy has a certificate of its own, each program is told in its own words.
    | frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"})
    | frozenset({"PIP_CERT", "REQUESTS_CA_BUNDLE"})
)
"""The machine's own variables that a step gets: what programs need to find their place. Everything else is held back,
the board's settings and secrets first of all."""
_ALLOWED_PREFIX = "LC_"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_UNATTENDED = {
    "CI": "true",
    "TERM": "xterm-256color",
    "COLUMNS": str(COLUMNS),
    "LINES": str(ROWS),
    # A pager would wait for a key that nobody presses.
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}


def marker(world: str, build_id: int) -> str:
    """The value of BUILDBOARD_BUILD, by which all processes of a build are known."""
    return f"{world}/{build_id}"


def environment(
    build: Build,
    recipe: Recipe,
    step: StepRecipe,
    *,
    world: str,
    workspace: Path,
    attempt: int = 1,
    machine: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of `step`. `machine`: this process's own variables, where not those of `os.environ`."""
    own = os.environ if machine is None else machine
    passed = {name: value for name, value in own.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)}
    return {
        "PATH": _DEFAULT_PATH,  # `machine` may say otherwise: empty where a container's image has its own
        "LANG": "C.UTF-8",
        **passed,
        **_UNATTENDED,
        **recipe.env,
        **step.env,
        **inputs.environment(recipe.inputs, build.inputs),
        "BUILDBOARD_BUILD": marker(world, build.pk),
        "BUILDBOARD_BUILD_ID": str(build.pk),
        "BUILDBOARD_PROJECT": build.project.slug,
        "BUILDBOARD_REF": build.ref,
        "BUILDBOARD_TRIGGER": build.trigger,
        "BUILDBOARD_BRANCH": build.branch,
        "BUILDBOARD_TAG": build.tag,
        "BUILDBOARD_COMMIT": build.commit,
        "BUILDBOARD_PULL_REQUEST": "" if build.pull_request is None else str(build.pull_request),
        "BUILDBOARD_STEP": step.name,
        "BUILDBOARD_ATTEMPT": str(attempt),
        "BUILDBOARD_WORKSPACE": str(workspace),
    }
