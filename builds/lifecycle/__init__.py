"""The only writer of statuses. Each verb is one compare-and-set and one event, in one transaction.

Everyone calls the same verbs: the button, the admin, the API, the commands and the workers. Who may call them is the
caller's to check; what a build may become is decided here. Locks are taken in the order project, build, board.

    refusals.py    why a verb was not carried out; what is checked before a build starts
    change.py      one change of a build: row, event, revision; with its lease or without
    rows.py        a new build and its steps, as they are first stored
    starts.py      enqueue(), retry(): by people and programs
    claims.py      claim(), renew(): by workers
    elsewhere.py   begin_outside(): by programs that run builds elsewhere
    checkouts.py   checked_out(), adopt(): what a worker's checkout has found
    steps.py       begin_step(), end_step() …: by the worker that holds the lease
    endings.py     finish(); lose(), void() by whoever watches the leases
    cancels.py     cancel(), supersede()
    kept.py        keep(), deleted()
"""

from .cancels import cancel, confirm_cancel, supersede
from .checkouts import adopt, checked_out, remember_recipe
from .claims import claim, leases, renew
from .elsewhere import begin_outside, outside
from .endings import finish, lose, void
from .kept import deleted, keep
from .refusals import AlreadyFinished, BadRef, ProjectGone, QueueFull, Refused, check_name, check_start, hold
from .starts import enqueue, retry
from .steps import begin_attempt, begin_step, end_step, report_progress, skip_steps

__all__ = [
    "AlreadyFinished",
    "BadRef",
    "ProjectGone",
    "QueueFull",
    "Refused",
    "adopt",
    "begin_attempt",
    "begin_outside",
    "begin_step",
    "cancel",
    "check_name",
    "check_start",
    "checked_out",
    "claim",
    "confirm_cancel",
    "deleted",
    "end_step",
    "enqueue",
    "finish",
    "hold",
    "keep",
    "lose",
    "leases",
    "outside",
    "remember_recipe",
    "renew",
    "report_progress",
    "retry",
    "skip_steps",
    "supersede",
    "void",
]
