"""A wire whose streams go dead without a word, as those of a machine that slept: both ends think that they are good."""

import contextlib
import socket
import threading

from .processes import free_port


class Relay:
    """Listens on `port` and passes on to `target`, both on 127.0.0.1. A context manager."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._target = target
        self._pairs: list[Pair] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def deaden(self) -> None:
        """Nothing more comes through the streams that are open. Connections that rest are closed, as browsers do with
        theirs when the machine goes to sleep. New ones are good."""
        for pair in self._pairs:
            if pair.is_stream:
                pair.is_dead = True
            else:
                pair.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                pair = Pair(client, server)
                self._pairs.append(pair)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=pair.carry, args=ends, daemon=True).start()


class Pair:
    """One connection, from both sides."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._ends = (client, server)
        self.is_stream = False
        self.is_dead = False

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source is self._ends[0]:
                    self.is_stream = b"/events/?" in data
                if not self.is_dead:
                    sink.sendall(data)
            if not self.is_dead:
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
