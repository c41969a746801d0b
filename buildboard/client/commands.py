"""The commands that ask a board once: log in, list, start, cancel, retry, and the log of a build as text."""

import getpass
import io
import re
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from . import environment, looks
from .address import checked_url, is_open_to_others
from .board import Board, Refused, Unreachable
from .environment import Login
from .following import follow as follow_build
from .looks import plain
from .talk import BROKEN_PIPE, COULD_NOT, PASSED, CouldNot, forget_stdout, show, tell

T = TypeVar("T")

PATIENCE_SECONDS = 20.0
"""A start, a cancel or a retry is tried for so long: each may be repeated, and a board that restarts is back then."""
_INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}\Z")


def open_board(options: Namespace) -> Board:
    return Board(environment.login(options.ca or ""))


# --- Who asks ---


def login(options: Namespace) -> int:
    """Address and token are asked for, or read from stdin, a line each: a token in a command line is in every list of
    processes and in the shell's history."""
    url = checked_url(options.url or _asked("Address of the board: "))
    if is_open_to_others(url):
        tell(f"Note: {url} is not encrypted, so whoever is on the way can read the token.")
    if sys.stdin.isatty():
        token = getpass.getpass(f"API token ({url}/admin/builds/apitoken/add/ makes one): ").strip()
    else:
        token = sys.stdin.readline().strip()
    found = Login(url, token, options.ca or "")
    me = Board(found).ask("GET", "/api/v1/me", seconds=20)
    path = environment.keep(found)
    scopes = ", ".join((me.get("token") or {}).get("scopes", ())) or "nothing"
    tell(f"Logged in to {url} as {plain(me.get('user'))} (good for: {plain(scopes)}). Kept in {path}")
    return PASSED


def logout(options: Namespace) -> int:
    forgotten = environment.forget()
    tell("Logged out; the token itself is still good until it is revoked." if forgotten else "You were not logged in.")
    return PASSED


# --- What there is ---


def projects(options: Namespace) -> int:
    board, path = open_board(options), "/api/v1/projects"
    found: list[dict[str, Any]] = []
    while path:
        page = board.ask("GET", path)
        found += page["items"]
        path = page.get("next") or ""
    if options.json:
        looks.as_json(found)
        return PASSED
    if not found:
        tell("There is no project that you may see.")
        return PASSED
    last = [one["last_build"] or {} for one in found]
    looks.table(
        ("PROJECT", "LAST BUILD", "", "", "NAME"),
        [
            (
                one["slug"],
                looks.status(build["status"]) if build else "never built",
                f"#{build['id']}" if build else "",
                looks.ago(build.get("finished_at") or build.get("created_at")),
                one["name"] + ("" if one["enabled"] else " (disabled)"),
            )
            for one, build in zip(found, last, strict=True)
        ],
        {1: [looks.status_colour(build.get("status", "")) for build in last]},
    )
    return PASSED


def builds(options: Namespace) -> int:
    """The newest, as many as are asked for, however many pages that takes."""
    board = open_board(options)
    found: list[dict[str, Any]] = []
    query: dict[str, Any] | None = {
        "project": options.project,
        "status": options.status,
        "limit": min(options.limit, 100),
    }
    path = "/api/v1/builds"
    while len(found) < options.limit:
        page = board.ask("GET", path, query=query)
        found += page["items"]
        if not page["next"]:
            break
        path, query = page["next"], None
    found = found[: options.limit]
    if not found and options.project:
        board.ask("GET", f"/api/v1/projects/{slug(options.project)}")  # which says so where there is none
    if options.json:
        looks.as_json(found)
        return PASSED
    if not found:
        tell("There is no such build.")
        return PASSED
    looks.table(
        ("BUILD", "STATUS", "PROJECT", "OF", "BY", "TOOK", "STARTED"),
        [
            (
                f"#{one['id']}",
                looks.status(one["status"]),
                one["project"],
                one["branch"] or one["tag"] or one["ref"][:20] or one["commit"][:10],
                one["started_by"],
                looks.took(one["started_at"], one["finished_at"]),
                looks.ago(one["created_at"]),
            )
            for one in found
        ],
        {1: [looks.status_colour(one["status"]) for one in found]},
    )
    return PASSED


# --- What changes something ---


def create(options: Namespace) -> int:
    """A new project. Its recipe is read from a file, or from stdin."""
    given = {"slug": slug(options.slug)}
    given |= {name: getattr(options, name) for name in ("name", "repository", "branch") if getattr(options, name)}
    if options.recipe:
        given["recipe"] = _read(options.recipe)
    found = open_board(options).ask("POST", "/api/v1/projects", given)
    if options.json:
        looks.as_json(found)
    else:
        show(f"{plain(found['name'])}: {plain(found['url'])}")
    return PASSED


