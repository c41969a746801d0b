"""axe on every page, in both colours, wide and narrow: nothing that keeps people out."""

from typing import Any

from builds import retention, safe
from builds.events import Chunk
from builds.models import Project, Target
from builds.retention import Pace

from .. import failures
from ..oldlogs import over
from ..support.board import Board
from ..support.browser import BrowserCase

RECIPE = """
inputs:
  target: {choices: [debug, release], default: debug, help: what to make}
  loud: {type: boolean, default: false}
steps:
  - name: compile
    run: |
      echo '::group::Objects'; echo 'cc a.c'; echo '::endgroup::'
      echo '::warning file=a.c,line=3,title=unused::x is not used'
      printf '\\033[31mred\\033[0m \\033[32mgreen\\033[0m \\033[33myellow\\033[0m \\033[34mblue\\033[0m\\n'
      echo '::error file=a.c,line=9::It broke'
      STEP
"""
RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
SERIOUS = {"serious", "critical"}


def violations(page: Any, base: str, path: str) -> list[str]:
    """What axe finds on that page, in both colours, wide and narrow."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(base + path)
            page.wait_for_timeout(300)
            answer = Axe().run(page, options=RULES).response["violations"]
            found += [
                f"{path} {scheme} {width}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]}"
                for one in answer
                if one["impact"] in SERIOUS
            ]
    return found


class AxeTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("fails", RECIPE.replace("STEP", "exit 1"))
        self.board.project("runs", RECIPE.replace("STEP", "sleep 600"))
        self.board.project("empty", RECIPE)
        self.web = self.board.web()
        self.worker = self.board.workers(1)

    def test_nothing_serious_where_a_project_is_set_up(self) -> None:
        self.sign_in(self.board, "admin")
        with self.board.database():
            build = failures.build(["cc a.c"], slug="fails").pk
            project = Project.objects.get(slug="fails")
            told = {"project": project, "kind": "mail", "tells": "failed", "address": "team@example.org"}
            Target.objects.create(**told, name="Team")
            Target.objects.create(**told, name="Nobody", enabled=False)
            safe.put(project, "DEPLOY_TOKEN", "a-value-of-some-length", by="admin")
        own = ("secrets", "notifications", "notifications/new/github", "caches")
        paths = [
            *(f"/projects/fails/{page}/" for page in own),
            f"/builds/{build}/tests/",
            f"/builds/{build}/artifacts/",
        ]
        found = [each for path in paths for each in violations(self.page, self.web.url, path)]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_nothing_serious_on_any_page(self) -> None:
        self.sign_in(self.board)
        with self.board.database():
            passed = failures.build(["cc a.c", "linked"], status="passed").pk
            failed = failures.build(["cc a.c", "error: no tide"]).pk
            long = over([Chunk(0, 1, [f"line {number}" for number in range(1, 800)])])
        broke = self.board.start("fails")
        self.board.wait(broke)
        running = self.board.start("runs")
        self.board.wait(running, status="running")
        queued = self.board.start("fails")
        with self.board.database():
            pruned = over([Chunk(0, 1, ["line 1"])])
            retention.compact(pruned, Pace())
            retention.prune(pruned, "90 days after it ended", Pace())
        paths = [
            "/",
            "/?status=failed&when=7d&who=nobody",
            "/?status=wrong",
            "/projects/fails/",
            "/projects/empty/",
            "/projects/fails/caches/",
            *(f"/builds/{build}/" for build in (passed, failed, long, broke, running, queued, pruned)),
            f"/builds/{failed}/difference/",
            f"/builds/{long}/find/?q=line",
            f"/builds/{long}/find/?q=(&regex=1",
            "/builds/999999/",
            "/admin/",
            "/admin/builds/build/",
            f"/admin/builds/build/{broke}/change/",
            "/admin/builds/project/",
            "/admin/builds/project/add/",
        ]
        found = [each for path in paths for each in violations(self.page, self.web.url, path)]
        stranger = self.new_context().new_page()
        found += violations(stranger, self.web.url, "/accounts/login/")
        self.assertEqual(found, [], "\n" + "\n".join(found))
