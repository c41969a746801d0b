"""The fault bench: its parts by themselves, and one short seed of it with everything that it starts."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase, tag

from .faults import nginx, table
from .faults.faults import _HOW
from .faults.layer import DOUBLED, DROPPED, HALVED, WHOLE, UnreliableLayer
from .faults.plan import FULL, KINDS, LONG, SHORT, plan
from .faults.printer import line
from .faults.proxy import Proxies
from .faults.recipes import CANCELLED_ON_PURPOSE, RECIPES
from .faults.run import Result, run
from .faults.units import Keeper, Unit
from .support import ROOT
from .support.processes import eventually

SEEDS = range(1, 21)
SHORT_SEED = 8
"""A web killed, a supervisor with its workers, a step and a guardian, and PostgreSQL restarted."""


class ShortTest(SimpleTestCase):
    def test_a_short_seed_of_the_whole_bench_passes(self) -> None:
        result = run(plan(SHORT_SEED, SHORT))
        self.assertEqual(result.verdict.all(), {})
        self.assertGreaterEqual(result.faults.total(), 3)
        self.assertGreaterEqual(result.viewers, SHORT.viewers)


@tag("fast")
class PlanTest(SimpleTestCase):
    def test_a_seed_is_the_same_plan_for_ever_and_another_one_another(self) -> None:
        self.assertEqual(plan(7), plan(7))
        self.assertEqual(len({plan(seed).faults for seed in SEEDS}), len(SEEDS))

    def test_twenty_seeds_have_every_kind_of_fault_and_of_build(self) -> None:
        kinds = Counter(fault.kind for seed in SEEDS for fault in plan(seed).faults)
        self.assertEqual(set(kinds), set(KINDS))
        self.assertEqual(set(KINDS), set(_HOW))
        self.assertGreaterEqual(min(kinds.values()), 2)
        for seed in SEEDS:
            self.assertEqual(len(plan(seed).starts), FULL.builds)
        slugs = {start.slug for seed in SEEDS for start in plan(seed).starts}
        self.assertEqual(slugs, set(RECIPES) - {"warm"})

    def test_nothing_is_done_twice_to_a_target_at_the_same_time(self) -> None:
        for seed in SEEDS:
            for size in (FULL, SHORT):
                ends: dict[str, float] = {}
                for fault in plan(seed, size).faults:
                    self.assertGreaterEqual(fault.at, ends.get(fault.target, 0.0), (seed, fault))
                    ends[fault.target] = fault.at + fault.seconds
                    self.assertLessEqual(fault.at + fault.seconds, size.seconds + 1)

    def test_every_fourth_seed_pauses_redis_for_30_s_and_another_postgresql_for_20(self) -> None:
        for rest, (kind, seconds) in LONG.items():
            for seed in SEEDS:
                longest = max((fault.seconds for fault in plan(seed).faults if fault.kind == kind), default=0)
                self.assertEqual(longest >= seconds, seed % 4 == rest, (seed, kind))

    def test_what_goes_on_for_ever_is_cancelled(self) -> None:
        for start in (start for seed in SEEDS for start in plan(seed).starts):
            self.assertEqual(start.cancel_after is not None, start.slug == CANCELLED_ON_PURPOSE)


@tag("fast")
class PrinterTest(SimpleTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(self, *options: str) -> subprocess.Popen:
        command = [sys.executable, "-I", "-S", "-E", "tests/faults/printer.py", str(self.folder), *options]
        return subprocess.Popen(
            command, cwd=ROOT, env={"BUILDBOARD_BUILD_ID": "7"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def record(self) -> tuple[int, int]:
        meant, taken = (self.folder / "7.half").read_text().split("\n")[0].split()
        return int(meant), int(taken)

    def test_it_prints_what_is_known_before_and_writes_it_down(self) -> None:
        for options in ((), ("--batch", "3"), ("--pieces",)):
            process = self.start("half", "10", *options, "--exit", "3")
            output, _ = process.communicate(timeout=20)
            self.assertEqual(output.decode().split("\n"), [line(7, "half", n) for n in range(1, 11)] + [""])
            self.assertEqual((process.returncode, self.record()), (3, (10, 10)))
            (self.folder / "7.half").unlink()

    def test_killed_at_any_moment_it_has_taken_no_more_and_meant_no_less_than_it_printed(self) -> None:
        process = self.start("half", "100000", "--batch", "7")
        printed = process.stdout.read(random.randint(1_000, 100_000))
        process.kill()
        printed += process.stdout.read()
        process.wait()
        process.stdout.close()
        meant, taken = self.record()
        self.assertLessEqual(taken, printed.count(b"\n"))
        self.assertLessEqual(printed.count(b"\n"), meant)

    def test_told_to_end_it_prints_a_farewell_that_is_known_too(self) -> None:
        process = self.start("half", "100000", "--rest", "0.05", "--farewell", "30")
        process.stdout.readline()
        process.terminate()
        rest, _ = process.communicate(timeout=20)
        self.assertEqual((process.returncode, self.record()), (1, (rest.count(b"\n") + 1,) * 2))
        self.assertGreaterEqual(rest.count(b"\n"), 30)
        last = line(7, "half", rest.count(b"\n") + 1)
        self.assertTrue(rest.decode().endswith(f"{last}\n"))

    def test_a_second_run_is_noticed(self) -> None:
        self.start("half", "1").communicate(timeout=20)
        self.start("half", "1").communicate(timeout=20)
        self.assertTrue((self.folder / "7.half.twice").exists())


class ProxyTest(SimpleTestCase):
    def setUp(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        threading.Thread(target=self.echo, args=(listener,), daemon=True).start()
        self.proxies = self.enterContext(closing(Proxies(echo=listener.getsockname()[1])))

    @staticmethod
    def echo(listener: socket.socket) -> None:
        def answer(client: socket.socket) -> None:
            with client, suppress(OSError):
                while data := client.recv(65536):
                    client.sendall(data)

        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.proxies.ports["echo"]), timeout=10)
        self.addCleanup(client.close)
        return client

    def test_it_carries_every_byte_both_ways_and_the_end(self) -> None:
        client, data = self.connect(), os.urandom(1_000_000)
        threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)), daemon=True).start()
        with client.makefile("rb") as answers:
            self.assertEqual(answers.read(), data)

    def test_a_cut_resets_what_is_there_within_so_many_bytes_and_nothing_that_comes_later(self) -> None:
        client = self.connect()
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        self.proxies.cut("echo", 100, dice=3)
        carried = 0
        with self.assertRaises(ConnectionError):
            for _ in range(2_000):
                client.sendall(b"x")
                if not client.recv(1):
                    raise ConnectionResetError
                carried += 1
        self.assertLessEqual(carried, 100)
        later = self.connect()
        for _ in range(300):
            later.sendall(b"x")
            self.assertEqual(later.recv(1), b"x")


@tag("fast")
class LayerTest(SimpleTestCase):
    def test_the_file_says_how_often_a_wake_is_sent(self) -> None:
        with tempfile.NamedTemporaryFile("w") as file:
            layer = UnreliableLayer(hosts=[], file=file.name)
            for word, expected in ((WHOLE, {1}), (DROPPED, {0}), (DOUBLED, {2}), (HALVED, {0, 1})):
                Path(file.name).write_text(word)
                counts = set()
                for _ in range(50):
                    with mock.patch.object(layer, "_get_layer", return_value=mock.AsyncMock()) as inner:
                        asyncio.run(layer.group_send("board", {}))
                        counts.add(inner.return_value.group_send.await_count)
                self.assertEqual(counts, expected, word)


@tag("fast")
class UnitTest(SimpleTestCase):
    def unit(self, program: str) -> Unit:
        unit = Unit("a unit", [sys.executable, "-c", program], dict(os.environ))
        self.addCleanup(unit.close)
        self.enterContext(closing(Keeper([unit])))
        return unit

    def test_what_was_killed_on_purpose_is_started_again(self) -> None:
        unit = self.unit("import time; time.sleep(60)")
        before = unit.process.pid
        unit.kill(0.1)
        eventually(lambda: unit.process.running and unit.process.pid != before)
        self.assertEqual((unit.restarts, unit.complaints), (1, []))

    def test_what_ends_by_itself_is_complained_about_with_what_it_said(self) -> None:
        unit = self.unit("print('I give up'); raise SystemExit(3)")
        eventually(lambda: unit.complaints)
        self.assertIn("ended with 3:\nI give up", unit.complaints[0])

    def test_an_orderly_end_with_another_code_than_expected_is_complained_about(self) -> None:
        unit = self.unit("import signal; signal.pause()")
        unit.excuse({0}, 0.0)
        unit.process.signal(signal.SIGTERM)
        eventually(lambda: unit.complaints)


@tag("fast")
class TableTest(SimpleTestCase):
    def test_it_counts_over_all_seeds_and_says_which_failed(self) -> None:
        good = Result(1, faults=Counter({"web killed": 2}), builds=Counter(passed=3), lines=1_000)
        bad = Result(2, faults=Counter({"web killed": 1}), builds=Counter(lost=1))
        bad.verdict.lost.append("build 3: 5 lines")
        rows = dict(table.rows([good, bad]))
        self.assertEqual(
            (rows["seeds passed"], rows["· web killed"], rows["builds"], rows["lost"]), ("1 of 2", "3", "4", "1")
        )
        self.assertIn("seed 2: FAILED", table.line(bad))
        self.assertIn("build 3: 5 lines", table.findings(bad)[0])
        self.assertEqual(
            table.report([good, bad], "make faults")["seeds"][1]["verdict"], {"lost": ["build 3: 5 lines"]}
        )

    def test_it_is_put_between_the_markers_of_a_page(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(f"before\n{table.BEGIN}\nwhat stood here\n{table.END}\nafter\n")
            table.put(page, table.markdown([Result(1)], "make faults", "PostgreSQL 15"))
            text = page.read_text()
            self.assertTrue(text.startswith(f"before\n{table.BEGIN}\n`make faults`"), text)
            self.assertTrue(text.endswith(f"{table.END}\nafter\n"), text)
            self.assertNotIn("what stood here", text)
            page.write_text("nothing")
            with self.assertRaises(ValueError):
                table.put(page, "x")

    def test_docs_reliability_has_the_markers(self) -> None:
        text = (ROOT / "docs/reliability.md").read_text()
        self.assertEqual((text.count(table.BEGIN), text.count(table.END)), (1, 1))

    def test_nginx_is_set_up_as_deploy_has_it(self) -> None:
        for words in ("proxy_buffering off;", "proxy_http_version 1.1;", "proxy_pass http://buildboard;"):
            self.assertIn(words, nginx.recommended())

    def test_a_wrong_number_of_seeds_is_refused(self) -> None:
        command = [sys.executable, "-m", "tests.faults", "--seeds", "0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--seeds 0: expected a number from 1 on", done.stderr)