def start(options: Namespace) -> int:
    project = options.slug or environment.project()
    if not project:
        raise CouldNot(
            "Of which project? buildboard start PROJECT, BUILDBOARD_PROJECT, "
            f'or project = "PROJECT" in a {environment.PROJECT_FILE} here.'
        )
    board = open_board(options)
    body = {"ref": options.ref, "inputs": inputs(options.input)}
    path = f"/api/v1/projects/{slug(project)}/builds"
    key = secrets.token_urlsafe(24)
    found = patiently(lambda: board.ask("POST", path, body, key=key))
    return _started(board, options, found, f"Build {found['id']} of {project}")


def retry(options: Namespace) -> int:
    board = open_board(options)
    path = f"/api/v1/builds/{options.build}/retry"
    key = secrets.token_urlsafe(24)
    found = patiently(lambda: board.ask("POST", path, key=key))
    return _started(board, options, found, f"Build {found['id']}, which repeats build {options.build}")


def cancel(options: Namespace) -> int:
    board = open_board(options)
    found = patiently(lambda: board.ask("POST", f"/api/v1/builds/{options.build}/cancel"))
    if options.json:
        looks.as_json(found)
    elif found["status"] == "cancelled":
        tell(f"Build {options.build} is cancelled.")
    else:
        tell(f"Build {options.build} is told to stop; it ends in a moment.")
    return PASSED


def follow(options: Namespace) -> int:
    return follow_build(open_board(options), options.build, patience=options.patience, as_json=options.json)


def log(options: Namespace) -> int:
    """The log as it is stored now: the whole of it as text, or the lines of one step."""
    board = open_board(options)
    keeps_colours = options.ansi or looks.is_colourful()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        if options.step is not None:
            return _log_of_step(board, options.build, options.step, keeps_colours)
        query = {"ansi": "1"} if keeps_colours else None
        with board.stream(f"/builds/{options.build}/log.txt", query=query, accept="text/plain") as stream:
            while data := stream.read():
                sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        forget_stdout()
        return BROKEN_PIPE
    except Unreachable as error:
        sys.stdout.buffer.flush()
        raise CouldNot(f"The log is not complete: {error}") from error
    return PASSED


def _log_of_step(board: Board, build: int, step: str, keeps_colours: bool) -> int:
    from ..terminal.style import plain as without_colours

    first = 1
    while True:
        found = board.ask("GET", f"/builds/{build}/log/", query={"step": step, "from": first})
        for line in found["lines"]:
            if line is not None:
                show(line if keeps_colours else without_colours(line))
        for cut in found["cuts"]:
            if first <= cut["line"] <= found["to"]:
                tell(f"── {cut['lines']:,} lines from line {cut['line']:,} on are left out: {cut['reason']}")
        first = found["to"] + 1
        if first > found["total"] or not found["lines"]:
            break
    sys.stdout.flush()
    if found.get("pruned_at"):
        tell(f"── The log was pruned on {found['pruned_at'][:10]}.")
        return COULD_NOT
    return PASSED


# --- Inside ---


def patiently(ask: Callable[[], T]) -> T:
    """What a request that may be repeated comes to, also while the board restarts."""
    until = time.monotonic() + PATIENCE_SECONDS
    told = False
    while True:
        try:
            return ask()
        except Unreachable as error:
            if time.monotonic() >= until:
                raise
            if not told:
                tell(f"── {error} Trying again for {PATIENCE_SECONDS:g} s.")
                told = True
            time.sleep(min(max(error.after or 0.0, 0.5), 5.0))


def inputs(given: list[str]) -> dict[str, str]:
    """`K=V`, as often as it was given. `CouldNot` names what is wrong with all of them."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not _INPUT.match(name):
            wrong.append(f"--input {text[:80]!r}: expected NAME=VALUE, such as --input target=linux.")
        elif name in found:
            wrong.append(f"--input {name}: it is given twice.")
        found[name] = value
    if wrong:
        raise CouldNot("\n".join(wrong))
    return found


def _started(board: Board, options: Namespace, found: dict[str, Any], what: str) -> int:
    where = f"{what}: {plain(found['url'])}"
    if not options.follow:
        if options.json:
            looks.as_json(found)
        else:
            show(where)
        return PASSED
    tell(where)
    return follow_build(board, int(found["id"]), as_json=options.json)


def slug(text: str) -> str:
    if not re.fullmatch(r"[-a-zA-Z0-9_]{1,100}", text):
        raise CouldNot(f"{text[:80]!r}: expected a project's name in addresses, such as standard-library.")
    return text


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read()
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CouldNot(f"{name}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CouldNot(f"{name}: expected text in UTF-8.") from error


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def explained(error: Refused) -> str:
    """What the board said, with each wrong value on a line of its own."""
    wrong = error.problem.get("errors")
    lines = [str(error)]
    if isinstance(wrong, list) and len(wrong) > 1:
        lines += [f"  {plain(one.get('at'))}: {plain(one.get('expected'))}" for one in wrong if isinstance(one, dict)]
    if error.status == 401:
        lines.append("Log in again: buildboard login")
    return "\n".join(lines)
