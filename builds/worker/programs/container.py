"""Runs one step in a container of its own, by the command line of podman or docker. Standard library only; started as a
script, by the step's guardian, as what its sandbox is.

    python -I -S -E container.py OPTIONS ORDER REPORT

`OPTIONS`: number of an open file with a JSON object {"engine", "name", "image", "create", "pipe", "memory", "answer",
"pull"}; `ORDER`: of one with {"argv", "env", …}; `REPORT`: of the pipe on which it tells `begun`, `exit CODE`,
`limit memory MIB`, `fault WHY` (no step has run, or nobody knows how it ended; WHY is a sentence) and `removed`.
Standard output is the step's terminal.

The image is pulled where it is not there; then create, start, inspect, rm, each a call of the engine's program. TERM
ends whatever of it waits; a step that runs is told TERM itself, all of it, and is waited for.

The environment of the step goes through a named pipe in the build's folder, and the first process in the container
reads it from there. So it is in no list of processes, on no disk, in nothing that the engine keeps, and never that of
the engine's program: a recipe that sets DOCKER_HOST or LD_PRELOAD sets it for its step alone.
"""

import contextlib
import errno
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

_TELL_STEP = "kill -TERM -1"
"""In the container: everything that may be told, but for its first process and the teller."""
_STATE = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"
_LONGEST_WHY = 600
_LOOK = 0.02
_FAILED = 125
_END_SECONDS = 2.0
_ADVICE = ("See '", "Run '", "Usage:")
_NUMBER = re.compile(r"""\s?["']?(?<![0-9a-f:])[0-9a-f]{64}(?![0-9a-f])["']?""")
"""Of a container: it is another one each time, and helps nobody when it is gone. Not that of an image, `sha256:…`."""


class Fault(Exception):
    """No step has run, or nobody knows how it ended: part of a sentence."""


class Told(Exception):
    """It is to end, before a step has begun."""


def main() -> None:
    options, order = (_content(int(number)) for number in sys.argv[1:3])
    report = int(sys.argv[3])
    os.set_inheritable(report, False)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    code = Run(options, order, report, bell).run()
    sys.exit(code)


def _content(number: int) -> dict:
    with os.fdopen(number, "rb") as file:
        return json.load(file)


