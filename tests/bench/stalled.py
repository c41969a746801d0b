"""What does a viewer cost that stops reading while a build floods?

Each of them comes back from the beginning whenever it has been cut off, and again reads nothing. One viewer beside them
reads everything, and has to get it. What a web process holds anyway that shows a large log to viewers who read is not
their cost: a full tail, and the database's cache of each connection. The full form takes ten minutes for each server,
so it is asked for by its name.
"""

import contextlib
import socket
import threading
import time

from tests import live
from tests.support.board import Board
from tests.support.sse import SseClient

from .figures import Answer

SECONDS, SHORT_SECONDS = 600.0, 3.0
STALLED = 4
WARM_CHUNKS, SHORT_WARM_CHUNKS = 2_000, 100
READERS = 3
BYTES_A_LINE, LINES_A_CHUNK, CHUNKS_A_SECOND = 2_000, 8, 16
"""A quarter of a megabyte a second."""
_CLOSED = 7
"""The state of a TCP connection after a reset (Linux, tcp_states.h)."""


def measure(short: bool) -> list[Answer]:
    answer = Answer(f"{STALLED} viewers that read nothing of a flood of {SHORT_SECONDS if short else SECONDS:.0f} s")
    for server in ("daphne",) if short else ("daphne", "uvicorn"):
        one(answer, server, SHORT_SECONDS if short else SECONDS, SHORT_WARM_CHUNKS if short else WARM_CHUNKS)
    return [answer]


def one(answer: Answer, server: str, seconds: float, warm_chunks: int) -> None:
    # The one that reads is to be told nothing but events.
    with Board(BUILDBOARD_LEASE_SECONDS="3600", BUILDBOARD_MAX_STREAM_SECONDS="86400") as board:
        web = board.web(server)
        with board.database():
            lease = live.running()
        path, token = f"/builds/{lease.build_id}/events/", board.token("alice")
        got: list[int] = []
        reader = SseClient(web.port, path, token=token, seconds=60)
        threading.Thread(target=_read, args=(reader, got), daemon=True).start()
        with board.database():
            for _ in range(warm_chunks):
                _chunk(lease)
        everything = [SseClient(web.port, path, token=token) for _ in range(READERS)]
        for client in everything:
            client.read_until(lambda message: message.seq == lease.head, 120)
            client.close()
        _flood(board, lease, 2.0)
        before = live.memory(web.process.pid)

        def stall() -> SseClient:
            return SseClient(web.port, path, token=token, receive_buffer=4096)

        stalled = [stall() for _ in range(STALLED)]
        most, cut, until = 0, 0, time.monotonic() + seconds
        while time.monotonic() < until:
            _flood(board, lease, 1.0)
            most = max(most, live.memory(web.process.pid))
            for place, client in enumerate(stalled):
                if client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED:
                    client.close()
                    stalled[place], cut = stall(), cut + 1
        deadline = time.monotonic() + 30
        while (not got or got[-1] < lease.head) and time.monotonic() < deadline:
            time.sleep(0.05)
        for client in (*stalled, reader):
            client.abort()
        if got != list(range(1, lease.head + 1)):
            raise AssertionError(f"the one that reads has {len(got)} of {lease.head} events, or not in order")
    answer.add(
        server=server,
        seconds=round(seconds),
        written_mib=round(lease.head * BYTES_A_LINE * LINES_A_CHUNK / 2**20),
        cut_off=cut,
        mib_a_viewer=round((most - before) / 2**20 / STALLED, 1),
    )


def _read(reader: SseClient, got: list[int]) -> None:
    with contextlib.suppress(OSError):  # closed when there is no more to read
        for message in reader.events():
            if message.seq is not None:
                got.append(message.seq)


def _flood(board: Board, lease: live.Lease, seconds: float) -> None:
    until = time.monotonic() + seconds
    with board.database():
        while time.monotonic() < until:
            began = time.monotonic()
            _chunk(lease)
            time.sleep(max(1 / CHUNKS_A_SECOND - (time.monotonic() - began), 0))


def _chunk(lease: live.Lease) -> None:
    line = 1 + (lease.head - 3) * LINES_A_CHUNK
    live.printed(lease, line, *["z" * BYTES_A_LINE] * LINES_A_CHUNK)
