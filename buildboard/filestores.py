"""Where artifacts and caches are: a folder, or a bucket of an S3-compatible service (`s3.py`)."""

import importlib.util
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from django.core.files.storage import FileSystemStorage

from .environment import refused

EXPECTED = "an absolute path of a folder, or s3://BUCKET or s3://BUCKET/PREFIX"


class Folder(FileSystemStorage):
    """Readable by the board's user alone: what is in it is given out by the board, to whoever may see it."""

    def open_at(self, name: str, offset: int) -> IO[bytes]:
        file = open(self.path(name), "rb")  # noqa: SIM115 - the caller's
        file.seek(offset)
        return file


def storage(where: str, default: Path, **s3: str) -> dict[str, Any]:
    """The entry of STORAGES for the value of BUILDBOARD_STORAGE. `s3`: options of S3 that are not empty are given."""
    if not where or where.startswith("/"):
        options = {
            "location": where or str(default),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        }
        return {"BACKEND": "buildboard.filestores.Folder", "OPTIONS": options}
    parts = urlsplit(where)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise refused("BUILDBOARD_STORAGE", "" if "@" in where else where, EXPECTED)
    if importlib.util.find_spec("storages") is None or importlib.util.find_spec("boto3") is None:
        raise refused("BUILDBOARD_STORAGE", where, f"{EXPECTED}; the latter needs pip install -r requirements/s3.txt")
    options = {"bucket_name": parts.netloc, "location": parts.path.strip("/")}
    return {"BACKEND": "buildboard.s3.S3", "OPTIONS": options | {name: value for name, value in s3.items() if value}}
