"""The program that the bench's steps run: prints lines that are known before. Standard library only; run as a script.

    python -I -S -E printer.py FOLDER STEP LINES [--batch N] [--rest SECONDS] [--pieces] [--daemon] [--exit CODE]
                                   [--farewell LINES]

Each line can be computed from its build, step and number, and ends with a checksum. What was meant to be printed, and
what the terminal had taken, is written to FOLDER/BUILD.STEP beside it, before and after each batch: whenever this is
killed, `taken <= what was really printed <= meant`. Below that are the processes of the step, each with its start time.
"""

import argparse
import os
import signal
import sys
import time
import zlib

HEAD = "%012d %012d\n"
"""Lines meant, and lines that the terminal has taken."""


def line(build: int, step: str, number: int) -> str:
    """The line with that number, from 1, without its end."""
    text = f"{build}/{step} {number:06d} "
    text += f"{zlib.crc32(text.encode()):08x}" * (number % 9)
    return f"{text} {zlib.crc32(text.encode()):08x}"


def started(pid: int) -> str:
    """When that process was started, in ticks since the machine's start: with its number it is one of a kind."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode()


class Record:
    """The file beside the log. A step that runs a second time finds it, and says so."""

    def __init__(self, folder: str, build: int, step: str) -> None:
        self.path = os.path.join(folder, f"{build}.{step}")
        try:
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            with open(f"{self.path}.twice", "w"):
                sys.exit("this step has run before")
        self.write(0, 0)

    def write(self, meant: int, taken: int) -> None:
        os.pwrite(self._file, (HEAD % (meant, taken)).encode(), 0)

    def process(self, pid: int) -> None:
        with open(self.path, "a") as file:
            file.write(f"{pid} {started(pid)}\n")


def say(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def daemonise(record: Record) -> None:
    """A process that leaves its session, keeps the terminal open and does not end at a TERM."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    record.process(os.getpid())
    time.sleep(600)
    os._exit(0)


def show(record: Record, build: int, options: argparse.Namespace, after: int, count: int) -> int:
    """Print `count` lines after the one with the number `after`; the last one's number."""
    last = after + count
    data = "".join(f"{line(build, options.step, number)}\n" for number in range(after + 1, last + 1)).encode()
    record.write(last, after)
    if options.pieces:
        say(data[: len(data) // 2])
        time.sleep(options.rest)
        data = data[len(data) // 2 :]
    say(data)
    record.write(last, last)
    return last


def rest(options: argparse.Namespace) -> bool:
    """Whether it has been told to end. A TERM is waited for here, so that it breaks no line."""
    if options.farewell:
        return signal.sigtimedwait({signal.SIGTERM}, options.rest) is not None
    time.sleep(options.rest)
    return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("step")
    parser.add_argument("lines", type=int)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rest", type=float, default=0.0)
    parser.add_argument("--pieces", action="store_true", help="each line in two parts, with a rest between")
    parser.add_argument("--daemon", action="store_true", help="leave a process behind")
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--farewell", type=int, default=0, metavar="LINES", help="told to end, it prints so many more")
    options = parser.parse_args()
    if options.farewell:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    build = int(os.environ["BUILDBOARD_BUILD_ID"])
    record = Record(options.folder, build, options.step)
    for pid in (os.getpid(), os.getppid()):  # this one, and its guardian
        record.process(pid)
    if options.daemon:
        daemonise(record)
    last, told = 0, False
    while last < options.lines and not told:
        last = show(record, build, options, last, min(options.batch, options.lines - last))
        told = rest(options)
    if told:
        show(record, build, options, last, options.farewell)
        sys.exit(1)
    sys.exit(options.exit)


if __name__ == "__main__":
    main()
