"""`buildboard run --artifact`: what a command leaves behind is on the board, whole, whatever dies in between."""

import hashlib

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
