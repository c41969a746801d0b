"""A board to be backed up and restored, on each of both databases."""

import hashlib
import os
import shutil
import subprocess
from typing import Any

from builds.management.commands import _postgresql

from .support.board import Board
from .support.processes import eventually
from .support.servers import postgres_url
from .support.sse import SseClient

COUNT = """
steps:
  - name: count
    run: |
      exec python3 -u - <<'SCRIPT'
      import hashlib
      for number in range(1, 1501):
          print(number, hashlib.sha256(str(number).encode()).hexdigest())
      SCRIPT
"""
COUNTED = [f"{number} {hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(1, 1_501)]
FLOOD = """
steps:
  - name: flood
    run: |
      echo $$ > "$PIDS/step"
      i=0
      while :; do i=$((i+200)); seq $((i-199)) $i; sleep 0.02; done
  - {name: never, run: "true"}
"""


class Restoring:
    """A board with a project that counts and one that floods; who asks is alice."""

    databases = {"default"}

    def make_board(self, **env: str) -> Board:
        raise NotImplementedError

    def replace_by_hand(self) -> None:
        raise NotImplementedError

    def setUp(self) -> None:
        self.board: Board = self.enterContext(self.make_board(BUILDBOARD_LEASE_SECONDS="3"))
        pids = self.board.data / "pids"
        pids.mkdir()
        self.board.project("count", COUNT)
        self.board.project("flood", f"env: {{PIDS: {pids}}}\n{FLOOD}")
        self.file = self.board.data / "backup"
        self.board.token("alice")

    def answer(self, path: str, **options: Any) -> str:
        """What a stream says first, after its opening: `reset`, or the kind of what follows."""
        with SseClient(self.board.webs[0].port, path, token=self.board.token("alice"), **options) as client:
            if client.status != 200:
                return str(client.status)
            for message in client.events():
                if message.event not in (None, "ping"):
                    return message.event
                if message.event == "ping":
                    return "ping"
        return "nothing"

    def world(self) -> str:
        with self.board.database():
            from builds.models import Board as Row

            return Row.get().world

    def head(self, number: int) -> int:
        with self.board.database():
            from builds.models import Build

            return Build.objects.values_list("head", flat=True).get(pk=number)

    def revision(self) -> int:
        with self.board.database():
            from builds.models import Board as Row

            return Row.get().revision

    def begin_flood(self) -> int:
        number = self.board.start("flood")
        eventually(lambda: len(self.board.lines(number)) > 1_000, 30, self.board.outputs)
        return number


class OnSqlite(Restoring):
    def make_board(self, **env: str) -> Board:
        return Board(**env)

    def replace_by_hand(self) -> None:
        """As an operator might, with the web process running: the file, and not its old WAL."""
        place = self.board.data / "buildboard.sqlite3"
        copy = place.with_name("copy")
        shutil.copyfile(self.file, copy)
        for end in ("-wal", "-shm"):
            place.with_name(place.name + end).unlink(missing_ok=True)
        os.replace(copy, place)


class OnPostgresql(Restoring):
    def make_board(self, **env: str) -> Board:
        return Board(database_url=postgres_url(), **env)

    def replace_by_hand(self) -> None:
        """As the documentation has it, with the web process connected."""
        subprocess.run(
            [
                *(_postgresql.tool("pg_restore", 15), "--clean", "--if-exists", "--no-owner", "--single-transaction"),
                *(f"--dbname={self.board.database_url}", str(self.file)),
            ],
            check=True,
            capture_output=True,
        )
