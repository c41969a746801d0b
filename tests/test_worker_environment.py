"""What a step's processes find in their environment, and what they never do."""

from pathlib import Path

from django.test import SimpleTestCase, tag

from builds import recipe
from builds.checks import GIVEN_TO_STEPS
from builds.models import Build, Project
from builds.worker.environment import environment

RECIPE = """
env: {SHARED: recipe, ONE: recipe}
steps: [{name: compile, run: make, env: {ONE: step, LANG: de_DE.UTF-8}}]
"""


@tag("fast")
class EnvironmentTests(SimpleTestCase):
    def of(self, **machine: str) -> dict[str, str]:
        plan = recipe.parse(RECIPE)
        build = Build(pk=42, project=Project(slug="p"), ref="main")
        return environment(build, plan, plan.steps[0], world="w", workspace=Path("/ws"), machine=machine)

    def test_only_what_is_allowed_is_passed_on(self) -> None:
        env = self.of(PATH="/bin", HOME="/h", LC_ALL="C", SECRET_KEY="s", DATABASE_URL="d", AWS_SECRET="a",
                      REDIS_URL="r", DJANGO_SETTINGS_MODULE="x", BUILDBOARD_ADMIN_PASSWORD="p", BUILDBOARD_DATA="d",
                      PYTHONPATH="x", VIRTUAL_ENV="v", LD_PRELOAD="l")  # fmt: skip
        self.assertEqual((env["PATH"], env["HOME"], env["LC_ALL"]), ("/bin", "/h", "C"))
        ours = {name for name in env if name.startswith("BUILDBOARD_")}
        self.assertEqual({name.removeprefix("BUILDBOARD_") for name in ours}, GIVEN_TO_STEPS)
        for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTHONPATH"):
            self.assertNotIn(name, env)
        self.assertFalse({"VIRTUAL_ENV", "LD_PRELOAD"} & set(env))

    def test_programs_find_the_certificates_and_proxies_of_their_machine(self) -> None:
        own = {
            "NODE_EXTRA_CA_CERTS": "/c",
            "REQUESTS_CA_BUNDLE": "/c",
            "SSL_CERT_FILE": "/c",
            "https_proxy": "http://p",
        }
        self.assertLessEqual(own.items(), self.of(**own).items())

    def test_inputs_come_as_text_under_the_boards_own_names(self) -> None:
        plan = recipe.parse("inputs: {loud: {type: boolean}, n-o: {}}\n" + RECIPE)
        build = Build(pk=42, project=Project(slug="p"), inputs={"loud": True, "n-o": "$(id) ä"})
        env = environment(build, plan, plan.steps[0], world="w", workspace=Path("/ws"), machine={})
        self.assertEqual(env["BUILDBOARD_INPUT_LOUD"], "true")
        self.assertEqual(env["BUILDBOARD_INPUT_N_O"], "$(id) ä")

    def test_the_step_wins_over_the_recipe_and_the_recipe_over_the_machine(self) -> None:
        env = self.of(LANG="en_GB.UTF-8", SHARED="machine")
        self.assertEqual((env["SHARED"], env["ONE"], env["LANG"]), ("recipe", "step", "de_DE.UTF-8"))

    def test_the_board_tells_the_step_where_it_is(self) -> None:
        env = self.of()
        self.assertEqual((env["BUILDBOARD_BUILD"], env["BUILDBOARD_BUILD_ID"]), ("w/42", "42"))
        self.assertEqual((env["BUILDBOARD_PROJECT"], env["BUILDBOARD_REF"]), ("p", "main"))
        self.assertEqual((env["BUILDBOARD_STEP"], env["BUILDBOARD_WORKSPACE"]), ("compile", "/ws"))

    def test_programs_are_told_that_nobody_sits_at_the_terminal(self) -> None:
        env = self.of()
        self.assertEqual(
            (env["CI"], env["PAGER"], env["GIT_PAGER"], env["TERM"]), ("true", "cat", "cat", "xterm-256color")
        )
        self.assertTrue(env["PATH"])
