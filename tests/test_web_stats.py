"""The figures by the API: the page's own, for who may see the project."""

import json

from django.test import tag

from builds.models import Build, Project, Step
from builds.web import schemas, stats
from builds.web.history import figures

from .asking import ApiCase
from .test_web_history import ENDINGS, NOON


@tag("fast")
class StatsTests(ApiCase):
    def build(self, status: str = "passed") -> Build:
        build = Build.objects.create(
            project=self.open, recipe="x", status=status, worker="w", started_at=NOON, finished_at=NOON
        )
        Step.objects.create(
            build=build,
            position=0,
            name="compile",
            status=status,
            exit_code={"passed": 0, "failed": 2}.get(status),
            started_at=NOON,
            finished_at=NOON,
        )
        return build

    def test_a_project_without_builds_has_no_figures_and_all_fields(self) -> None:
        found = self.ask("GET", "/projects/open/stats").json()
        self.assertEqual(set(found), set(schemas.Stats.model_fields))
        self.assertEqual(found["results"], {"passed": 0, "counted": 0, "share": None})
        self.assertEqual(found["steps"], [{"name": "compile", "took": None, "failed": 0}])
        self.assertEqual((found["builds"], found["groups"], found["duration"]), ([], [], None))

    def test_they_are_the_pages_figures(self) -> None:
        numbers = [self.build(status).pk for status in ENDINGS]
        found = self.ask("GET", "/projects/open/stats").json()
        self.assertEqual(found, json.loads(json.dumps(stats.data(figures(self.open, ["compile"])))))
        self.assertEqual([one["id"] for one in found["builds"]], numbers[::-1])
        self.assertEqual(found["results"], {"passed": 1, "counted": 3, "share": 1 / 3})
        self.assertEqual(found["fails_most"], {"name": "compile", "failed": 1, "last": numbers[1]})
        (group,) = found["groups"]
        self.assertEqual((group["first"], group["last"], group["counted"]), (numbers[0], numbers[3], 3))
        for name, shape in (
            ("builds", schemas.Run),
            ("steps", schemas.StepStats),
            ("groups", schemas.RateGroup),
        ):
            self.assertEqual(set(found[name][0]), set(shape.model_fields))
        self.assertEqual(set(found["duration"]), set(schemas.Spread.model_fields))

    def test_queries_do_not_grow_with_builds(self) -> None:
        self.ask("GET", "/projects/open/stats")
        for _ in range(3):
            self.build()
            with self.assertNumQueries(4):  # token, project, builds, steps
                self.ask("GET", "/projects/open/stats")

    def test_a_broken_recipe_is_no_obstacle(self) -> None:
        Project.objects.filter(slug="open").update(recipe="steps: [")
        self.assertEqual(self.ask("GET", "/projects/open/stats").json()["steps"], [])

    def test_a_stranger_is_not_told_that_a_project_of_others_exists(self) -> None:
        for slug in ("secret", "nowhere"):
            answer = self.ask("GET", f"/projects/{slug}/stats", token=self.strange_token)
            self.assert_problem(answer, 404, f"There is no project '{slug}' that you may see.")
        self.assertEqual(self.ask("GET", "/projects/open/stats", token=self.strange_token).status_code, 200)
        self.assertEqual(self.ask("GET", "/projects/secret/stats").status_code, 200)
        self.assert_problem(self.ask("GET", "/projects/open/stats", token=None), 401)
        self.assert_problem(self.ask("GET", "/projects/open/stats", token="bb_bad"), 401)

    def test_only_reading_is_possible_and_the_document_knows_it(self) -> None:
        self.assert_problem(self.ask("POST", "/projects/open/stats"), 405)
        self.assertEqual(self.ask("HEAD", "/projects/open/stats").status_code, 200)
        document = self.ask("GET", "/openapi.json").json()
        self.assertIn("get", document["paths"]["/api/v1/projects/{slug}/stats"])
        self.assertIn("Stats", document["components"]["schemas"])
