from django.test import TestCase, override_settings, tag

from builds import plans, recipe
from builds.inputs import InputError
from builds.models import Build, Project
from builds.recipe import RecipeError

OWN = "steps: [{name: own, run: 'true'}]"
FOUND = """
inputs: {jobs: {type: number, default: 2}}
steps:
  - {name: a, run: x}
  - {name: b, run: x, needs: []}
  - {name: c, run: x, needs: [a, b]}
"""


@tag("fast")
class PlanTest(TestCase):
    def project(self, **fields: str) -> Project:
        return Project(name="p", slug="p", **fields)

    def names(self, plan: plans.Plan) -> list[str]:
        return [step.name for step in plan.steps]

    def test_without_a_repository_all_is_known_at_the_start(self) -> None:
        plan = plans.at_start(self.project(recipe=FOUND), None, {"jobs": "3"})
        self.assertEqual((self.names(plan), plan.inputs, plan.text), (["a", "b", "c"], {"jobs": 3}, FOUND))
        with self.assertRaises(RecipeError):
            plans.at_start(self.project(), None, {})
        with self.assertRaises(InputError):
            plans.at_start(self.project(recipe=OWN), None, {"jobs": "3"})

    def test_with_one_it_begins_with_the_checkout_and_what_is_expected(self) -> None:
        for fields, names in (
            ({}, []),
            ({"recipe": OWN}, ["own"]),
            ({"recipe": OWN, "found_recipe": FOUND}, ["a", "b", "c"]),
            ({"recipe": "steps: 7"}, []),
        ):
            project = self.project(repository="https://git.example/w", **fields)
            plan = plans.at_start(project, None, {"anything": "3"})
            self.assertEqual(self.names(plan), ["check out", *names])
            self.assertEqual((plan.text, plan.inputs), (project.recipe, {"anything": "3"}))
        for wrong in ({"no name": "x"}, {"x": [1]}, {"x": None}, {"x": "\0"}, {"x": "y" * 9000}):
            with self.subTest(wrong), self.assertRaises(InputError):
                plans.at_start(project, None, wrong)

    def test_a_retry_has_the_steps_of_what_it_repeats(self) -> None:
        project = self.project(recipe=OWN)
        before = Build(project=project, repository="https://git.example/w", recipe=FOUND)
        plan = plans.at_start(project, before, {"jobs": 3})
        self.assertEqual((self.names(plan), plan.text), (["check out", "a", "b", "c"], FOUND))

    def test_the_commits_recipe_else_the_projects_own(self) -> None:
        project = Project(repository="https://git.example/w")
        build = Build(project=project, repository="https://git.example/w", recipe=OWN, inputs={"jobs": "7"})
        plan = plans.at_commit(build, FOUND)
        self.assertEqual((self.names(plan), plan.inputs), (["check out", "a", "b", "c"], {"jobs": 7}))
        self.assertEqual([step.needs for step in plan.steps], [(), (0,), (0,), (1, 2)])
        with self.assertRaisesRegex(InputError, "no input 'jobs'"):
            plans.at_commit(build, None)
        build.inputs = {}
        self.assertEqual(self.names(plans.at_commit(build, None)), ["check out", "own"])
        build.recipe = ""
        with self.assertRaisesRegex(
            RecipeError, "its commit has no .buildboard.yml, and its project no recipe of its own"
        ):
            plans.at_commit(build, None)

    @override_settings(BUILDBOARD_CHECKOUT_SECONDS=77)
    def test_the_checkout_is_a_step_of_the_boards_own(self) -> None:
        self.assertEqual(plans.check_out().timeout, 77)
        with self.assertRaisesRegex(RecipeError, "'check out' is the board's own"):
            plans.with_checkout(recipe.parse("steps: [{name: check out, run: x}]"))
