"""On real processes: steps print their secrets in every way, and nothing that is stored or told has one."""

import base64
import contextlib
import json
from pathlib import Path
from urllib.parse import quote

from django.test import SimpleTestCase

from builds import safe
from builds.models import Project
from builds.source import Source

from .support.board import Board
from .support.browser import session_cookie
from .support.processes import eventually

TOKEN = "hunter22/Tür+7kQ"
KEY = "-----BEGIN KEY-----\nqPzR7vXcT1mWqPzR7vXcT1mW\nLk9sYb3nHd8pLk9sYb3nHd8p\n-----END KEY-----\n"
LATER = "made-by-the-step-42"
PRINT = r"""
import base64, json, os, sys, time, urllib.parse
token, key = os.environ["TOKEN"], os.environ["KEY"]
out = sys.stdout.buffer

def say(text, end="\n"):
    out.write((text + end).encode())
    out.flush()

open("left-behind", "w").write(token + "\n" + key)
say("raw " + token)
say(key, "")
say("base64 " + base64.b64encode(token.encode()).decode())
say("header " + base64.b64encode(("user:" + token).encode()).decode())
say("url " + urllib.parse.quote(token, safe=""))
say("json " + json.dumps({"t": token, "k": key}))
say("colour " + token[:5] + "\x1b[31m" + token[5:9] + "\x1b[0m" + token[9:])
say("link \x1b]8;;https://host/?t=" + urllib.parse.quote(token) + "\x1b\\here\x1b]8;;\x1b\\")
say("x" * len("overwritten " + token) + "\roverwritten " + token)
say(token[:4] + "....\b\b\b\b" + token[4:])
say("x" * 16370 + token + "y" * 100)
say("::group::group " + token)
say("::endgroup::")
say("::error file=" + token.replace(":", "%3A") + ",title=" + token + "::message " + token + "%0A" + key.split("\n")[1])
say("\x1b]9;4;1;50\x07", "")
say("slowly ", "")
for byte in token.encode():
    out.write(bytes([byte])); out.flush(); time.sleep(0.22)
say(" done")
later = os.environ["HALF"] + "step-42"
say("::add-mask::" + later)
say("later " + later)
say(token[:9], "")
"""
RECIPE = {
    "env": {"HALF": "made-by-the-"},  # whoever may change a project is given its recipe
    "steps": [
        {"name": "print", "run": f"exec python3 - <<'SCRIPT'\n{PRINT}SCRIPT\n", "secrets": {"TOKEN": "T", "KEY": "K"}},
        {"name": "other", "run": 'cat left-behind; echo "${HALF}step-42" "[$TOKEN]"'},
        {"name": "list", "run": "sleep 1; echo ${#T}", "secrets": ["T"]},
    ],
}


