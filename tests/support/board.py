"""A whole board for a test: its own data folder, database, users, and the real commands as processes."""

import atexit
import contextlib
import copy
import functools
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dj_database_url
from django.conf import settings
from django.db import connections
from django.db.utils import load_backend

from . import ROOT
from .answer import Answer, ask
from .processes import Process, eventually, free_port

PASSWORDS = {"admin": "a-password-of-admin", "alice": "a-password-of-alice", "stranger": "a-password-of-stranger"}
"""admin: superuser. alice: may start, cancel and keep builds. stranger: signed in, without any permission."""

_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "PORT")


class Web:
    """A web process of a board; it answers on `url`. `kill` and `start` again keep the port."""

    def __init__(self, board: "Board", server: str, port: int | None = None) -> None:
        self.board = board
        self.server = server
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process
        self.start()

    def start(self) -> None:
        self.process = self.board.spawn("web", "--server", self.server, "--port", str(self.port))
        eventually(self._answers, 30, lambda: f"the web process did not answer:\n{self.process.output()}")

    def kill(self) -> None:
        self.process.kill()

    def terminate(self, seconds: float = 20) -> int:
        return self.process.terminate(seconds)

    def _answers(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"the web process ended:\n{self.process.output()}")
        try:
            return self.board.request("GET", "/healthz", port=self.port, token=None).status == 200
        except (OSError, http.client.HTTPException):
            return False


