"""Whether the database answers: looks that the test plays, and PostgreSQL's wrapper against a real server."""

import subprocess
import sys
import threading
import time
from unittest.mock import patch

import psutil
from django.test import SimpleTestCase, tag

from buildboard import presence
from buildboard.presence import Presence

from .support import ROOT
from .support.board import environment
from .support.processes import eventually
from .support.servers import Postgres


@tag("fast")
class PresenceTest(SimpleTestCase):
    def setUp(self) -> None:
        self.presence = Presence()
        self.answers = True
        self.looks = self.renewed = 0
        pace = patch.object(presence, "LOOK_SECONDS", 0.01)
        pace.start()
        self.addCleanup(pace.stop)

    def look(self) -> None:
        self.looks += 1
        if not self.answers:
            raise OSError("refused\nwith advice")

    def renew(self) -> None:
        self.renewed += 1

    def test_without_a_guard_it_is_never_away(self) -> None:
        self.presence.suspect(broken=True)
        self.assertFalse(self.presence.is_away or self.presence.is_guarded)

    def test_a_suspicion_that_was_wrong_changes_nothing(self) -> None:
        self.presence.guard(self.look, self.renew)
        self.presence.suspect()
        eventually(lambda: self.looks == 1 and not self.presence._looking, 5)
        self.assertEqual((self.presence.is_away, self.renewed), (False, 0))

    def test_a_broken_connection_has_the_idle_ones_closed(self) -> None:
        self.presence.guard(self.look, self.renew)
        self.presence.suspect(broken=True)
        eventually(lambda: self.renewed == 1 and not self.presence._looking, 5)
        self.assertFalse(self.presence.is_away)

    def test_a_look_for_which_there_is_no_thread_is_made_at_the_next_suspicion(self) -> None:
        self.presence.guard(self.look, self.renew)
        starting = patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread"))
        with starting, self.assertLogs("buildboard.presence", "ERROR"):
            self.presence.suspect()
        self.presence.suspect()
        eventually(lambda: self.looks == 1 and not self.presence._looking, 5)

    def test_connections_that_cannot_be_let_go_leave_nobody_without_a_look(self) -> None:
        failing = [RuntimeError("the pool is broken")]

        def renew() -> None:
            if failing:
                raise failing.pop()
            self.renew()

        self.presence.guard(self.look, renew)
        with patch.object(threading, "excepthook"):
            self.presence.suspect(broken=True)
            eventually(lambda: not failing and not self.presence._looking, 5)
        self.presence.suspect(broken=True)
        eventually(lambda: self.renewed == 1 and not self.presence._looking, 5)
        self.assertFalse(self.presence.is_away)

    def test_one_thread_looks_until_it_is_back_and_says_each_once(self) -> None:
        self.presence.guard(self.look, self.renew)
        self.answers = False
        with self.assertLogs("buildboard.presence") as said:
            for _ in range(50):
                self.presence.suspect()
            eventually(lambda: self.presence.is_away and self.looks > 5, 5)
            self.assertEqual(sum(thread.name == "database-look" for thread in threading.enumerate()), 1)
            self.answers = True
            eventually(lambda: not self.presence._looking, 5)
        self.assertFalse(self.presence.is_away)
        self.assertEqual(self.renewed, 2, "once so that nobody waits, once so that nobody gets what was open before")
        self.assertEqual([line.rsplit("=", 1)[0] for line in said.output], [
            "ERROR:buildboard.presence:action=database state=away error",
            "WARNING:buildboard.presence:action=database state=back seconds",
        ])  # fmt: skip
        self.assertIn("refused with advice", said.output[0])


SCRIPT = """
import sys, threading, time
import django
django.setup()
from django.db import connection, transaction
from buildboard import postgresql
from buildboard.postgresql import base
from buildboard.presence import database
if sys.argv[1] == "guarded":
    postgresql.guard()
    base.SILENT_TICKS = 30

def ask():
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        said = "answered"
    except Exception as error:
        said = type(error).__name__
    connection.close()
    return said, time.monotonic() - began

for line in sys.stdin:
    count = int(line)
    found = []
    threads = [threading.Thread(target=lambda: found.append(ask())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = sorted({said for said, _ in found})
    slowest = max(seconds for _, seconds in found)
    print("+".join(said), round(slowest, 2), threading.active_count(), database.is_away, flush=True)
"""


