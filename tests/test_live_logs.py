"""Lines by number, and the whole log as text."""

import asyncio
import random
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient, Client, SimpleTestCase, TransactionTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import events, lifecycle
from builds.access import new_token
from builds.events import Extent
from builds.live import hub, reading
from builds.live.logs import MAX_LINES, CutShort, Stored, Writer
from builds.models import Event, iso
from builds.states import Status
from tests import live


@tag("fast")
class WriterTest(SimpleTestCase):
    @given(
        st.lists(
            st.text(st.characters(exclude_characters="\n\x1b", exclude_categories=["Cs"]), max_size=8), max_size=12
        )
    )
    def test_however_lines_were_cut_into_chunks_the_text_is_the_same(self, lines: list[str]) -> None:
        writer, text, first = Writer(keeps_styling=False), b"", 1
        for number, line in enumerate(lines, start=1):
            if random.random() < 0.5:  # shown while it is open, some of it, then all
                chunk = [*lines[first - 1 : number - 1], line[: len(line) // 2]]
                text += writer.feed("log", {"step": "a", "line": first, "text": "\n".join(chunk), "open": True})
                first = number
            if random.random() < 0.5:
                text += writer.feed("log", {"step": "a", "line": first, "text": "\n".join(lines[first - 1 : number])})
                first = number + 1
        if first <= len(lines):
            text += writer.feed("log", {"step": "a", "line": first, "text": "\n".join(lines[first - 1 :])})
        self.assertEqual((text + writer.rest()).decode(), "".join(f"{line}\n" for line in lines))

    def test_colours_and_links_go_unless_they_are_asked_for(self) -> None:
        styled = "\x1b[1;31mred\x1b[0m \x1b]8;;https://x.example/\x1b\\link\x1b]8;;\x1b\\ \x1b]8;;y\x07z\x1b]8;;\x07"
        data = {"step": "a", "line": 1, "text": styled}
        self.assertEqual(Writer(keeps_styling=False).feed("log", data), b"red link z\n")
        self.assertEqual(Writer(keeps_styling=True).feed("log", data), f"{styled}\n".encode())

    def test_a_cut_says_what_is_missing_and_an_open_line_waits_for_the_end(self) -> None:
        writer = Writer(keeps_styling=False)
        cut = {"step": "a", "line": 3, "lines": 7, "bytes": 1999, "reason": "It was long."}
        self.assertEqual(writer.feed("cut", cut), b"[7 lines, 1,999 bytes of a left out: It was long.]\n")
        self.assertEqual(writer.feed("cut", cut | {"lines": 9}), b"[2 lines of a left out: It was long.]\n")
        self.assertEqual(writer.feed("cut", cut), b"")
        self.assertEqual(writer.feed("group", {"step": "a", "number": 1, "name": "g", "line": 3, "last": None}), b"")
        self.assertEqual(writer.feed("annotation", {"step": "a", "number": 1, "line": 3, "message": "x"}), b"")
        self.assertEqual(writer.feed("log", {"step": "a", "line": 10, "text": "half", "open": True}), b"")
        self.assertEqual(writer.feed("log", {"step": "b", "line": 1, "text": "whole"}), b"whole\n")
        self.assertEqual(writer.feed("step", {"name": "a"}), b"")
        self.assertEqual(writer.rest(), b"half\n")


class LogsCase(TransactionTestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, hub, "_draining", False)
        self.headers = {"authorization": f"Bearer {new_token(User.objects.create_user('alice'))}"}

    async def get(self, path: str, **query: object):
        return await AsyncClient().get(path, query, headers=self.headers)

    async def text(self, build_id: int, **query: object) -> str:
        response = await self.get(f"/builds/{build_id}/log.txt", **query)
        self.assertEqual(response.status_code, 200)
        return b"".join([part async for part in response.streaming_content]).decode()


class LinesTest(LogsCase):
    async def test_both_ends_are_included_and_what_is_out_of_range_is_empty(self) -> None:
        lease = await sync_to_async(live.running)()
        await sync_to_async(live.printed)(lease, 1, "a", "b", "c")
        await sync_to_async(live.printed)(lease, 4, "d", "e", is_open=True)
        path = f"/builds/{lease.build_id}/log/"
        found = (await self.get(path, step="one", **{"from": 2, "to": 4})).json()
        stored = [iso(event.at) async for event in Event.objects.filter(kind="log").order_by("seq")]
        times = [stored[0], stored[0], stored[1]]
        self.assertEqual(found.pop("at"), times, "a line has the time of its chunk")
        self.assertEqual(
            found, {"step": "one", "from": 2, "to": 4, "lines": ["b", "c", "d"], "total": 5, "open": False, "cuts": []}
        )
        found = (await self.get(path, step="one")).json()
        self.assertEqual((found["lines"], found["open"]), (list("abcde"), True))
        found = (await self.get(path, step="one", **{"from": 9, "to": 10})).json()
        self.assertEqual((found["lines"], found["at"], found["total"]), ([], [], 5))
        self.assertEqual((await self.get(path, step="two")).json()["total"], 0)

    async def test_one_answer_is_bounded_and_says_where_it_ends(self) -> None:
        lease = await sync_to_async(live.running)()
        for first in (1, 1001, 2001):
            await sync_to_async(live.printed)(lease, first, *[str(first + n) for n in range(1000)])
        found = (await self.get(f"/builds/{lease.build_id}/log/", step="one", **{"from": 500, "to": 2900})).json()
        self.assertEqual((found["to"], len(found["lines"]), found["total"]), (500 + MAX_LINES - 1, MAX_LINES, 3000))
        self.assertEqual(found["lines"][0], "500")

    async def test_bad_arguments_are_told_what_was_expected(self) -> None:
        build = await sync_to_async(live.queued)()
        path = f"/builds/{build.pk}/log/"
        self.assertIn("step: expected", (await self.get(path)).json()["detail"])
        for bad in ("0", "-1", "x", "1e9", "9" * 50, ""):
            response = await self.get(path, step="one", **{"from": bad})
            self.assertEqual(response.status_code, 400, bad)
            self.assertIn("from: expected", response.json()["detail"])
        unknown = await self.get(path, step="three")
        self.assertEqual(unknown.status_code, 404)
        self.assertIn("one, two", unknown.json()["detail"])
        self.assertEqual((await AsyncClient().get(path, {"step": "one"})).status_code, 401)
        self.assertEqual((await self.get("/builds/99/log/", step="one")).status_code, 404)

    async def test_a_database_that_goes_away_in_between_is_said(self) -> None:
        build = await sync_to_async(live.queued)()
        self.addCleanup(setattr, reading._readers, "failed_at", -reading.AWAY_SECONDS)
        for error in (OperationalError("away"), InterfaceError("closed")):
            reading._readers.failed_at = -reading.AWAY_SECONDS
            with patch("builds.printed.total_lines", side_effect=error):
                response = await self.get(f"/builds/{build.pk}/log/", step="one")
            self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "5"))


