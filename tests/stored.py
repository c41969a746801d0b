"""Artifacts for tests: a storage of a test's own, and files in it as a worker stores them."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.test import SimpleTestCase, override_settings

from builds import artifacts, filestore
from builds.artifacts import Done, Intent
from builds.events import Lease


class OwnStorage(SimpleTestCase):
    """A mixin: `self.files` is the folder of the storage."""

    def setUp(self) -> None:
        self.files = Path(tempfile.mkdtemp(prefix="bb-files-"))
        self.addCleanup(shutil.rmtree, self.files)
        overridden = override_settings(STORAGES=settings.STORAGES | {"artifacts": in_folder(self.files)})
        overridden.enable()
        self.addCleanup(overridden.disable)
        super().setUp()

    def stored_files(self) -> list[str]:
        return sorted(str(path.relative_to(self.files)) for path in self.files.rglob("*") if path.is_file())


def in_folder(folder: Path) -> dict[str, Any]:
    return {"BACKEND": "buildboard.filestores.Folder", "OPTIONS": {"location": str(folder)}}


def intent(path: str, content: bytes = b"", step: int = 0) -> Intent:
    return Intent(step, path, len(content), filestore.new_name())


def store(lease: Lease, path: str, content: bytes, step: int = 0) -> str:
    """As a worker does it; its name in the storage."""
    one = intent(path, content, step)
    artifacts.intend(lease, [one])
    filestore.save(one.name, ContentFile(content))
    kind = artifacts.content_type(content[: artifacts.HEAD_BYTES], whole=len(content) <= artifacts.HEAD_BYTES)
    artifacts.settle(lease, [Done(one.name, len(content), hashlib.sha256(content).hexdigest(), kind)])
    return one.name
