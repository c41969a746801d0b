"""How long does a reader of a build's page wait: for the tail of a long log, for any line of it, for a control while a
build floods the page? In Chromium, from the request to the frame that shows it."""

import random
import time
from statistics import median
from typing import Any

from builds import events, lifecycle
from builds.events import Chunk
from tests.support.board import Board
from tests.support.browser import browser, close_browser, session_cookie
from tests.support.processes import eventually

from .figures import Answer

LINES, SHORT_LINES = 1_000_000, 20_000
TRIES, SHORT_TRIES = 9, 2
TEXT = "[{:8}] gcc -O2 -c \x1b[36ma/source.c\x1b[0m -o an/object/file.o"
PAINTED = "(performance.getEntriesByName('first-contentful-paint')[0]?.startTime || 0)"
VIEW = {"width": 1280, "height": 800}

SHOWN = """
(address) => new Promise((done) => {
  const began = performance.now();
  const look = () => {
    const row = document.getElementById(address);
    const there = row && !row.classList.contains("awaited") && row.querySelector("pre")?.textContent;
    if (there) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})
"""
SCRUB = """
(share) => new Promise((done) => {
  const began = performance.now();
  const root = document.getElementById("lines");
  root.scrollTop = root.scrollHeight * share;
  const look = () => (root.querySelector(".awaited") ? requestAnimationFrame(look) : done(performance.now() - began));
  requestAnimationFrame(() => requestAnimationFrame(look));
})
"""
PRESS = """
(id) => new Promise((done) => {
  const began = performance.now();
  document.getElementById(id).click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})
"""
FLOOD = """
steps:
  - name: flood
    run: |
      python3 -u - <<'EOF'
      import time
      began = time.monotonic()
      for number in range(1, 5_000 * SECONDS + 1):
          print(f"line {number} of a flood that does not end soon")
          if number % 100 == 0:
              time.sleep(max(began + number / 5_000 - time.monotonic(), 0))
      EOF
"""


def measure(short: bool) -> list[Answer]:
    lines, tries = (SHORT_LINES, SHORT_TRIES) if short else (LINES, TRIES)
    long = Answer(f"a build's page with {lines:,} lines: from the request to the picture (ms, medians of {tries})")
    paint = Answer(f"the first paint of pages on a warm server, from the request (ms, medians of {tries})")
    flood = Answer("a build's page while 5,000 lines a second come (ms)")
    try:
        with Board(BUILDBOARD_LEASE_SECONDS="3600") as board:
            board.web()
            build_id = fill(board, lines)
            page = open_page(board)
            read_long(long, page, f"{board.webs[0].url}/builds/{build_id}/", lines, tries)
            for name, path in (("board", "/"), ("project", "/projects/long/"), ("build", f"/builds/{build_id}/")):
                paint.add(page=name, first_paint=first_paint(page, board.webs[0].url + path, tries))
            press_while_flooded(flood, board, page, 3 if short else 20)
    finally:
        close_browser()
    return [long, paint, flood]


def fill(board: Board, lines: int) -> int:
    board.project("long", "steps: [{name: print, run: x}]")
    build_id = board.enqueue("long")
    with board.database():
        lease = lifecycle.claim("bench:1", "a token of the bench")
        lifecycle.begin_step(lease, 0)
        for first in range(1, lines + 1, 20_000):
            chunks = [
                Chunk(0, begin, [TEXT.format(number) for number in range(begin, begin + 1_000)])
                for begin in range(first, min(first + 20_000, lines + 1), 1_000)
            ]
            events.append(lease, chunks)
        lifecycle.end_step(lease, 0, "passed", exit_code=0)
        lifecycle.finish(lease, "passed", "")
    return build_id


def first_paint(page: Any, url: str, tries: int) -> int:
    """From the request to the first text or picture, as the browser says it."""
    took = []
    page.goto(url)
    for _ in range(tries):
        page.goto("about:blank")
        page.goto(url)
        page.wait_for_function(f"{PAINTED} > 0")
        took.append(page.evaluate(PAINTED))
    return round(median(took))


def open_page(board: Board) -> Any:
    name, value = session_cookie(board, "alice")
    context = browser().new_context(viewport=VIEW)
    context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
    return context.new_page()


def read_long(answer: Answer, page: Any, url: str, lines: int, tries: int) -> None:
    dice = random.Random(7)  # the same lines in each run
    tails, loads, jumps, scrubs, nodes = [], [], [], [], 0
    page.goto(url)  # what is loaded once and for all
    for _ in range(tries):
        page.goto("about:blank")
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.evaluate(SHOWN, f"1:{lines}")
        tails.append((time.perf_counter() - began) * 1000)
        line = dice.randrange(1, lines)
        page.goto("about:blank")
        began = time.perf_counter()
        page.goto(f"{url}#1:{line}", wait_until="commit")
        page.evaluate(SHOWN, f"1:{line}")
        loads.append((time.perf_counter() - began) * 1000)
        line = dice.randrange(1, lines)
        page.evaluate("line => { location.hash = `#1:${line}` }", line)
        jumps.append(page.evaluate(SHOWN, f"1:{line}"))
        for _ in range(5):
            scrubs.append(page.evaluate(SCRUB, dice.random()))
            nodes = max(nodes, page.locator("*").count())
    cdp = page.context.new_cdp_session(page)
    cdp.send("HeapProfiler.collectGarbage")
    cdp.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
    answer.add(
        tail=round(median(tails)),
        line_by_address=round(median(loads)),
        line_on_the_page=round(median(jumps)),
        scrubbed=round(median(scrubs)),
        scrubbed_worst=round(max(scrubs)),
        nodes=nodes,
        heap_mb=round(metrics["JSHeapUsedSize"] / 1e6, 1),
    )


def press_while_flooded(answer: Answer, board: Board, page: Any, seconds: int) -> None:
    board.project("flood", FLOOD.replace("SECONDS", str(seconds + 5)))
    worker = board.workers(1)
    build_id = board.start("flood")
    page.goto(f"{board.webs[0].url}/builds/{build_id}/")
    eventually(lambda: "flood" in page.locator(".ln").last.inner_text(), 20, "no line came")
    times = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        times.append(page.evaluate(PRESS, "wrap"))
        page.wait_for_timeout(150)
    shown = int(page.locator(".ln > a").last.inner_text())
    worker.terminate()
    times.sort()
    answer.add(
        presses=len(times),
        p50=round(median(times)),
        p95=round(times[int(len(times) * 0.95)]),
        worst=round(times[-1]),
        lines_shown=shown,
    )
