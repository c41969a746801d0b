"""python -m tests.bench [--short] [QUESTION…]: measure, print tables, and write JSON to var/bench/."""

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support import ROOT

from .figures import Answer, report, table

QUESTIONS = (
    "fanout",
    "replay",
    "latency",
    "flood",
    "append",
    "start",
    "idle",
    "memory",
    "writers",
    "crowded",
    "prune",
    "room",
    "search",
    "text",
    "crowd",
    "page",
    "mask",
)
"""Each is a module here with a `measure(short)` that returns its answers."""
LONG = ("stalled", "growth")
"""The same, of ten minutes and more: only if asked for by name."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The benchmarks of Buildboard.")
    told = f"some of {', '.join(QUESTIONS)}, all if none; or of {', '.join(LONG)}, which takes long"
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=told)
    parser.add_argument("--short", action="store_true", help="a second each: only whether they work")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench", help="the folder for the JSON (var/bench)")
    options = parser.parse_args()
    for unknown in set(options.questions) - {*QUESTIONS, *LONG}:
        parser.error(f"unknown question {unknown!r}; expected some of {', '.join(QUESTIONS + LONG)}")

    # As Ctrl-C does: no process that was started for a question outlives this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with tempfile.TemporaryDirectory(prefix="bb-bench-") as data:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "buildboard.settings", "BUILDBOARD_DATA": data}
        import django

        django.setup()
        answers = []
        for answer in ask(options.questions or QUESTIONS, short=options.short):
            answers.append(answer)
            sys.stdout.write(table(answer) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"written to {write(answers, options.out, short=options.short)}\n")


def ask(questions: Sequence[str], *, short: bool) -> Iterator[Answer]:
    for name in questions:
        yield from importlib.import_module(f"tests.bench.{name}").measure(short)


def write(answers: Sequence[Answer], folder: Path, *, short: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report(answers, short), indent=1, ensure_ascii=False) + "\n")
    return path


if __name__ == "__main__":
    main()
