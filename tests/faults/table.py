"""What all seeds come to: aligned text, JSON, and a part of docs/reliability.md."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import machine

from .plan import KINDS
from .run import Result

BEGIN, END = "<!-- begin: make faults -->", "<!-- end: make faults -->"
FINDINGS = ("lost", "duplicated", "reordered", "untrue", "orphans", "leaks", "other")
"""The columns of a verdict, in the words of `Verdict`."""
NAMES = {"untrue": "untrue statuses or lines", "other": "other complaints"}


def line(result: Result) -> str:
    """One seed as it goes."""
    said = "passed" if result.passed else "FAILED"
    builds = ", ".join(f"{count} {status}" for status, count in sorted(result.builds.items()))
    return (
        f"seed {result.seed}: {said} in {result.seconds:.0f} s; {sum(result.faults.values())} faults; {builds}; "
        f"{result.lines:,} lines; {result.viewers} viewers"
    )


def findings(result: Result) -> list[str]:
    """What was wrong, a line each, cut to what a terminal can bear."""
    return [f"    {name}: {what[:1_000]}" for name, found in result.verdict.all().items() for what in found[:20]]


def rows(results: Sequence[Result]) -> list[tuple[str, str]]:
    """The table: what was counted, and how many."""
    faults: Counter[str] = Counter()
    builds: Counter[str] = Counter()
    for result in results:
        faults += result.faults
        builds += result.builds
    found = {name: sum(len(getattr(result.verdict, name)) for result in results) for name in FINDINGS}
    return [
        ("seeds passed", f"{sum(result.passed for result in results)} of {len(results)}"),
        ("faults injected", f"{faults.total():,}"),
        *((f"· {kind}", f"{faults[kind]:,}") for kind in KINDS),
        ("builds", f"{builds.total():,}"),
        *((f"· {status}", f"{count:,}") for status, count in sorted(builds.items())),
        ("lines stored", f"{sum(result.lines for result in results):,}"),
        ("lines that a cut stands for", f"{sum(result.cut for result in results):,}"),
        ("events stored", f"{sum(result.events for result in results):,}"),
        ("viewers", f"{sum(result.viewers for result in results):,}"),
        ("· their connections", f"{sum(result.connections for result in results):,}"),
        ("· events given to them", f"{sum(result.deliveries for result in results):,}"),
        *((NAMES.get(name, name), f"{count:,}") for name, count in found.items()),
    ]


def text(results: Sequence[Result]) -> str:
    shown = rows(results)
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {count:>10}" for name, count in shown)


def report(results: Sequence[Result], command: str) -> dict[str, Any]:
    """What is written as JSON."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "rows": dict(rows(results)),
        "seeds": [
            {name: value for name, value in vars(result).items() if name != "said"}
            | {"verdict": result.verdict.all(), "passed": result.passed}
            for result in results
        ],
    }


def markdown(results: Sequence[Result], command: str, servers: str) -> str:
    """The part of a page between its two markers."""
    on = machine()
    packages = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
    table = "\n".join(f"| {name} | {count} |" for name, count in rows(results))
    minutes = sum(result.seconds for result in results) / 60
    return (
        f"`{command}`, {datetime.now(UTC):%d %B %Y}, in {minutes:.0f} minutes, on "
        f"{on['cores']} cores of {on['processor']} with {on['memory_mib'] / 1024:.0f} GiB; Python {on['python']}, "
        f"{servers}; {packages}.\n\n| | |\n|---|---|\n{table}\n"
    )


def put(page: Path, part: str) -> None:
    """Replace what stands between the markers of `page`. ValueError where it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{part}{END}{after}")
