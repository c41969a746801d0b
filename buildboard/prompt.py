"""A connection of daphne's that is written to in the caller's own turn, where nothing waits in its buffer.

Twisted asks the reactor to tell when it may write, is told in the next turn, writes, and asks not to be told any more:
for a frame of some hundred bytes that is most of its price. Everything goes through Twisted's own buffer and its own
`doWrite`, only sooner, so bytes cannot pass each other; what the network does not take at once goes the usual way.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet import tcp


class PromptServer(tcp.Server):
    _is_prompt = False

    def write_promptly(self, write: Callable[[bytes], Any], data: bytes) -> None:
        """`write(data)`, which comes to write to this transport, and then what is in its buffer by now."""
        self._is_prompt = True
        try:
            write(data)
        finally:
            self._is_prompt = False
        if not self.connected:
            return
        failed = None if self.disconnecting else self.doWrite()
        if failed is not None or self.dataBuffer or self._tempDataBuffer:
            self.startWriting()  # the reactor writes the rest, or meets the failure and knows what to do

    def startWriting(self) -> None:  # noqa: N802 - Twisted's name
        if not self._is_prompt:
            super().startWriting()


def use() -> None:
    """From now on, for the connections of this process."""
    tcp.Port.transport = PromptServer
