"""How a step's first process begins; and, as a script, the first process of a sandbox. Standard library only.

    python -I -S -E inside.py ORDER REPORT

`ORDER`: number of an open file with a JSON object {"argv", "env", "cwd", "rlimits"}; `REPORT`: of the pipe on which it
tells `begun` and then `exit CODE` (negative: the signal). It is process 1 of the sandbox: it starts the step, reaps
whatever is left to it, and ends when nothing else lives there. A shell in its place could tell an exit code of 137 from
a KILL as little as bubblewrap can.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def main() -> None:
    order, report = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what is told to end is the step
    prctl(_PR_SET_DUMPABLE, 0)  # the step runs as the same user: it is not to reach this process's files
    with os.fdopen(order, "rb") as file:
        step = json.load(file)
    os.set_inheritable(report, False)
    os.write(report, b"begun\n")
    child = os.fork()
    if child == 0:
        become(step)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == child:
            os.write(report, b"exit %d\n" % os.waitstatus_to_exitcode(status))


def prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def become(step: dict) -> None:
    """Be the step, with standard input, output and error as they are. Never returns."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a step without whoever started it has to end
        os.closerange(3, 65536)
        signal.set_wakeup_fd(-1)
        for number in range(1, signal.NSIG):  # Python ignores SIGPIPE, and ignored signals survive an exec
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for name, most in step["rlimits"].items():
            bound(getattr(resource, name), most)
        os.chdir(step["cwd"])
        os.execvpe(step["argv"][0], step["argv"], step["env"])  # noqa: S606 - starting the step is the purpose
    except FileNotFoundError:
        os.write(2, f"{step['argv'][0]}: not found\n".encode())
        os._exit(127)
    except BaseException as error:
        os.write(2, f"{step['argv'][0]}: could not be started: {error}\n".encode("utf-8", "replace"))
        os._exit(126)


def bound(kind: int, most: int) -> None:
    """Neither more than `most` nor more than this process may have already."""
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
