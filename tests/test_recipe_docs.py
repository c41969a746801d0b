"""The examples of docs/recipes.md: all are right, and those that say so run as they stand there."""

import re

from django.test import SimpleTestCase, tag

from builds import lifecycle, recipe
from builds.models import Build, Project
from builds.recipe import steps

from .support import ROOT
from .test_worker_runner import RunnerCase

TEXT = (ROOT / "docs/recipes.md").read_text()
BLOCKS = re.findall(r"^```yaml( run)?\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@tag("fast")
class ExamplesTests(SimpleTestCase):
    def test_all_are_right(self) -> None:
        found = [text for _, text in BLOCKS if not text.startswith("#")]
        self.assertGreater(len(found), 7)
        for text in found:
            self.assertEqual(recipe.problems(text), [], text)

    def test_every_key_is_told(self) -> None:
        for key in steps.KEYS:
            self.assertIn(f"| `{key}` |", TEXT)


class RunTests(RunnerCase):
    def run_text(self, text: str) -> Build:
        number = Project.objects.count()
        project = Project.objects.create(name=f"p{number}", slug=f"p{number}", recipe=text)
        lifecycle.enqueue(project, by="alice")
        lease = lifecycle.claim("test:1", f"{number:032}")
        assert lease is not None
        return self.run_lease(lease)

    def test_those_that_say_so_run_and_pass(self) -> None:
        builds = [self.run_text(text) for run, text in BLOCKS if run]
        self.assertEqual([(build.status, build.reason) for build in builds], [("passed", "")] * 3)
        flaky = builds[1].steps.order_by("position")
        self.assertEqual([(step.status, step.attempt) for step in flaky], [("passed", 2), ("failed", 1), ("passed", 1)])
        self.assertEqual(self.log(builds[2], 1), ["3.12 on sqlite"])
