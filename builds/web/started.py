"""What started a build, in words."""

from ..models import Build


def by_what(build: Build) -> str:
    """`push to main`, `pull request 7 to main, from a fork`; empty where it says no more than who did."""
    if build.pull_request is not None:
        into = f" to {build.branch}" if build.branch else ""
        return f"pull request {build.pull_request}{into}{', from a fork' if build.fork else ''}"
    if build.trigger == "push":
        return f"push to {build.branch}"
    if build.trigger == "tag":
        return f"tag {build.tag}"
    return {"api": "over the API", "command": "by a command"}.get(build.trigger, "")
