"""The guardian of one step: a tiny process that leaves nothing behind. Standard library only; started as a script.

    python -I -S -E guardian.py TTY REPORT

`TTY`: number of the open file that becomes the step's output; `REPORT`: of the pipe on which it tells. On standard
input it gets one line, a JSON object {"argv", "env", "cwd", "rlimits", "grace", "silence", "limits", "sandbox"}, and
later `alive`, and perhaps `stop SECONDS`. It starts the step in a session of its own and writes `exit CODE` (negative:
the signal) when the step's first process ends. What that one left behind lives on until the guardian is told to stop,
or until the worker is dead: standard input closes, or nothing came for `silence` seconds. Then it ends every
descendant, one TERM first and KILL after the grace, until it has none, and exits. It exits by itself as soon as the
step is over and nothing is left.

It is a subreaper: a process that daemonises itself becomes its child, and "no child left" is "nothing left".

`limits`, {"memory": MiB, "tasks": number} with 0 for none, are of all that it guards: beyond one it writes
`limit NAME MEASURED` and kills everything at once.

`sandbox`, null or {"command", "options", "env", "after"}: `command` is what makes the sandbox, with `options`, the step
and a way to tell as its open files 3, 4 and 5. Who tells, how the step ended, is process 1 in there (inside.py), or who
makes a container (programs/container.py). A sandbox that cannot be made is told as `unmade CODE`, and perhaps as
`fault WHY`. A container is also there where no process of it is this one's: `after` is the command that removes it, run
where that was not told to be done.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # behind the standard library

import enclosing  # type: ignore[import-not-found]
import inside  # type: ignore[import-not-found]
import usage  # type: ignore[import-not-found]

_PR_SET_CHILD_SUBREAPER = 36
_DEFAULT_GRACE = 2.0
_LOOK = 2.0
"""At most so many seconds between two looks at the clock."""
_MEASURE = 0.2
"""At least so many seconds between two looks at what the step uses …"""
_MEASURE_COSTS = 20
"""… and this many times as long as the last one took: at most a twentieth of the time goes into looking."""
_LONGEST_NEWS = 4096
_PRIORITY = -10
_MEGABYTE = 1024 * 1024


def main() -> None:
    terminal, report = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the worker decides when a step ends
    inside.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(OSError):  # root may: to have its turn among processes that multiply
        os.setpriority(os.PRIO_PROCESS, 0, min(usual, _PRIORITY))
    step, rest = _read_step()
    news, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpriority(os.PRIO_PROCESS, 0, usual)
        enclosing.begin(step, terminal, telling)
    os.close(terminal)
    os.close(telling)
    os.set_blocking(news, False)
    guard = Guard(child, report, bell, news, step)
    guard.watch(rest)
    guard.clean()


def _read_step() -> tuple[dict, bytes]:
    """The step, and what came after it already."""
    data = b""
    while b"\n" not in data:
        more = os.read(0, 65536)
        if not more:
            os._exit(0)  # the worker died before it could ask for anything
        data += more
    line, _, rest = data.partition(b"\n")
    return json.loads(line), rest


class Guard:
    """`watch()` once, until nothing is left to guard."""

    def __init__(self, child: int, report: int, bell: int, news: int, step: dict) -> None:
        """`child`: the step's first process, or the sandbox's, which then tells by `news`; `bell`: rings when a child
        ends."""
        self._child = child
        self._report = report
        self._bell = bell
        self._news = news
        self._step = step
        self._enclosed = step["sandbox"] is not None
        self._after = step["sandbox"]["after"] if self._enclosed else []
        """Not empty: it is a container, where a process of this machine is told by its own list of processes."""
        self._begun = not self._enclosed
        self._heard = b""
        self._exited = False
        self._over = False
        """The child itself has ended."""
        self._left = True
        self._measures = any(step["limits"].values())
        self._measure_at = 0.0

    def watch(self, heard: bytes) -> None:
        """`heard`: what the worker has said already."""
        heard_at = time.monotonic()
        while True:
            grace = _order(heard)
            if grace is not None:
                break
            asked_at = time.monotonic()
            patience = heard_at + self._step["silence"] - asked_at
            longest = min(max(patience, 0.0), _LOOK)
            if self._measures:
                longest = min(longest, max(self._measure_at - asked_at, 0.0))
            readable = select.select([0, self._bell, *self._files()], [], [], longest)[0]
            # Of a time in which this process stood still, nobody knows what the worker had to say: it does not count.
            heard_at += max(time.monotonic() - asked_at - _LOOK, 0.0)
            if self._bell in readable:
                os.read(self._bell, 4096)
            self._reap()
            if self._exited and not self._left:
                return
            if self._has_excess() or (self._after and self._over):  # nobody tells or removes what is in the container
                grace = 0.0
                break
            if 0 in readable or patience <= 0:
                more = os.read(0, 4096) if 0 in readable else b""
                if not more:  # the worker is dead: nobody will read what a long farewell has to say
                    grace = min(self._step["grace"], _DEFAULT_GRACE)
                    break
                heard, heard_at = heard[-64:] + more, time.monotonic()
        self._end_all(grace)

    def _files(self) -> list[int]:
        return [self._news] if self._news >= 0 and self._enclosed else []

    def _end_all(self, grace: float) -> None:
        began = time.monotonic()
        heard = b""
        told: set[int] = set()
        while True:
            self._reap()
            if not self._left:
                return
            # A worker that is in a hurry, or dead, shortens the grace while it runs.
            while select.select([0], [], [], 0)[0]:
                more = os.read(0, 4096)
                heard = heard[-64:] + more
                shorter = _order(heard) if more else _DEFAULT_GRACE
                grace = grace if shorter is None else min(grace, shorter)
                if not more:
                    break
            if self._has_excess():
                grace = 0.0
            passed = time.monotonic() - began
            late = passed >= grace
            first = not told
            living = usage.descendants(os.getpid())
            if self._after and not late and any(seen.pid == self._child for seen in living):
                living = [seen for seen in living if seen.pid == self._child]  # it tells all in the container
            orphanage = {os.getpid()} | {seen.pid for seen in living if self._enclosed and seen.parent == self._child}
            for seen in living:
                # What a process begins once it was told is its way of ending, a trap's commands for instance: that is
                # not told, unless the process is gone and has left it behind.
                if late or (seen.pid not in told and (first or seen.parent in orphanage)):
                    told.add(seen.pid)
                    _send(seen.pid, signal.SIGKILL if late else signal.SIGTERM)
                    if not late:
                        _send(seen.pid, signal.SIGCONT)  # one that was stopped could not hear the TERM
            # At first often, so that what ends at once is over at once; what resists is looked for less and less.
            since = passed - grace if late else passed
            time.sleep(min(0.01 + since / 20, 0.1 if since < 5 else 1.0))

    def _reap(self) -> None:
        """Collect what has ended, and tell how the step's first process did.

        Waiting for any child is safe here, and only here: this process starts none but the step.
        """
        self._hear()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._left = False
                return
            if pid == 0:
                return
            if pid == self._child:
                self._over = True
                self._hear()
                code = os.waitstatus_to_exitcode(status)
                if self._begun:
                    # In a sandbox this one ends when all in it has: it speaks for a step only where that cannot.
                    self._tell_exit(code if not self._enclosed else -(code - 128) if code > 128 else code)
                elif not self._exited:
                    self._exited = True
                    self._tell("unmade", code)

    def _hear(self) -> None:
        """What process 1 of the sandbox tells. The step can reach that one as little as it can this; but what comes
        from inside is read with care all the same."""
        while self._files():
            try:
                data = os.read(self._news, 4096)
            except BlockingIOError:
                return
            if not data:
                os.close(self._news)
                self._news = -1
                return
            *lines, self._heard = (self._heard + data)[:_LONGEST_NEWS].split(b"\n")
            for line in lines:
                self._take(*line.partition(b" ")[::2])

    def _take(self, word: bytes, rest: bytes) -> None:
        self._begun = self._begun or word == b"begun"
        if word == b"exit" and rest.lstrip(b"-").isdigit():
            self._tell_exit(int(rest))
        elif self._after and word in (b"limit", b"fault"):
            self._tell(word.decode(), rest.decode("utf-8", "replace"))
        elif self._after and word == b"removed":
            self._after = []

    def clean(self) -> None:
        """Remove the container, where who made it could not."""
        if self._after:
            enclosing.remove(self._after, self._step["sandbox"]["env"])

    def _tell_exit(self, code: int) -> None:
        if not self._exited:
            self._exited = True
            self._tell("exit", code)

    def _tell(self, word: str, *numbers: object) -> None:
        with contextlib.suppress(OSError):
            os.write(self._report, " ".join(map(str, (word, *numbers))).encode() + b"\n")

    def _has_excess(self) -> bool:
        """Whether what it guards uses too much. Then that was told, and all of it is as good as dead."""
        now = time.monotonic()
        if not self._measures or now < self._measure_at:
            return False
        living = usage.descendants(os.getpid())
        if self._after:  # the engine's own processes are outside, and the first one inside is none of the step's
            inner = {seen.pid for seen in living if usage.is_inner(seen.pid)}
            living = [seen for seen in living if seen.pid in inner and seen.parent in inner]
        elif self._enclosed:  # the sandbox's own two processes are none of the step's
            own = {self._child} | {seen.pid for seen in living if seen.parent == self._child}
            living = [seen for seen in living if seen.pid not in own]
        found = usage.total(living)
        limits = self._step["limits"]
        excess = None
        if 0 < limits["tasks"] < found.tasks:
            excess = ("tasks", found.tasks)
        elif 0 < limits["memory"] * _MEGABYTE < found.memory:
            memory = usage.fair_memory(living)
            if memory > limits["memory"] * _MEGABYTE:
                excess = ("memory", memory // _MEGABYTE)
        self._measure_at = time.monotonic() + max(_MEASURE, _MEASURE_COSTS * (time.monotonic() - now))
        if excess is None:
            return False
        self._tell("limit", *excess)
        self._measures = False
        self._freeze()
        return True

    def _freeze(self) -> None:
        """Who starts processes faster than they are killed is stopped first; a sandbox ends as one."""
        if self._after:
            for seen in usage.descendants(os.getpid()):
                if usage.is_inner(seen.pid) and not usage.is_inner(seen.parent):
                    _send(seen.pid, signal.SIGKILL)  # the first one in there: all others go with it
            return
        if self._enclosed:
            _send(self._child, signal.SIGKILL)
            return
        stopped: set[int] = set()
        while True:
            new = {seen.pid for seen in usage.descendants(os.getpid())} - stopped
            if not new:
                return
            for pid in new:
                _send(pid, signal.SIGSTOP)
            stopped |= new


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _order(heard: bytes) -> float | None:
    """The grace that the last whole `stop SECONDS` allows; None: there was none."""
    orders = [line[5:] for line in heard.rpartition(b"\n")[0].split(b"\n") if line.startswith(b"stop ")]
    return float(orders[-1]) if orders else None


if __name__ == "__main__":
    main()
