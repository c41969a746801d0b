"""Telling others, as a person sets it up: a form, a test, and what became of it, on a screen and on a phone."""

import os

from django.db.models.functions import Now

from builds import outbox, vault
from builds.models import Outgoing, Project, Target

from ..receiver import Receiver, Reply
from ..support.board import Board
from ..support.browser import BrowserCase

NARROW = {"width": 390, "height": 844}


class NotificationsTest(BrowserCase):
    databases = {"default"}
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_OUTBOX_ALLOW_PRIVATE="127.0.0.0/8", BUILDBOARD_URL="https://board.example")
        cls.addClassCleanup(cls.board.close)
        cls.board.project("hello", "steps: [{name: one, run: 'true'}]")
        cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board, "admin")
        self.url = f"{self.board.webs[0].url}/projects/hello/notifications/"

    def test_a_webhook_is_set_up_and_tested(self) -> None:
        receiver = Receiver(Reply(410, b"no such hook"), Reply(200))
        self.addCleanup(receiver.close)
        self.board.workers(1)
        self.page.goto(f"{self.board.webs[0].url}/projects/hello/")
        self.page.click("text=Notifications")
        self.page.click("text=a signed request to a program of yours")
        self.page.fill("[name=name]", "deploy")
        self.page.fill("[name=address]", f"{receiver.url}/hook")
        self.page.click("text=Keep it")
        self.page.click("text=Send a test")
        self.page.wait_for_selector("text=no such hook", timeout=60_000)
        self.page.click("text=Try again")
        self.page.wait_for_selector("#message:has-text('sent')", timeout=60_000)
        self.assertEqual([got.json()["type"] for got in receiver.received], ["test", "test"])
        self.page.click("text=Change")
        self.page.click("text=Delete …")
        self.page.click("text=for good")
        self.page.wait_for_selector("text=Nobody is told")

    def test_it_fits_its_screens(self) -> None:
        with self.board.database():
            project = Project.objects.get(slug="hello")
            common = {"project": project, "secret": vault.seal("x" * 40)}
            Target.objects.create(
                **common, kind="github", name="GitHub", place="octocat/hello", secret_for="https://api.github.com"
            )
            slack = Target.objects.create(
                **common, kind="slack", name="Slack, #builds", tells="failed lost fixed", branches="main release/*"
            )
            mail = Target.objects.create(
                **common, kind="mail", name="Mail", enabled=False, tells="broken", address="team@example.org, " * 9
            )
            build = self.board.enqueue("hello")
            for number, (state, code, answer, attempts) in enumerate(
                (
                    ("sent", 200, "HTTP 200 OK.", 1),
                    ("failed", 404, "HTTP 404 Not Found: " + "no_service " * 15, 1),
                    ("waiting", 503, "HTTP 503 Service Unavailable.", 4),
                    ("skipped", None, outbox.claims.OVERTAKEN, 0),
                    ("waiting", None, "", 0),
                )
            ):
                Outgoing.objects.create(
                    target=slack if number % 2 else mail,
                    build_id=build,
                    what="failed",
                    key=f"key-{number}",
                    state=state,
                    code=code,
                    answer=answer,
                    attempts=attempts,
                    done_at=None if state == "waiting" else Now(),
                )
        pages = ("", "new/slack/", "new/webhook/", "new/github/", f"{slack.pk}/")
        for viewport in ({"width": 1280, "height": 800}, NARROW):
            for scheme in ("light", "dark"):
                context = self.new_context(viewport=viewport, color_scheme=scheme)
                self.sign_in(self.board, "admin", context)
                page = context.new_page()
                for path in pages:
                    page.goto(self.url + path)
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    self.assertLessEqual(wide, viewport["width"], f"{path} at {viewport['width']}")
                    if os.environ.get("PICTURES"):
                        name = path.strip("/").replace("/", "-") or "list"
                        self.screenshot(f"notifications-{name}-{viewport['width']}-{scheme}", page, full_page=True)
