"""A process of its own that publishes LINES stamped lines, RATE a second (0: as fast as they are taken).

    python -m tests.bench.publish PORT PATH LINES RATE TOGETHER          to a server: so many lines in a POST
    python -m tests.bench.publish build LINES RATE TOGETHER EVENT   to the queued build, as its worker; EVENT lines each

It prints `ready`, and begins when a line comes in. Each line begins with
`@<nanoseconds of the machine's clock> <number> `; the rest is of a usual length.
"""

import http.client
import sys
import time
from collections.abc import Callable

TEXT = "a line as compilers print them, of a usual length, with a path/to/some/file.c:42:7 in it"


def lines(first: int, count: int) -> list[str]:
    return [f"@{time.time_ns()} {number} {TEXT}" for number in range(first, first + count)]


def publish(send: Callable[[int, list[str]], None], count: int, rate: int, together: int) -> None:
    """`send(number of the first, lines)`."""
    began = time.monotonic()
    number = 1
    while number <= count:
        if rate:
            time.sleep(max(began + (number - 1) / rate - time.monotonic(), 0))
        some = lines(number, min(together, count - number + 1))
        send(number, some)
        number += len(some)


def to_server(port: int, path: str) -> Callable[[int, list[str]], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(_: int, some: list[str]) -> None:
        connection.request("POST", path, "\n".join(some).encode(), {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 300:
            raise SystemExit(f"publishing was answered with {answer.status}")

    return send


def to_build(event: int) -> Callable[[int, list[str]], None]:
    """As the worker of the build that waits."""
    import secrets

    import django

    django.setup()
    from builds import events, lifecycle

    lease = lifecycle.claim("bench", secrets.token_hex(16))
    if lease is None:
        raise SystemExit("no build is queued")
    lifecycle.begin_step(lease, 0)

    def send(first: int, some: list[str]) -> None:
        pieces = range(0, len(some), event)
        events.append(lease, [events.Chunk(0, first + at, some[at : at + event]) for at in pieces])

    return send


def main(*words: str) -> None:
    if words[0] == "build":
        count, rate, together, event = (*words[1:], "1")[:4]
        send = to_build(int(event))
    else:
        port, path, count, rate, together = words[:5]
        send = to_server(int(port), path)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    publish(send, int(count), int(rate), int(together))
    sys.stdout.write("published\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
