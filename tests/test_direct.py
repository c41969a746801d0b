"""The live wing's handler is Django's: whoever asks is answered the same, through the same middleware."""

import asyncio
from io import BytesIO
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, TransactionTestCase, override_settings
from django.urls import path

from buildboard import urls
from buildboard.direct import Handler
from tests import live


async def touched(request: HttpRequest) -> HttpResponse:
    """A view that leaves something in the session, as Django does where a secret key was changed."""
    await request.session.aset("seen", "yes")
    return HttpResponse("done")


urlpatterns = [path("touched", touched), *urls.urlpatterns]


def ask(handler: ASGIHandler, method: str, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers but for cookies, and body: of a stream, what came first."""
    where, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": where,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), text.encode()) for name, text in ({"host": "localhost"} | headers).items()],
    }
    sent: list[dict[str, Any]] = []
    body = BytesIO()

    async def whole() -> None:
        over = asyncio.Event()
        messages = iter([{"type": "http.request"}])

        async def receive() -> dict[str, Any]:
            for message in messages:
                return message
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            body.write(message.get("body", b""))
            if not message.get("more_body", message["type"] != "http.response.body") or len(sent) == 2:
                over.set()

        async with ThreadSensitiveContext():
            await handler.handle(scope, receive, send)

    asyncio.run(whole())
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"] if name != b"Set-Cookie"}
    return sent[0]["status"], found, body.getvalue()


@override_settings(ALLOWED_HOSTS=["localhost"], ROOT_URLCONF="tests.test_direct")
class DirectTest(TransactionTestCase):
    def setUp(self) -> None:
        client = Client()
        client.force_login(User.objects.create_user("alice"))
        self.key = client.session.session_key
        self.cookie = {"Cookie": f"sessionid={self.key}"}
        self.build = live.queued()

    def test_it_answers_as_django_does(self) -> None:
        where = f"/builds/{self.build.pk}"
        handlers = Handler(), ASGIHandler()
        for method, target, headers in (
            ("GET", f"{where}/events.json", self.cookie),
            ("GET", f"{where}/events.json", {}),
            ("GET", f"{where}/events.json", {"Authorization": "Bearer nonsense"}),
            ("POST", f"{where}/events.json", self.cookie),
            ("HEAD", f"{where}/events/", self.cookie),
            ("GET", f"{where}/events/?after=99", self.cookie),
            ("GET", "/builds/999/events/", self.cookie),
            ("GET", f"{where}/log/?step=one", self.cookie),
            ("GET", f"{where}/log.txt", self.cookie | {"Accept-Encoding": "gzip"}),
            ("GET", f"{where}/log.txt", self.cookie | {"host": "elsewhere"}),
            ("GET", "/nowhere", self.cookie),
        ):
            direct, usual = (ask(handler, method, target, **headers) for handler in handlers)
            self.assertEqual(direct[:2], usual[:2], (method, target))
            if "events/" not in target and usual[0] == 200:
                self.assertEqual(direct[2], usual[2], (method, target))

    @override_settings(SECURE_SSL_REDIRECT=True)
    def test_a_redirect_to_https_is_one_here_as_well(self) -> None:
        status, headers, _ = ask(Handler(), "GET", "/events/", **self.cookie)
        self.assertEqual((status, headers["Location"]), (301, "https://localhost/events/"))

    def test_a_session_that_was_changed_is_stored(self) -> None:
        self.assertEqual(ask(Handler(), "GET", "/touched", **self.cookie)[0], 200)
        self.assertEqual(SessionStore(self.key)["seen"], "yes")