class Run:
    """`run()` once; what the program exits with."""

    def __init__(self, options: dict, order: dict, report: int, bell: int) -> None:
        self._options = options
        self._order = order
        self._report = report
        self._bell = bell
        self._told = False
        self._made = False
        self._begun = False
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, *_: object) -> None:
        self._told = True

    def run(self) -> int:
        try:
            self._have_image()
            self._create()
            code = self._start()
        except Fault as why:
            said = " ".join(_NUMBER.sub("", str(why)).split())[:_LONGEST_WHY]
            self._tell("fault", f"{said[:1].upper()}{said[1:].rstrip('.')}.")
            code = _FAILED
        except Told:
            code = _FAILED
        else:
            self._tell("exit", code)
        self._remove()
        return code

    def _have_image(self) -> None:
        image = self._options["image"]
        asked = self._ask("image", "inspect", "--format", "{{.Id}}", image)
        if asked.code:
            pulled = self._ask("pull", image, patience=self._options["pull"], show=True)
            if pulled.code:
                raise Fault(f"its image {image} could not be pulled: {pulled.last}")

    def _create(self) -> None:
        os.mkfifo(self._options["pipe"], 0o600)
        self._made = True  # as soon as it is asked for: who is told to end does not know how far that has come
        created = self._ask("create", *self._options["create"], *self._order["argv"])
        if created.code:
            raise Fault(f"its container could not be made: {created.last}")

    def _start(self) -> int:
        """The exit code of the step."""
        words = [self._options["engine"], "start", "--attach", "--sig-proxy=false", self._options["name"]]
        client = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
        said = Said(client.stderr.fileno(), show=False)  # what keeps it from beginning is the reason, and told by that
        try:
            self._give_environment(client, said)
            teller = None
            while client.poll() is None:
                if self._told and teller is None:
                    teller = self._call("exec", self._options["name"], "sh", "-c", _TELL_STEP)
                self._wait(said, 1.0)
        finally:
            _end(client)
        said.read()
        return self._ended(said)

    def _give_environment(self, client: subprocess.Popen, said: "Said") -> None:
        """Until the first process in the container has it, and so has begun. `Fault`, `Told`."""
        until = time.monotonic() + self._options["answer"]
        left = memoryview(_script(self._order["env"]))
        pipe = -1
        try:
            while left:
                if client.poll() is not None and not self._begun:
                    said.read()
                    raise Fault(f"its container could not be started: {said.last or f'exit code {client.returncode}'}")
                if self._told and not self._begun:
                    raise Told
                if time.monotonic() > until:
                    raise Fault(f"its container has not begun within {self._options['answer']:.0f} s")
                if pipe < 0:
                    pipe = _open_for_writing(self._options["pipe"])
                if pipe >= 0:
                    self._begin()
                    said.show()
                    try:
                        left = left[os.write(pipe, left) :]
                        continue
                    except BlockingIOError:
                        pass
                    except BrokenPipeError:
                        return
                self._wait(said, _LOOK)
        finally:
            if pipe >= 0:
                os.close(pipe)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._tell("begun")

    def _ended(self, said: "Said") -> int:
        asked = self._ask("inspect", "--type", "container", "--format", _STATE, self._options["name"], stoppable=False)
        state, code, starved = (*asked.text.split(), "", "", "")[:3]
        if asked.code:
            raise Fault(f"its container engine was lost while it ran: {asked.last}")
        if state not in ("exited", "stopped", "dead") or not code.isdigit():
            raise Fault(f"its container engine let go of it while it ran: {said.last or f'it is {state}'}")
        if starved == "true" and code != "0" and self._options["memory"]:
            self._tell("limit", "memory", self._options["memory"])
        return int(code)

    def _remove(self) -> None:
        if self._made:
            with contextlib.suppress(Fault):
                gone = self._ask("rm", "--force", "--volumes", self._options["name"], stoppable=False)
                if gone.code:
                    return  # the guardian tries it again, and the supervisor
                self._tell("removed")
        else:
            self._tell("removed")

    def _ask(self, *words: str, patience: float | None = None, show: bool = False, stoppable: bool = True) -> "Answer":
        """`Fault` where it does not answer in time, `Told` where this program is to end and it is `stoppable`. `show`:
        what it says is for the step's log."""
        patience = patience or self._options["answer"]
        until = time.monotonic() + patience
        out, into = os.pipe()
        client = self._call(*words, out=into)
        os.close(into)
        said = Said(out, show=show)
        try:
            while client.poll() is None:
                if self._told and stoppable:
                    raise Told
                if time.monotonic() > until:
                    raise Fault(f"its container engine did not answer within {patience:.0f} s ({words[0]})")
                self._wait(said, 0.5)
            said.read()
        finally:
            _end(client)
            os.close(out)
        return Answer(client.returncode, said)

    def _call(self, *words: str, out: int = subprocess.DEVNULL) -> subprocess.Popen:
        command = [self._options["engine"], *words]
        try:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # noqa: S603
        except OSError as error:
            raise Fault(f"its container engine could not be run: {command[0]}: {error.strerror}") from None

    def _wait(self, said: "Said", seconds: float) -> None:
        """For a child's end, a signal, or something to read."""
        files = [self._bell, *said.files()]
        with contextlib.suppress(InterruptedError):
            ready = select.select(files, [], [], seconds)[0]
            if self._bell in ready:
                os.read(self._bell, 4096)
            said.read()

    def _tell(self, *words: object) -> None:
        with contextlib.suppress(OSError):
            os.write(self._report, " ".join(map(str, words)).encode("utf-8", "replace") + b"\n")


class Said:
    """What the engine's program says, and the last line of it."""

    def __init__(self, file: int, *, show: bool) -> None:
        self._file = file
        self._show = show
        self._open = True
        self.text = ""
        os.set_blocking(file, False)

    def show(self) -> None:
        """From now on, and what it has said until now."""
        if not self._show:
            self._show = True
            self._print(self.text.encode("utf-8", "replace"))

    def files(self) -> list[int]:
        return [self._file] if self._open else []

    @property
    def last(self) -> str:
        """The line that says most: the last error, else the last that is no advice."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(_ADVICE)] or lines
        return next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")

    def read(self) -> None:
        while self._open:
            try:
                data = os.read(self._file, 65536)
            except BlockingIOError:
                return
            if not data:
                self._open = False
                return
            self.text = (self.text + data.decode("utf-8", "replace"))[-8192:]
            if self._show:
                self._print(data)

    @staticmethod
    def _print(data: bytes) -> None:
        if data:
            with contextlib.suppress(OSError):
                os.write(1, data)


class Answer:
    def __init__(self, code: int, said: Said) -> None:
        self.code = code
        self.text = said.text
        self.last = said.last or f"exit code {code}"


def _end(client: subprocess.Popen) -> None:
    """One that is killed may leave half an image behind: it may end by itself first."""
    if client.poll() is None:
        client.terminate()
        try:
            client.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()


def _open_for_writing(pipe: str) -> int:
    """-1: nobody reads it yet."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return -1
        raise Fault(f"its environment could not be handed over: {error.strerror}") from None


def _script(env: dict[str, str]) -> bytes:
    """The environment, for a shell to read. Names are those of a recipe or the board: letters, digits and _."""
    lines = ["command export {}='{}'\n".format(name, value.replace("'", "'\\''")) for name, value in env.items()]
    # By `command`, since a shell that keeps one of them for itself (UID is bash's) would end there.
    return "".join(["\n", *lines]).encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main()
