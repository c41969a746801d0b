"""A PostgreSQL for a question, or a note that there is none: a bench measures what the machine has."""

import contextlib
from collections.abc import Callable, Iterator
from unittest import SkipTest

from tests.support.servers import postgres_url

from .figures import Answer


@contextlib.contextmanager
def optional_postgres(answer: Answer) -> Iterator[str | None]:
    try:
        url = postgres_url()
    except SkipTest as reason:
        answer.notes.append(f"not measured on PostgreSQL: {reason}")
        url = None
    yield url


def on_each(answer: Answer, short: bool, one: Callable[[str, str | None], None]) -> None:
    """Ask `one(name, url)` on SQLite, whose url is None, and on PostgreSQL; in the short form on SQLite alone."""
    one("SQLite", None)
    if short:
        return
    with optional_postgres(answer) as url:
        if url is not None:
            one("PostgreSQL", url)
