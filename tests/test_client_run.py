"""`buildboard run` against a real board: shown here unchanged, told there losslessly, whatever dies in between."""

import errno
import os
import pty
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.client import environment, spool
from buildboard.client.running import facts
from buildboard.client.spool import Spool
from buildboard.client.talk import CouldNot

from .outside import CLIENT, RunCase
from .support.processes import Process, alive, eventually


class RunTests(RunCase):
    def test_shown_here_unchanged_and_told_there(self) -> None:
        script = r"""
            printf '\033[31mred\033[0m\r\n'; printf 'a\tb\001\377\n'; echo "::group::g"; echo in
            echo "::error file=a.c,line=3::bad"; test -t 1 && echo terminal; printf 'no end'; exit 3
        """
        done = self.run_here(script, "--name", "make all")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(
            done.stdout,
            b"\x1b[31mred\x1b[0m\r\na\tb\x01\xff\n::group::g\nin\n::error file=a.c,line=3::bad\nterminal\nno end",
        )
        build = self.board.build(self.newest())
        self.assertEqual((build["status"], build["reason"]), ("failed", "Step make all: exit code 3."))
        self.assertEqual((build["outside"], build["annotations"]["error"]), (True, 1))
        [step] = build["steps"]
        self.assertEqual((step["name"], step["exit_code"], step["reason"]), ("make all", 3, "Exit code 3."))
        self.assertEqual(
            self.board.lines(build["id"]),
            [
                "\x1b[31mred\x1b[0m",
                "a\tb\ufffd",
                "::group::g",
                "in",
                "::error file=a.c,line=3::bad",
                "terminal",
                "no end",
            ],
        )

    def test_a_flood_is_told_without_a_gap(self) -> None:
        done = self.run_here("seq 1 20000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode().split(), [str(number) for number in range(1, 20_001)])
        self.assertEqual(self.board.lines(self.newest()), [str(number) for number in range(1, 20_001)])

    def test_input_signals_and_what_is_not_there(self) -> None:
        done = self.run_here("cat; kill -KILL $$", input=b"typed\n")
        self.assertEqual((done.returncode, done.stdout), (137, b"typed\n"))
        self.assertEqual(self.board.build(self.newest())["steps"][0]["reason"], "Ended by SIGKILL.")
        command = [*CLIENT, "run", "--", "no-such-command"]
        done = subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"no-such-command: No such file", done.stderr)
        self.assertEqual(self.board.build(self.newest())["status"], "failed")

    def test_the_token_reaches_neither_the_command_nor_the_log(self) -> None:
        token = self.board.token("alice")
        self.run_here(f'echo "[$BUILDBOARD_TOKEN]"; echo {token}; echo "$BUILDBOARD_BUILD_ID"')
        number = self.newest()
        self.assertEqual(self.board.lines(number), ["[]", "***", str(number)])
        self.assertIn("echo ***", self.board.build(number)["steps"][0]["name"])

    def test_a_no_of_the_board_runs_nothing(self) -> None:
        for more, text in (
            ({"BUILDBOARD_PROJECT": "nowhere"}, "no project 'nowhere'"),
            ({"BUILDBOARD_TOKEN": self.board.token("stranger")}, "may not start builds"),
            ({"BUILDBOARD_TOKEN": "bb_wrong"}, "unknown or expired"),
            ({"BUILDBOARD_PROJECT": ""}, "Of which project"),
        ):
            with mock.patch.dict(self.env, more):
                done = self.run_here("touch ran")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(text, done.stderr.decode())
        self.assertFalse((self.folder / "ran").exists())

    def test_the_board_is_killed_and_comes_back(self) -> None:
        process, number = self.begin("for n in $(seq 1 400); do echo line $n; sleep 0.02; done")
        for _ in range(2):
            time.sleep(1)
            self.web.kill()
            time.sleep(1)
            self.web.start()
        self.assertEqual(process.wait(60), 0, process.output())
        self.assertEqual(self.board.wait(number)["status"], "passed")
        self.assertEqual(self.board.lines(number), [f"line {n}" for n in range(1, 401)])
        self.assertEqual(
            [line for line in process.output().splitlines() if line.startswith("line")], self.board.lines(number)
        )

    def test_a_board_that_is_away_at_the_beginning_hears_of_it_later(self) -> None:
        before = self.newest() if self.board.get("/api/v1/builds").json()["items"] else 0
        self.web.kill()
        process = Process(
            [*CLIENT, "run", "--", "sh", "-c", "echo one; sleep 1; echo two"], env=self.env, cwd=self.folder
        )
        process.wait_for("two", 60)
        self.assertEqual(process.output().count("is kept here"), 1)
        self.web.start()
        self.assertEqual(process.wait(60), 0, process.output())
        number = self.newest()
        self.assertGreater(number, before)
        self.assertEqual((self.board.build(number)["status"], self.board.lines(number)), ("passed", ["one", "two"]))

    def test_one_that_never_comes_back_holds_nobody_up(self) -> None:
        self.web.kill()
        done = self.run_here("echo done; exit 5", "--patience", "0")
        self.assertEqual((done.returncode, done.stdout), (5, b"done\n"))
        self.assertIn("there is no build of this", done.stderr.decode())

    def test_a_client_that_is_killed_leaves_a_lost_build_and_no_process(self) -> None:
        process, number = self.begin("echo $$; sleep 1000")
        pid = int(eventually(lambda: self.board.lines(number), 20, "nothing was told")[0])
        process.kill()
        self.assertRegex(self.board.wait(number, 60, "lost")["reason"], r"The worker .* gave no sign of life for 6 s\.")
        os.kill(pid, signal.SIGKILL) if alive(pid) else None

    def test_a_cancel_on_the_board_stops_the_command_here(self) -> None:
        process, number = self.begin("trap 'echo stopped; exit 0' TERM; echo ready; sleep 1000 & wait")
        eventually(lambda: self.board.lines(number) == ["ready"], 20, "nothing was told")
        self.assertEqual(self.board.post(f"/api/v1/builds/{number}/cancel").status, 200)
        self.assertEqual(process.wait(40), 143, process.output())
        self.assertIn("Cancelled on the board", process.output())
        build = self.board.wait(number)
        self.assertEqual((build["status"], build["reason"]), ("cancelled", "Cancelled by alice (tests)."))
        self.assertEqual(self.board.lines(number), ["ready", "stopped"])

    def test_a_signal_sent_to_it_is_the_commands(self) -> None:
        process, number = self.begin("trap 'echo heard; exit 9' INT; echo ready; while :; do sleep 0.1; done")
        process.wait_for("ready")
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(40), 9, process.output())
        self.assertEqual(self.board.lines(number), ["ready", "heard"])

    def test_a_build_that_was_lost_meanwhile_says_so_and_the_command_goes_on(self) -> None:
        process, number = self.begin("echo ready; while [ ! -e go ]; do sleep 0.1; done; echo after; exit 6")
        process.wait_for("ready")
        from builds import lifecycle
        from builds.models import Build

        with self.board.database():
            lifecycle.lose(number, Build.objects.get(pk=number).lease_token, "gone")
        process.wait_for("has given build", 40)
        (self.folder / "go").touch()
        self.assertEqual(process.wait(40), 6)
        self.assertIn("after", process.output())
        self.assertEqual(self.board.build(number)["status"], "lost")

    def test_open_lines_are_shown_as_they_stand(self) -> None:
        process, number = self.begin("printf 'half'; while [ ! -e go ]; do sleep 0.1; done; echo ' and whole'")
        eventually(lambda: self.board.lines(number) == ["half"], 30, "the open line does not come")
        (self.folder / "go").touch()
        self.assertEqual(process.wait(40), 0)
        self.assertEqual(self.board.lines(number), ["half and whole"])

    def test_on_a_terminal_it_is_typed_to(self) -> None:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*CLIENT, "run", "--", "sh", "-c", "echo ready; read word; echo got $word; sleep 1000"],
            env=self.env, cwd=self.folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.addCleanup(process.kill)
        said = bytearray()

        def read() -> None:
            try:
                while data := os.read(ours, 4096):
                    said.extend(data)
            except OSError:
                pass

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        eventually(lambda: b"ready" in said, 40, lambda: bytes(said))
        os.write(ours, b"hello\r")
        eventually(lambda: b"got hello\r\n" in said, 20, lambda: bytes(said))
        os.write(ours, b"\x03")  # Ctrl-C
        self.assertEqual(process.wait(40), 130)
        os.close(ours)
        number = self.newest()
        self.assertEqual(self.board.wait(number)["status"], "failed")
        self.assertEqual(self.board.lines(number)[:3], ["ready", "hello", "got hello"])


