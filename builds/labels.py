"""Labels: words that say what a worker has, and what a build needs of one. Pure.

A build that needs `gpu linux` is taken by a worker whose labels hold both. Every worker has its system and the kind of
its machine by itself (`linux`, `x86_64`).
"""

import platform
import re
from collections.abc import Sequence

MAX_LABELS = 16
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?\Z")
EXPECTED = "words of lower-case letters, digits, '.', '_' and '-', up to 40 characters each"


class LabelError(ValueError):
    """What is wrong, and what was expected."""


def joined(*texts: str) -> str:
    """All labels of `texts` as they are stored: sorted, each once, separated by spaces. `LabelError` as `parse`."""
    return " ".join(parse(" ".join(texts)))


def parse(text: str) -> tuple[str, ...]:
    """The labels in `text`, separated by spaces or commas: sorted, each once. `LabelError` where one is none."""
    found = sorted(set(text.replace(",", " ").split()))
    for label in found:
        if not _LABEL.match(label):
            raise LabelError(f"{label[:80]!r} is not a label; expected {EXPECTED}")
    if len(found) > MAX_LABELS:
        raise LabelError(f"expected at most {MAX_LABELS} labels, not {len(found)}")
    return tuple(found)


def own() -> tuple[str, ...]:
    """What every worker on this machine has by itself."""
    return tuple(label for label in (platform.system().lower(), platform.machine().lower()) if _LABEL.match(label))


def fits(needed: str, labels: str) -> bool:
    """Whether a worker with `labels` may take what needs `needed`; both as they are stored, separated by spaces."""
    return set(needed.split()) <= set(labels.split())


def named(wanted: Sequence[str]) -> str:
    """`the label gpu`, `the labels gpu and linux`: for sentences."""
    if len(wanted) == 1:
        return f"the label {wanted[0]}"
    return f"the labels {', '.join(wanted[:-1])} and {wanted[-1]}"
