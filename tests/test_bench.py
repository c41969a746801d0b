import json
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import SkipTest
from unittest.mock import patch

from django.test import SimpleTestCase, tag

from .bench import fanout
from .bench.__main__ import LONG, QUESTIONS, ask, write
from .bench.figures import Answer, percentile, table
from .bench.rivals.servers import RIVALS, Rival, Server
from .support import ROOT


class BenchTests(SimpleTestCase):
    def test_every_question_is_answered_in_a_short_form(self):
        questions = QUESTIONS + LONG
        answers = list(ask(questions, short=True))
        self.assertGreaterEqual(len(answers), len(questions))
        for answer in answers:
            self.assertTrue(answer.rows, answer.question)
            self.assertIn(answer.question, table(answer))
        with tempfile.TemporaryDirectory() as folder:
            report = json.loads(write(answers, Path(folder), short=True).read_text())
        self.assertTrue(report["short"])
        self.assertEqual([answer["rows"] for answer in report["answers"]], [answer.rows for answer in answers])
        self.assertIn("Django", report["machine"]["packages"])

    def test_what_is_not_installed_here_has_a_note_and_no_row(self):
        def missing() -> AbstractContextManager[Server]:
            raise SkipTest("needs what nobody has")

        absent = Rival(fanout.BASE, missing)
        with patch.object(fanout, "RIVALS", (absent, *(one for one in RIVALS if one.name == "Buildboard, uvicorn"))):
            answer = fanout.ask("who is there?", 2, 50, lambda _: 5, short=True)
        self.assertEqual([row["server"] for row in answer.rows], ["Buildboard, uvicorn"])
        self.assertEqual(answer.notes, [f"{fanout.BASE}: not measured, needs what nobody has"])

    def test_an_unknown_question_is_refused_by_name(self):
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench", "speed"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("'speed'", done.stderr)


@tag("fast")
class FiguresTests(SimpleTestCase):
    def test_percentiles_are_of_the_nearest_rank(self):
        ordered = [float(n) for n in range(1, 101)]
        self.assertEqual([percentile(ordered, share) for share in (0, 0.5, 0.95, 1)], [1, 51, 96, 100])
        self.assertEqual(percentile([7.0], 0.99), 7)

    def test_a_table_is_aligned_and_has_every_column(self):
        answer = Answer("how much?", notes=["a note"])
        answer.add(name="one", lines=1000)
        answer.add(name="another", ratio=1.5)
        shown = table(answer).splitlines()
        self.assertEqual(shown[2:], ["name     lines  ratio", "one      1,000", "another         1.5", "(a note)"])
