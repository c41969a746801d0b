"""A TCP proxy of our own that cuts connections at random bytes.

    python -m tests.faults.proxy NAME=PORT:TARGET …

A process of its own, so that nothing else of the bench is in its way. On standard input it is told
`cut NAME MOST DICE`: each connection that NAME has just then is reset after it carried 0 to MOST more bytes, in either
direction, or, every second one, after so few bytes of answers: then what was asked for is done, and only the answer is
lost. Those made later live. It ends with its standard input.
"""

import asyncio
import contextlib
import random
import socket
import struct
import subprocess
import sys
from asyncio import StreamReader, StreamWriter

from tests.support.processes import Process, eventually, free_port

READ_BYTES = 64 * 1024
FEW = 40
"""An answer has a part of the bytes of what was asked: a commit's has some tens."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, and throws away what was not sent."""


class Relay:
    """One connection from a client to the target."""

    def __init__(self, client: StreamWriter, server: StreamWriter) -> None:
        self._ends = (client, server)
        self._left: int | None = None
        self._counted = self._ends

    def cut_after(self, size: int, *, answers: bool = False) -> None:
        """`answers`: only bytes to the client count."""
        self._counted = self._ends[:1] if answers else self._ends
        self._left = size
        if size == 0:
            self.reset()

    def reset(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One direction, until its end."""
        while data := await reader.read(READ_BYTES):
            if self._left is not None and writer in self._counted:
                data = data[: self._left]
                self._left -= len(data)
            writer.write(data)
            await writer.drain()
            if self._left == 0:
                await asyncio.sleep(0.01)  # those last bytes arrive, and no others
                self.reset()
                return
        with contextlib.suppress(OSError):
            writer.write_eof()


class Proxy:
    def __init__(self, target: int) -> None:
        self._target = target
        self.relays: set[Relay] = set()

    async def listen(self, port: int) -> None:
        await asyncio.start_server(self._accept, "127.0.0.1", port, backlog=1024)

    def cut(self, most: int, dice: random.Random) -> None:
        for relay in list(self.relays):
            if dice.random() < 0.5:
                relay.cut_after(dice.randint(0, most))
            else:
                relay.cut_after(dice.randint(0, most // FEW), answers=True)

    async def _accept(self, reader: StreamReader, client: StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client.transport.abort()
            return
        relay = Relay(client, server)
        self.relays.add(relay)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.carry(reader, server))
                group.create_task(relay.carry(answers, client))
        except* OSError:
            relay.reset()  # one end is gone without a farewell: the other hears it in the same way
        finally:
            self.relays.discard(relay)
            for end in (client, server):
                end.close()


class Proxies:
    """The process, and what it is told. `ports`: by name, where to connect instead of to the target."""

    def __init__(self, **targets: int) -> None:
        self.ports = {name: free_port() for name in targets}
        args = [f"{name}={self.ports[name]}:{target}" for name, target in targets.items()]
        self._process = Process([sys.executable, "-m", "tests.faults.proxy", *args], stdin=subprocess.PIPE)
        eventually(self._listens, 20, lambda: f"the proxy did not start:\n{self._process.output()}")

    def cut(self, name: str, most: int, dice: int) -> None:
        self._process.popen.stdin.write(f"cut {name} {most} {dice}\n".encode())
        self._process.popen.stdin.flush()

    def close(self) -> None:
        self._process.popen.stdin.close()
        self._process.close()

    def _listens(self) -> bool:
        return all(answers(port) for port in self.ports.values())


def answers(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


async def main(args: list[str]) -> None:
    proxies = {}
    for arg in args:
        name, _, ports = arg.partition("=")
        port, _, target = ports.partition(":")
        proxies[name] = Proxy(int(target))
        await proxies[name].listen(int(port))
    orders = StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while order := await orders.readline():
        _, name, most, dice = order.split()
        proxies[name.decode()].cut(int(most), random.Random(int(dice)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
