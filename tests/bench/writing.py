"""A process of its own that writes as many workers do: each build that it is given has a thread with a database
connection of its own, which appends LINES lines RATE times a second, and now and then says how far the build is.

    python -m tests.bench.writing RATE LINES

Its first line of input has the leases, as JSON: build, token and head of each. It prints `ready`, writes from the next
line on that comes in until the one after that, and prints what that took: seconds of each append, by build, and of each
word of progress.
"""

import json
import random
import sys
import threading
import time

TEXT = "a line as compilers print them, of a usual length, with a path/to/some/file.c:42:7 in it"
PROGRESS_SECONDS = 5.0


class Writer(threading.Thread):
    """The worker of one build."""

    def __init__(self, build_id: int, token: str, head: int, every: float, lines: int) -> None:
        from builds.events import Lease

        super().__init__(daemon=True)
        self._lease, self._every, self._lines = Lease(build_id, token, head), every, [TEXT] * lines
        self.appends: list[float] = []
        self.words: list[float] = []
        self.connected, self.begin, self.over = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> None:
        from builds import events, lifecycle

        lifecycle.renew(self._lease)
        self.connected.set()
        self.begin.wait()
        line, due = 1, time.monotonic() + random.random() * self._every
        speak_at = time.monotonic() + random.random() * PROGRESS_SECONDS
        while not self.over.wait(max(due - time.monotonic(), 0)):
            began = time.monotonic()
            events.append(self._lease, [events.Chunk(0, line, self._lines)])
            self.appends.append(time.monotonic() - began)
            line += len(self._lines)
            if time.monotonic() >= speak_at:
                began = time.monotonic()
                lifecycle.report_progress(self._lease, 0, random.random())
                self.words.append(time.monotonic() - began)
                speak_at += PROGRESS_SECONDS
            due = max(due + self._every, time.monotonic())  # as a worker: what was missed is not made up for


def main(rate: str, lines: str) -> None:
    import django

    django.setup()
    from builds.worker.storing import without_pool

    without_pool()
    sys.setswitchinterval(0.0005)  # the threads stand for processes, which wait for no interpreter
    writers = [Writer(*lease, 1 / float(rate), int(lines)) for lease in json.loads(sys.stdin.readline())]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.connected.wait()
    for word in ("ready", "begun"):
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for writer in writers:
            (writer.begin if word == "ready" else writer.over).set()
    for writer in writers:
        writer.join()
    said = {"appends": [writer.appends for writer in writers], "progress": [one for w in writers for one in w.words]}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
