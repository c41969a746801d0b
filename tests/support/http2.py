"""A stream over HTTP/2, read as slowly as a test wants it: over TLS, or on a connection that speaks nothing else."""

import socket
import ssl
import time
from collections.abc import Iterator

import h2.connection
import h2.events
import h2.settings


class Http2Stream:
    """GET of `path`. `headers` are those of the answer, once `parts` has begun."""

    def __init__(self, port: int, path: str, token: str, tls: ssl.SSLContext | None, *, window: int = 65_535) -> None:
        """`window`: how many bytes the server may send before some were acknowledged, at most 65,535."""
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            raw = tls.wrap_socket(raw, server_hostname="localhost")
            if raw.selected_alpn_protocol() != "h2":
                raise AssertionError("the server does not speak HTTP/2")
        self._socket = raw
        self._connection = h2.connection.H2Connection()
        self._connection.initiate_connection()
        self._connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        head = {":method": "GET", ":path": path, ":scheme": "https" if tls else "http", ":authority": "localhost"}
        self._connection.send_headers(1, [*head.items(), ("authorization", f"Bearer {token}")], end_stream=True)
        self.headers: dict[bytes, bytes] = {}
        self.reset = False
        """The stream was broken off."""
        self._flush()

    def parts(self, rest: float = 0) -> Iterator[bytes]:
        """The body as it comes, to its end. `rest`: seconds to be idle after each part, before it is acknowledged."""
        while data := self._socket.recv(65_536):
            over = False
            for event in self._connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.headers = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    yield event.data
                    time.sleep(rest)
                    self._connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    self.reset = over = True
                elif isinstance(event, h2.events.StreamEnded):
                    over = True
            self._flush()
            if over:
                return

    def close(self) -> None:
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())
