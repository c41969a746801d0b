"""python -m tests.faults: break a whole board, seed by seed, and compare what is left. See `--help`."""

import argparse
import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from unittest import SkipTest

from tests.support import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The fault bench of Buildboard.")
    parser.add_argument("--seed", type=int, metavar="N", help="this seed only, with what happens when")
    parser.add_argument("--seeds", type=int, default=20, metavar="COUNT", help="seeds 1 to COUNT (20)")
    parser.add_argument("--times", type=int, default=1, metavar="COUNT", help="all of that so many times in a row (1)")
    parser.add_argument("--short", action="store_true", help="a small plan: 9 seconds of faults a seed")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "var" / "faults", help="the folder for what it writes (var/faults)"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the table into this page, between its markers"
    )
    options = parser.parse_args()
    for name in ("seeds", "times"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected a number from 1 on")

    # As Ctrl-C does: no server that was started for a seed outlives this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with tempfile.TemporaryDirectory(prefix="bb-faults-") as data:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "buildboard.settings", "BUILDBOARD_DATA": data}
        import django

        django.setup()
        try:
            return bench(options)
        except SkipTest as missing:
            say(f"nothing was tested: this machine {missing}")
            return 1


def bench(options: argparse.Namespace) -> int:
    from . import table
    from .plan import FULL, SHORT, plan
    from .run import run

    alone = options.seed is not None
    short = " --short" if options.short else ""
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    seeds = [options.seed] if alone else list(range(1, options.seeds + 1))
    for seed in seeds * options.times:
        result = run(plan(seed, SHORT if options.short else FULL), say if alone else lambda _: None)
        say("\n".join([table.line(result), *table.findings(result)]))
        results.append(result)
        if not result.passed:
            path = folder / f"seed-{seed}.log"
            path.write_text(result.said)
            say(f"    what its processes wrote: {path}")

    words = {"SEED": options.seed, "SEEDS": None if alone else options.seeds, "TIMES": options.times}
    usual = {"SEED": None, "SEEDS": 20, "TIMES": 1}
    command = " ".join(
        ["make faults", *(f"{name}={value}" for name, value in words.items() if value not in (None, usual[name]))]
    )
    say(f"\n{table.text(results)}")
    path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(table.report(results, command), indent=1, default=str) + "\n")
    say(f"written to {path}")
    if options.markdown:
        table.put(options.markdown, table.markdown(results, command, servers()))
    failed = sorted({result.seed for result in results if not result.passed})
    for seed in failed:
        say(f"seed {seed} failed; again: python -m tests.faults --seed {seed}{short}")
    return 1 if failed else 0


def servers() -> str:
    """The versions of the real servers."""
    from tests.support.servers import version, versions

    from .nginx import binary

    program = binary()
    found = versions() | ({"nginx": version(program, "-v")} if program else {})
    return ", ".join(f"{name} {number}" for name, number in found.items())


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
