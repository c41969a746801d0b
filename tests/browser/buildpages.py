"""A build's page in a real browser, against the real commands."""

from typing import Any

from ..support.board import Board, Web
from ..support.browser import BrowserCase
from ..support.processes import Process

SLOW = """
steps:
  - name: count
    run: |
      i=0
      while [ $i -lt 220 ]; do i=$((i+1)); echo "line $i of it"; sleep 0.05; done
  - {name: after, run: echo the end}
"""
TALK = """
steps:
  - name: talk
    run: |
      i=0
      while [ $i -lt 60 ]; do i=$((i+1)); printf '\\033[3%dmword %d\\033[0m\\n' $((i%7+1)) $i; done
      while [ ! -e go ]; do sleep 0.02; done
      echo "printed at $(date +%s.%N)"
"""
MANY = "steps: [{name: flood, run: 'seq 1 50000; echo last words'}]"
FLOOD = "steps: [{name: flood, run: 'i=0; while [ $i -lt 8000 ]; do i=$((i+1)); seq $i $((i+20)); sleep 0.01; done'}]"
LONG = """
steps:
  - name: count
    run: |
      seq 1 4000
      i=4000
      while [ $i -lt 4400 ]; do i=$((i+1)); echo $i; sleep 0.05; done
"""
FAILS = """
steps:
  - {name: first, run: "sleep 1.5; seq 1 3"}
  - {name: silent, run: "true"}
  - {name: odd output, run: "seq 1 8; exit 3"}
  - {name: never, run: "true"}
"""
HOSTILE = r"""
steps:
  - name: "</script><b>"
    shell: bash
    run: |
      echo '</script><script>document.title="owned"</script>'
      echo '<img src=x onerror=alert(1)>'
      printf '\033]8;;javascript:alert(1)\033\\click\033]8;;\033\\ \033[999;;;:m\033[38;5m \033]0;t\007 \0 \377\376\n'
      printf 'a\u2028b \u202e\n'
      head -c 1000000 /dev/zero | tr '\0' x; echo
      echo fine
"""


class BuildPageCase(BrowserCase):
    """One board for all tests of the class."""

    board: Board
    web: Web
    worker: Process

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        recipes = {
            "slow": SLOW,
            "talk": TALK,
            "many": MANY,
            "flood": FLOOD,
            "long": LONG,
            "fails": FAILS,
            "hostile": HOSTILE,
        }
        for slug, recipe in recipes.items():
            cls.board.project(slug, recipe)
        cls.web = cls.board.web()
        cls.worker = cls.board.workers(2)

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)
        self.failed: list[str] = []
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.failed.append(message.text)

    def tearDown(self) -> None:
        super().tearDown()
        self.assertEqual(self.failed, [], "the console has errors")

    def open(self, path: str) -> None:
        self.page.goto(self.web.url + path)

    def open_build(self, build_id: int) -> None:
        self.open(f"/builds/{build_id}/")

    def fresh(self) -> int:
        """How many new lines the page offers."""
        return int(self.page.locator("#fresh").inner_text().split()[0])

    def numbers(self) -> list[int]:
        """Of the lines in the document, in their order."""
        texts = self.page.locator(".ln > a").all_text_contents()
        return [int(text) for text in texts]