class SecretsEndToEnd(SimpleTestCase):
    databases = {"default"}  # the board's own

    def setUp(self) -> None:
        self.board = Board()
        self.addCleanup(self.board.close)

    def put(self, slug: str, name: str, value: str) -> None:
        with self.board.database():
            safe.put(Project.objects.get(slug=slug), name, value, by="alice")

    def assert_clean(self, what: str, text: str) -> None:
        forms = [
            TOKEN,
            *KEY.split("\n")[:-1],
            LATER,
            base64.b64encode(TOKEN.encode()).decode()[:-4],
            quote(TOKEN, safe=""),
        ]
        forms += [json.dumps(TOKEN)[1:-1], TOKEN[:9], TOKEN[7:], "dW50ZXIyMi9U"]
        for form in forms:
            if form == TOKEN[:9] and what != "open lines":
                continue  # at its end a step prints so much, and no more
            at = text.find(form)
            self.assertEqual(at, -1, f"{what}: …{text[max(at - 80, 0) : at + 80]}…")

    def test_no_secret_is_stored_or_told(self) -> None:
        board = self.board
        board.project("p", json.dumps(RECIPE))
        for name, value in (("T", TOKEN), ("K", KEY)):
            self.put("p", name, value)
        board.web()
        board.workers(1)
        build_id = board.start("p")
        seen: set[bytes] = set()

        def over() -> bool:
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(file.read_bytes())
            return board.build(build_id)["status"] not in ("queued", "running")

        eventually(over, 90, board.outputs)
        state = board.build(build_id)
        self.assertEqual(state["status"], "passed", f"{state}\n{board.outputs()}")
        self.assertFalse([line for line in seen if TOKEN.encode() in line], "the process list")

        stored = board.stored(build_id)
        self.assert_clean("events", "\n".join(record.data for record in stored))
        events = [json.loads(record.data) | {"kind": record.kind} for record in stored]
        self.assert_clean("texts", "\n".join(event.get("text", "") for event in events))
        opened = [event["text"].split("\n")[-1] for event in events if event.get("open")]
        self.assertGreater(len(opened), 1)
        self.assert_clean("open lines", "\n".join(opened))
        self.assertEqual({line for line in opened if "slowly" in line}, {"slowly ", "slowly ***"})

        cookie = "=".join(session_cookie(board, "admin"))
        for path in (
            f"/builds/{build_id}/",
            f"/builds/{build_id}/log.txt",
            f"/builds/{build_id}/log.txt?ansi=1",
            f"/builds/{build_id}/log/?step=print&from=1&to=100",
            f"/builds/{build_id}/events.json",
            f"/builds/{build_id}/find/?q=raw",
            f"/api/v1/builds/{build_id}",
            f"/api/v1/builds/{build_id}/annotations",
            "/api/v1/projects/p",
            "/metrics",
        ):
            answer = board.get(path, token="admin", headers={"Cookie": cookie})
            self.assertEqual(answer.status, 200, path)
            self.assert_clean(path, answer.text)
        for q in (TOKEN, KEY.split("\n")[1], LATER):
            found = board.get(f"/builds/{build_id}/search/?q={quote(q)}").json()
            self.assertNotIn('"text"', json.dumps(found), q)
        for name in ("buildboard.sqlite3", "buildboard.sqlite3-wal"):
            with contextlib.suppress(FileNotFoundError):
                data = (board.data / name).read_bytes()
                self.assertNotIn(TOKEN.encode(), data)
                self.assertNotIn(KEY.split("\n")[1].encode(), data)
        self.assert_clean("what processes print", board.outputs())

        lines = board.lines(build_id, 0)
        for line in ("raw ***", "base64 ***=", "url ***", "slowly *** done", "later ***"):
            self.assertIn(line, lines)
        self.assertIn(f"overwritten ***{'x' * (len(TOKEN) - 3)}", lines)
        self.assertIn("colour ***\x1b[31m\x1b[0m", lines)
        self.assertEqual(lines[-1], TOKEN[:9])
        self.assertEqual(board.lines(build_id, 1), [*["***"] * 5, "*** []"])
        self.assertEqual(board.lines(build_id, 2), [str(len(TOKEN.encode()))])

    def test_a_step_that_is_not_given_its_secret_does_not_start_and_says_why(self) -> None:
        board = self.board
        recipe = {"steps": [{"name": "deploy", "run": "echo started", "secrets": ["T", "NONE"]}]}
        board.project("p", json.dumps(recipe))
        board.workers(1)
        self.put("p", "T", TOKEN)
        build_id = board.enqueue("p")
        state = board.wait(build_id)
        why = "needs the secret NONE, which this project does not have."
        self.assertEqual((state["status"], state["reason"]), ("failed", f"Step deploy {why}"))
        self.assertEqual(state["steps"][0]["reason"], f"N{why[1:]}")
        self.assertEqual(board.lines(build_id), [])
        self.put("p", "NONE", "another-value")
        with board.database():
            from builds import lifecycle

            fork = Source("pull_request", branch="main", pull_request=7, fork=True)
            build_id = lifecycle.enqueue(Project.objects.get(), by="alice", source=fork).pk
        state = board.wait(build_id)
        self.assertEqual(
            state["reason"],
            "Step deploy needs the secret T, which is not given to builds of pull requests from forks.",
        )
