"""What a build's worker gives to its steps, and what it masks before they print anything."""

from django.test import TestCase, tag

from builds import lifecycle, recipe, safe
from builds.models import Project
from builds.source import Source
from builds.worker.secrecy import Secrecy
from builds.worker.storing import Storing

RECIPE = """
steps:
  - {name: first, run: echo}
  - {name: second, run: echo, secrets: {VARIABLE: TOKEN}}
  - {name: third, run: echo, secrets: [NONE]}
"""


@tag("fast")
class SecrecyTests(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="P", slug="p", recipe=RECIPE)
        self.plan = recipe.parse(RECIPE)
        safe.put(self.project, "TOKEN", "hunter22", by="alice")
        safe.put(self.project, "UNNAMED", "hunter33", by="alice")

    def secrecy(self, source: Source | None = None) -> Secrecy:
        return Secrecy(lifecycle.enqueue(self.project, by="alice", source=source or Source()).pk, Storing())

    def test_what_steps_name_is_masked_before_the_first_begins(self) -> None:
        secrecy = self.secrecy(Source("pull_request", pull_request=7, fork=True))
        secrecy.learn(self.plan)
        self.assertEqual(secrecy.masks.text("hunter22 hunter33"), "*** hunter33")
        with self.assertRaises(safe.Withheld):
            secrecy.give(self.plan.steps[1])

    def test_a_step_is_given_what_it_names_as_it_is_now(self) -> None:
        secrecy = self.secrecy()
        secrecy.learn(self.plan)
        self.assertEqual(secrecy.give(self.plan.steps[0]), {})
        safe.put(self.project, "TOKEN", "a-newer-value", by="alice")
        self.assertEqual(secrecy.give(self.plan.steps[1]), {"VARIABLE": "a-newer-value"})
        self.assertEqual(secrecy.masks.text("hunter22 a-newer-value"), "*** ***")
        with self.assertRaisesMessage(safe.Withheld, "needs the secret NONE, which this project does not have"):
            secrecy.give(self.plan.steps[2])

    def test_a_build_without_secrets_asks_for_none(self) -> None:
        secrecy = self.secrecy()
        with self.assertNumQueries(0):
            secrecy.learn(recipe.parse("steps: [{name: a, run: echo}]"))
        self.assertFalse(secrecy.masks.patterns)
