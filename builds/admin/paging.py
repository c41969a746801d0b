"""Pages of a long list: what a list costs does not grow with its table."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

MOST = 1_000
"""So many rows are counted, and shown page by page. Who looks for one that is older narrows the list."""


class AtLeast(int):
    """A number that was not counted to its end: `1,000+`."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class BoundedPaginator(Paginator):
    @cached_property
    def count(self) -> int:  # type: ignore[override]
        rows: Any = self.object_list
        counted = len(rows.values_list("pk", flat=True)[: MOST + 1])
        return AtLeast(MOST) if counted > MOST else counted
