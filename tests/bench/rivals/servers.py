"""Starts what is compared: each a server with a stream, somebody who publishes, and a process whose cost counts."""

import contextlib
import functools
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import SkipTest

from tests.support import ROOT
from tests.support.board import Board, environment
from tests.support.processes import Process, eventually, free_port
from tests.support.servers import redis_url

NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_NGINX = """
load_module {module};
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  nchan_shared_memory_size 512M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    nchan_channel_id log;
    nchan_message_buffer_length 200000;
    nchan_message_timeout 1h;
    location = /publish {{ nchan_publisher; }}
    location = /events {{ nchan_subscriber eventsource; nchan_subscriber_first_message oldest; }}
  }}
}}
"""


@dataclass
class Server:
    """Running. `publisher`: the first words of `python -m tests.bench.publish`; `env`: its environment."""

    port: int
    path: str
    process: Process
    publisher: list[str]
    env: dict[str, str]
    field: str = ""
    """What a viewer says of itself in the header of its request."""


@dataclass(frozen=True)
class Rival:
    name: str
    start: Callable[[], contextlib.AbstractContextManager[Server]]
    """`SkipTest` where the machine has not what it needs."""
    together: int = 100
    """Lines in one request, where they come as fast as it goes."""


@contextlib.contextmanager
def board(server: str, url: str | None = None, redis: str | None = None) -> Iterator[Server]:
    with Board(url, redis, BUILDBOARD_STREAMS_PER_USER="10000", BUILDBOARD_STREAMS_PER_PROCESS="10000") as made:
        made.project("log", "steps: [{name: print, run: 'true'}]")
        web = made.web(server)
        build = made.enqueue("log")
        path, token = f"/builds/{build}/events/", made.token("alice")
        yield Server(web.port, path, web.process, ["build"], made.env, f"Authorization: Bearer {token}")


@contextlib.contextmanager
def listening(command: Callable[[int, Path], list[str]], **env: str) -> Iterator[Server]:
    """`command(port, folder)` until it takes connections."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="bb-rival-"))
    try:
        with Process(command(port, folder), env=environment() | env) as process:
            eventually(lambda: _answers(process, port), 30, lambda: process.output())
            yield Server(port, "/events", process, [str(port), "/publish"], environment())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(process: Process, port: int) -> bool:
    if not process.running:
        raise AssertionError(process.output())
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@functools.cache
def _go() -> str:
    """The program that the tutorial handler has been compiled to."""
    if not shutil.which("go"):
        raise SkipTest("needs go")
    folder = Path(tempfile.mkdtemp(prefix="bb-go-"))
    source = ROOT / "tests/bench/rivals/go/main.go"
    env = environment() | {"GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod", "HOME": str(folder)}
    subprocess.run(["go", "build", "-o", str(folder / "handler"), str(source)], env=env, check=True)
    return str(folder / "handler")


def go() -> contextlib.AbstractContextManager[Server]:
    program = _go()
    return listening(lambda port, _: [program, str(port)])


def nchan() -> contextlib.AbstractContextManager[Server]:
    if not (shutil.which("nginx") and NCHAN_MODULE.exists()):
        raise SkipTest("needs nginx with nchan")

    def command(port: int, folder: Path) -> list[str]:
        (folder / "nginx.conf").write_text(_NGINX.format(module=NCHAN_MODULE, folder=folder, port=port))
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    return listening(command)


def _asgi(server: str, module: str, port: int) -> list[str]:
    name = f"tests.bench.rivals.{module}:application"
    if server == "daphne":
        return [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), name]
    quiet = ["--log-level", "warning", "--no-access-log", "--lifespan", "off"]
    return [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), *quiet, name]


def straight(server: str, *, redis: bool = False) -> contextlib.AbstractContextManager[Server]:
    layer = redis_url() if redis else "memory"
    return listening(lambda port, _: _asgi(server, "straight", port), LAYER=layer)


@contextlib.contextmanager
def eventstream(server: str) -> Iterator[Server]:
    try:
        import django_eventstream  # noqa: F401 - whether it is there
    except ImportError:
        raise SkipTest("needs django-eventstream (requirements/bench.txt)") from None
    except Exception:  # noqa: S110 - it is there; it only wants its own settings
        pass
    file = Path(tempfile.gettempdir()) / f"bb-eventstream-{secrets.token_hex(8)}.sqlite3"
    env = {"DATABASE": str(file)}
    try:
        migrate = [sys.executable, "-m", "tests.bench.rivals.eventstream"]
        subprocess.run(migrate, env=environment() | env, cwd=ROOT, check=True, capture_output=True)
        with listening(lambda port, _: _asgi(server, "eventstream", port), **env) as made:
            made.field = "Last-Event-ID: log:0"  # else it begins with what comes
            yield made
    finally:
        file.unlink(missing_ok=True)


def _redis() -> str | None:
    """For wakes between processes, where the machine has one: else a board looks every 50 ms."""
    try:
        return redis_url()
    except SkipTest:
        return None


RIVALS = (
    Rival("Go, net/http", go),
    Rival("nginx, nchan", nchan, together=1),
    Rival("Buildboard, uvicorn", lambda: board("uvicorn", redis=_redis())),
    Rival("Buildboard, daphne", lambda: board("daphne", redis=_redis())),
    Rival("Django, layer in memory, uvicorn", lambda: straight("uvicorn")),
    Rival("Django, layer in memory, daphne", lambda: straight("daphne")),
    Rival("Django, Redis pub/sub, uvicorn", lambda: straight("uvicorn", redis=True)),
    Rival("django-eventstream, daphne", lambda: eventstream("daphne")),
)
