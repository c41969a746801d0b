"""`manage.py up`: everything that a board on one machine needs, in one command. `make run` ends in it.

It prepares (migrations, the first run, static files), starts the web process and the workers as its children, restarts
those that crash, and stops them in order. The children sit in process groups of their own and get signals only from
here, so that Ctrl-C in a terminal does not reach them from two sides; a child whose parent was killed gets a TERM from
the kernel.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from builds import demo

from .worker import refuse_no_sandbox

STOP_SECONDS = 4.5
"""From the signal to the last child's end: whoever has not ended by then is killed."""
WORKER_FIRST_SECONDS = 3.0
"""The workers end first, and the web process with them or after this: viewers are to see how their builds ended."""
READY_SECONDS = 60
CALM_SECONDS = 60
"""A child that ran so long is restarted at once; one that crashes again waits 1, 2, 4 … LONGEST_REST seconds."""
LONGEST_REST = 30.0
_LOCK = 7_310_461_982
"""Of PostgreSQL's advisory locks: the one that starters of a board take while they prepare it."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Child:
    """One child process, by its command; `keep` starts it again after a rest when it has ended by itself."""

    def __init__(self, name: str, args: list[str]) -> None:
        self.name = name
        self._args = [sys.executable, str(settings.BASE_DIR / "manage.py"), *args]
        self._rest = 1.0
        self._again_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self) -> None:
        parent = os.getpid()
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            self._args, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=lambda: _end_with(parent)
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def keep(self) -> str | None:
        """Start it again when it has ended and its rest is over. Returns what to tell people about it."""
        now = time.monotonic()
        if self._process is not None and (code := self.exit_code) is not None:
            if now - self._started > CALM_SECONDS:
                self._rest = 1.0
            self._again_at, rest = now + self._rest, self._rest
            self._rest = min(self._rest * 2, LONGEST_REST)
            self._process = None
            return f"{self.name} ended by itself ({_told(code)}); it is started again in {rest:.0f} s."
        if self._process is None and now >= self._again_at:
            self.start()
        return None

    def send(self, number: int) -> None:
        """A signal to the process alone: what it has started is its own to stop."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, until: float) -> bool:
        """Whether it has ended by then (monotonic time)."""
        if self._process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(until - time.monotonic(), 0))
        return self._process.poll() is not None

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Command(BaseCommand):
    help = "Prepare and start a whole board: web and workers, restarted when they crash, until Ctrl-C."
    requires_system_checks: list[str] = []  # type: ignore[assignment]
    """None: the web process has all that is to be checked, and says it once. Here that would load every page."""
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="default: PORT, else 8000")
        parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.BUILDBOARD_WORKERS,
            metavar="N",
            help="how many builds run at a time (default: BUILDBOARD_WORKERS, else 2)",
        )

    def handle(self, *, host: str, port: int, server: str, workers: int, **_: Any) -> None:
        self._stopping = False
        self._password: str | None = None
        self._ready = False
        if not 1 <= port <= 65535:
            raise CommandError(f"--port {port}: expected a number from 1 to 65535.")
        if not 0 <= workers <= 256:
            raise CommandError(f"--workers {workers}: expected a number from 0 to 256.")
        with only_board(f"This board already runs at http://{_shown(host)}:{port}"):
            self._keep_board(host, port, server, workers)

    def _keep_board(self, host: str, port: int, server: str, workers: int) -> None:
        _refuse_taken(host, port)
        refuse_no_database()
        if workers:
            refuse_no_sandbox()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, self._stop)
        children = [Child("web", ["web", "--server", server, "--host", host, "--port", str(port)])]
        if workers:
            children.insert(
                0, Child("worker", ["worker", "--concurrency", str(workers), "--no-drain", "--skip-checks"])
            )
        try:
            self._prepare()
            self._run(children, host, port, "/readyz" if workers else "/healthz")
        finally:
            self._end(children)
            self._show_password()

    # --- Before ---

    def _prepare(self) -> None:
        with _alone():
            call_command("migrate", interactive=False, verbosity=0)
            call_command("clearsessions", verbosity=0)
            self._password = demo.first_run()
            if not settings.DEBUG:
                collect_static()
        connection.close()

    # --- While it runs ---

    def _run(self, children: list[Child], host: str, port: int, path: str) -> None:
        for child in children:
            child.start()
        patience = time.monotonic() + READY_SECONDS
        while not self._stopping:
            if self._ready:
                for child in children:
                    if said := child.keep():
                        self._say(said)
            elif _answers(host, port, path):
                self._ready = True
                self._say(f"Buildboard is ready: http://{_shown(host)}:{port}/")
                self._show_password()
                self._say("Ctrl-C stops it.")
            else:
                for child in children:
                    if (code := child.exit_code) is not None:
                        raise CommandError(f"{child.name} could not start: {_told(code)}. What it said is above.")
                if patience and time.monotonic() > patience:
                    patience = 0
                    self._say(f"Still not ready after {READY_SECONDS} s: {path} does not answer 200.")
            time.sleep(0.1 if self._ready else 0.05)

    def _stop(self, *_: Any) -> None:
        self._stopping = True

    def _end(self, children: list[Child]) -> None:
        """Workers first, then the web process; whoever is not gone in time is killed."""
        began = time.monotonic()
        if self._ready:
            self._say("Stopping: running builds are cancelled.")
        *workers, web = children
        for worker in workers:
            worker.send(signal.SIGTERM)
        for worker in workers:
            worker.wait(began + WORKER_FIRST_SECONDS)
        web.send(signal.SIGTERM)
        for child in children:
            if not child.wait(began + STOP_SECONDS):
                self._say(f"{child.name} did not stop in time and is killed.")
                child.kill()

    def _show_password(self) -> None:
        """Once. It is kept nowhere, so it is shown even where the start has failed."""
        password, self._password = self._password, None
        if password is None:
            return
        if settings.BUILDBOARD_ADMIN_PASSWORD:
            self._say(f"Sign in as {demo.ADMIN}, with the password of BUILDBOARD_ADMIN_PASSWORD.")
        else:
            self._say(f"Sign in as {demo.ADMIN} with the password {password} (it is shown only this once).")

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:  # whoever read it has gone: that keeps nothing from being run, and stopped, in order
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def _refuse_taken(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"PORT={port} is taken: another program listens on {host}:{port}. "
                f"Choose another one, such as PORT={port + 1 if port < 65535 else 8000}."
            ) from None
        raise CommandError(f"Cannot listen on {host}:{port} (--host, PORT): {error.strerror}.") from None


