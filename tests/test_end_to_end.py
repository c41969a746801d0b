"""The whole way on real processes: a build started over HTTP, watched through a stream that is cut again and again."""

import hashlib
import json
import random
from typing import Any

from django.test import SimpleTestCase

from .support.board import Board, Web
from .support.servers import Redis, postgres_url
from .support.sse import Message, SseClient

CUTS = 20
LINES = 1_500
SEED = 20_26
# Numbered lines, each with a checksum and a length of its own; slow enough to be cut many times while it runs.
RECIPE = f"""
steps:
  - name: count
    run: |
      exec python3 -u - <<'SCRIPT'
      import hashlib, sys, time
      for number in range(1, {LINES} + 1):
          body = "x" * (number * 37 % 211)
          print(number, hashlib.sha256(f"{{number}}{{body}}".encode()).hexdigest()[:12], body)
          if number % 10 == 0:
              time.sleep(0.03)
      SCRIPT
  - name: goodbye
    run: printf 'no line end at the end'
"""


def expected_lines() -> list[str]:
    bodies = ((number, "x" * (number * 37 % 211)) for number in range(1, LINES + 1))
    return [f"{number} {hashlib.sha256(f'{number}{body}'.encode()).hexdigest()[:12]} {body}" for number, body in bodies]


class WatchedWhileCut(SimpleTestCase):
    """One build, a viewer whose connection is cut at random bytes, and what it has in the end."""

    databases = {"default"}  # the board's own, see `Board.database`

    def watch(self, board: Board, webs: list[Web]) -> None:
        board.project("numbers", RECIPE)
        build_id = board.start("numbers")
        arrived = self.follow_with_cuts(board, webs, build_id)

        stored = [(record.seq, record.kind, json.loads(record.data)) for record in board.stored(build_id)]
        self.assertEqual([seq for seq, _, _ in stored], list(range(1, len(stored) + 1)), "the log has a gap")
        self.assertEqual([(m.seq, m.event, m.json) for m in arrived], stored, f"seed {SEED}")
        self.assertEqual(stored[-1][2]["status"], "passed")

        printed = {"count": expected_lines(), "goodbye": ["no line end at the end"]}
        self.assertEqual(rebuilt(arrived), printed)
        self.assertEqual(
            board.get(f"/builds/{build_id}/log.txt").text,
            "".join(f"{line}\n" for lines in printed.values() for line in lines),
        )
        page = board.get(f"/builds/{build_id}/log/?step=count&from=700&to=702").json()
        self.assertEqual((page["from"], page["total"]), (700, LINES))
        self.assertEqual([line if isinstance(line, str) else line["text"] for line in page["lines"]],
                         printed["count"][699:702])  # fmt: skip

    def follow_with_cuts(self, board: Board, webs: list[Web], build_id: int) -> list[Message]:
        dice = random.Random(SEED)
        token = board.token("alice")
        arrived: list[Message] = []
        cuts = 0
        for attempt in range(500):
            client = SseClient(
                webs[attempt % len(webs)].port,
                f"/builds/{build_id}/events/",
                token=token,
                last_event_id=arrived[-1].seq if arrived else None,
            )
            if client.status == 204:
                break
            self.assertEqual(client.status, 200)
            size = dice.choice([dice.randrange(1, 400), dice.randrange(400, 20_000)]) if cuts < CUTS else 1 << 40
            messages = client.cut_after(size, seconds=60)
            arrived += [message for message in messages if message.id is not None]
            self.assertFalse({m.event for m in messages} & {"reset", "problem", "denied"}, messages[-3:])
            ended = any(message.event == "end" for message in messages)
            cuts += not ended
            client.close()
            if ended and cuts >= CUTS:
                break
        self.assertGreaterEqual(cuts, CUTS)
        return arrived

    def test_over_sqlite_without_redis_with_workers_in_other_processes(self) -> None:
        with Board() as board:
            web = board.web("daphne")
            board.workers(2)
            self.watch(board, [web])

    def test_over_postgresql_and_redis_with_two_webs_and_two_workers(self) -> None:
        redis = Redis()
        with Board(database_url=postgres_url(), redis_url=redis.url) as board:
            webs = [board.web("daphne"), board.web("uvicorn")]
            board.workers(1)
            board.workers(1)
            self.watch(board, webs)
        redis.close()


def rebuilt(messages: list[Message]) -> dict[str, list[str]]:
    """Each step's lines, put together from `log` events as a page does it: line n is this text."""
    steps: dict[str, dict[int, str]] = {}
    for message in messages:
        if message.event == "log":
            data: dict[str, Any] = message.json
            for number, text in enumerate(data["text"].split("\n"), start=data["line"]):
                steps.setdefault(data["step"], {})[number] = text
    return {step: [lines[number] for number in sorted(lines)] for step, lines in steps.items()}
