"""Two web processes on one PostgreSQL, with Redis between them: news travel by wakes, and by looks where those fail."""

import time

from django.test import TransactionTestCase

from tests import live
from tests.support.board import Board
from tests.support.servers import Redis, postgres_url
from tests.support.sse import SseClient


class SharedTest(TransactionTestCase):
    def test_viewers_of_two_webs_miss_nothing_while_redis_dies_and_comes_back(self) -> None:
        redis = Redis()
        redis.start()
        self.addCleanup(redis.kill)
        layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}
        layer["CONFIG"] = {"hosts": [redis.url], "prefix": "buildboard"}
        self.enterContext(self.settings(CHANNEL_LAYERS={"default": layer}))  # this process writes, and wakes
        with Board(postgres_url(), redis.url) as board, board.database():
            webs = [board.web("daphne"), board.web("uvicorn")]
            lease = live.running()
            path = f"/builds/{lease.build_id}/events/"
            clients = [SseClient(web.port, path, token=board.token("alice")) for web in webs for _ in range(25)]
            for client in clients:
                self.addCleanup(client.close)
                client.read_until(lambda message, head=lease.head: message.seq == head)
            number = 0
            for change in (None, redis.kill, redis.start, None):
                if change is not None:
                    change()
                for _ in range(5):
                    number += 1
                    live.printed(lease, number, f"line {number}")
                for client in clients:
                    got = client.read_until(lambda message, head=lease.head: message.seq == head)
                    ids = [message.seq for message in got if message.id is not None]
                    self.assertEqual(ids, list(range(lease.head - 4, lease.head + 1)))
            began = time.monotonic()
            for web in webs:
                self.assertEqual(web.terminate(), 0, web.process.output())
            self.assertLess(time.monotonic() - began, 10)
            for client in clients:
                self.assertEqual(client.read_all(5)[-1].event, "restart")
