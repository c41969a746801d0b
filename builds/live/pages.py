"""What viewers who are behind are given: slices of logs as they stand in the store, each read and encoded once for all
who ask for it.

A thousand who come back at once ask for the same: while one reads, the others wait for it, and who comes a moment later
finds it here. Those at different cursors meet at the numbers where slices begin (`sources.after_which`). Events never
change, so a slice is true for as long as its topic's tail is; a new tail begins with none.
"""

import asyncio
from collections import OrderedDict
from functools import partial

from .frames import Slice
from .reading import read
from .sources import Source

PAGES_BYTES = 32 * 1024 * 1024
"""Of all topics together; what was asked for last is kept."""

Reading = asyncio.Task[Slice | None]


class Pages:
    def __init__(self, most: int = PAGES_BYTES) -> None:
        self._most = most
        self._reading: dict[tuple[str, int], Reading] = {}
        self._kept: OrderedDict[tuple[str, int], Reading] = OrderedDict()
        self._bytes = 0
        """Of what is kept."""

    def ask(self, source: Source, cursor: int) -> Reading:
        """What follows `cursor`; None: too much changed since. Shared: nobody who waits for it may cancel it."""
        key = (source.topic, cursor)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        page = self._reading.get(key)
        if page is None:
            page = self._reading[key] = asyncio.get_running_loop().create_task(read(source.behind, cursor))
            page.add_done_callback(partial(self._read, key))
        return page

    def forget(self, topic: str) -> None:
        for key in [key for key in self._reading if key[0] == topic]:
            del self._reading[key]
        for key in [key for key in self._kept if key[0] == topic]:
            self._bytes -= _size(self._kept.pop(key))

    def _read(self, key: tuple[str, int], page: Reading) -> None:
        failed = page.cancelled() or page.exception() is not None  # whoever asked for it may have left
        if self._reading.get(key) is not page:
            return  # forgotten meanwhile
        del self._reading[key]
        found = None if failed else page.result()
        if found is None or found.upto <= key[1]:
            return  # to be asked again: there may be more by then
        self._kept[key] = page
        self._bytes += _size(page)
        while self._bytes > self._most and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(page: Reading) -> int:
    found = page.result()
    return len(found.body) if found else 0
