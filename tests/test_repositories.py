"""Real projects, built from their repositories: this one, a C program, a Python package, a Node package; and what
docs/repositories.md tells to type."""

import re
import shutil
import subprocess
import sys

from tests.node import node
from tests.support import ROOT, missing
from tests.support.repositories import ENV, needs
from tests.test_worker_checkout import RepositoryCase

DOCS = ROOT / "docs/repositories.md"

C_PROGRAM = {
    "Makefile": """\
CFLAGS = -Wall -O1
build/hello: hello.c
	mkdir -p build
	$(CC) $(CFLAGS) -DVERSION='"'"$$(git describe --tags)"'"' -o $@ hello.c
.PHONY: check
check: build/hello
	test "$$(build/hello)" = "hello $$(git describe --tags)"
""",
    "hello.c": '#include <stdio.h>\nint main(void) { printf("hello %s\\n", VERSION); return 0; }\n',
    ".buildboard.yml": "steps:\n  - {name: make, run: make}\n  - {name: check, run: make check}\n",
}
PYTHON_PACKAGE = {
    "pyproject.toml": '[project]\nname = "widgets"\nversion = "1.0"\n',
    "widgets/__init__.py": "def double(value):\n    return value * 2\n",
    "tests/test_widgets.py": """\
import unittest
from xml.etree.ElementTree import Element, SubElement, ElementTree
from widgets import double

class DoubleTest(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(double(2), 4)

    def test_texts(self):
        self.assertEqual(double("a"), "aa")

class Result(unittest.TextTestResult):
    def stopTestRun(self):
        suite = Element("testsuite", name="widgets", tests=str(self.testsRun), failures=str(len(self.failures)))
        for name in ("test_numbers", "test_texts"):
            SubElement(suite, "testcase", classname="DoubleTest", name=name, time="0.001")
        ElementTree(suite).write("junit.xml")

if __name__ == "__main__":
    unittest.main(testRunner=unittest.TextTestRunner(resultclass=Result, verbosity=2))
""",
    ".buildboard.yml": """\
steps:
  - name: compile
    run: '"$PYTHON" -m compileall -q widgets'
  - name: test
    run: |
      PYTHONPATH=. "$PYTHON" tests/test_widgets.py
      grep -c '<testcase' junit.xml || true
    reports: junit.xml
""",
}
NODE_PACKAGE = {
    "package.json": '{"name": "widgets", "version": "1.0.0", "type": "module", "scripts": {"test": "node --test"}}\n',
    "index.js": "export const double = (value) => value * 2;\n",
    "index.test.js": """\
import test from "node:test";
import assert from "node:assert";
import { double } from "./index.js";
test("doubles", () => assert.equal(double(2), 4));
""",
    ".buildboard.yml": 'steps:\n  - {name: test, run: "\\"$NODE\\" --test index.test.js"}\n',
}


class RealTest(RepositoryCase):
    def made(self, files: dict[str, str], **env: str) -> None:
        text = files[".buildboard.yml"]
        given = "".join(f"  {name}: {value!r}\n" for name, value in env.items())
        self.origin.commit(files | {".buildboard.yml": (f"env:\n{given}" if given else "") + text})
        self.origin.git("tag", "v1.2")

    def test_a_c_program_with_make(self) -> None:
        needs("make", "cc")
        self.made(C_PROGRAM)
        build = self.build(self.project())
        self.assertEqual((build.status, build.reason), ("passed", ""), self.log(build, 1))
        self.assertTrue(any("-DVERSION" in line for line in self.log(build, 1)))

    def test_a_python_package_with_its_tests_and_a_report(self) -> None:
        self.made(PYTHON_PACKAGE, PYTHON=sys.executable)
        build = self.build(self.project())
        self.assertEqual((build.status, build.reason), ("passed", ""), self.log(build, 2))
        self.assertIn("OK", self.log(build, 2))

    def test_a_node_package(self) -> None:
        self.made(NODE_PACKAGE, NODE=node())
        build = self.build(self.project())
        self.assertEqual((build.status, build.reason), ("passed", ""), self.log(build, 1))
        self.assertTrue(any("pass 1" in line for line in self.log(build, 1)))

    def test_this_repository_by_a_tag_shallow(self) -> None:
        if not (ROOT / ".git").exists():
            missing("checkout of this project that is a git repository")
        recipe = f"""
env: {{PYTHON: {sys.executable!r}, PYTHONDONTWRITEBYTECODE: "1"}}
steps:
  - {{name: check, run: '"$PYTHON" manage.py check'}}
  - {{name: test, run: '"$PYTHON" manage.py test tests.test_states tests.test_source'}}
"""
        # A copy: what git packs for others is read from the checkout itself, which may be a worktree or shallow.
        shutil.rmtree(self.origin.path)
        subprocess.run(
            ["git", "-c", "safe.directory=*", "clone", "-q", "--depth=1", f"file://{ROOT}", self.origin.path],
            env=ENV, check=True,
        )  # fmt: skip
        project = self.project(recipe=recipe, recipe_path="no-such.yml", depth=1)
        build = self.build(project)
        self.assertEqual((build.status, build.reason), ("passed", ""), self.log(build, 2)[-20:])
        self.assertEqual(build.commit, self.origin.git("rev-parse", "HEAD"))
        self.assertEqual(build.recipe_path, "")


class DocumentedTest(RepositoryCase):
    def test_what_the_page_tells_to_type_makes_a_repository_that_is_built(self) -> None:
        needs("make")
        script = re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)[0]
        script = script.replace("~/git", str(self.srv)).replace("$HOME/git", str(self.srv))
        shutil.rmtree(self.origin.path)
        done = subprocess.run(
            ["sh", "-eu", "-c", script], cwd=self.folder, env=ENV, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        build = self.build(self.project(repository=str(self.srv / "widgets.git")))
        self.assertEqual((build.status, build.reason), ("passed", ""))
        self.assertEqual(self.names(build), ["check out", "greet", "test"])
        self.assertEqual(self.log(build, 1), [f"hello from main at {build.commit}"])
