"""`run`: a command is run here, shown here as it is, and reported to the board as a build."""

import contextlib
import os
import platform
import select
import signal
import subprocess
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..terminal.lines import LineReader
from . import environment, keeping
from .board import Board
from .commands import open_board, slug
from .looks import plain
from .program import Program, is_typed_to
from .report import Report
from .talk import CouldNot, tell

BEGIN_SECONDS = 5.0
"""So long the command waits for its build to be begun; then it runs, and is told of later."""
GRACE_SECONDS = 10.0
"""After a cancel, between TERM and KILL."""
DRAIN_SECONDS = 0.05
"""After the command's end its terminal is read until it was quiet for so long: what it left may hold it open."""
OPEN_SECONDS = 0.2
MAX_NAME = 60
"""Of the step, where it is called as the command is."""
NOT_FOUND, NOT_RUN = 127, 126
_CANCELLED = 128 + signal.SIGTERM


def run(options: Namespace) -> int:
    """The exit code is the command's own: 128 and the signal's number where a signal ended it."""
    argv = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not argv:
        raise CouldNot("Which command? Such as: buildboard run -- make all")
    project = options.project or environment.project()
    if not project:
        raise CouldNot(
            "Of which project is it a build? --project SLUG, BUILDBOARD_PROJECT, "
            f'or project = "SLUG" in a {environment.PROJECT_FILE} here.'
        )
    keeping.check(options.artifact)
    board = open_board(options)
    shown = [board.hide_token(word) for word in argv]
    report = Report(board, slug(project), facts(shown, board.hide_token(options.name), options.ref), tell)
    report.start()
    report.begun.wait(BEGIN_SECONDS)
    if report.refused is not None:
        raise report.refused
    report.runs = True
    code = Run(report, board, argv, options.artifact).run()
    _deliver(report, options.patience)
    return code


class Run:
    """The command, from its beginning to its end."""

    def __init__(self, report: Report, board: Board, argv: list[str], artifacts: list[str]) -> None:
        """`artifacts`: patterns of files that it leaves behind in this folder."""
        self._folder = Path.cwd()
        self._artifacts = artifacts
        self._report = report
        self._argv = argv
        self._board = board
        self._announced = False
        self._reader = LineReader()
        self._opened_at: float | None = None
        self._kill_at: float | None = None
        self._shows = True

    def run(self) -> int:
        self._announce()
        build = {"BUILDBOARD_BUILD_ID": str(self._report.build["id"])} if self._report.build else {}
        try:
            program = Program(self._argv, {**environment.of_a_program(), **build}, interactive=is_typed_to())
        except OSError as error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
            said = f"{self._argv[0]}: {error.strerror or error}"
            tell(f"buildboard: {said}")
            self._keep([plain(said)])
            return self._over(code)
        with program.attached():
            try:
                self._attend(program)
            finally:
                program.close()
        return self._over(program.code or 0)

    def _attend(self, program: Program) -> None:
        files = [program.terminal, self._report.bell, *([0] if program.interactive else [])]
        quiet_since = 0.0
        while True:
            ready = select.select(files, [], [], DRAIN_SECONDS if program.code is not None else 0.2)[0]
            if 0 in ready:
                typed = os.read(0, 4096)
                if typed:
                    program.type(typed)
                else:
                    files.remove(0)
            if self._report.bell in ready:
                self._hear(program)
            data = program.read() if program.terminal in ready else b""
            if data:
                self._show(data)
                self._keep(self._reader.feed(data))
            if data is None:
                files = [file for file in files if file != program.terminal]
            self._show_open()
            now = time.monotonic()
            if self._kill_at is not None and now >= self._kill_at:
                program.signal(signal.SIGKILL)
                self._kill_at = None
            if program.code is not None:
                quiet_since = now if data or not quiet_since else quiet_since
                if data is None or program.terminal not in files or now - quiet_since >= DRAIN_SECONDS:
                    return

    def _hear(self, program: Program) -> None:
        os.read(self._report.bell, 64)
        self._announce()
        if self._report.cancelled and self._kill_at is None:
            tell("── Cancelled on the board: the command is told to stop.")
            program.signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + GRACE_SECONDS

    def _announce(self) -> None:
        """Once it is known: which build this is."""
        if self._report.build and not self._announced:
            self._announced = True
            tell(f"── Build {self._report.build['id']}: {plain(self._report.build['url'])}")

    def _show(self, data: bytes) -> None:
        """Here, unchanged. Who looks at it may have gone: the command goes on, and is reported."""
        while data and self._shows:
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:
                select.select([], [1], [], 1.0)
            except OSError:
                self._shows = False

    def _keep(self, lines: list[str]) -> None:
        if lines:
            self._opened_at = None
        for line in lines:
            self._report.spool.put(self._board.hide_token(line))

    def _show_open(self) -> None:
        if not self._reader.has_open:
            self._opened_at = None
            self._report.show_open(None)
            return
        now = time.monotonic()
        if self._opened_at is None:
            self._opened_at = now
        elif now - self._opened_at >= OPEN_SECONDS:
            self._report.show_open(self._board.hide_token(self._reader.open_line()))

    def _over(self, code: int) -> int:
        """Tell how it ended: the code to exit with."""
        lines = self._reader.close()
        self._keep([] if lines == [""] else lines)
        name = self._report.step
        ended = f"ended by {_signal(-code)}" if code < 0 else f"exit code {code}" if code else ""
        files = keeping.find(self._folder, self._artifacts, tell)
        if self._report.cancelled:
            self._report.finish("cancelled", code, "Cancelled.", "", files)
            return 128 - code if code < 0 else code or _CANCELLED
        reason = f"Step {name}: {ended}." if ended else ""
        self._report.finish(
            "failed" if ended else "passed", code, f"{ended[:1].upper()}{ended[1:]}." if ended else "", reason, files
        )
        return 128 - code if code < 0 else code


def _deliver(report: Report, patience: float) -> None:
    """Wait for the rest to be told. Ctrl-C ends that, and nothing else."""
    report.give_up_after(patience)
    report.join(3.0)
    if report.is_alive():
        tell(f"── Waiting for the board to hear the rest, for up to {patience:g} s …")
        with contextlib.suppress(KeyboardInterrupt):
            while report.is_alive() and time.monotonic() < report.gives_up_at + 25:
                report.join(1.0)
    if report.build:
        number = report.build["id"]
        if not report.delivered and not report.lost:
            tell(f"── The board did not hear how this ended: it will take build {number} for lost.")
    elif report.refused is None:
        tell("── The board did not answer: there is no build of this.")


def facts(argv: list[str], name: str, ref: str) -> dict[str, Any]:
    """Of the run: its step, this machine, and the commit where this is a checkout."""
    step = " ".join(plain(name or " ".join([os.path.basename(argv[0]), *argv[1:]])).split()) or "run"
    step = step if len(step) <= MAX_NAME else f"{step[: MAX_NAME - 1]}…"
    found: dict[str, Any] = {"steps": [step], "where": plain(platform.node()).strip()[:80] or "a machine", "ref": ref}
    head = _git("log", "-1", "--format=%H%n%an%n%s").split("\n")
    if len(head) >= 3:
        commit, author, title = head[0], head[1], head[2]
        branch = _git("symbolic-ref", "--short", "-q", "HEAD").strip()
        found |= {"commit": commit, "commit_author": plain(author)[:200], "commit_title": plain(title)[:200]}
        found["branch"] = plain(branch)[:200]
    return found


def _git(*args: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(  # noqa: S603
            ["git", *args],  # noqa: S607 - the user's own
            capture_output=True, text=True, errors="replace", timeout=5, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout
    return ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
