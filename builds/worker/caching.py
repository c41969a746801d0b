"""A step's caches: put back before it begins, and kept for later builds when it has passed.

Keys, copying and unpacking are work beside the runner's loop; what is known of archives is asked and stored by the
runner's own thread. A cache is a help and no more: whatever goes wrong with one is a warning, and the step goes on.
"""

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from django.conf import settings

from .. import caches, filestore
from ..caches import Hit
from ..events import Lease
from ..models import Build
from ..recipe import Cache
from ..retention import size
from ..states import Status
from . import archive
from .archive import BadArchive, TooMuch
from .cachekeys import BadKey, evaluate
from .collecting import PATIENCE, Measured, Teller
from .endings import Ending
from .globs import BadPattern, Pattern, Refused, find, open_within, opened_folder, shown
from .jobs import Desk, Stopped, Work
from .running import Hook, Running, Start
from .storing import Storing

_MEGABYTE = 1024 * 1024
_BITE = 1024 * 1024


@dataclass
class Kept:
    """One cache of a step that runs."""

    cache: Cache
    key: str = ""
    restore_keys: tuple[str, ...] = ()
    wrong: str = ""
    hit: Hit | None = None


class Caches(Hook):
    """Of one build."""

    def __init__(self, lease: Lease, store: Storing) -> None:
        self._lease = lease
        self._store = store
        self._of_steps: dict[int, list[Kept]] = {}

    def before(self, step: Running) -> Iterable[Start]:
        if not step.step.cache:
            return
        teller = Teller(step, "Cache")
        build = self._store(Build.objects.get, pk=self._lease.build_id)
        kept = [Kept(cache) for cache in step.step.cache]
        yield lambda: Lenient("Keys of caches", _keys(step, kept, names_of(build, step)))
        self._of_steps[step.position] = kept
        for one in kept:
            if one.wrong or not one.key:
                teller.warn(
                    f"The key {shown(one.cache.key)} {one.wrong or 'was not made'}: nothing is put back or kept."
                )
                continue
            hit = self._store(caches.find, build, one.key, one.restore_keys)
            if hit is None:
                teller.say(f"Cache {one.key}: nothing is kept yet")
                continue
            restore = Restore(step, hit)
            yield restore.start
            if restore.wrong:
                if restore.is_bad:
                    self._store(caches.forget, hit.name)
                teller.warn(f"{one.key} could not be put back: {restore.wrong}.")
                continue
            one.hit = hit
            whence = "" if hit.key == one.key else f", from {hit.key}"
            teller.say(f"Cache {one.key}: put back{whence}, {files(restore.files)}, {size(hit.size)}")

    def after(self, step: Running, ending: Ending) -> Iterable[Start]:
        kept = self._of_steps.pop(step.position, [])
        if ending.status != Status.PASSED or not kept:
            return
        teller = Teller(step, "Cache")
        build = self._store(Build.objects.get, pk=self._lease.build_id)
        for one in kept:
            if not one.key or (one.hit and one.hit.key == one.key):
                continue
            save = Save(step, one)
            try:
                yield save.pack
                if save.wrong or not save.size:
                    teller.warn(f"{one.key} is not kept: {save.wrong or 'it could not be packed'}.")
                    continue
                if not self._store(caches.intend, self._lease, build, one.key, save.name, save.size):
                    teller.say(f"Cache {one.key}: not kept, since it is there already or this build may keep none")
                    continue
                yield save.store
                if save.wrong or not save.sha256:
                    self._store(caches.forget, save.name)
                    teller.warn(f"{one.key} is not kept: {save.wrong or 'it could not be stored'}.")
                elif self._store(caches.settle, build, save.name, save.sha256):
                    left = f", {save.left_out:,} left out" if save.left_out else ""
                    teller.say(f"Cache {one.key}: kept, {files(save.files)}, {size(save.size)}{left}")
            finally:
                save.close()


class Lenient(Work):
    """Work whose failure is nobody's: also where it hangs, the step goes on."""

    def hear(self) -> None:
        super().hear()
        if self.exit_code:
            self.exit_code, self.fault = 0, ""


class Restore:
    def __init__(self, step: Running, hit: Hit) -> None:
        self.wrong = "the storage does not answer"
        self.is_bad = False
        """It is damaged, or no archive of ours: to be forgotten."""
        self.files = 0
        self._hit = hit
        self._workspace = step.workspace

    def start(self) -> Work:
        return Lenient("A cache", self._run, PATIENCE)

    def _run(self, desk: Desk) -> None:
        try:
            with tempfile.TemporaryFile(dir=self._workspace.parent) as file:
                self._fetch(file, desk)
                file.seek(0)
                with opened_folder(self._workspace) as folder:
                    most = settings.BUILDBOARD_MAX_CACHE_MB * _MEGABYTE
                    self.files = archive.unpack(file, folder, most, desk.check).files
            self.wrong = ""
        except BadArchive as error:
            self.wrong, self.is_bad = f"the archive {error}", True
        except filestore.Failed as error:
            self.wrong, self.is_bad = str(error).rstrip("."), isinstance(error, filestore.Missing)
        except OSError as error:
            self.wrong = (error.strerror or str(error)).lower()

    def _fetch(self, file: IO[bytes], desk: Desk) -> None:
        digest = hashlib.sha256()
        for part in filestore.read(self._hit.name, 0, self._hit.size):
            desk.check()
            digest.update(part)
            file.write(part)
        if digest.hexdigest() != self._hit.sha256:
            raise BadArchive("is not what was stored")


