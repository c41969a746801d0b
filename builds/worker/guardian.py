"""The guardian of one step: a tiny process that leaves nothing behind. Standard library only; started as a script.

    python -I -S -E guardian.py TTY REPORT

`TTY`: number of the open file that becomes the step's output; `REPORT`: of the pipe on which it tells. On standard
input it gets one line, a JSON object {"argv", "env", "cwd", "grace", "silence"}, and later `alive`, and perhaps
`stop SECONDS`. It starts the step in a session of its own and writes `exit CODE` (negative: the signal) when the step's
first process ends. What that one left behind lives on until the guardian is told to stop, or until the worker is dead:
standard input closes, or nothing came for `silence` seconds. Then it ends every descendant, one TERM first and KILL
after the grace, until it has none, and exits. It exits by itself as soon as the step is over and nothing is left.

It is a subreaper: a process that daemonises itself becomes its child, and "no child left" is "nothing left".
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_DEFAULT_GRACE = 2.0
_LOOK = 2.0
"""At most so many seconds between two looks at the clock."""


def main() -> None:
    terminal, report = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the worker decides when a step ends
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    step, rest = _read_step()
    child = os.fork()
    if child == 0:
        _become_step(step, terminal)
    os.close(terminal)
    _watch(child, report, bell, rest, step)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


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


def _become_step(step: dict, terminal: int) -> None:
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a step without its guardian has to end
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(terminal, 1)
        os.dup2(terminal, 2)
        os.closerange(3, 65536)
        signal.set_wakeup_fd(-1)
        for number in range(1, signal.NSIG):  # Python ignores SIGPIPE, and ignored signals survive an exec
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.chdir(step["cwd"])
        os.execvpe(step["argv"][0], step["argv"], step["env"])  # noqa: S606 - starting the step is the purpose
    except FileNotFoundError:
        os.write(2, f"{step['argv'][0]}: not found\n".encode())
        os._exit(127)
    except BaseException as error:
        os.write(2, f"{step['argv'][0]}: could not be started: {error}\n".encode("utf-8", "replace"))
        os._exit(126)


def _watch(child: int, report: int, bell: int, rest: bytes, step: dict) -> None:
    """Until nothing is left to guard."""
    heard, heard_at = rest, time.monotonic()
    exited = False
    while True:
        grace = _order(heard)
        if grace is not None:
            break
        asked_at = time.monotonic()
        patience = heard_at + step["silence"] - asked_at
        readable = select.select([0, bell], [], [], min(max(patience, 0.0), _LOOK))[0]
        # Of a time in which this process stood still, nobody knows what the worker had to say: it does not count.
        heard_at += max(time.monotonic() - asked_at - _LOOK, 0.0)
        if bell in readable:
            os.read(bell, 4096)
            exited, left = _reap(child, report, exited)
            if exited and not left:
                return
        if 0 in readable or patience <= 0:
            more = os.read(0, 4096) if 0 in readable else b""
            if not more:  # the worker is dead: nobody will read what a long farewell has to say
                grace = min(step["grace"], _DEFAULT_GRACE)
                break
            heard, heard_at = heard[-64:] + more, time.monotonic()
    _end_all(child, report, exited, grace)


def _order(heard: bytes) -> float | None:
    """The grace that the last whole `stop SECONDS` allows; None: there was none."""
    orders = [line[5:] for line in heard.rpartition(b"\n")[0].split(b"\n") if line.startswith(b"stop ")]
    return float(orders[-1]) if orders else None


def _end_all(child: int, report: int, exited: bool, grace: float) -> None:
    began = time.monotonic()
    heard = b""
    told: set[int] = set()
    while True:
        exited, left = _reap(child, report, exited)
        if not left:
            return
        # A worker that is in a hurry, or dead, shortens the grace while it runs.
        while select.select([0], [], [], 0)[0]:
            more = os.read(0, 4096)
            heard = heard[-64:] + more
            shorter = _order(heard) if more else _DEFAULT_GRACE
            grace = grace if shorter is None else min(grace, shorter)
            if not more:
                break
        passed = time.monotonic() - began
        late = passed >= grace
        first = not told
        for pid, parent in _descendants():
            # What a process begins once it was told is its way of ending, a trap's commands for instance: that is not
            # told, unless the process is gone and has left it behind.
            if late or (pid not in told and (first or parent == os.getpid())):
                told.add(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                    if not late:
                        os.kill(pid, signal.SIGCONT)  # one that was stopped could not hear the TERM
        # At first often, so that what ends at once is over at once; what resists is looked for less and less.
        since = passed - grace if late else passed
        time.sleep(min(0.01 + since / 20, 0.1 if since < 5 else 1.0))


def _reap(child: int, report: int, exited: bool) -> tuple[bool, bool]:
    """Collect what has ended. Returns whether the step's first process is over, and whether anything is left.

    Waiting for any child is safe here, and only here: this process starts none but the step.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return exited, False
        if pid == 0:
            return exited, True
        if pid == child:
            exited = True
            with contextlib.suppress(OSError):
                os.write(report, b"exit %d\n" % os.waitstatus_to_exitcode(status))


def _descendants() -> list[tuple[int, int]]:
    """All living processes below this one, each with its parent, from the process table."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[tuple[int, int]] = []
    parents = [os.getpid()]
    while parents:
        parent = parents.pop()
        below = children.pop(parent, [])
        found += [(pid, parent) for pid in below]
        parents += below
    return found


if __name__ == "__main__":
    main()
