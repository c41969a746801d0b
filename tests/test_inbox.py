"""What one is told, in turn, whatever is cancelled meanwhile."""

import asyncio

from django.test import SimpleTestCase, tag

from buildboard.inbox import Inbox


@tag("fast")
class InboxTest(SimpleTestCase):
    async def test_what_is_there_already_comes_first_and_in_turn(self) -> None:
        inbox = Inbox([{"n": 1}, {"n": 2}])
        inbox.put_nowait({"n": 3})
        self.assertEqual([(await inbox.get())["n"] for _ in range(3)], [1, 2, 3])

    async def test_one_who_waits_is_told_and_one_who_is_cancelled_takes_nothing(self) -> None:
        inbox = Inbox()
        for told_before in (False, True):
            waiting = asyncio.create_task(inbox.get())
            await asyncio.sleep(0)
            if told_before:
                inbox.put_nowait({"n": 1})
                inbox.put_nowait({"n": 2})
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
        self.assertEqual([(await inbox.get())["n"] for _ in range(2)], [1, 2])
        waiting = asyncio.create_task(inbox.get())
        await asyncio.sleep(0)
        inbox.put_nowait({"n": 3})
        self.assertEqual((await waiting)["n"], 3)

    async def test_two_cannot_wait(self) -> None:
        inbox = Inbox()
        waiting = asyncio.create_task(inbox.get())
        await asyncio.sleep(0)
        with self.assertRaisesMessage(RuntimeError, "Two wait"):
            await inbox.get()
        waiting.cancel()
