"""checkout.py ORIGIN TARGET: a private copy of a checkout, as a clone where it is a git repository.

A program of the demo project, standard library only.
"""

import shutil
import subprocess
import sys
from pathlib import Path

NOT_SOURCE = (".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".coverage")


def main(origin: Path, target: Path) -> int:
    git = shutil.which("git")
    if git and (origin / ".git").exists() and clone(git, origin, target):
        return 0
    sys.stdout.write(f"Copying {origin}, which is no repository that git can clone\n")
    shutil.copytree(origin, target, ignore=shutil.ignore_patterns(*NOT_SOURCE), symlinks=True)
    sys.stdout.write(f"{sum(path.is_file() for path in target.rglob('*'))} files\n")
    return 0


def clone(git: str, origin: Path, target: Path) -> bool:
    """Of what was committed. The checkout may be another user's, which git refuses unless it is told so."""
    trusted = [
        "-c",
        "protocol.ext.allow=never",
        "-c",
        f"safe.directory={origin}",
        "-c",
        f"safe.directory={origin}/.git",
    ]
    done = subprocess.run(  # noqa: S603 - git, on paths given by the recipe
        [git, *trusted, "clone", "--no-hardlinks", "--", str(origin), str(target)], check=False
    )
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        return False
    subprocess.run([git, "-C", str(target), "log", "-1", "--oneline"], check=False)  # noqa: S603
    return True


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: checkout.py ORIGIN TARGET")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