@tag("fast")
class SpoolTests(SimpleTestCase):
    @given(st.lists(st.lists(st.text(max_size=20), max_size=5), max_size=10), st.integers(1, 200))
    def test_every_line_once_and_in_order(self, groups: list[list[str]], most: int) -> None:
        held, taken = Spool(), []
        for group in groups:
            for line in group:
                held.put(line)
            batch = held.take(most, 0)
            if batch is not None:
                self.assertEqual(batch.first, len(taken) + 1)
                taken += batch.lines
        held.close()
        while (batch := held.take(most, 0)) is not None:
            self.assertEqual(batch.first, len(taken) + 1)
            taken += batch.lines
        self.assertEqual(taken, [line for group in groups for line in group])

    def test_what_is_too_much_is_left_out_but_for_the_end_and_says_so(self) -> None:
        with mock.patch.object(spool, "TAIL_LINES", 3):
            held = Spool(max_bytes=200)
        for number in range(1000):
            held.put(f"line {number}")
        held.close()
        taken = []
        while (batch := held.take(1000, 0)) is not None:
            taken += batch.lines
        kept = len(taken) - 4
        self.assertEqual(taken[:kept], [f"line {number}" for number in range(kept)])
        missing, why = 1000 - kept - 3, "the board was away for too long, or the disk here is full"
        self.assertEqual(taken[kept], f"[{missing:,} lines are left out here: {why}]")
        self.assertEqual(taken[-3:], ["line 997", "line 998", "line 999"])

    def test_its_file_does_not_grow_with_what_was_taken(self) -> None:
        """A command that prints for days, to a board that is never quite there with it."""
        held, taken = Spool(max_bytes=2_000), []
        for number in range(5_000):
            held.put(f"line {number}")
            if held.waiting > 1_000 and (batch := held.take(200, 0)) is not None:
                taken += batch.lines
        self.assertLess(os.stat(held._file.fileno()).st_size, 6_000)
        held.close()
        while (batch := held.take(200, 0)) is not None:
            taken += batch.lines
        self.assertEqual(taken, [f"line {number}" for number in range(5_000)])

    def test_a_disk_that_is_full_stops_nothing(self) -> None:
        """The command that runs here is told of what is printed to it, and of nothing else."""
        with mock.patch.object(spool, "TAIL_LINES", 3):
            held = Spool()
        write = os.pwrite

        def full(file: int, data: bytes, at: int) -> int:
            if at + len(data) > 500:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, data[:7], at)

        with mock.patch("os.pwrite", full):
            for number in range(1000):
                held.put(f"line {number}")
            held.close()
            taken = []
            while (batch := held.take(100, 0)) is not None:
                taken += batch.lines
        kept = len(taken) - 4
        self.assertGreater(kept, 10)
        self.assertEqual(taken[:kept], [f"line {number}" for number in range(kept)])
        self.assertIn(f"[{1000 - kept - 3} lines are left out here", taken[kept])
        self.assertEqual(taken[-3:], ["line 997", "line 998", "line 999"])

    def test_nor_one_where_what_is_written_over_takes_room_too(self) -> None:
        held, taken = Spool(max_bytes=200), []
        write = os.pwrite

        def full(file: int, data: bytes, at: int) -> int:
            if at < held._end:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, data, at)

        with mock.patch("os.pwrite", full):
            for number in range(200):
                held.put(f"line {number}")
                if held.waiting > 100 and (batch := held.take(50, 0)) is not None:
                    taken += batch.lines
            held.close()
            while (batch := held.take(200, 0)) is not None:
                taken += batch.lines
        self.assertEqual(taken, [f"line {number}" for number in range(200)])

    def test_it_goes_on_once_there_is_room_again(self) -> None:
        held = Spool(max_bytes=200)
        for number in range(100):
            held.put(f"line {number}")
        while held.take(1000, 0) is not None:
            pass
        held.put("after")
        self.assertEqual(held.take(100_000, 0).lines[-1], "after")


