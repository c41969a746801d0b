"""The board's channel layer, with wakes that are dropped or doubled: a file says which, and is read at each wake."""

import random
from pathlib import Path
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

WAKES_FILE = "wakes"
"""In the board's data folder."""
DROPPED, HALVED, DOUBLED, WHOLE = "dropped", "halved", "doubled", "whole"


class UnreliableLayer(RedisPubSubChannelLayer):
    """`file` has one of the words above; where it is missing, every wake is sent once."""

    def __init__(self, *args: Any, file: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = Path(file)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        for _ in range(self._times()):
            await self._get_layer().group_send(group, message)

    def _times(self) -> int:
        try:
            word = self._file.read_text()
        except OSError:
            word = WHOLE
        return {DROPPED: 0, HALVED: random.randint(0, 1), DOUBLED: 2}.get(word, 1)
