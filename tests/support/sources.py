"""Published source packages, as their authors released them, as local git repositories.

They come from Debian's archive, whose signature `apt-get` checks, or from a folder that has been given.
"""

import functools
import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from . import missing

_ARCHIVE = "deb-src http://deb.debian.org/debian bookworm main\n"
_WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")


@functools.cache
def _archive() -> Path:
    """A folder with the archive's index of source packages, for as long as this process runs."""
    folder = Path(tempfile.mkdtemp(prefix="bb-sources-"))
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "sources.list").write_text(_ARCHIVE)
    _apt(folder, "update")
    return folder


def _apt(folder: Path, *words: str) -> str:
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "",
    }
    command = ["apt-get", "--quiet", "--quiet", *(f"-o{name}={value}" for name, value in options.items()), *words]
    if not shutil.which("apt-get"):
        missing("apt-get, which brings published source packages")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"source packages ({' '.join(words)}: {done.stderr.strip()[-300:]})")
    return done.stdout


@functools.cache
def released(package: str) -> Path:
    """The folder with the release of `package` as its authors made it: nothing in it may be changed."""
    folder = _archive()
    listed = _apt(folder, "source", "--print-uris", "--only-source", "--tar-only", package)
    [(address, digest)] = re.findall(r"^'(\S+\.orig\.tar\.[a-z0-9]+)' .* SHA256:([0-9a-f]{64})$", listed, re.MULTILINE)
    try:
        with urlopen(address, timeout=60) as answer:  # noqa: S310 - the archive's own address, and its digest is known
            packed = answer.read()
    except OSError as error:
        missing(f"source package {package}: {error}")
    if hashlib.sha256(packed).hexdigest() != digest:
        raise AssertionError(f"{address} is not what the archive's index says")
    place = folder / package
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(place, filter="data")
    [tree] = place.iterdir()
    return tree


def repository(place: Path, tree: Path, files: Mapping[str, str]) -> Path:
    """A git repository at `place` whose one commit on `main` has what is in `tree`, and these `files` besides."""
    shutil.copytree(tree, place, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "var", "__pycache__"))
    for name, text in files.items():
        (place / name).write_text(text)
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", "--all", "--force")
    git(place, "commit", "--quiet", f"--message=As released, with {', '.join(files) or 'nothing added'}")
    return place


def git(place: Path, *words: str) -> str:
    """What `git` printed there."""
    command = ["git", "-C", str(place), *_WHO, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
