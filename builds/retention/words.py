"""What became of a log, in a sentence: for its page, its text and the administration."""

from datetime import datetime

from .. import blocks
from ..models import Build


def size(number: int) -> str:
    """`12 bytes`, `3.4 kB`, `1.2 MB`: thousands, as disks count."""
    if number < 1_000:
        return "1 byte" if number == 1 else f"{number} bytes"
    amount = float(number)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1_000
        if amount < 999.95 or unit == "TB":
            return f"{amount:.1f} {unit}"
    raise AssertionError


def extent(build: Build) -> str:
    """`12,345 lines, 1.2 MB`: how much its log had when it was compacted or pruned."""
    lines = build.log_lines or 0
    return f"{lines:,} {'line' if lines == 1 else 'lines'}, {size(build.log_bytes or 0)}"


def pruned(build: Build) -> str:
    """`Its log was pruned on 3 Mar 2026, 90 days after it ended: 12,345 lines, 1.2 MB.` Empty: it was not."""
    if build.pruned_at is None:
        return ""
    why = f", {build.log_note}" if build.log_note else ""
    return f"Its log was pruned on {_day(build.pruned_at)}{why}: {extent(build)}."


def became(build: Build) -> str:
    """The same for those who look after the board: also that it was compacted, or could not be. Empty: neither."""
    if build.pruned_at is not None:
        return pruned(build)
    if build.compacted_at is None:
        return f"Its log was {build.log_note}." if build.log_note else ""
    count, took = blocks.size(build.pk)
    blocks_of = "1 block that takes" if count == 1 else f"{count:,} blocks that take"
    return (
        f"Its log was compacted on {_day(build.compacted_at)}: {extent(build)}, in {blocks_of} {size(took)}; "
        "of its events the newest is stored."
    )


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"