class CutTest(LogsCase):
    def test_lines_that_were_cut_are_null_and_counted(self) -> None:
        lease = live.running()
        for number in range(1, 6):
            live.printed(lease, number, f"line {number}")
        events.cut(lease, lease.head - 3, lease.head - 1, "It was long.")
        found = self.client.get(f"/builds/{lease.build_id}/log/", {"step": "one"}, headers=self.headers).json()
        self.assertEqual((found["lines"], found["total"]), (["line 1", None, None, None, "line 5"], 5))

    def test_all_cuts_of_a_step_are_told_wherever_its_lines_were_asked_for(self) -> None:
        lease = live.running()
        for number in range(1, 10):
            live.printed(lease, number, f"line {number}")
        path, query = f"/builds/{lease.build_id}/log/", {"step": "one", "from": "9"}
        self.assertEqual(self.client.get(path, query, headers=self.headers).json()["cuts"], [])
        head = lease.head
        whole = {"line": 2, "lines": 4, "bytes": 28, "reason": "It was long."}
        events.cut(lease, head - 7, head - 6, "It was long.")
        events.cut(lease, head - 5, head - 4, "It was long.")
        self.assertEqual(Event.objects.filter(kind="cut").count(), 2)
        self.assertEqual(self.client.get(path, query, headers=self.headers).json()["cuts"], [whole], "they touch")
        events.cut(lease, head - 2, head - 1, "It was long.")
        found = self.client.get(path, query, headers=self.headers).json()
        self.assertEqual(found["cuts"], [whole, {"line": 7, "lines": 2, "bytes": 14, "reason": "It was long."}])
        self.assertEqual(self.client.get(path, {**query, "step": "two"}, headers=self.headers).json()["cuts"], [])
        with patch("builds.live.logs.MAX_CUTS", 1):
            self.assertEqual(self.client.get(path, query, headers=self.headers).json()["cuts"], [whole])

    def test_a_text_whose_end_is_cut_while_it_is_read_says_so(self) -> None:
        lease = live.running()
        for number in range(1, 6):
            live.printed(lease, number, f"line {number}")
        head = lease.head - 2
        events.cut(lease, lease.head - 3, lease.head - 1, "It was long.")
        download = Stored(lease.build_id, Extent(1, head, False), keeps_styling=False)
        self.assertEqual(
            (download.next() or b"").decode(), "line 1\n[3 lines, 21 bytes of one left out: It was long.]\n"
        )
        self.assertIsNone(download.next())


