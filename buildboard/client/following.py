"""`follow`, and what `--follow` does after a start: a build's log as it is printed, and its result as exit code."""

import io
import json
import sys
from typing import Any

from ..terminal.replay import Header, Replay
from . import looks
from .board import Board, Refused, Unreachable
from .feed import Feed
from .talk import BROKEN_PIPE, COULD_NOT, EXIT_CODES, INTERRUPTED, forget_stdout, show, tell


def follow(board: Board, build_id: int, *, patience: float | None = None, as_json: bool = False) -> int:
    """Until the build is over: the code to exit with. Ctrl-C stops following and leaves the build alone."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a step prints what this terminal's encoding may not have
    feed = Feed(board, build_id, tell, patience)
    try:
        return _print_json(feed) if as_json else _print(feed, build_id)
    except KeyboardInterrupt:
        tell(
            f"\nStopped following; build {build_id} goes on.\n"
            f"  come back:  buildboard follow {build_id}\n"
            f"  cancel it:  buildboard cancel {build_id}"
        )
        return INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return BROKEN_PIPE


def _print(feed: Feed, build_id: int) -> int:
    replay = Replay(colours=looks.is_colourful())
    waits = ""
    for event in feed:
        for said in replay.feed(event.kind, event.data):
            if isinstance(said, Header):
                sys.stdout.flush()
                tell(said.text)
            else:
                show(said)
        sys.stdout.flush()
        if event.kind == "build" and replay.status == "queued" and not waits:
            waits = _waits(feed.board, build_id)
            if waits:
                tell(waits)
    if replay.final is None:
        tell(f"Build {build_id} is over, and did not say how.")
        return COULD_NOT
    tell(f"Build {build_id} {replay.final}.{f' {replay.reason}' if replay.reason else ''}")
    return EXIT_CODES[replay.final]


def _print_json(feed: Feed) -> int:
    """An event a line: `{"id", "kind", "data"}`; `id` is null for what stands for events that are gone."""
    status = ""
    for event in feed:
        data: Any = json.loads(event.data)
        show(json.dumps({"id": event.id, "kind": event.kind, "data": data}, ensure_ascii=False))
        sys.stdout.flush()
        if event.kind == "build":
            status = data["status"]
    return EXIT_CODES.get(status, COULD_NOT)


def _waits(board: Board, build_id: int) -> str:
    """What a queued build waits for, where that is not only its turn."""
    try:
        place = board.ask("GET", f"/api/v1/builds/{build_id}").get("queue")
    except (Unreachable, Refused):
        return ""  # the feed itself tells
    if not place or place["reason"] in ("starts now", "next free worker"):
        return ""
    return f"── Waiting: {place['reason']}."
