"""What becomes of old logs. The log of a build that is over is compacted after some hours: its events become blocks,
which are verified before any event is deleted. Later it is pruned by rules, its artifacts with it or before it, and the
build's row stays and says so.

    rules.py    which builds are due, and why: pure where it decides
    pace.py     small batches, measured in time, and rests between them
    oldlog.py   a build's events, read once more and deleted
    verbs.py    compact(), prune(), sweep(): one build
    turns.py    whose turn it is, and nobody else at the same time
    rounds.py   run(): everything that is due
    words.py    what became of a log, in a sentence
"""

from .pace import Pace, Stopped
from .rounds import Tally, run
from .rules import Due, due, with_old_files
from .turns import alone, take_turn
from .verbs import Differs, Done, compact, prune, sweep
from .words import became, extent, pruned, size

__all__ = [
    "Differs",
    "Done",
    "Due",
    "Pace",
    "Stopped",
    "Tally",
    "alone",
    "became",
    "compact",
    "due",
    "extent",
    "prune",
    "pruned",
    "run",
    "size",
    "sweep",
    "take_turn",
    "with_old_files",
]
