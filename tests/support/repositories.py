"""Git repositories that tests make, and servers that give them: git's own http-backend, sshd, one that says nothing.

All on loopback. A machine without git, sshd or git-lfs skips, and fails where CI=true is set.
"""

import base64
import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import ROOT, missing
from .processes import Process, eventually, free_port

ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_ALLOW_PROTOCOL": "file:http:ssh",
}


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            missing(program)


class Origin:
    """A repository with a working tree at `path`, on the branch `main`."""

    def __init__(self, path: Path) -> None:
        needs("git")
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *arguments: str, **env: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=ENV | env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "A change", **env: str) -> str:
        """Its number."""
        self.write(files or {})
        self.git("add", "-A", ".")
        self.git("commit", "-q", "--allow-empty", "-m", message, **env)
        return self.git("rev-parse", "HEAD")


class HttpGit:
    """All repositories below `root` over http; with `password`, for who has it."""

    def __init__(self, root: Path, *, user: str = "robot", password: str = "") -> None:
        self.hangs = threading.Event()
        """Set: who may read waits for ever."""
        self._closed = threading.Event()
        self.repeats = 0
        """It answers with this status, and with what it was told as the password."""
        self.asked: list[str] = []
        """Paths, and the users that came with them."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _answer(self, body: bytes) -> None:
                given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                server.asked.append(f"{given.partition(':')[0]} {self.path}")
                if password and given != f"{user}:{password}":
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if server.repeats:
                    said = f"{given.partition(':')[2]} is no good\n".encode()
                    self.send_response(server.repeats)
                    self.send_header("Content-Type", "text/plain")
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                    return
                if server.hangs.is_set():
                    server._closed.wait()
                    return
                path, _, query = self.path.partition("?")
                env = ENV | {
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "safe.directory",
                    "GIT_CONFIG_VALUE_0": "*",
                }
                done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=False)
                head, _, rest = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Sshd:
    """The system's sshd, as this user, for whoever has the key whose public half is `authorized`."""

    def __init__(self, folder: Path, authorized: str) -> None:
        needs("sshd", "ssh", "ssh-keygen")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.port = free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
        (folder / "authorized").write_text(authorized)
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nStrictModes no\n"
            "PermitRootLogin yes\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n"
        )
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        self.process = Process([str(program), "-D", "-e", "-f", folder / "sshd_config"])
        eventually(lambda: _listens(self.port), 20, self.process.output)
        self.user = getpass.getuser()
        key = (folder / "host.pub").read_text().split()[:2]
        self.known_hosts = f"[127.0.0.1]:{self.port} {' '.join(key)}\n"

    def address(self, path: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.process.close()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port of loopback that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for one in taken:
                one.close()
            thread.join()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


PROGRAM = ROOT / "builds/worker/programs/checkout.py"


class Checkouts:
    """Runs the checkout program below `folder`, as a worker would, again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "home/work"
        self.mirror = folder / "data/mirrors/1"
        self.code = 0
        self.said = ""
        self.result: dict[str, Any] = {}

    def order(self, address: str | Path, **order: Any) -> list[str]:
        """The command, and an empty folder to work in."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        whole: dict[str, object] = {
            "address": str(address), "folders": [str(self.folder / "srv")], "http_hosts": [], "ref": "", "branch": "",
            "commit": "", "since": {}, "data": str(self.folder / "data"), "mirror": str(self.mirror),
            "work": str(self.work), "home": str(self.folder / "home/git"), "access": None, "silence": 20, "seconds": 60,
            "recipe_path": ".buildboard.yml", "most": 10_000, "depth": None, "submodules": False, "lfs": False,
        }  # fmt: skip
        (self.folder / "order").write_text(json.dumps(whole | order))
        return [sys.executable, "-I", "-S", str(PROGRAM), str(self.folder / "order"), str(self.folder / "result")]

    def run(self, address: str | Path, **order: Any) -> dict[str, Any]:
        """What it found; `error` where it failed."""
        (self.folder / "result").unlink(missing_ok=True)
        done = subprocess.run(
            self.order(address, **order), env=ENV, capture_output=True, text=True, check=False, timeout=120
        )
        self.code, self.said = done.returncode, done.stdout + done.stderr
        self.result = json.loads((self.folder / "result").read_text())
        return self.result

    def git(self, *arguments: str) -> str:
        """In the workspace."""
        done = subprocess.run(["git", *arguments], cwd=self.work, env=ENV, capture_output=True, text=True, check=False)
        return done.stdout.strip()
