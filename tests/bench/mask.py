"""What does it cost to keep secrets out of a log? Output as terminals hand it over, through lines and masks."""

import random
import string
import time

from buildboard.terminal.lines import LineReader
from buildboard.terminal.masks import Masked, Masks

from .figures import Answer

READ = 4096
"""Bytes that a terminal hands over at a time."""
LINE = b"[%3d%%] Building C object src/core/CMakeFiles/core.dir/module_%06d.c.o -O2 -Wall -Wextra\n"
LINES, SHORT_LINES = 150_000, 2_000
ROUNDS, SHORT_ROUNDS = 5, 1


def measure(short: bool) -> list[Answer]:
    dice = random.Random(20_26)  # the same secrets each time

    def token(size: int) -> str:
        return "".join(dice.choices(string.ascii_letters + string.digits, k=size))

    def key() -> str:
        return "\n".join(["-----BEGIN PRIVATE KEY-----", *(token(64) for _ in range(25)), "-----END PRIVATE KEY-----"])

    answer = Answer("MB a second into lines, by what is kept out of them")
    text = b"".join(LINE % (number % 101, number) for number in range(SHORT_LINES if short else LINES))
    coloured = text.replace(b"Building", b"\x1b[32mBuilding").replace(b"-Wall", b"\x1b[0m-Wall")
    cases: dict[str, list[str] | None] = {
        "no masks at all": None,
        "no secrets": [],
        "1 token": [token(40)],
        "20 tokens": [token(40) for _ in range(20)],
        "20 passwords of 8": [token(8) for _ in range(20)],
        "20 tokens, 3 keys of 27 lines": [*(token(40) for _ in range(20)), *(key() for _ in range(3))],
    }
    for name, secrets in cases.items():
        masks = None if secrets is None else Masks(secrets)
        speeds = {}
        for kind, data in (("plain", text), ("coloured", coloured)):
            took = min(seconds(data, masks) for _ in range(SHORT_ROUNDS if short else ROUNDS))
            speeds[kind] = round(len(data) / took / 1e6, 1)
        answer.add(secrets=name, patterns=len(masks.patterns) if masks else 0, **speeds)
    return [answer]


def seconds(data: bytes, masks: Masks | None) -> float:
    reader = LineReader()
    masked = Masked(masks) if masks is not None else None
    began = time.perf_counter()
    for at in range(0, len(data), READ):
        piece = data[at : at + READ]
        if masked is None:
            reader.feed(piece)
        else:
            masked.lines(reader.feed(masked.feed(piece)))
    return time.perf_counter() - began
