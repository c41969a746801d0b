"""Runs a web server in this process until it is told to stop: streams hear `restart` first, and it ends in order."""

import os
import resource
import signal
import socket
from typing import Any

SHUTDOWN_SECONDS = 4
BACKLOG = 1024
OTHER_FILES = 256
"""Connections of pages, the database's and Redis', and what a process has open anyway."""
SERVERS = ("daphne", "uvicorn")


class PortTaken(Exception):
    """The address cannot be listened on; the text says why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. `PortTaken` where another program has that port, or the address is not of this machine."""
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    bound.setblocking(False)
    return bound


def allow_streams(streams: int) -> str:
    """Raise this process's limit of open files so far that each stream may have its connection, where that is allowed.

    What to tell people where it is not; else nothing.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ""
    return (
        f"This process may open {soft} files, too few for {streams} streams (BUILDBOARD_STREAMS_PER_PROCESS). "
        f"Raise the hard limit to {wanted} (ulimit -Hn, or LimitNOFILE= in a systemd unit), or lower that setting."
    )


def without_websockets() -> None:
    """Before daphne is loaded: what is never spoken here needs no compiled code, whose C parser takes long to load."""
    os.environ.setdefault("AUTOBAHN_USE_NVX", "0")


def run_daphne(bound: socket.socket) -> None:
    """Returns when SIGTERM or SIGINT has ended it."""
    without_websockets()
    from daphne.server import Server  # first: it chooses Twisted's reactor
    from django.conf import settings
    from twisted.internet import reactor

    from . import prompt
    from .asgi import application, drain
    from .bodies import bound_daphne

    bound_daphne()
    prompt.use()
    reactor.addSystemEventTrigger("before", "shutdown", drain)
    Server(
        application=application,
        endpoints=[f"fd:fileno={bound.fileno()}"],
        application_close_timeout=SHUTDOWN_SECONDS,
        server_name="",
        # Behind a proxy every client has the proxy's address, and one's wrong passwords would lock out all. Uvicorn
        # believes a proxy on this machine by itself.
        proxy_forwarded_address_header="X-Forwarded-For" if settings.SECURE_PROXY_SSL_HEADER else None,
    ).run()


def run_uvicorn(bound: socket.socket) -> None:
    """Returns when SIGTERM or SIGINT has ended it."""
    import uvicorn

    from .asgi import application, drain

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            """Uvicorn's own waits for open streams, and in the end raises the signal again: no orderly exit."""
            drain()
            if self.should_exit and sig == signal.SIGINT:
                self.force_exit = True
            self.should_exit = True

    config = uvicorn.Config(
        application,
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    Server(config).run(sockets=[bound])
