"""Takes the pictures of the docs, of real builds on a real board: `make pictures`, about five minutes.

One project byte-compiles Python's standard library; another lints and tests a copy of this checkout, and fails where it
is asked to break it; a third has a repository (`lantern.py`), with a webhook, schedules, targets and secrets.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

CHECKOUT = """
inputs:
  broken: {type: boolean, default: false, help: break a file first}
timeout: 5m
steps:
  - name: copy
    run: cp -r @ROOT@/builds @ROOT@/buildboard @ROOT@/tests @ROOT@/templates @ROOT@/manage.py @ROOT@/pyproject.toml .
  - name: compile
    run: |
      for folder in buildboard builds tests; do
        echo "::group::$folder"
        @PYTHON@ -m compileall -f $folder
        echo "::endgroup::"
      done
  - name: lint
    shell: bash
    run: |
      set -o pipefail
      test $BUILDBOARD_INPUT_BROKEN = false || printf 'import os\\nfirst = undefined\\n' >> builds/gauges.py
      @PYTHON@ -m ruff check --no-cache --output-format github . | sed "s|$PWD/||"
      @PYTHON@ -m ruff check --no-cache --statistics .
      echo checked: $(find . -name '*.py' | wc -l) files
  - name: test
    run: @PYTHON@ manage.py test -v 2 tests.test_states tests.test_recipe tests.test_labels tests.test_progress
"""


def take() -> None:
    from builds import demo, lifecycle
    from builds.models import Project
    from tests.lantern import Lantern
    from tests.support import ROOT, png
    from tests.support.board import Board
    from tests.support.browser import browser, close_browser, session_cookie

    recipe = CHECKOUT.replace("@ROOT@", str(ROOT)).replace("@PYTHON@", sys.executable)
    try:
        with Lantern() as lantern, Board(**lantern.settings) as board:
            board.project("checkout", recipe, name="Checkout")
            board.project("standard-library", demo.recipe("standard-library"), name="Standard library")
            web = board.web()
            board.workers(1)

            def start(slug: str, **inputs: Any) -> int:
                with board.database():
                    project = Project.objects.get(slug=slug)
                    return lifecycle.enqueue(project, by="alice", ref="main", inputs=inputs).pk

            def finish(slug: str, **inputs: Any) -> int:
                build_id = start(slug, **inputs)
                board.wait(build_id, 300)
                return build_id

            for _ in range(3):
                finish("standard-library")
            for broken in (False, False, True, False, False, False):
                finish("checkout", broken=broken)
            failed = finish("checkout", broken=True)
            passed = finish("checkout", broken=False)
            pushed, broke = lantern.build(board)

            reducer = browser().new_page()
            page = browser().new_context().new_page()

            def sign_in(username: str) -> None:
                name, value = session_cookie(board, username)
                page.context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])

            def shoot(picture: str, path: str) -> None:
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    for suffix, view in (("", WIDE), ("-phone", PHONE)):
                        page.set_viewport_size(view)
                        page.goto(web.url + path)
                        page.wait_for_timeout(1_200)
                        png.save(reducer, page.screenshot(), PICTURES / f"{picture}-{scheme}{suffix}.png")

            sign_in("admin")  # may change a project, and so sees what only those see
            shoot("repository", "/projects/lantern/")
            shoot("matrix", f"/builds/{pushed}/")
            shoot("tests", f"/builds/{broke}/tests/")
            shoot("artifacts", f"/builds/{pushed}/artifacts/")
            shoot("deliveries", "/projects/lantern/deliveries/")
            shoot("schedules", f"/projects/lantern/schedules/{lantern.schedule}/")
            shoot("notifications", "/projects/lantern/notifications/")
            shoot("secrets", "/projects/lantern/secrets/")
            sign_in("alice")
            shoot("failed", f"/builds/{failed}/")
            shoot("search", f"/builds/{passed}/?q=test_\\w%2Bs&regex=1#4:40")
            running = start("standard-library")
            for _ in range(2):
                start("checkout", broken=False)
            board.wait(running, 60, status="running")
            page.wait_for_timeout(9_000)
            shoot("build", f"/builds/{running}/")
            shoot("board", "/")
            shoot("project", "/projects/checkout/")
    finally:
        close_browser()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bb-pictures-") as data:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "buildboard.settings", "BUILDBOARD_DATA": data}
        import django

        django.setup()
        take()
