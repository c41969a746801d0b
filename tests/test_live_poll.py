"""The long poll, with the hub in this process."""

import asyncio
import json
import time
from contextlib import suppress
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient, AsyncRequestFactory, TransactionTestCase, override_settings

from builds import lifecycle
from builds.access import new_token
from builds.live import poll, reading
from builds.live.hub import hub
from builds.models import Board
from tests import live


async def answer(response) -> dict:
    """The body of a streamed answer, as JSON."""
    return json.loads(b"".join([part async for part in response.streaming_content]))


class PollTest(TransactionTestCase):
    def setUp(self) -> None:
        self.user = User.objects.create_user("alice")
        self.headers = {"authorization": f"Bearer {new_token(self.user)}"}
        self.lease = live.running()
        self.path = f"/builds/{self.lease.build_id}/events.json"

    async def get(self, path: str, **query: object):
        return await AsyncClient().get(path, query, headers=self.headers)

    async def test_it_answers_with_what_is_above_the_cursor(self) -> None:
        found = await answer(await self.get(self.path, after=1))
        self.assertEqual([event["id"] for event in found["events"]], [2, 3])
        self.assertEqual([event["kind"] for event in found["events"]], ["build", "step"])
        self.assertEqual(found["events"][1]["data"]["name"], "one")
        self.assertEqual((found["head"], found["final"]), (3, False))

    async def test_pages_lead_to_the_end(self) -> None:
        await sync_to_async(self._write)()
        cursor, got = 0, []
        for _ in range(50):
            found = await answer(await self.get(self.path, after=cursor))
            got += [event["id"] for event in found["events"]]
            cursor = got[-1]
            if found["final"]:
                break
        self.assertEqual(got, list(range(1, self.lease.head + 1)))
        found = await answer(await self.get(self.path, after=cursor, wait=20))
        self.assertEqual((found["events"], found["final"]), ([], True))

    def _write(self) -> None:
        for number in range(700):
            live.printed(self.lease, number + 1, "line")
        live.ended(self.lease)

    async def test_some_kinds_alone_and_how_far_that_was(self) -> None:
        await sync_to_async(self._write)()
        found = await answer(await self.get(self.path, after=0, kinds="build,step"))
        self.assertEqual([event["kind"] for event in found["events"]], ["build", "build", "step", "step", "build"])
        self.assertEqual(found["events"][-1]["data"]["status"], "failed")
        self.assertEqual((found["upto"], found["head"], found["final"]), (705, 705, True))
        found = await answer(await self.get(self.path, after=3, kinds="progress"))
        self.assertEqual((found["events"], found["upto"], found["final"]), ([], 705, True))
        found = await answer(await self.get(self.path, after=0, kinds="log"))
        self.assertEqual([event["id"] for event in found["events"]], list(range(4, found["upto"] + 1)))
        self.assertEqual((found["upto"] < 703, found["final"]), (True, False), "a page")

    async def test_it_waits_for_some_kinds_and_passes_over_the_others(self) -> None:
        async def later() -> None:
            for number in range(3):
                await asyncio.sleep(0.1)
                await sync_to_async(live.printed)(self.lease, number + 1, "hello")
            await sync_to_async(live.ended)(self.lease)

        writing = asyncio.create_task(later())
        found = await answer(await self.get(self.path, after=3, wait=20, kinds="build"))
        await writing
        self.assertEqual([event["data"]["status"] for event in found["events"]], ["failed"])
        self.assertEqual(found["upto"], 8)
        again = await answer(await self.get(self.path, after=8, kinds="build"))  # learnt with the next look
        self.assertEqual((again["events"], again["final"]), ([], True))
        other = await sync_to_async(live.running)("other")
        path = f"/builds/{other.build_id}/events.json"
        found = await answer(await self.get(path, after=3, wait="0.2", kinds="build"))
        self.assertEqual((found["events"], found["upto"]), ([], 3))

    @override_settings(BUILDBOARD_STREAMS_PER_USER=0)
    async def test_who_does_not_wait_for_kinds_is_no_viewer_and_asks_however_full_it_is(self) -> None:
        self.assertEqual((await self.get(self.path, after=3, kinds="build")).status_code, 200)
        self.assertEqual((await self.get(self.path, after=3, kinds="build", wait=1)).status_code, 429)
        self.assertEqual(len(hub().viewers), 0)

    async def test_kinds_are_refused_where_they_say_nothing(self) -> None:
        for kinds in ("", "a b", "build,", "BUILD", "x" * 21, ",".join(["build"] * 11)):
            with self.subTest(kinds):
                refused = await self.get(self.path, kinds=kinds)
                self.assertEqual(refused.status_code, 400)
                self.assertIn("kinds: expected", refused.json()["detail"])
        self.assertEqual((await self.get("/events.json", kinds="build")).status_code, 400)
        self.assertIs((await answer(await self.get(self.path, after=99, kinds="build")))["reset"], True)
        self.assertEqual((await AsyncClient().get(self.path, {"kinds": "build"})).status_code, 401)

    async def test_it_waits_for_news_and_no_longer(self) -> None:
        async def later() -> None:
            await asyncio.sleep(0.2)
            await sync_to_async(live.printed)(self.lease, 1, "hello")

        writing = asyncio.create_task(later())
        found = await answer(await self.get(self.path, after=3, wait=20))
        self.assertEqual([event["data"]["text"] for event in found["events"]], ["hello"])
        await writing
        began = time.monotonic()
        found = await answer(await self.get(self.path, after=4, wait="0.2"))
        self.assertEqual((found["events"], found["head"]), ([], 4))
        self.assertGreaterEqual(time.monotonic() - began, 0.2)

    async def test_a_void_cursor_is_a_reset(self) -> None:
        for query in ({"after": "-1"}, {"after": "99"}, {"after": "é"}, {"after": 1, "world": "another"}):
            with self.subTest(query):
                self.assertIs((await answer(await self.get(self.path, **query)))["reset"], True)
        world = (await sync_to_async(Board.get)()).world
        self.assertNotIn("reset", await answer(await self.get(self.path, after=1, world=world)))

    async def test_the_board_has_one_too(self) -> None:
        found = await answer(await self.get("/events.json"))
        self.assertEqual([event["data"]["status"] for event in found["events"]], ["running"])
        await sync_to_async(lifecycle.deleted)()
        self.assertIs((await answer(await self.get("/events.json", after=1)))["reset"], True)

    async def test_who_may_not_gets_the_same_answers_as_from_a_stream(self) -> None:
        self.assertEqual((await AsyncClient().get(self.path)).status_code, 401)
        self.assertEqual((await self.get("/builds/999/events.json")).status_code, 404)
        self.assertEqual((await AsyncClient().post(self.path, headers=self.headers)).status_code, 405)
        refused = await self.get(self.path, wait="soon")
        self.assertEqual(refused.status_code, 400)
        self.assertIn("wait: expected seconds", refused.json()["detail"])

    async def test_head_answers_headers_and_waits_for_nothing(self) -> None:
        request = AsyncRequestFactory().head(self.path, {"after": 3, "wait": 25}, headers=self.headers)
        response = await poll.build_events(request, self.lease.build_id)
        body = [part async for part in response.streaming_content]
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (200, "application/json"))
        self.assertEqual((body, len(hub().viewers)), ([], 0))

    @override_settings(BUILDBOARD_STREAMS_PER_USER=1)
    async def test_too_many_are_told_when_to_come_back(self) -> None:
        first = await self.get(self.path, after=3, wait=20)
        body = aiter(first.streaming_content)
        waiting = asyncio.create_task(anext(body))
        await asyncio.sleep(0.05)
        second = await self.get(self.path, after=3, wait=20)
        self.assertEqual((second.status_code, second.headers["Retry-After"]), (429, "30"))
        third = await self.get(f"/builds/{self.lease.build_id}/log.txt", follow=1)
        self.assertEqual((third.status_code, third.headers["Retry-After"]), (429, "30"))
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        self.assertEqual((await self.get(self.path, after=3)).status_code, 200)

    async def test_a_database_that_is_away_is_said(self) -> None:
        from django.db import OperationalError

        self.addCleanup(setattr, reading._readers, "failed_at", -reading.AWAY_SECONDS)
        with patch("builds.live.opening.known_caller", side_effect=OperationalError("away")):
            self.assertEqual((await self.get(self.path)).status_code, 503)
        self.assertTrue(reading.is_away())
        self.assertEqual((await self.get(self.path)).status_code, 503, "nobody waits for it again at once")