def refuse_no_database() -> None:
    """Whoever starts a board learns at once what is wrong; only a board that has run waits for its database.

    Without a pool: only this thread asks, and none of it is to outlast the start.
    """
    connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        connection.ensure_connection()
    except Error as error:
        given = connection.settings_dict
        place = str(given["NAME"])
        if connection.vendor == "postgresql":
            place = f"{place} at {given['HOST'] or 'the local socket'}:{given['PORT'] or 5432}"
        # libpq indents its advice below the reason.
        reason = " ".join(line.strip() for line in str(error).splitlines() if not line.startswith("\t"))
        reason = reason.removeprefix("connection failed: ").rstrip(".")
        raise CommandError(f"Cannot connect to the database {place} (DATABASE_URL): {reason}.") from None


@contextlib.contextmanager
def only_board(told: str) -> Iterator[None]:
    """Hold the data folder: a second board on it would share its workspaces. The lock ends with this process, however
    that ends, and no child inherits it (Python opens files close-on-exec). `told`: what those hear who want it too."""
    path = settings.BUILDBOARD_DATA / "up.lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommandError(lock.read().strip() or "This board is being started just now.") from None
        except OSError as error:
            raise CommandError(f"{path} cannot be locked: {error.strerror}.") from None
        lock.truncate(0)
        lock.write(f"{told} (process {os.getpid()}).\n")
        lock.flush()
        yield


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One starter at a time prepares a database that boards with data folders of their own share."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def collect_static() -> None:
    """Into STATIC_ROOT under hashed names; not again while no source has changed."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    mark = Path(settings.STATIC_ROOT) / ".collected"
    if mark.exists() and mark.read_text() == digest.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(digest.hexdigest())


def _answers(host: str, port: int, path: str) -> bool:
    """Whether the web process says 200. Asked as one of the hosts that it serves."""
    to = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    served = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    asking = http.client.HTTPConnection(to, port, timeout=5)
    try:
        asking.request("GET", path, headers={"Host": served})
        return asking.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"[{host}]" if ":" in host else host


def _told(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _end_with(parent: int) -> None:
    """In a new child: get a TERM when `parent` is gone, also where nobody could send one (kill -9 of `up`)."""
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
