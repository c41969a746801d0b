"""Runs the system's git for a checkout: with nobody's configuration but the board's, no questions asked, and an end in
time. Standard library only: the checkout is a program of its own.

A secret is in memory alone: a file without a name that git's children open by way of this process (`/proc/…/fd/…`).
"""

import contextlib
import json
import math
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..repository import Address
from .complaints import explain

_PROGRAMS = Path(__file__).with_name("programs")
_PASSED = frozenset({"PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}) | frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
_KEPT = 64 * 1024
"""Characters of what git said last, to tell why it failed; and of what it answers, times a hundred."""
_PADDING = re.compile(rb" +(?=[\r\n])")
_ERASE = b"\x1b[K"
_KILL_SECONDS = 2.0
_LOOK_SECONDS = 0.25


class GitError(Exception):
    """Why there is no checkout: a sentence."""


class Failed(GitError):
    """git itself ended with a failure, and `said` so."""

    def __init__(self, said: str) -> None:
        super().__init__(explain(said))
        self.said = said


@dataclass(frozen=True)
class Access:
    """What opens a repository: a token for https, or a private key for ssh."""

    kind: str
    scope: str
    """It is sent to addresses below this alone."""
    secret: str
    username: str = ""
    known_hosts: str = ""

    def __repr__(self) -> str:
        return f"<Access {self.kind} for {self.scope}>"


class Git:
    """`show` for what people may watch, `ask` for answers. Both end with `GitError` where git fails, is not done at
    `deadline`, a time of the monotonic clock, or, with `network`, says nothing for `silence` seconds."""

    def __init__(
        self, home: Path, address: Address, access: Access | None, *, hosts: Path, silence: float, deadline: float
    ) -> None:
        """`home`: an own folder, for what git and its children keep in one; `hosts`: where ssh's host keys are kept
        that are not the credential's."""
        self._silence = silence
        self._deadline = deadline
        self._files: list[int] = []
        self.held: tuple[int, ...] = ()
        """Open files that git's processes hold as well: a lock that lasts as long as any of them lives."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "gitconfig").write_text(self._configuration(address, access))
        self._env = {
            **{name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("BUILDBOARD_")},
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            # Neither looks above its own folder for a repository: the board itself may well be in one.
            "GIT_CEILING_DIRECTORIES": f"{home.parent}:{hosts.parent.parent}",
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": self._ssh(access, hosts),
            "GIT_SSH_VARIANT": "ssh",
        }

    def show(self, *arguments: str, cwd: Path, network: bool = False, env: Mapping[str, str] | None = None) -> None:
        """What it says is printed as it comes."""
        self._run(arguments, cwd, env, relay=True, network=network)

    def ask(self, *arguments: str, cwd: Path, network: bool = False) -> str:
        """Its answer, the line feed at its end left out. What it says besides is printed where it asks a server."""
        return (
            self._run(arguments, cwd, None, relay=False, network=network).decode("utf-8", "replace").removesuffix("\n")
        )

    def ask_bytes(self, *arguments: str, cwd: Path) -> bytes:
        return self._run(arguments, cwd, None, relay=False, network=False)

    def tells(self, *arguments: str, cwd: Path) -> bool:
        """Whether it succeeds; a question of yes or no."""
        try:
            self.ask(*arguments, cwd=cwd)
        except Failed:
            return False
        return True

    def remaining(self) -> float:
        """Seconds until the deadline. `GitError`: it is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise GitError("It took longer than a checkout may take (BUILDBOARD_CHECKOUT_SECONDS).")
        return left

    # --- Inside ---

    def _run(
        self, arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None, *, relay: bool, network: bool
    ) -> bytes:
        self.remaining()
        try:
            process = subprocess.Popen(  # noqa: S603 - git, with arguments of this package
                ["git", *arguments],  # noqa: S607 - the system's, wherever it is
                cwd=cwd,
                env={**self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
                pass_fds=self.held,
            )
        except FileNotFoundError:
            raise GitError("This worker has no git, or the folder that it works in is gone.") from None
        answer, said = bytearray(), bytearray()
        shown = (answer, said) if relay else (said,) if network else ()
        try:
            with process:
                self._follow(process, answer, said, shown, self._silence if network else math.inf)
        finally:
            _end(process)
        words = said.decode("utf-8", "replace")
        if process.returncode:
            raise Failed(words)
        return bytes(answer)

    def _follow(
        self,
        process: subprocess.Popen,
        answer: bytearray,
        said: bytearray,
        shown: tuple[bytearray, ...],
        silence: float,
    ) -> None:
        heard_at = time.monotonic()
        written = {id(one): Shown() for one in shown}
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, answer)  # type: ignore[arg-type]
            selector.register(process.stderr, selectors.EVENT_READ, said)  # type: ignore[arg-type]
            while selector.get_map():
                now = time.monotonic()
                if now - heard_at > silence:
                    _end(process)
                    raise GitError(f"The server said nothing for {silence:g} s, so it was given up.")
                if now > self._deadline:
                    _end(process)
                    self.remaining()
                for key, _ in selector.select(_LOOK_SECONDS):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                        continue
                    heard_at = time.monotonic()
                    key.data.extend(data)
                    if id(key.data) in written:
                        _print(written[id(key.data)].of(data))
                        if key.data is answer:
                            del answer[:]  # nobody else asks for it
                    if len(answer) > 100 * _KEPT:
                        _end(process)
                        raise GitError("git's answer is longer than is sensible.")
                    if len(said) > 2 * _KEPT:
                        del said[:-_KEPT]
            process.wait()
        for one in written.values():
            _print(one.rest())

    def _configuration(self, address: Address, access: Access | None) -> str:
        """The whole of it: git reads no other file but the repository's own, which the board makes itself."""
        sections = [
            # What a repository could have run: hooks, helpers of other transports. Filters are only those named here.
            "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tsymlinks = true",
            "[protocol]\n\tallow = never",
            *(f'[protocol "{name}"]\n\tallow = always' for name in self._protocols(address)),
            "[safe]\n\tdirectory = *",
            "[credential]\n\thelper =\n\tuseHttpPath = true",
            "[gc]\n\tauto = 0\n\tautoDetach = false\n[maintenance]\n\tauto = false",
            "[advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main",
            "[submodule]\n\trecurse = false\n[fetch]\n\trecurseSubmodules = false",
            "[uploadpack]\n\tallowAnySHA1InWant = true",
            "[i18n]\n\tlogOutputEncoding = UTF-8",
            f"[http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = {max(int(self._silence), 1)}",
        ]
        if access is not None and access.kind == "token":
            given = {"scope": access.scope, "username": access.username or "buildboard", "password": access.secret}
            helper = [sys.executable, "-I", "-S", str(_PROGRAMS / "credential.py"), self._hold(json.dumps(given))]
            sections.append(f"[credential]\n\thelper = {_quoted('!' + shlex.join(helper))}")
        return "\n".join(sections) + "\n"

    @staticmethod
    def _protocols(address: Address) -> tuple[str, ...]:
        """What goes over plain http is found out by the addresses' own rule; git here lets it pass only where the
        project's own address is of that kind, so that a redirect from https leads nowhere."""
        return ("https", "ssh", "file", "http") if address.scheme in ("http", "file") else ("https", "ssh", "file")

    def _ssh(self, access: Access | None, hosts: Path) -> str:
        """ssh with the credential's key and no other: none of the board's user, no agent, no configuration."""
        key = access is not None and access.kind == "key"
        known = access.known_hosts if access is not None else ""
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityFile": self._hold(access.secret) if access is not None and key else "none",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "UserKnownHostsFile": self._hold(known) if known else f'"{hosts}"',
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes" if known else "accept-new",
            "UpdateHostKeys": "no",
            "ConnectTimeout": str(max(int(self._silence), 1)),
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
            "ControlMaster": "no",
            "ControlPath": "none",
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
        }
        return shlex.join(["ssh", "-F", "/dev/null", *(f"-o{name}={value}" for name, value in options.items())])

    def _hold(self, text: str) -> str:
        """The path of a file in memory that this user's processes can open while this one lives."""
        file = os.memfd_create("buildboard", os.MFD_CLOEXEC)
        os.fchmod(file, 0o600)
        os.write(file, text.encode())
        self._files.append(file)
        return f"/proc/{os.getpid()}/fd/{file}"


class Shown:
    """What git says, without the blanks at the ends of its lines. It thinks that nobody with a terminal reads them, and
    pads them to cover what was longer before a carriage return; the log has a terminal, which is told to erase that."""

    def __init__(self) -> None:
        self._blanks = b""

    def of(self, data: bytes) -> bytes:
        data = self._blanks + data
        told = data.rstrip(b" ")
        self._blanks = data[len(told) :]
        return _PADDING.sub(_ERASE, told)

    def rest(self) -> bytes:
        """When no more comes: blanks that no line end has followed."""
        return self._blanks


def _end(process: subprocess.Popen) -> None:
    """It and all that it has started: TERM, and soon KILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_SECONDS)
            if number == signal.SIGTERM and not _lives(process.pid):
                return


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _quoted(text: str) -> str:
    """As a value in git's configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
