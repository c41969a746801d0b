"""A real container engine for tests, and an image for it made of this machine's busybox: no registry is asked.

podman runs as it is installed, with its storage in a folder of the tests' own. Two things that a machine for tests may
lack are not asked of it: control groups that it may make (so containers run without one of their own), and the right to
raise limits. It has mounts and a network of its own, as long as the tests run: so it leaves no bridge on this machine,
and the kernel's second hierarchy of control groups is out of its sight, beside which crun refuses to run.
"""

import atexit
import functools
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from . import missing

IMAGE = "localhost/buildboard-test:1"
OPTIONS = ["--cgroups=disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
"""What BUILDBOARD_CONTAINER_OPTIONS has to be with it."""
_APPLETS = ("cat", "cut", "env", "grep", "head", "hostname", "id", "kill", "ls", "mount", "ps", "seq", "setsid", "sh")
_MORE = ("sleep", "sort", "stty", "tail", "test", "touch", "tr", "true", "tty", "wc", "whoami", "dd", "nc", "mkfifo")
_HOLDER = "umount /sys/fs/cgroup/unified 2>/dev/null; echo ready; exec cat"
_SCRIPT = """#!/bin/sh
exec nsenter --target={holder} --mount --net -- \\
  {podman} --storage-driver=vfs --root={folder}/storage --runroot={folder}/run --cgroup-manager=cgroupfs \\
  --events-backend=none "$@"
"""


def need_engine() -> str:
    """The engine's program: skip this test where the machine has none that works."""
    program, why = _engine()
    if why:
        missing(f"podman that works: {why}")
    return program


def forget_containers(program: str) -> None:
    """What a test that failed has left would fail those after it."""
    left = subprocess.run([program, "ps", "--all", "--quiet"], capture_output=True, text=True, check=True, timeout=60)
    if names := left.stdout.split():
        _run(Path(program), "rm", "--force", "--time", "0", *names)


@functools.cache
def _engine() -> tuple[str, str]:
    podman, busybox = shutil.which("podman"), shutil.which("busybox")
    if podman is None or busybox is None:
        return "", f"the program {'podman' if podman is None else 'busybox'} is not installed"
    if os.geteuid() != 0:
        return "", "the tests make an image and a storage for it as root alone"
    folder = Path(tempfile.mkdtemp(prefix="bb-podman-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # It ends with its standard input, and so with the tests.
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    atexit.register(holder.kill)
    program = folder / "podman"
    words = {"podman": shlex.quote(podman), "folder": shlex.quote(str(folder)), "holder": holder.pid}
    program.write_text(_SCRIPT.format(**words))
    program.chmod(0o755)
    _pack(busybox, folder / "image.tar")
    try:
        _run(program, "import", str(folder / "image.tar"), IMAGE)
        _run(program, "run", "--rm", "--network", "none", *OPTIONS, IMAGE, "true")
    except subprocess.CalledProcessError as error:
        return "", (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    return str(program), ""


def _run(program: Path, *words: str) -> None:
    subprocess.run([program, *words], check=True, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def _pack(busybox: str, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        for name in ("bin", "etc", "proc", "sys", "dev", "run", "tmp", "var", "var/tmp", "home"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(os.path.realpath(busybox), "bin/busybox")
        for name in (*_APPLETS, *_MORE):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
