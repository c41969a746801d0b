"""How a step begins, in its sandbox or without one, and how its container ends. Standard library only: the guardian
imports it."""

import contextlib
import json
import os
import signal
import time

import inside  # type: ignore[import-not-found]

REMOVE_SECONDS = 30.0
"""A container engine that takes longer is left to those who sweep up later."""
_BADNESS = "500"
"""A machine that runs out of memory ends steps before the board, its database and everything else."""


def begin(step: dict, terminal: int, telling: int) -> None:
    """Become the step, or the sandbox around it. Never returns."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_BADNESS)
    sandbox = step["sandbox"]
    if sandbox is None:
        inside.become(step)
    # Options and the step reach the sandbox by files: the list of processes shows neither, and what a recipe puts into
    # the environment is never that of a process outside.
    options = _file(sandbox["options"].encode())
    order = _file(json.dumps({name: step[name] for name in ("argv", "env", "cwd", "rlimits")}).encode())
    high = [os.dup2(number, 100 + number) for number in (options, order, telling)]
    for number, given in zip((3, 4, 5), high, strict=True):
        os.dup2(given, number)
    os.closerange(6, 65536)
    inside.prctl(inside.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)  # TERM stays ignored: a sandbox that ends takes all that is in it along, without a grace
    os.setsid()
    command = sandbox["command"]
    try:
        os.chdir("/")
        os.execve(command[0], command, sandbox["env"])  # noqa: S606 - starting the sandbox is the purpose
    except OSError as error:
        os.write(2, f"{command[0]}: could not be started: {error}\n".encode("utf-8", "replace"))
        os._exit(126)


def _file(content: bytes) -> int:
    """A file in memory, at its beginning."""
    file = os.memfd_create("step", 0)
    with os.fdopen(file, "wb", closefd=False) as writer:
        writer.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def remove(command: list[str], env: dict[str, str]) -> None:
    """Run the command that removes a container. It is waited for by its number: others are waited for elsewhere."""
    remover = os.fork()
    if remover == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        for number in (1, 2):
            os.dup2(0, number)
        os.closerange(3, 65536)
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(OSError):
            os.execve(command[0], command, env)  # noqa: S606 - the engine that the settings ask for
        os._exit(126)
    until = time.monotonic() + REMOVE_SECONDS
    while os.waitpid(remover, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            with contextlib.suppress(ProcessLookupError):
                os.kill(remover, signal.SIGKILL)
        time.sleep(0.02)
