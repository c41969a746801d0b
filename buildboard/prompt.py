"""A connection of daphne's that is written to in the caller's own turn, where nothing waits in its buffer.

Twisted asks the reactor to tell when it may write, is told in the next turn, writes, and asks not to be told any more:
for a frame of some hundred bytes that is most of its price. Where anything waits, all goes the usual way, behind it,
and so does what the network does not take at once: bytes cannot pass each other.
"""

from twisted.internet import tcp


class PromptServer(tcp.Server):
    def write_promptly(self, data: bytes) -> None:
        """`write`, sooner where that is possible."""
        if not (self.dataBuffer or self._tempDataBuffer or self.disconnecting or self._writeDisconnected or self.TLS):
            try:
                sent = self.socket.send(data) if self.connected else 0
            except OSError:  # it takes nothing just now; or it broke, which the reactor will meet, and knows what to do
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self.write(data)


def use() -> None:
    """From now on, for the connections of this process."""
    tcp.Port.transport = PromptServer
