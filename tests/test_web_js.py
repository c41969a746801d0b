"""The pages' modules have tests of their own; these run them and look at what the modules say."""

import re
import subprocess

from django.test import SimpleTestCase

from .node import node
from .support import ROOT

STATIC = ROOT / "builds" / "static" / "builds"


class ScriptTest(SimpleTestCase):
    def test_the_tests_of_the_modules_pass(self) -> None:
        files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
        done = subprocess.run([node(), "--test", *files], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-5000:] + done.stderr[-2000:])
        self.assertRegex(done.stdout, r"# pass [1-9]")

    def test_every_module_is_checked_for_types_and_makes_no_markup_from_text(self) -> None:
        for path in sorted(STATIC.glob("*.js")):
            with self.subTest(path.name):
                text = path.read_text()
                self.assertTrue(text.startswith("// @ts-check\n"))
                self.assertIsNone(re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|\.style\b", text))

    def test_no_template_has_an_inline_script_or_style(self) -> None:
        for path in sorted((ROOT / "templates").rglob("*.html")):
            with self.subTest(str(path)):
                text = path.read_text()
                self.assertIsNone(re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text))
                for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
                    self.assertEqual(script.strip(), "")
