"""`buildboard run --artifact`: what a command leaves behind is on the board, whole, whatever dies in between."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag

from buildboard.client import keeping
from buildboard.client.board import Refused
from builds.models import Artifact

from .outside import RunCase
from .support.processes import eventually


class KeepingTests(RunCase):
    def test_what_it_leaves_behind_is_kept_also_where_it_fails(self) -> None:
        script = """
            mkdir -p dist/sub .hidden; echo wheel > dist/a.whl; printf 'x' > dist/sub/b.txt; echo no > dist/.dot
            ln -s /etc/passwd dist/link; ln -s /etc dist/folder; echo n > notes.txt; exit 3
        """
        options = (
            "--artifact",
            "dist",
            "--artifact",
            "*.txt",
            "--artifact",
            "none/**/*.so",
            "--artifact",
            "dist/*.whl",
        )
        done = self.run_here(script, *options)
        self.assertEqual(done.returncode, 3, done.stderr)
        said = done.stderr.decode()
        self.assertIn("3 artifacts are kept on the board.", said)
        self.assertIn("dist/link is not kept: it is no file of this folder", said)
        self.assertIn("--artifact 'none/**/*.so' means no file.", said)
        found = self.board.get(f"/api/v1/builds/{self.newest()}/artifacts").json()["items"]
        self.assertEqual(
            [(one["path"], one["size"]) for one in found], [("dist/a.whl", 6), ("dist/sub/b.txt", 1), ("notes.txt", 2)]
        )
        self.assertEqual(self.board.build(self.newest())["status"], "failed")
        for wrong in ("/etc/passwd", "../x", " "):
            done = self.run_here("touch ran", "--artifact", wrong)
            self.assertEqual((done.returncode, (self.folder / "ran").exists()), (4, False), done.stderr)

    def test_a_board_that_is_killed_while_a_file_is_sent_gets_the_rest_of_it(self) -> None:
        size = 40 * 1024 * 1024 + 5
        script = f"head -c {size} /dev/urandom > big.bin; echo small > small.txt"
        process, number = self.begin(script, "--artifact", "big.bin", "--artifact", "small.txt")
        with self.board.database():
            pieces = Artifact.objects.filter(build=number, name__contains=".").exclude(sha256="")
            eventually(pieces.exists, 60, "no piece comes")
            self.web.kill()
            before = pieces.count()
        self.web.start()
        self.assertEqual(process.wait(120), 0, process.output())
        self.assertLess(before, 11, "it was killed too late to tell")
        found = self.board.get(f"/api/v1/builds/{number}/artifacts").json()["items"]
        with open(self.folder / "big.bin", "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.assertEqual([(one["path"], one["size"]) for one in found], [("big.bin", size), ("small.txt", 6)])
        self.assertEqual(found[0]["sha256"], digest)
        got = hashlib.sha256(self.board.get(f"/builds/{number}/artifacts/big.bin").content).hexdigest()
        self.assertEqual(got, digest)
        self.assertEqual(self.board.build(number)["status"], "passed")


@tag("fast")
class SentTests(SimpleTestCase):
    """What is asked of the board, file by file, by a board that answers as it is told to."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.asked: list[str] = []
        self.told: list[str] = []

    def send(self, answers: dict[str, Any], *names: str) -> None:
        files = keeping.find(self.folder, names, self.told.append)

        def ask(path: str, body: Any = None, **how: Any) -> Any:
            verb = path.partition("?")[0].rpartition("/")[2]
            self.asked.append(verb)
            answer = answers[verb]
            if isinstance(answer, Exception):
                raise answer
            return answer(body, how) if callable(answer) else answer

        def write(verb: str) -> None:
            ask(verb)

        keeping.send(files, ask, write, lambda text: text.replace("bb_token", "***"), "0" * 32, 7, self.told.append)

    def places(self, *refused: str) -> Any:
        def answer(body: Any, how: Any) -> Any:
            found = [
                {"path": one["path"], "number": None if why else 1, "have": 0, "refused": why}
                for one, why in zip(body["files"], refused, strict=True)
            ]
            self.paths = [one["path"] for one in body["files"]]
            return {"files": found, "piece_bytes": 4}

        return answer

    def test_what_is_refused_is_told_and_the_others_are_sent(self) -> None:
        for name in ("a-bb_token", "b"):
            (self.folder / name).write_text("content")
        piece = {"have": 7}
        self.send({"artifacts": self.places("", "Too large."), "1": piece, "complete": {}}, "*")
        self.assertEqual(self.asked, ["artifacts", "1", "complete"])
        self.assertEqual(self.paths, ["a-***", "b"])
        self.assertEqual(self.told, ["── b is not kept: Too large.", "── 1 artifact is kept on the board."])

    def test_a_file_that_became_shorter_is_not_completed(self) -> None:
        file = self.folder / "a"
        file.write_text("content")

        def piece(body: Any, how: Any) -> Any:
            file.write_text("")
            return {"have": 4}

        self.send({"artifacts": self.places(""), "1": piece}, "a")
        self.assertEqual(self.asked, ["artifacts", "1"])
        self.assertEqual(self.told, ["── a is not kept: it became shorter while it was sent."])

    def test_a_board_that_knows_no_artifacts_is_told_so_once(self) -> None:
        for name in "ab":
            (self.folder / name).write_text("content")
        self.send({"artifacts": Refused(404, "There is nothing at this address.")}, "*")
        self.assertEqual(self.told, ["── Nothing of --artifact is kept: There is nothing at this address."])

    def test_the_board_hears_of_it_while_a_large_file_is_read(self) -> None:
        (self.folder / "a").write_bytes(bytes(3 * 1024 * 1024))
        with mock.patch.object(keeping, "RENEW_SECONDS", 0):
            self.send({"artifacts": self.places("Too large."), "renew": {}}, "a")
        self.assertEqual(self.asked, ["renew"] * 3 + ["artifacts"])

    def test_what_patterns_mean(self) -> None:
        for name in ("a.txt", "d/b.txt", "d/.hidden", "d/e/c.txt", "[x].txt"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(name)
        for patterns, found in (
            (("*.txt",), ["[x].txt", "a.txt"]),
            (("d",), ["d/b.txt", "d/e/c.txt"]),
            (("d/",), ["d/b.txt", "d/e/c.txt"]),
            (("./d/b.txt", "d/b.txt"), ["d/b.txt"]),
            (("**/*.txt",), ["[x].txt", "a.txt", "d/b.txt", "d/e/c.txt"]),
            (("d/.hidden",), ["d/.hidden"]),
        ):
            files = keeping.find(self.folder, patterns, self.told.append)
            self.assertEqual([file.path for file in files], found, patterns)
        with mock.patch.object(keeping, "MOST_FILES", 2):
            self.assertEqual(len(keeping.find(self.folder, ["**"], self.told.append)), 2)
        self.assertIn("More than 2 files", self.told[-1])
