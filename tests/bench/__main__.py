"""python -m tests.bench [--short] [QUESTION…]: measure, print tables, and write JSON to var/bench/."""

import argparse
import importlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

QUESTIONS = ("latency", "flood", "append", "idle")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The benchmarks of Buildboard.")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"some of {', '.join(QUESTIONS)}; all if none")
    parser.add_argument("--short", action="store_true", help="a second each: only whether they work")
    parser.add_argument("--out", type=Path, help="the folder for the JSON (var/bench)")
    options = parser.parse_args()
    for unknown in set(options.questions) - set(QUESTIONS):
        parser.error(f"unknown question {unknown!r}; expected some of {', '.join(QUESTIONS)}")

    with tempfile.TemporaryDirectory(prefix="bb-bench-") as data:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "buildboard.settings", "BUILDBOARD_DATA": data}
        import django

        django.setup()
        from tests.support import ROOT

        from . import figures

        answers = []
        for name in options.questions or QUESTIONS:
            for answer in importlib.import_module(f"tests.bench.{name}").measure(options.short):
                answers.append(answer)
                sys.stdout.write(figures.table(answer) + "\n")
                sys.stdout.flush()
        report = figures.report(answers, options.short)
    folder = options.out or ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"written to {path}\n")


if __name__ == "__main__":
    main()
