"""The published schema and the parser agree: an editor never complains about a recipe that the board takes."""

import json
import re
from typing import Any

import yaml
from django.core.management import call_command
from django.test import SimpleTestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.recipe import RecipeError, parse
from builds.recipe.schema import schema

from . import test_recipe, test_recipe_steps
from .support import ROOT

ONLY_THE_PARSER = re.compile(
    "no step|itself|given twice|circle|character \\d+|combinations|at most|axes, not|same variable|has \\d+ characters|"
    "nothing of the matrix|every combination|a value for each|there already|expected each of|already used|under env|"
    'put "\\*\\*" first|alias|printable|surrogate|NUL|UTF-8|not YAML|larger than|nested|would be the same|is empty|'
    "default:|from 1s to|take back|a key: expected|in all"
)
"""What no schema can say, or not without saying it wrongly: of these an editor hears from the board alone."""


class Loader(yaml.SafeLoader):
    """As editors read YAML, by the core schema of YAML 1.2: `on` is a text, and so is a date."""


Loader.yaml_implicit_resolvers = {}
for _tag, _expression, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_expression})\Z"), _first)
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))

scalars = st.sampled_from(
    ["a", "b", "x y", 1, 2.5, True, None, "true", "", "../x", "dist/*", "10m", "always()", "A", "-"]
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "key", "paths", "include", "A", "BUILDBOARD_X", "type", "choices"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS = [
    "name", "run", "shell", "image", "env", "timeout", "needs", "if", "matrix", "allow_failure", "retry", "workspace",
    "secrets", "cache", "artifacts", "reports", "nme",
]  # fmt: skip
GOOD: dict[str, list[Any]] = {
    "shell": ["bash"],
    "image": ["alpine", "registry.example:5000/team/tools:1.2"],
    "env": [{"A": 1}, {}],
    "timeout": [90, "1h"],
    "needs": [[], "s0", ["s0"]],
    "if": ["always()", True],
    "matrix": [{"a": [1, 2]}, {"a": ["x"], "include": {"a": 3}, "exclude": []}],
    "allow_failure": [True],
    "retry": [3, "2"],
    "workspace": ["own"],
    "secrets": [["A"], "A", {"B": "c"}],
    "artifacts": ["x", ["a/b", "**"]],
    "reports": ["./x.xml"],
    "cache": [{"key": "k", "paths": "p"}, [{"key": 1, "paths": ["p"], "restore_keys": "k"}]],
}


class SchemaTests(SimpleTestCase):
    def setUp(self) -> None:
        from jsonschema import Draft202012Validator

        Draft202012Validator.check_schema(schema())
        self.validator = Draft202012Validator(schema())

    def faults(self, text: str) -> list[str]:
        return [error.message[:200] for error in self.validator.iter_errors(yaml.load(text, Loader))]  # noqa: S506

    def agree(self, text: str) -> bool | None:
        """Whether both take it; None: the parser alone refuses it. What the parser takes, the schema has to."""
        try:
            parse(text)
        except RecipeError:
            return None
        self.assertEqual(self.faults(text), [], text)
        return True

    def test_what_the_parser_takes_the_schema_takes(self) -> None:
        for text in (
            test_recipe.GOOD,
            test_recipe_steps.FAN,
            *(file.read_text() for file in ROOT.glob("builds/demo/*.yml")),
        ):
            text = re.sub(r"\{\{.*?\}\}", "x", text)
            self.assertTrue(self.agree(text), text)

    def test_what_the_parser_refuses_the_schema_refuses_too_where_it_can(self) -> None:
        for what, (text, _, message) in (test_recipe.REFUSED | test_recipe_steps.REFUSED).items():
            with self.assertRaises(RecipeError) as refused:
                parse(text)
            if not ONLY_THE_PARSER.search(str(refused.exception)):
                with self.subTest(what, message=message):
                    self.assertNotEqual(self.faults(text), [], text)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_whatever_is_written_an_editor_does_not_complain_about_what_is_right(self, data: st.DataObject) -> None:
        steps: list[dict[str, Any]] = []
        for number in range(data.draw(st.integers(1, 3))):
            step: dict[str, Any] = {"name": f"s{number}", "run": "x"}
            for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=4)):
                step[key] = data.draw(
                    st.sampled_from(GOOD[key]) if key in GOOD and data.draw(st.booleans()) else values
                )
            steps.append(step)
        whole: dict[str, Any] = {"steps": steps}
        for key in data.draw(st.lists(st.sampled_from(["on", "inputs", "env", "timeout"]), max_size=2)):
            whole[key] = data.draw(values | st.just({"branches": ["main", "!x"], "cancel_superseded": True}))
        self.agree(yaml.safe_dump(whole))

    def test_the_recipes_that_are_drawn_are_often_right(self) -> None:
        right = [
            self.agree(yaml.safe_dump({"steps": [{"name": "s0", "run": "y"}, {"name": "s1", "run": "x", key: value}]}))
            for key, several in GOOD.items()
            for value in several
        ]
        self.assertGreater(right.count(True), len(right) * 0.8, right)

    def test_every_key_is_explained(self) -> None:
        found = schema()
        for part in (found, found["properties"]["steps"]["items"]):
            for name, one in part["properties"].items():
                self.assertTrue(one["description"], name)


class PublishedTests(SimpleTestCase):
    def test_everyone_gets_it_and_may_keep_it(self) -> None:
        answer = self.client.get("/recipe.schema.json")
        self.assertEqual((answer.status_code, answer["Content-Type"]), (200, "application/schema+json"))
        self.assertEqual(answer["Cache-Control"], "public, max-age=3600")
        self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
        self.assertEqual(json.loads(answer.content), schema())
        again = self.client.get("/recipe.schema.json", headers={"If-None-Match": answer["ETag"]})
        self.assertEqual(again.status_code, 304)
        self.assertEqual(self.client.post("/recipe.schema.json").status_code, 405)

    def test_the_command_prints_the_same_with_the_boards_bounds(self) -> None:
        from io import StringIO

        out = StringIO()
        with override_settings(BUILDBOARD_MAX_STEPS=7):
            call_command("recipeschema", stdout=out)
        self.assertEqual(json.loads(out.getvalue())["properties"]["steps"]["maxItems"], 7)
