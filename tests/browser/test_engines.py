"""The pages in Firefox and in WebKit: what is live is live there, also through a web that dies; what is long is read.

What Chromium shows is tested far more closely by the other modules here; these see that nothing rests on one engine.
"""

from django.test import SimpleTestCase, tag

from builds import events, lifecycle
from builds.events import Chunk, Lease
from tests.support.board import Board
from tests.support.browser import READ_LOG, session_cookie
from tests.support.engines import Engine, Firefox, WebKit

from .buildpages import SLOW

TALK = "steps: [{name: talk, run: 'seq 1 200; for i in $(seq 201 500); do echo $i; sleep 0.05; done'}]"
RECIPE = "steps: [{name: configure, run: x}, {name: compile, run: x}]"
LINES = 100_000
IN_VIEW = """(() => {
  const box = document.getElementById("%s")?.getBoundingClientRect();
  return box && box.top >= 0 && box.bottom <= innerHeight;
})()"""
AT_END = f"[...document.querySelectorAll('#lines .ln')].at(-1)?.id === '1:{LINES + 1}'"


class Pages:
    """What is seen in each engine. One board and one browser for all of it."""

    engine: Engine
    board: Board

    @classmethod
    def start(cls, kind: type[Engine], case: type[SimpleTestCase]) -> None:
        cls.board = Board(BUILDBOARD_LEASE_SECONDS="3600")  # nobody renews the lease of a log that a test writes
        case.addClassCleanup(cls.board.close)
        for slug, recipe in (("slow", SLOW), ("talk", TALK), ("large", RECIPE)):
            cls.board.project(slug, recipe)
        cls.board.web()
        cls.lease = cls._large()
        cls.board.workers(2)
        cls.engine = kind()
        case.addClassCleanup(cls.engine.close)
        cls.engine.size(1280, 800)
        cls.engine.open(cls.board.webs[0].url + "/healthz")
        cls.engine.cookie(*session_cookie(cls.board, "alice"))

    @classmethod
    def _large(cls) -> Lease:
        """A running build with a long log."""
        cls.board.enqueue("large")
        with cls.board.database():
            lease = lifecycle.claim("test:1", "t" * 32)
            assert lease is not None
            lifecycle.begin_step(lease, 0)
            for first in range(1, LINES, 50_000):
                begins = range(first, first + 50_000, 1_000)
                events.append(
                    lease,
                    [Chunk(0, at, [f"line {at + n} of \x1b[31mit\x1b[0m" for n in range(1_000)]) for at in begins],
                )
        return lease

    def open(self, path: str) -> None:
        self.engine.open("about:blank")
        self.engine.open(self.board.webs[0].url + path)

    def lines(self) -> list[str]:
        return [text for _, text in self.engine.run(f"return ({READ_LOG})(document.getElementById('lines'))")]

    def test_a_started_build_is_live_and_loses_nothing_by_a_web_that_dies(self) -> None:
        self.open("/projects/talk/")
        self.engine.run("[...document.querySelectorAll('form[data-once] button')].at(-1).click()")
        self.engine.sees("/builds[/][0-9]+[/]$/.test(location.pathname)")
        self.engine.sees("document.getElementById('pill').textContent.includes('Live')")
        self.engine.sees("[...document.querySelectorAll('.ln pre')].some((line) => Number(line.textContent) > 205)")
        self.engine.sees("document.title.includes('talk')")
        web = self.board.webs[0]
        web.kill()
        self.engine.sees("!document.getElementById('pill').textContent.includes('Live')")
        web.start()
        self.engine.sees("document.getElementById('pill').textContent.includes('Live')", 60)
        self.engine.sees(
            "[...document.querySelectorAll('.ln pre')].some((line) => Number(line.textContent) === 500)", 60
        )
        self.engine.sees("document.getElementById('pill').textContent.includes('Complete')", 60)
        found, printed = self.lines(), [str(number) for number in range(1, 501)]
        assert found == printed, f"each line once, in order: {len(found)} lines: {found}"
        self.engine.screenshot(f"engine-{self.engine.name}-build")

    def test_the_board_follows_a_build_without_being_loaded_again(self) -> None:
        self.open("/")
        self.engine.run("window.sameDocument = true")
        build_id = self.board.start("slow")
        row = f"document.querySelector(\"[data-key='build-{build_id}']\")"
        self.engine.sees(f"{row}?.querySelector('.mark').textContent === 'running'")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        self.engine.sees(f"{row}?.querySelector('.mark').textContent === 'cancelled'")
        assert self.engine.run("return window.sameDocument")
        self.engine.screenshot(f"engine-{self.engine.name}-board")

    def test_a_long_log_is_followed_searched_and_led_to_by_address(self) -> None:
        self.open(f"/builds/{self.lease.build_id}/")
        self.engine.sees(IN_VIEW % f"1:{LINES}")
        with self.board.database():
            events.append(self.lease, [Chunk(0, LINES + 1, ["the newest"])])
        self.engine.sees(IN_VIEW % f"1:{LINES + 1}")
        self.engine.run("location.hash = '#1:51234'")
        self.engine.sees(IN_VIEW % "1:51234")
        self.engine.sees("document.querySelector('.ln.picked pre').textContent === 'line 51234 of it'")
        self.engine.sees("document.querySelector('.ln.picked pre i').className === 'c1'")
        self.engine.sees("document.getElementById('follow').getAttribute('aria-pressed') === 'false'")
        self.engine.run(
            "const query = document.getElementById('query'); query.value = 'line 777 of';"
            "query.dispatchEvent(new Event('input', {bubbles: true}));"
        )
        self.engine.sees("/^1 line/.test(document.getElementById('found').textContent)")
        self.engine.run("document.querySelector('.search [data-go=next]').click()")
        self.engine.sees(IN_VIEW % "1:777")
        self.engine.run("document.getElementById('lines').scrollTop = 0")
        self.engine.sees(IN_VIEW % "1:1")
        self.engine.run("document.getElementById('follow').click()")
        self.engine.sees(IN_VIEW % f"1:{LINES + 1}")
        for width in (500, 1280):
            self.engine.size(width, 800)
            self.engine.sees("document.documentElement.scrollWidth <= innerWidth")
            self.engine.sees("document.getElementById('follow').getAttribute('aria-pressed') === 'true'")
            self.engine.sees(AT_END)
            self.engine.screenshot(f"engine-{self.engine.name}-log-{width}")


@tag("browser")
class FirefoxTest(Pages, SimpleTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.start(Firefox, cls)


@tag("browser")
class WebKitTest(Pages, SimpleTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.start(WebKit, cls)
