"""A stand-in for docker: a program that hands its words to a server of the tests, as docker's does to its daemon. What
runs in its "containers" is a child of that server, and none of whoever called the program. They contain nothing."""

import contextlib
import json
import os
import pty
import socket
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_PROGRAM = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
try:
    server.connect({socket!r})
    server.sendall(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}).encode() + b"\\n")
except OSError:
    sys.exit("Cannot connect to the Docker daemon at unix://{socket}. Is the docker daemon running?")
for line in server.makefile("rb"):
    said = json.loads(line)
    os.write(1, said.get("out", "").encode())
    os.write(2, said.get("err", "").encode())
    if "exit" in said:
        sys.exit(said["exit"])
sys.exit("error during connect: unexpected EOF")
"""


@dataclass
class Made:
    argv: list[str]
    folder: str
    image: str
    state: str = "created"
    code: int = 0
    process: subprocess.Popen | None = None


@dataclass
class Docker:
    """`program`: to be the engine. `calls`: the words that it was given, each once it has come. `images`: that are
    there; `fails`: what a command says instead of doing anything; `hangs`: commands that never answer."""

    folder: Path
    calls: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    fails: dict[str, str] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    starved: bool = False
    containers: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        address = str(self.folder / "docker.sock")
        self.program = self.folder / "docker"
        self.program.write_text(_PROGRAM.format(python=sys.executable, socket=address))
        self.program.chmod(0o755)
        self._open: set[socket.socket] = set()
        docker = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                docker._open.add(self.connection)
                with contextlib.suppress(OSError, ValueError):  # whoever called has gone, or the server was made to
                    docker._serve(self)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(address, Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.crash()
        for made in self.containers.values():
            _kill(made)

    def crash(self) -> None:
        """The daemon is gone; its containers live on."""
        self._server.shutdown()
        self._server.server_close()
        Path(str(self._server.server_address)).unlink(missing_ok=True)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def words(self) -> list[str]:
        """The first of each call."""
        return [call[0] for call in self.calls]

    def _serve(self, handler: Any) -> None:
        asked = json.loads(handler.rfile.readline())
        argv = asked["argv"]
        self.calls.append(argv)
        self.environments.append(asked["env"])

        def say(**said: Any) -> None:
            handler.wfile.write(json.dumps(said).encode() + b"\n")

        if argv[0] in self.hangs:
            handler.rfile.read()
        elif argv[0] in self.fails:
            say(err=f"{self.fails[argv[0]]}\n")
            say(exit=1)
        else:
            say(exit=getattr(self, f"_{argv[0].lstrip('-')}")(argv, say) or 0)

    def _version(self, argv: list[str], say: Any) -> None:
        say(out="Docker version 28.2.2, build stand-in\n")

    def _info(self, argv: list[str], say: Any) -> None:
        say(out="28.2.2 [name=seccomp,profile=builtin]\n")

    def _image(self, argv: list[str], say: Any) -> int:
        if argv[-1] in self.images:
            return 0
        say(err=f"Error response from daemon: No such image: {argv[-1]}\n")
        return 1

    def _pull(self, argv: list[str], say: Any) -> None:
        say(out=f"Pulling from {argv[-1]}\n")
        self.images.add(argv[-1])

    def _create(self, argv: list[str], say: Any) -> None:
        at = argv.index("--entrypoint")
        made = Made([argv[at + 1], *argv[at + 3 :]], argv[argv.index("--workdir") + 1], argv[at + 2])
        self.containers[argv[argv.index("--name") + 1]] = made
        say(out="0123456789abcdef\n")

    def _start(self, argv: list[str], say: Any) -> int:
        made = self.containers[argv[-1]]
        master, slave = pty.openpty()
        made.state = "running"
        made.process = subprocess.Popen(
            made.argv, cwd=made.folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={"PATH": os.defpath, "HOSTNAME": "build"},
        )  # fmt: skip
        os.close(slave)
        try:
            while data := os.read(master, 65536):
                say(out=data.decode("utf-8", "replace"))
        except OSError:
            pass  # nobody has the terminal open any more, or nobody listens
        os.close(master)
        made.code = made.process.wait()
        made.code = made.code if made.code >= 0 else 128 - made.code
        made.state = "exited"
        return made.code

    def _exec(self, argv: list[str], say: Any) -> None:
        """`kill -TERM -1` in the container."""
        for process in psutil.Process(self.containers[argv[1]].process.pid).children(recursive=True):
            process.terminate()

    def _inspect(self, argv: list[str], say: Any) -> None:
        made = self.containers[argv[-1]]
        say(out=f"{made.state} {made.code} {str(self.starved).lower()}\n")

    def _rm(self, argv: list[str], say: Any) -> None:
        for name in argv[3:]:
            if name in self.containers:
                _kill(self.containers.pop(name))

    def _ps(self, argv: list[str], say: Any) -> None:
        say(out="".join(f"{name}\n" for name in self.containers))


def _kill(made: Made) -> None:
    if made.process is None:
        return
    try:
        living = psutil.Process(made.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        living = []
    for process in living:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    made.process.kill()
    until = time.monotonic() + 10
    while made.state == "running" and time.monotonic() < until:
        time.sleep(0.01)
