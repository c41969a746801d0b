"""A real Chromium for tests, driven by Playwright."""

import atexit
import contextlib
import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.test import SimpleTestCase, tag

from . import ROOT, missing
from .board import PASSWORDS, Board

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SCREENSHOTS = ROOT / "var" / "screenshots"
PATIENCE = 30_000
"""Milliseconds until a page that does not come to what is expected of it has failed: on a busy machine it takes long to
draw, and to ask again at the pace that a busy server can bear."""


@tag("browser")
class BrowserCase(SimpleTestCase):
    """`self.page`: a fresh page in a context of its own. An uncaught error or a broken CSP in it fails the test."""

    page: "Page"
    context: "BrowserContext"
    as_people_have_it = False
    """With the history cache and the slow timers of hidden tabs, both of which Playwright switches off."""

    @classmethod
    def setUpClass(cls) -> None:
        # Both around all else: Django keeps the connections of a thread with a running loop apart, and Playwright's
        # loop would stand in the way of every asynchronous test that follows.
        browser(cls.as_people_have_it)
        cls.addClassCleanup(close_browser)
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.problems: list[str] = []
        self.context = self.new_context()
        self.page = self.context.new_page()

    def new_context(self, **options: Any) -> "BrowserContext":
        """Another browser profile, watched for problems as the first: `java_script_enabled=False`, `viewport=…`."""
        own = {"viewport": {"width": 1280, "height": 800}} | options
        context = browser(self.as_people_have_it).new_context(**own)
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("console", self._hear)
        self.addCleanup(context.close)
        return context

    def tearDown(self) -> None:
        problems, self.problems = self.problems, []
        if self._failed() or problems:
            with contextlib.suppress(Exception):
                self.screenshot(f"failed-{re.sub('[^A-Za-z0-9_.-]', '-', self.id())}")
        super().tearDown()
        self.assertEqual(problems, [], "the page reported errors")

    def sign_in(self, board: Board, username: str = "alice", context: "BrowserContext | None" = None) -> None:
        """Give the browser a session of that user, without the form (a test of its own types into that)."""
        name, value = session_cookie(board, username)
        (context or self.context).add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])

    def sign_in_by_form(self, board: Board, username: str = "alice") -> None:
        self.page.goto(f"{board.webs[0].url}/accounts/login/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", PASSWORDS[username])
        self.page.press("input[name=password]", "Enter")

    def screenshot(self, name: str, page: "Page | None" = None, **options: Any) -> Path:
        """Into var/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (page or self.page).screenshot(path=path, **options)
        return path

    def _hear(self, message: Any) -> None:
        # Requests that fail are no problem here: tests kill servers. A script that is refused is one.
        if message.type == "error" and "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def _failed(self) -> bool:
        outcome = getattr(self, "_outcome", None)
        return outcome is not None and not outcome.success


READ_LOG = """
async (root) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const found = new Map();
  for (let turn = 0; turn < 20 && (turn === 0 || root.scrollTop > 0); turn += 1) { // a view that grows is drawn first
    await frame();
    root.scrollTop = 0;
    await frame();
  }
  for (let turn = 0; turn < 5000; turn += 1) {
    await frame();
    for (let fold; (fold = root.querySelector(".fold[aria-expanded=false]")); await frame()) fold.click();
    for (let wait = 0; root.querySelector(".awaited") && wait < 500; wait += 1) await frame();
    for (const row of root.querySelectorAll(".ln, .gap")) {
      found.set(row.id, [row.id, (row.querySelector("pre, button") || row).textContent]);
    }
    if (root.scrollTop + root.clientHeight >= root.scrollHeight - 2) break;
    root.scrollTop += root.clientHeight;
  }
  return [...found.values()];
}
"""
"""Scrolls the log from its top to its end, as a reader would, and collects (id, text) of each row on the way."""


def read_log(page: "Page") -> list[tuple[str, str]]:
    """Every line (and cut) that a reader sees who scrolls through the log of a build's page, as (`step:line`, text),
    in order. Where the page followed the newest line, it does so again afterwards."""
    follows = page.locator("#follow[aria-pressed=true]:visible").count()
    found = [(str(key), str(text)) for key, text in page.locator("#lines").evaluate(READ_LOG)]
    if follows and page.locator("#follow[aria-pressed=false]").count():
        page.click("#follow")
    return sorted(found, key=lambda row: tuple(map(int, row[0].split(":"))))


def session_cookie(board: Board, username: str) -> tuple[str, str]:
    """Name and value of the cookie of a new session of that user."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    with board.database():
        user = User.objects.get(username=username)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return settings.SESSION_COOKIE_NAME, str(session.session_key)


_SWITCHED_OFF = (
    "--disable-back-forward-cache",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)


@functools.cache
def browser(as_people_have_it: bool = False) -> "Browser":
    """This run's Chromium: the system's, else the one that Playwright has downloaded."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("playwright")
    expect.set_options(timeout=PATIENCE)
    # Playwright's event loop runs in this thread, and Django would refuse every query beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    playwright = sync_playwright().start()
    _to_stop.append(playwright.stop)
    own = Path(playwright.chromium.executable_path)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and not own.exists():
        missing("Chromium (Debian's chromium, or `playwright install chromium`)")
    launched = playwright.chromium.launch(
        executable_path=found,
        ignore_default_args=list(_SWITCHED_OFF) if as_people_have_it else None,
        args=["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"],
    )
    _to_stop.append(launched.close)
    return launched


_to_stop: list[Callable[[], None]] = []


@atexit.register
def close_browser() -> None:
    """End this run's Chromium, if there is one; the next test that wants it gets another."""
    while _to_stop:
        with contextlib.suppress(Exception):
            _to_stop.pop()()
    browser.cache_clear()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