class Board:
    """A private board. Leaving it as a context manager, or the end of the run, stops all that it started.

        with Board() as board:
            board.project("hello", "steps: [{name: say, run: echo hi}]")
            board.web()
            board.workers(1)
            build_id = board.start("hello")
            assert board.wait(build_id)["status"] == "passed"

    Without `database_url` it is SQLite; without `redis_url` wakes do not cross processes. `env`: more settings, such
    as BUILDBOARD_LEASE_SECONDS="3". `disk`: the folder in which its data folder is made.
    """

    def __init__(
        self, database_url: str | None = None, redis_url: str | None = None, *, disk: Path | None = None, **env: str
    ) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="bb-board-", dir=disk))
        self.webs: list[Web] = []
        self.processes: list[Process] = []
        self._tokens: dict[str, str] = {}
        template = _template()
        (self.data / "static").symlink_to(template / "static")
        self.database_url = database_url or f"sqlite:///{self.data / 'buildboard.sqlite3'}"
        self.env = environment() | {
            "BUILDBOARD_DATA": str(self.data),
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": settings.SECRET_KEY,  # this run's own, so that a test can make a session
            "BUILDBOARD_PRUNE_MINUTES": "0",  # no process that a test does not know of
            **({"REDIS_URL": redis_url} if redis_url else {}),
            **env,
        }
        if database_url is None:
            shutil.copyfile(template / "buildboard.sqlite3", self.data / "buildboard.sqlite3")
        else:
            _seed(self.env)
        _open.append(self)

    # --- Processes ---

    def web(self, server: str = "daphne", port: int | None = None) -> Web:
        """Start `manage.py web`, wait until it answers. The first one is where `get` and `start` go."""
        web = Web(self, server, port)
        self.webs.append(web)
        return web

    def workers(self, concurrency: int = 1, *options: str) -> Process:
        """Start `manage.py worker`, wait until its processes have given a sign of life."""
        before = self._living()
        process = self.spawn("worker", "--concurrency", str(concurrency), *options)

        def ready() -> bool:
            if not process.running:
                raise AssertionError(f"the worker ended:\n{process.output()}")
            return self._living() >= before + concurrency

        eventually(ready, 30, lambda: f"the workers gave no sign of life:\n{process.output()}")
        return process

    def spawn(self, *args: str) -> Process:
        """A management command of this board as a process that goes on."""
        process = Process([sys.executable, "manage.py", *args], env=self.env)
        self.processes.append(process)
        return process

    def manage(self, *args: str, seconds: float = 60, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end: `.returncode`, `.stdout`, `.stderr`. `check`: it has to exit with 0."""
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"manage.py {' '.join(args)} exited with {done.returncode}:\n{done.stderr}")
        return done

    # --- Over HTTP ---

    def request(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,
        form: dict[str, str] | None = None,
        token: str | None = "alice",  # noqa: S107 - a user's name
        headers: dict[str, str] | None = None,
        port: int | None = None,
        seconds: float = 30,
    ) -> Answer:
        """`data` is sent as JSON, `form` as a form. `token`: the user whose token is sent; None: nobody's."""
        fields = dict(headers or {})
        body = None
        if data is not None:
            body, fields["Content-Type"] = json.dumps(data), "application/json"
        elif form is not None:
            body, fields["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        if token is not None:
            fields["Authorization"] = f"Bearer {self.token(token)}"
        return ask(port or self.webs[0].port, method, path, body, fields, seconds)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def start(self, slug: str, **body: Any) -> int:
        """Start a build over the API as alice: its number."""
        answer = self.post(f"/api/v1/projects/{slug}/builds", data=body)
        if answer.status != 201:
            raise AssertionError(f"starting {slug} answered {answer.status}: {answer.text}")
        return int(answer.json()["id"])

    # --- In the database ---

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """In it, the models and floors of this thread (`lifecycle`, `events`, `Build.objects` …) use this board."""
        wanted: dict[str, Any] = dict(dj_database_url.parse(self.database_url))
        if wanted["ENGINE"].endswith("sqlite3"):
            wanted["ENGINE"] = "buildboard.sqlite3"
            wanted["OPTIONS"] = copy.deepcopy(settings.DATABASES["default"].get("OPTIONS", {}))
            if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
                wanted["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
        else:
            wanted["ENGINE"] = "buildboard.postgresql"
        full = connections.configure_settings({"default": wanted})["default"]
        before = connections["default"]
        # Under another alias than its place: test cases that may not use the run's own database watch that one.
        own = load_backend(full["ENGINE"]).DatabaseWrapper(full, "board")
        connections["default"] = own
        try:
            yield
        finally:
            connections["default"] = before
            own.close()

    def project(self, slug: str, recipe: str, **fields: Any) -> None:
        """A new project; its name is its slug where `fields` has none."""
        from builds.models import Project

        with self.database():
            Project.objects.create(slug=slug, recipe=recipe, **({"name": slug} | fields))

    def token(self, username: str) -> str:
        """An API token of that user, with all scopes; the same one every time."""
        if username not in self._tokens:
            from django.contrib.auth.models import User

            from builds.access import new_token

            with self.database():
                self._tokens[username] = new_token(User.objects.get(username=username), "tests")
        return self._tokens[username]

    def enqueue(self, slug: str) -> int:
        """Start a build without HTTP: its number."""
        from builds import lifecycle
        from builds.models import Project

        with self.database():
            return lifecycle.enqueue(Project.objects.get(slug=slug), by="alice").pk

    def build(self, build_id: int) -> dict[str, Any]:
        """The build's whole state as it is stored now (`Build.data()`)."""
        from builds.models import Build

        with self.database():
            return Build.objects.get(pk=build_id).data()

    def wait(self, build_id: int, seconds: float = 60, status: str | None = None) -> dict[str, Any]:
        """Until the build has `status`, or without one until it is over: its state."""
        final = ("passed", "failed", "cancelled", "lost")

        def there() -> dict[str, Any] | None:
            now = self.build(build_id)
            if status is not None and now["status"] in final and now["status"] != status:
                raise AssertionError(f"build {build_id} ended {now['status']} ({now['reason']}), not {status}")
            return now if (now["status"] == status if status else now["status"] in final) else None

        return eventually(there, seconds, lambda: f"build {build_id}: {self.build(build_id)}\n{self.outputs()}")

    def stored(self, build_id: int) -> list[Any]:
        """All stored events, as `events.Record`: seq, kind, data (JSON text)."""
        from builds import events

        with self.database():
            records: list[Any] = []
            while page := events.read(build_id, records[-1].seq if records else 0):
                records += page
            return records

    def lines(self, build_id: int, step: int = 0) -> list[str]:
        """The lines of the log of the step at that position, as they stand now."""
        from builds import printed

        with self.database():
            return [line.text for line in printed.lines(build_id, step, 1, printed.total_lines(build_id, step))]

    def outputs(self) -> str:
        """What its processes printed last: for the message of a failure."""
        return "\n".join(f"--- {process}\n{process.output()[-3000:]}" for process in self.processes)

    # --- The end ---

    def close(self) -> None:
        closing = [threading.Thread(target=process.close) for process in self.processes]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        self.processes.clear()
        self.webs.clear()
        shutil.rmtree(self.data, ignore_errors=True)
        if self in _open:
            _open.remove(self)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _living(self) -> int:
        from builds import beats

        with self.database():
            return len(beats.living(30))


def environment() -> dict[str, str]:
    """This process's environment without any setting of a board."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    kept = {name: value for name, value in kept.items() if not name.startswith("BUILDBOARD_")}
    return kept | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "buildboard.settings", "PYTHONUNBUFFERED": "1"}


_open: list[Board] = []


@functools.cache
def _template() -> Path:
    """A folder with a migrated SQLite database and the static files, made once in a run and then copied."""
    folder = Path(tempfile.mkdtemp(prefix="bb-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(_close_all)
    _seed(environment() | {"BUILDBOARD_DATA": str(folder), "SECRET_KEY": settings.SECRET_KEY}, "--static")
    return folder


def _close_all() -> None:
    for board in _open[:]:
        board.close()


def _seed(env: dict[str, str], *options: str) -> None:
    command = [sys.executable, "-m", "tests.support.seed", json.dumps(PASSWORDS), *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"the test database could not be made:\n{done.stdout}{done.stderr}")
