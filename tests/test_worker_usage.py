"""What a tree of processes uses, measured on real ones."""

import os
import subprocess
import sys
import time

from django.test import SimpleTestCase

from builds.worker import usage
from tests.support.processes import eventually

MEGABYTE = 1024 * 1024
HOLD = "import sys, time; held = bytearray(b'x') * (int(sys.argv[1]) << 20); print('held', flush=True); time.sleep(60)"


class UsageTests(SimpleTestCase):
    def start(self, *argv: str) -> subprocess.Popen:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_all_below_a_process_is_found_and_nothing_else(self) -> None:
        other = self.start("sleep", "60")
        tree = self.start("sh", "-c", "sleep 60 & sh -c 'sleep 60 & sleep 60 & echo up; wait' & wait")
        self.assertEqual(tree.stdout.readline(), "up\n")
        found = usage.descendants(tree.pid)
        self.assertEqual(len(found), 4)
        self.assertNotIn(other.pid, {seen.pid for seen in found})
        before: set[int] = {tree.pid}
        for seen in found:
            self.assertIn(seen.parent, before)
            before.add(seen.pid)
        for seen in found:
            os.kill(seen.pid, 9)
        eventually(lambda: usage.descendants(tree.pid) == [], 10)

    def test_memory_that_is_held_is_measured(self) -> None:
        process = self.start(sys.executable, "-c", HOLD, "80")
        process.stdout.readline()
        [seen] = [seen for seen in usage.descendants(os.getpid()) if seen.pid == process.pid]
        self.assertTrue(80 <= usage.total([seen]).memory / MEGABYTE < 140, seen)
        self.assertTrue(80 <= usage.fair_memory([seen]) / MEGABYTE < 140, seen)

    def test_memory_that_processes_share_counts_once_where_it_is_exact(self) -> None:
        fork = HOLD.replace("print(", "[os.fork() and None for _ in range(2)]; print(").replace("sys", "os, sys", 1)
        process = self.start(sys.executable, "-c", fork, "60")
        for _ in range(4):
            process.stdout.readline()
        below = usage.descendants(process.pid)
        family = [seen for seen in usage.descendants(os.getpid()) if seen.pid == process.pid] + below
        self.assertEqual(len(family), 4)
        self.assertGreater(usage.total(family).memory, 240 * MEGABYTE)
        self.assertLess(usage.fair_memory(family), 150 * MEGABYTE)
        for seen in below:
            os.kill(seen.pid, 9)

    def test_threads_count_as_tasks(self) -> None:
        script = "import threading, time; [threading.Thread(target=time.sleep, args=(60,), daemon=True).start() "
        process = self.start(
            sys.executable, "-c", script + "for _ in range(9)]; print('up', flush=True); time.sleep(60)"
        )
        process.stdout.readline()
        [seen] = [seen for seen in usage.descendants(os.getpid()) if seen.pid == process.pid]
        self.assertEqual(usage.total([seen]).tasks, 10)

    def test_what_is_gone_uses_nothing(self) -> None:
        process = self.start("true")
        process.wait()
        time.sleep(0.01)
        gone = usage.Seen(process.pid, os.getpid(), 1, 10 * MEGABYTE)
        self.assertEqual(usage.fair_memory([gone]), 0)