class TextTest(LogsCase):
    async def test_it_is_the_lines_of_all_steps_in_every_state_of_a_build(self) -> None:
        build = await sync_to_async(live.queued)()
        self.assertEqual(await self.text(build.pk), "")
        await sync_to_async(lifecycle.cancel)(build.pk, by="alice")
        self.assertEqual(await self.text(build.pk, follow=1), "")
        lease = await sync_to_async(self._two_steps)()
        self.assertEqual(await self.text(lease.build_id), "a\nred\nc\n")
        self.assertEqual(await self.text(lease.build_id, ansi=1), "a\n\x1b[31mred\x1b[0m\nc\n")
        await sync_to_async(live.ended)(lease, 1)
        for follow in (0, 1):
            self.assertEqual(await self.text(lease.build_id, follow=follow), "a\nred\nc\nhalf\n")

    def _two_steps(self):
        lease = live.running()
        live.printed(lease, 1, "a", "\x1b[31mred\x1b[0m")
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        lifecycle.begin_step(lease, 1)
        live.printed(lease, 1, "c", "ha", step=1, is_open=True)
        live.printed(lease, 2, "half", step=1, is_open=True)
        return lease

    async def test_following_stays_to_the_end_and_withholds_open_lines(self) -> None:
        lease = await sync_to_async(live.running)()
        following = asyncio.create_task(self.text(lease.build_id, follow=1))
        for first, lines, is_open in ((1, ["a", "b"], True), (2, ["bb"], False), (3, ["c"], False)):
            await asyncio.sleep(0.1)
            await sync_to_async(live.printed)(lease, first, *lines, is_open=is_open)
        self.assertFalse(following.done())
        await sync_to_async(live.ended)(lease)
        self.assertEqual(await asyncio.wait_for(following, 10), "a\nbb\nc\n")

    async def test_a_text_that_is_cut_short_is_no_orderly_end(self) -> None:
        lease = await sync_to_async(live.running)()
        response = await self.get(f"/builds/{lease.build_id}/log.txt", follow=1)
        parts = aiter(response.streaming_content)
        self.assertEqual(await anext(parts), b"")
        hub.drain()
        with self.assertRaises(CutShort):
            await asyncio.wait_for(anext(parts), 10)

    async def test_head_answers_headers_and_a_wrong_flag_is_refused(self) -> None:
        build = await sync_to_async(live.queued)()
        path = f"/builds/{build.pk}/log.txt"
        response = await AsyncClient().head(path, headers=self.headers)
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (200, "text/plain; charset=utf-8"))
        self.assertEqual((await self.get(path, ansi="yes")).status_code, 400)

    def test_a_server_that_cannot_stream_says_so(self) -> None:
        build = live.queued()
        for path in (f"/builds/{build.pk}/log.txt", f"/builds/{build.pk}/events/", "/events/"):
            response = Client().get(path, headers=self.headers)
            self.assertEqual(response.status_code, 501)
            self.assertIn("ASGI", response.json()["detail"])
