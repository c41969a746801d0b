"""The real thing: PostgreSQL, Redis, two webs, three supervisors, nginx where the machine has it, and our proxies."""

import contextlib
import http.client
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.board import Board
from tests.support.processes import eventually, free_port
from tests.support.servers import Postgres, Redis

from . import nginx
from .layer import WAKES_FILE, WHOLE
from .plan import LEASE_SECONDS, SUPERVISORS, WEBS
from .proxy import Proxies
from .recipes import RECIPES
from .units import Keeper, Unit

CONCURRENCY = 2
GRACE_SECONDS = 2
SERVERS = ("daphne", "uvicorn")
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    "BUILDBOARD_LEASE_SECONDS": str(LEASE_SECONDS),
    "BUILDBOARD_RECHECK_SECONDS": "3",
    "BUILDBOARD_GRACE_SECONDS": str(GRACE_SECONDS),
    "BUILDBOARD_MAX_LOG_MB": "1",  # less than the flood prints: a board that bounds its logs says where it cut
}


class World:
    """Everything runs once it is made; `close()` ends all of it."""

    def __init__(self) -> None:
        self._closing: list[Callable[[], object]] = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        self.postgres = Postgres(durable=True)
        self._closing.append(self.postgres.close)
        self.redis = Redis()
        self._closing.append(self.redis.close)
        self.board = Board(self.postgres.url(), self.redis.url, **SETTINGS)
        self._closing.append(self.board.close)
        self.record = self.board.data / "record"
        self.record.mkdir()
        self.wakes(WHOLE)
        for recipe in RECIPES.values():
            self.board.project(recipe.slug, recipe.text(self.record))
        self.token = self.board.token("alice")
        self.session = self._session()
        self.world = self._world()

        self.ports = [free_port() for _ in WEBS]
        self.proxies = Proxies(
            web_1=self.ports[0],
            web_2=self.ports[1],
            webs_to_postgresql=self.postgres.port,
            workers_to_postgresql=self.postgres.port,
            to_redis=self.redis.port,
        )
        self._closing.append(self.proxies.close)
        program = nginx.binary()
        self.nginx = nginx.Nginx(program, self.ports) if program else None
        if self.nginx is not None:
            self._closing.append(self.nginx.close)

        self.webs = [
            self._unit(name, "webs_to_postgresql", "web", "--server", server, "--port", str(port))
            for name, server, port in zip(WEBS, SERVERS, self.ports, strict=True)
        ]
        self.supervisors = [
            self._unit(name, "workers_to_postgresql", "worker", "--concurrency", str(CONCURRENCY))
            for name in SUPERVISORS
        ]
        self.units = [*self.webs, *self.supervisors]
        self._closing += [unit.close for unit in self.units]
        self._keeper = Keeper(self.units)
        self._closing.append(self._keeper.close)
        self.await_all(60)

    def close(self) -> None:
        for close in reversed(self._closing):
            with contextlib.suppress(Exception):  # whatever is broken in it, the rest is to be ended too
                close()
        self._closing.clear()

    def unit(self, name: str) -> Unit:
        return next(unit for unit in self.units if unit.name == name)

    def wakes(self, word: str) -> None:
        """What becomes of wakes from now on: a word of `layer.py`."""
        fresh = self.board.data / f"{WAKES_FILE}.new"
        fresh.write_text(word)
        fresh.replace(self.board.data / WAKES_FILE)

    def is_up(self, web: Unit) -> bool:
        """Whether it answers requests."""
        try:
            return self.ask("GET", "/healthz", port=self.ports[self.webs.index(web)], seconds=2)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def heal(self) -> None:
        """No server is paused or down any more, and no wake is lost."""
        self.wakes(WHOLE)
        self.redis.resume()
        self.redis.start()
        self.postgres.resume()
        self.postgres.start()

    def await_all(self, seconds: float) -> None:
        """Until both webs are ready and every worker lives."""
        eventually(lambda: all(map(self._is_ready, self.ports)), seconds, "a web did not become ready")
        wanted = CONCURRENCY * len(SUPERVISORS)
        eventually(lambda: self._living() == wanted, seconds, lambda: f"{self._living()} of {wanted} workers live")

    def outputs(self) -> str:
        """All that the board's own processes have written."""
        return "\n".join(f"--- {unit}\n{unit.said}{unit.process.output()}" for unit in self.units)

    # --- Over HTTP, from any thread ---

    def ask(self, method: str, path: str, *, port: int, key: str = "", seconds: float = 10) -> tuple[int, bytes]:
        """Status and body of an answer to alice's token. `OSError`, `HTTPException` where there is none."""
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        return fetch(method, path, port=port, headers=headers, seconds=seconds)

    def insist(self, method: str, path: str, *, until: int, key: str = "", seconds: float = 60) -> dict[str, Any]:
        """Ask again and again, one web after the other, until the answer has the status `until`: its JSON."""
        ports = self.ports * 1_000
        said = ""

        def answered() -> dict[str, Any] | None:
            nonlocal said
            try:
                status, body = self.ask(method, path, port=ports.pop(), key=key, seconds=3)
            except (OSError, http.client.HTTPException) as error:
                said = repr(error)
                return None
            said = f"{status} {body[:300]!r}"
            return json.loads(body) if status == until else None

        return eventually(answered, seconds, lambda: f"{method} {path} did not answer {until} but {said}")

    # --- Inside ---

    def _unit(self, name: str, way: str, *command: str) -> Unit:
        database = self.board.database_url.replace(f":{self.postgres.port}/", f":{self.proxies.ports[way]}/")
        env = self.board.env | {
            "DATABASE_URL": database,
            "REDIS_URL": f"redis://127.0.0.1:{self.proxies.ports['to_redis']}/0",
            "PGAPPNAME": name,  # by this its connections are counted
        }
        return Unit(name, [sys.executable, "manage.py", *command], env)

    def _session(self) -> str:
        """The cookie of someone who is signed in."""
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.auth.models import User
        from django.contrib.sessions.backends.db import SessionStore

        with self.board.database():
            alice = User.objects.get(username="alice")
            session = SessionStore()
            session[SESSION_KEY] = str(alice.pk)
            session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
            session[HASH_SESSION_KEY] = alice.get_session_auth_hash()
            session.save()
            return str(session.session_key)

    def _world(self) -> str:
        from builds.models import Board as Row

        with self.board.database():
            return Row.get().world

    def _is_ready(self, port: int) -> bool:
        try:
            return self.ask("GET", "/readyz", port=port)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _living(self) -> int:
        """Workers that gave a sign of life within two leases, and take builds."""
        from django.db.models.functions import Now

        from builds.models import Worker

        with self.board.database():
            since = Now() - timedelta(seconds=2 * LEASE_SECONDS)
            return Worker.objects.filter(seen_at__gt=since, draining=False).count()


def fetch(method: str, path: str, *, port: int, headers: dict[str, str], seconds: float = 10) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