class Save:
    def __init__(self, step: Running, kept: Kept) -> None:
        self.name = filestore.new_name()
        self.size = self.files = self.left_out = 0
        self.sha256 = self.wrong = ""
        self._workspace = step.workspace
        self._paths = kept.cache.paths
        self._file: IO[bytes] | None = None

    def pack(self) -> Work:
        return Lenient("A cache", self._pack)

    def store(self) -> Work:
        return Lenient("A cache", self._store, PATIENCE)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _pack(self, desk: Desk) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=self._workspace.parent)  # noqa: SIM115 - closed after it is stored
            with opened_folder(self._workspace) as folder:
                paths = [path for text in self._paths for path in expanded(folder, text)]
                if not paths:
                    self.wrong = f"{', '.join(map(shown, self._paths))} is not there"
                    return
                most = settings.BUILDBOARD_MAX_CACHE_MB * _MEGABYTE
                packed = archive.pack(folder, paths, self._file, most, desk.check)
            self.files, self.left_out = packed.files, packed.left_out
            self.size = self._file.tell()
        except TooMuch as error:
            self.wrong = str(error)
        except OSError as error:
            self.wrong = (error.strerror or str(error)).lower()

    def _store(self, desk: Desk) -> None:
        assert self._file is not None  # noqa: S101 - it was packed
        self._file.seek(0)
        content = Measured(self._file, self.size, desk.check)
        try:
            filestore.save(self.name, content)
            desk.check()
            self.sha256 = content.done(self.name).sha256
        except (filestore.Failed, filestore.Unread, Stopped) as error:
            self.wrong = str(error).rstrip(".")
            try:
                filestore.delete(self.name)
            except filestore.Failed:
                return  # its row is there, and so it is deleted later


def files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def names_of(build: Build, step: Running) -> dict[str, str]:
    """What a key may name."""
    return {
        "branch": build.branch,
        "tag": build.tag,
        "ref": build.ref,
        "commit": build.commit,
        "step": step.name,
        "os": platform.system().lower(),
        "arch": platform.machine().lower(),
        **{f"inputs.{name}": str(value) for name, value in build.inputs.items()},
        **{f"matrix.{axis}": value for axis, value in step.step.matrix.items()},
    }


def _keys(step: Running, kept: Sequence[Kept], names: dict[str, str]) -> Callable[[Desk], None]:
    def work(desk: Desk) -> None:
        def checksum(texts: Sequence[str]) -> str:
            return checksum_of(step.workspace, texts, desk)

        for one in kept:
            try:
                one.restore_keys = tuple(evaluate(key, names, checksum) for key in one.cache.restore_keys)
                one.key = evaluate(one.cache.key, names, checksum)
            except (BadKey, BadPattern) as error:
                one.wrong = str(error)
            except OSError as error:
                one.wrong = f"cannot be made: {(error.strerror or str(error)).lower()}"

    return work


def checksum_of(workspace: str | os.PathLike, texts: Sequence[str], desk: Desk) -> str:
    """Of the contents of all files that the patterns mean, in the order of their paths. `BadKey`: there are none."""
    found = find(workspace, [Pattern(text) for text in texts], desk.check)
    if found.unmatched:
        raise BadKey(f"has the checksum of {', '.join(found.unmatched)}, and there is no such file")
    digest = hashlib.sha256()
    with opened_folder(workspace) as folder:
        for match in found.files:
            try:
                file = open_within(folder, match.path)
            except Refused as refused:
                raise BadKey(f"has the checksum of {shown(match.path)}: {refused}") from None
            with os.fdopen(file, "rb") as opened:
                digest.update(f"{match.path}\0".encode())
                while part := opened.read(_BITE):
                    desk.check()
                    digest.update(part)
    return digest.hexdigest()


def expanded(folder: int, text: str) -> list[str]:
    """The files and folders of the opened `folder` that a path means, in which `*`, `?` and `[]` stand for names."""
    pattern = Pattern(text)
    found: list[str] = []

    def walk(file: int, path: str, at: frozenset[int], depth: int) -> None:
        for name in sorted(os.listdir(file)):
            following = pattern.step(at, name)
            if not following:
                continue
            below = f"{path}/{name}" if path else name
            if pattern.means(following):
                found.append(below)
            elif depth < 20:
                try:
                    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=file)
                except OSError:
                    continue
                try:
                    walk(inner, below, following, depth + 1)
                finally:
                    os.close(inner)

    walk(folder, "", pattern.begin(), 0)
    return found
