"""What is left of a request and its response while their stream goes on, and that its end needs no more."""

import asyncio
import gc
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.test import TransactionTestCase

from buildboard import asgi
from builds.access import new_token
from builds.live import ballast
from builds.live.hub import hub
from tests import live


class BallastTest(TransactionTestCase):
    def setUp(self) -> None:
        self.token = new_token(User.objects.create_user("alice"))
        self.build = live.queued()
        self.sent: list[dict[str, Any]] = []

    async def stream(self) -> asyncio.Task:
        """A request through the doorman, Django and all middleware, until its stream waits for news."""
        says: asyncio.Queue[dict] = asyncio.Queue()
        began = asyncio.Event()
        says.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        fields = [(b"host", b"localhost"), (b"authorization", f"Bearer {self.token}".encode()), (b"cookie", b"a=b")]
        scope = {"type": "http", "method": "GET", "path": f"/builds/{self.build.pk}/events/", "headers": fields}

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)
            if b"event: build" in message.get("body", b""):
                began.set()

        self.hang_up = lambda: says.put_nowait({"type": "http.disconnect"})
        task = asyncio.create_task(asgi.application(scope | {"query_string": b""}, says.get, send))
        await asyncio.wait_for(began.wait(), 10)
        await asyncio.sleep(0.01)
        return task

    async def test_a_stream_keeps_neither_its_callers_session_nor_what_was_matched_to_find_it(self) -> None:
        with patch.object(ballast, "drop", side_effect=ballast.drop) as dropped:
            task = await self.stream()
        request, response = dropped.call_args.args
        self.assertIsInstance(request, ASGIRequest)
        self.assertLessEqual(set(vars(request)), ballast._NEEDED)
        self.assertIsNone(request.resolver_match)
        self.assertEqual(list(response.items()), [])
        head = dict(self.sent[0]["headers"])
        self.assertEqual(head[b"Content-Encoding"], b"identity", "it had left before")
        self.hang_up()
        await asyncio.wait_for(task, 5)
        self.assertEqual(len(hub().viewers), 0)

    async def test_a_stream_that_ends_takes_with_it_all_that_it_held(self) -> None:
        def requests() -> int:
            return sum(type(one) is asgi._Request for one in gc.get_objects())

        gc.collect()
        before = requests()
        task = await self.stream()
        self.assertEqual(requests(), before + 1)
        self.hang_up()
        await asyncio.wait_for(task, 5)
        del task
        await asyncio.sleep(0.05)
        gc.collect()
        self.assertEqual(requests(), before)
