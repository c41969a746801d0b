"""Wakes between processes: over a real server that fails in every way."""

import asyncio
import contextlib
import json
import os
import sys
import time
from unittest import mock

from django.test import override_settings

from builds import wakes

from .bells import FreshBell
from .support.processes import Process, eventually
from .support.servers import Redis

LISTENER = """
import asyncio, sys
import django
django.setup()
from builds import wakes

async def main():
    async with wakes.listen() as ear:
        for topic in sys.argv[1:]:
            while not await ear.join(topic):
                await asyncio.sleep(0.05)
        print("listening", flush=True)
        while True:
            try:
                wake = await ear.next()
            except Exception as error:
                print("error", type(error).__name__, flush=True)
                await asyncio.sleep(0.1)
            else:
                print("heard", wake.topic, wake.head, flush=True)

asyncio.run(main())
"""


def over(redis: "Redis | Road") -> dict:
    """The settings of a layer over that server, as the product has them."""
    options = {"hosts": [redis.url], "prefix": "buildboard"}
    return {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": options}}


class Road:
    """Leads to the server at `port`, until everything on it is lost: the connections stay, and nothing arrives."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lost = asyncio.Event()
        self._ways: set[asyncio.Task] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._travel, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def lose_all(self) -> None:
        for way in self._ways:
            way.cancel()

    async def close(self) -> None:
        self._server.close()
        self._lost.set()

    async def _travel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        ways = {asyncio.create_task(_carry(reader, there[1])), asyncio.create_task(_carry(there[0], writer))}
        self._ways |= ways
        await asyncio.wait(ways)
        if any(way.cancelled() for way in ways):
            await self._lost.wait()
        for one in (writer, there[1]):
            one.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


class BetweenProcessesTests(FreshBell):
    """Over a real Redis-protocol server, with a listener in another process."""

    def setUp(self):
        super().setUp()
        self.redis = Redis()
        self.addCleanup(self.redis.close)
        layers = override_settings(CHANNEL_LAYERS=over(self.redis))
        layers.enable()
        self.addCleanup(layers.disable)

    def listener(self) -> Process:
        environment = os.environ | {"REDIS_URL": self.redis.url, "DJANGO_SETTINGS_MODULE": "buildboard.settings"}
        process = Process([sys.executable, "-c", LISTENER, "build.1", "board"], env=environment)
        self.addCleanup(process.close)
        process.wait_for("listening")
        return process

    def heard(self, listener: Process, topic: str, head: int, seconds: float = 15) -> None:
        """Until it heard that head: it is told again and again, as a log that goes on would."""

        def told() -> bool:
            wakes.wake(topic, head)
            return f"heard {topic} {head}\n" in listener.output()

        eventually(told, seconds, lambda: listener.output())

    def test_a_wake_crosses_and_heals_after_every_kind_of_outage(self):
        listener = self.listener()
        self.assertTrue(wakes.is_shared())
        self.heard(listener, "build.1", 1)
        self.heard(listener, "board", 2)
        wakes.wake("build.2", 3)
        with self.subTest("killed"):
            self.redis.kill()
            self.assert_costs_nothing()
            self.redis.start()
            self.heard(listener, "build.1", 4)
            self.heard(listener, "board", 5)
        with self.subTest("paused"):
            self.redis.pause()
            self.assert_costs_nothing()
            time.sleep(0.2)
            self.assert_costs_nothing()
            self.redis.resume()
            self.heard(listener, "build.1", 6)
        with self.subTest("flushed"):
            self.redis.command("FLUSHALL")
            self.heard(listener, "board", 7)
        self.assertNotIn("build.2", listener.output())

    def test_many_wakes_use_few_connections(self):
        listener = self.listener()
        for n in range(200):
            wakes.wake("build.1", n)
            time.sleep(0.001)
        self.heard(listener, "build.1", 500)
        clients = self.redis.command("CLIENT", "LIST").count(b" addr=")
        self.assertLessEqual(clients, 4)

    async def test_a_dead_server_takes_no_join_and_raises_nothing(self):
        self.redis.kill()
        async with wakes.listen() as ear:
            self.assertFalse(await ear.join("board"))
            wakes.wake("board", 1)
            self.redis.start()
            for _ in range(100):
                if await ear.join("board"):
                    break
                await asyncio.sleep(0.05)
            hearing = asyncio.create_task(ear.next())
            for n in range(200):
                wakes.wake("board", n)
                await asyncio.sleep(0.05)
                if hearing.done():
                    break
            self.assertEqual(hearing.result().topic, "board")

    async def test_one_that_hears_before_it_has_joined_hears(self):
        async with wakes.listen() as ear:
            hearing = asyncio.create_task(ear.next())
            joined = await asyncio.gather(*(ear.join(f"build.{n}") for n in range(5)))
            self.assertEqual(joined, [True] * 5)
            wakes.wake("build.4", 9)
            self.assertEqual(await asyncio.wait_for(hearing, 5), ("build.4", 9))

    async def test_a_connection_that_leads_nowhere_is_noticed_and_replaced(self):
        """As after a power cut of the other machine: no end of the connection is ever heard of."""
        road = Road(self.redis.port)
        await road.open()
        with override_settings(CHANNEL_LAYERS=over(road)), mock.patch.object(wakes, "ECHO_SECONDS", 0.3):
            heard = asyncio.Event()
            listening = asyncio.create_task(self._listen_for_ever(heard))
            await self._told_until(heard)
            road.lose_all()
            with self.assertLogs("builds.wakes", "WARNING") as said:
                await self._told_until(heard)
                await asyncio.sleep(1)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
        await road.close()
        self.assertLessEqual(len(said.output), 4, "once that it is away, once that it is back, of each direction")

    async def _listen_for_ever(self, heard: asyncio.Event) -> None:
        """As the hub does."""

        async def hear(ear: wakes.Listener) -> None:
            while True:
                if (await ear.next()).topic == "board":
                    heard.set()

        while True:
            with contextlib.suppress(Exception):
                async with wakes.listen() as ear, asyncio.TaskGroup() as group:
                    group.create_task(hear(ear))
                    group.create_task(ear.keep())
                    await ear.join("board")

    async def _told_until(self, heard: asyncio.Event) -> None:
        heard.clear()
        async with asyncio.timeout(20):
            while not heard.is_set():
                wakes.wake("board", 1)
                await asyncio.sleep(0.05)

    async def test_a_listener_that_is_dropped_leaves_no_subscription(self):
        with contextlib.suppress(ZeroDivisionError):
            async with wakes.listen() as ear:
                for n in range(5):
                    await ear.join(f"build.{n}")
                self.assertIn(b"build.4", self.redis.command("PUBSUB", "CHANNELS"))
                raise ZeroDivisionError
        self.assertEqual(self.redis.command("PUBSUB", "CHANNELS"), b"*0\r\n")

    def test_an_outage_is_said_once_however_many_wakes_are_lost(self):
        self.redis.kill()
        with self.assertLogs("builds.wakes", "WARNING") as said:
            for n in range(40):
                wakes.wake("board", n)
                time.sleep(0.05)
            self.redis.start()

            def back() -> bool:
                wakes.wake("board", 1)
                return any("state=back" in line for line in said.output)

            eventually(back, 15)
        self.assertEqual(sum("state=away" in line for line in said.output), 1)

    def test_the_message_is_a_topic_and_a_number(self):
        sent = []

        class Layer:
            async def group_send(self, group: str, message: dict) -> None:
                sent.append((group, message))

        with mock.patch.object(wakes, "get_channel_layer", Layer):
            wakes.wake("build.1", 5)
            eventually(lambda: sent, 5)
        self.assertEqual(sent[0][0], "build.1")
        self.assertEqual(json.loads(json.dumps(sent[0][1])), {"type": "wake", "topic": "build.1", "head": 5})
