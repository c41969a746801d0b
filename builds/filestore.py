"""Files by random names in the storage "artifacts" (STORAGES): a folder of this machine, or an S3-compatible service.

Whoever stores one keeps a row of it from before it is written until after it is deleted: what dies in between leaves no
file that nobody knows of.
"""

import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from django.core.files import File
from django.core.files.storage import storages
from django.db.models import QuerySet

logger = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
"""Read at a time."""


class Failed(Exception):
    """The storage did not do it: a sentence that says why."""


class Missing(Failed):
    """There is no such file in the storage."""


def new_name() -> str:
    token = secrets.token_hex(16)
    return f"{token[:2]}/{token}"


def save(name: str, content: File) -> None:
    """Store `content` under a new name. `Failed`; what `content` itself raises is raised here."""
    store = storages["artifacts"]
    try:
        given = store.save(name, content)
    except Exception as error:
        raise _failed(error) from error
    if given != name:  # a name is random: it was taken by an attempt of ours
        delete(given)
        raise Failed(f"The storage has a file of the name {name} already.")


def read(name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes from `start` on, `length` of them or all, in chunks. `Failed`, `Missing`: also when it has fewer."""
    try:
        file: Any = storages["artifacts"].open_at(name, start)  # type: ignore[attr-defined]
        try:
            left = length
            while left is None or left > 0:
                part = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
                if not part:
                    break
                left = None if left is None else left - len(part)
                yield part
        finally:
            file.close()
    except Exception as error:
        raise _failed(error) from error
    if left:
        raise Failed(f"The storage has {left:,} bytes less of it than were stored.")


def delete(name: str) -> None:
    """Also where there is none of that name. `Failed`."""
    try:
        storages["artifacts"].delete(name)
    except Exception as error:
        raise _failed(error) from error


def sweep(rows: QuerySet[Any], stopping: Callable[[], bool]) -> int:
    """Delete the files of these `rows` (with a `name`), each before its row; how many. A storage that fails ends it:
    they are still to be deleted the next time."""
    deleted = 0
    for pk, name in list(rows.values_list("pk", "name")):
        if stopping():
            break
        try:
            delete(name)
        except Failed as failure:
            logger.warning("action=sweep state=failed file=%s error=%s", name, failure)
            break
        rows.model._default_manager.filter(pk=pk).delete()
        deleted += 1
    return deleted


class Unread(Exception):
    """What was to be stored could not be read, or is not what it was said to be: no fault of the storage."""


def _failed(error: Exception) -> Exception:
    if isinstance(error, (Unread, Failed)):
        return error
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code", "") if isinstance(answer, dict) else ""
    if isinstance(error, FileNotFoundError) or code in ("NoSuchKey", "404"):
        return Missing("The storage has no such file.")
    why = getattr(error, "strerror", None) or code or str(error) or type(error).__name__
    return Failed(f"The storage failed: {why[:200].rstrip('.')}.")