@tag("fast")
class FactsTests(SimpleTestCase):
    def test_of_a_checkout_and_of_none(self) -> None:
        folder = Path(tempfile.mkdtemp())
        git = ["git", "-C", folder, "-c", "user.name=Alice", "-c", "user.email=a@b"]
        before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
        found = facts(["/usr/bin/make", "all"], "", "")
        self.assertEqual(found["steps"], ["make all"])
        self.assertNotIn("commit", found)
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Make it\x1b[2J work\n\nbody"], check=True)
        found = facts(["sh", "-c", "x" * 500], "", "v1")
        self.assertEqual((found["branch"], found["commit_author"], found["ref"]), ("main", "Alice", "v1"))
        self.assertEqual((len(found["commit"]), found["commit_title"]), (40, "Make it [2J work"))
        self.assertEqual(len(found["steps"][0]), 60)
        self.assertEqual(facts(["x"], "the name", "")["steps"], ["the name"])

    def test_the_project_of_a_folder(self) -> None:
        folder = Path(tempfile.mkdtemp()).resolve()
        (folder / "a/b").mkdir(parents=True)
        with mock.patch.dict("os.environ", {"BUILDBOARD_PROJECT": ""}):
            self.assertEqual(environment.project(folder / "a/b"), "")
            (folder / ".buildboard.toml").write_text('project = "hello"\nurl = "http://evil.example"\n')
            self.assertEqual(environment.project(folder / "a/b"), "hello")
            for text in ("project = 3", "project", "name = 'x'"):
                (folder / "a/.buildboard.toml").write_text(text)
                with self.assertRaises(CouldNot):
                    environment.project(folder / "a/b")
