"""A recipe as a drawing and as a list."""

import re

from django.test import SimpleTestCase, TransactionTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import lifecycle, recipe
from builds.models import Project, Step
from builds.recipe import Recipe
from builds.web.graph import HEIGHT, MOST, WIDTH, draw
from builds.web.marks import ALL
from tests.support import ROOT

from .test_recipe_steps import FAN


def plan(*steps: str) -> Recipe:
    return recipe.parse("steps:\n" + "".join(f"- {{run: x, {step}}}\n" for step in steps))


@tag("fast")
class GraphTests(SimpleTestCase):
    def test_columns_are_what_has_to_be_over_before_and_a_matrix_is_one_box(self) -> None:
        found = draw(recipe.parse(FAN), {"compile": "passed", "test (python=3.12, db=sqlite)": "failed"})
        places = {box.name: (box.depth, box.row, box.status, box.count) for box in found.boxes}
        self.assertEqual(
            places,
            {
                "compile": (0, 0, "passed", ""),
                "lint": (0, 1, "", ""),
                "test": (1, 0, "failed", "×4"),
                "wheel": (1, 1, "", ""),
                "publish": (2, 0, "", ""),
                "tidy": (3, 0, "", ""),
            },
        )
        self.assertEqual(len(found.edges), 6)
        self.assertEqual(
            [item.said for item in found.items][:3], ["", "begins at once", "after compile · 4 of it: python, db"]
        )

    def test_a_way_that_leads_through_another_step_is_not_drawn_twice(self) -> None:
        found = draw(plan("name: a", "name: b", "name: c, needs: [a, b]"), {})
        self.assertEqual((found.boxes[2].needs, len(found.edges)), ([0, 1], 2))

    def test_what_is_special_about_a_step_is_in_its_words(self) -> None:
        [item] = draw(
            plan("name: a, if: 'always()', allow_failure: true, retry: 2, timeout: 90, workspace: own"), {}
        ).items
        self.assertEqual(
            item.said, "if always() · may fail · up to 3 attempts · at most 1m30s · in a workspace of its own"
        )

    def test_what_may_fail_and_did_is_a_warning(self) -> None:
        found = draw(plan("name: a, allow_failure: true", "name: b"), {"a": "failed", "b": "failed"})
        self.assertEqual([box.look for box in found.boxes], ["warning", "failed"])
        self.assertEqual([item.is_allowed for item in found.items], [True, False])

    def test_a_name_is_cut_where_its_box_ends(self) -> None:
        names = ("a" * 16, "a" * 17, "漢" * 8, "漢" * 9)
        found = draw(plan(*(f"name: {name}" for name in names)), {})
        self.assertEqual([box.label for box in found.boxes], ["a" * 16, "a" * 15 + "…", "漢" * 8, "漢" * 7 + "…"])

    def test_too_many_are_a_list_alone(self) -> None:
        found = draw(plan(*[f"name: s{number}" for number in range(MOST + 1)]), {})
        self.assertEqual((found.boxes, found.edges, len(found.items)), ([], [], MOST + 1))

    def test_a_way_past_other_columns_has_a_row_of_its_own_there(self) -> None:
        found = draw(
            plan(
                "name: a", "name: b", "name: c", "name: d, needs: [c]", "name: e, needs: [a]", "name: f, needs: [d, e]"
            ),
            {},
        )
        rows = {box.name: (box.depth, box.row) for box in found.boxes}
        self.assertEqual(rows["e"], (1, 1))
        self.assertEqual(found.height, 2 * 2 + 2 * HEIGHT + 12, "the way from e to f passes below c and d")

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.lists(st.integers(0, 9), max_size=3, unique=True), min_size=1, max_size=10))
    def test_no_box_lies_on_another_and_all_lie_behind_what_they_need(self, wanted: list[list[int]]) -> None:
        steps = [f"name: s{at}, needs: {[f's{one}' for one in own if one < at]}" for at, own in enumerate(wanted)]
        found = draw(plan(*steps), {})
        self.assertEqual(len({(box.x, box.y) for box in found.boxes}), len(wanted))
        for box in found.boxes:
            self.assertTrue(all(found.boxes[one].depth < box.depth for one in box.needs))
            self.assertTrue(box.x + WIDTH < found.width and box.y + HEIGHT < found.height)

    def test_the_marks_are_those_of_the_stylesheet(self) -> None:
        sheet = (ROOT / "builds/static/builds/marks.css").read_text()
        shapes = dict(re.findall(r'\.mark\.s-(\w+) \{ clip-path: path\(evenodd, "([^"]+)"\)', sheet))
        for status, path in ALL.items():
            self.assertEqual(path, shapes[status.value])


class PageTests(TransactionTestCase):
    def page(self, text: str) -> str:
        self.project = Project.objects.create(name="Lantern", slug="lantern", recipe=text)
        with self.settings(BUILDBOARD_PUBLIC=True):
            return self.client.get("/projects/lantern/").content.decode()

    def test_the_project_has_the_drawing_and_the_list(self) -> None:
        page = self.page(FAN)
        self.assertEqual(page.count('class="box"'), 6)
        self.assertIn("6 steps as a list", page)
        self.assertIn("after test, wheel · if branch == &quot;main&quot;", page)

    def test_it_shows_what_became_of_the_steps_in_the_newest_build_that_began(self) -> None:
        self.page("steps: [{name: a, run: x}]")
        build = lifecycle.enqueue(self.project, by="alice")
        lease = lifecycle.claim("test:1", "t")
        assert lease is not None
        lifecycle.enqueue(self.project, by="alice")
        lifecycle.begin_step(lease, 0)
        self.assertEqual(Step.objects.get(build=build).status, "running")
        with self.settings(BUILDBOARD_PUBLIC=True):
            page = self.client.get("/projects/lantern/").content.decode()
        self.assertIn('<path class="s-running"', page)

    def test_a_recipe_that_is_not_valid_has_none(self) -> None:
        self.assertNotIn('class="panel graph"', self.page("steps: 1"))
