import io
import tempfile
from pathlib import Path
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import SimpleTestCase, tag

WRONG = "steps:\n- name: a\n  run: x\n  needs: b\n- nme: c\n  run: ''\n"


@tag("fast")
class CheckRecipeTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-check-")
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "r.yml"

    def check(self, *names: str) -> tuple[str, str, CommandError | None]:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command("checkrecipe", *names, stdout=out, stderr=err)
        except CommandError as error:
            return out.getvalue(), err.getvalue(), error
        return out.getvalue(), err.getvalue(), None

    def test_every_error_is_told_with_its_line(self) -> None:
        self.file.write_text(WRONG)
        out, _, error = self.check(str(self.file))
        lines = out.splitlines()
        self.assertEqual(len(lines), 3)
        for line, (number, words) in zip(
            lines, [(5, "unknown key 'nme'"), (5, "needs the key 'name'"), (6, "this is empty")], strict=True
        ):
            self.assertTrue(line.startswith(f"{self.file}:{number}: "), line)
            self.assertIn(words, line)
        assert error is not None
        self.assertEqual((str(error), error.returncode), ("3 errors.", 1))

    def test_a_right_one_says_how_many_steps_a_build_has(self) -> None:
        self.file.write_text("steps:\n- {name: a, run: x, matrix: {n: [1, 2]}}\n")
        self.assertEqual(self.check(str(self.file)), ("", f"{self.file}: right; a build has 2 steps.\n", None))

    def test_standard_input_and_several_files(self) -> None:
        self.file.write_text("steps: [{name: a, run: x}]")
        with mock.patch("sys.stdin", mock.Mock(buffer=io.BytesIO(b""))):
            out, err, error = self.check(str(self.file), "-")
        self.assertIn("-:1: the recipe is empty", out)
        self.assertIn("right; a build has 1 step.", err)
        self.assertEqual(str(error), "1 error.")

    def test_what_cannot_be_read_is_said(self) -> None:
        self.assertIn("could not be read: No such file", str(self.check("/no/such/file")[2]))
        self.file.write_bytes(b"steps:\n- {name: \xff}\n")
        self.assertEqual(str(self.check(str(self.file))[2]), f"{self.file}:2: expected text in UTF-8.")
