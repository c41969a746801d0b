"""What started a build, in words."""

from ..models import Build


def by_what(build: Build) -> str:
    """`push to main`, `pull request 7 to main, from a fork`; empty where it says no more than who did.

    What was started by hand of a ref that anybody may have written counts as from a fork, and says so."""
    if build.pull_request is not None:
        into = f" to {build.branch}" if build.branch else ""
        return f"pull request {build.pull_request}{into}{', from a fork' if build.fork else ''}"
    if build.trigger == "push":
        return f"push to {build.branch}"
    if build.trigger == "tag":
        return f"tag {build.tag}"
    how = {"api": "over the API", "command": "by a command"}.get(build.trigger, "")
    return ", ".join(filter(None, (how, "taken for a fork’s" if build.fork else "")))