class PostgresqlTest(SimpleTestCase):
    """In a process of its own, whose threads ask a server that is stopped, paused, restarted, and full."""

    def setUp(self) -> None:
        self.postgres = Postgres()
        self.addCleanup(self.postgres.close)

    def asking(self, how: str) -> "subprocess.Popen[str]":
        env = environment() | {"DATABASE_URL": self.postgres.url(), "SECRET_KEY": "x"}
        command = [sys.executable, "-c", SCRIPT, how]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def ask(self, process: "subprocess.Popen[str]", threads: int) -> tuple[str, float, int, bool]:
        process.stdin.write(f"{threads}\n")
        process.stdin.flush()
        said, seconds, alive, away = process.stdout.readline().split()
        return said, float(seconds), int(alive), away == "True"

    def test_whoever_waits_for_it_stops_waiting_and_threads_and_connections_stay_few(self) -> None:
        process = self.asking("guarded")
        self.assertEqual(self.ask(process, 40)[0], "answered")
        self.postgres.pause()
        said, seconds, _, away = self.ask(process, 40)
        self.assertEqual((said, away), ("OperationalError", True))
        self.assertLess(seconds, 9)
        said, seconds, _, _ = self.ask(process, 40)
        self.assertEqual(said, "OperationalError")
        self.assertLess(seconds, 0.5, "it is known by now")
        eventually(lambda: self.ask(process, 1)[2] <= 3, 15, "threads of the old pool stay")
        self.postgres.resume()
        self._comes_back(process)
        self.postgres.stop()
        self.assertEqual(self.ask(process, 40)[0], "OperationalError")
        self.postgres.start()
        self._comes_back(process)
        self.postgres.kill()
        self.postgres.start()
        self._comes_back(process)

    def _comes_back(self, process: "subprocess.Popen[str]") -> None:
        began = time.monotonic()
        eventually(lambda: self.ask(process, 20)[::3] == ("answered", False), 10, "it stays away")
        self.assertLess(time.monotonic() - began, 5)

    def test_a_connection_that_leads_nowhere_is_given_up_though_the_server_is_there(self) -> None:
        process = self.asking("guarded")
        self.assertEqual(self.ask(process, 1)[0], "answered")
        backends = [child for child in self.postgres._process.children() if " test_1 " in " ".join(child.cmdline())]
        self.assertTrue(backends)
        for backend in backends:
            backend.suspend()
        said, seconds, _, away = self.ask(process, 1)
        self.assertEqual((said, away), ("answered", False), "a health check found it out, and another was opened")
        self.assertLess(seconds, 20)
        for backend in backends:
            backend.resume()

    def test_looks_leave_no_connections_behind(self) -> None:
        process = self.asking("guarded")
        self.assertEqual(self.ask(process, 1)[0], "answered")
        self.postgres.pause()
        self.ask(process, 1)
        time.sleep(9)  # three looks, each of which is given up
        open_now = psutil.Process(process.pid).net_connections("tcp")
        self.assertLessEqual(len(open_now), 4)  # the look's own, and attempts of the pool that was let go

    def test_a_server_without_a_free_connection_is_there(self) -> None:
        self.postgres.stop()
        self.postgres._settings["max_connections"] = "8"
        self.postgres.start()
        process = self.asking("guarded")
        said, _, _, away = self.ask(process, 40)
        self.assertEqual((said, away), ("answered", False), "they wait for those that there are")

    def test_a_process_without_a_guard_waits(self) -> None:
        process = self.asking("free")
        self.assertEqual(self.ask(process, 1)[0], "answered")
        self.postgres.pause()
        later = threading.Timer(6, self.postgres.resume)
        later.start()
        said, seconds, _, away = self.ask(process, 1)
        later.join()
        self.assertEqual((said, away), ("answered", False))
        self.assertGreater(seconds, 5)
