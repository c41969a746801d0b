from typing import Any

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import inputs, recipe
from builds.inputs import Input, InputError

RECIPE = """
inputs:
  target: {type: choice, choices: [staging, production], default: staging, help: where to}
  jobs: {type: number, default: 4}
  verbose: {type: boolean, default: no}
  version: {}
  note:
steps: [{name: a, run: x}]
"""

anything = st.one_of(
    st.text(max_size=30),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=3), max_size=2),
)


@tag("fast")
class ParseTest(SimpleTestCase):
    def test_a_recipe_says_what_may_be_given(self) -> None:
        target, jobs, verbose, version, note = recipe.parse(RECIPE).inputs
        self.assertEqual(target, Input("target", "choice", "staging", ("staging", "production"), "where to"))
        self.assertEqual((jobs.type, jobs.default), ("number", 4))
        self.assertIs(verbose.default, False)
        self.assertTrue(version.required and note.required)
        self.assertEqual(version.variable, "BUILDBOARD_INPUT_VERSION")

    def test_what_is_wrong_is_named_with_its_line(self) -> None:
        for text, line, said in [
            ("[a]", 1, "inputs: expected NAME"),
            ("{'a b': {}}", 1, "'a b' is not a name"),
            ("{a: {type: integer}}", 1, "type: expected text, number, boolean, choice, not 'integer'"),
            ("{a: {type: choice}}", 1, "expected choices, a list"),
            ("{a: {type: text, choices: [x]}}", 1, "choices belong to the type choice"),
            ("{a: {choices: []}}", 1, "choices: expected a list of 1 to 200"),
            ("{a: {choices: [x, x]}}", 1, "none twice"),
            ("{a: {choices: [x, y], default: z}}", 1, "default: input a: expected x or y, not 'z'"),
            ("{a: {type: number, default: many}}", 1, "expected a number"),
            ("\n  a-b: {}\n  A_B: {}", 3, "would be the same variable, BUILDBOARD_INPUT_A_B"),
            ("{a: {}, a: {}}", 1, "would be the same variable"),
            ("{a: {hint: x}}", 1, "unknown key 'hint' in the input 'a'"),
            ("{a: 5}", 1, "expected the input 'a': a mapping"),
        ]:
            with self.subTest(text), self.assertRaises(recipe.RecipeError) as caught:
                recipe.parse(f"inputs: {text}\nsteps: [{{name: a, run: x}}]")
            self.assertIn(said, str(caught.exception))
            self.assertEqual(caught.exception.line, line)


@tag("fast")
class SchemaTest(SimpleTestCase):
    def test_what_a_build_takes_is_a_json_schema(self) -> None:
        found = inputs.schema(recipe.parse(RECIPE).inputs)
        self.assertEqual(found["required"], ["version", "note"])
        self.assertIs(found["additionalProperties"], False)
        self.assertEqual(
            found["properties"]["target"],
            {"enum": ["staging", "production"], "default": "staging", "description": "where to"},
        )
        self.assertEqual(found["properties"]["jobs"]["default"], 4)
        self.assertEqual(found["properties"]["verbose"], {"type": "boolean", "default": False})
        self.assertEqual(found["properties"]["note"], {"type": "string", "maxLength": inputs.MAX_TEXT})


@tag("fast")
class ValuesTest(SimpleTestCase):
    def setUp(self) -> None:
        self.inputs = recipe.parse(RECIPE).inputs

    def values(self, **given: Any) -> dict[str, Any]:
        return inputs.values(self.inputs, {"version": "1", "note": "n"} | given)

    def test_what_is_not_given_is_the_default(self) -> None:
        expected = {"target": "staging", "jobs": 4, "verbose": False, "version": "1", "note": "n"}
        self.assertEqual(self.values(), expected)

    def test_text_of_a_value_is_the_value(self) -> None:
        found = self.values(jobs="8", verbose="Yes", target="production", version=3)
        self.assertEqual(
            (found["jobs"], found["verbose"], found["target"], found["version"]), (8, True, "production", "3")
        )
        self.assertEqual(self.values(jobs=" 0.50 ")["jobs"], 0.5)

    def test_what_does_not_fit_is_named_with_what_is_expected(self) -> None:
        for name, value, said in [
            ("target", "moon", "input target: expected staging or production, not 'moon'"),
            ("target", True, "expected staging"),
            ("jobs", "four", "input jobs: expected a number, such as 4 or 0.5, not 'four'"),
            ("jobs", True, "expected a number"),
            ("jobs", float("nan"), "expected a number"),
            ("jobs", 10**400, "expected a number"),
            ("jobs", "١", "expected a number"),
            ("verbose", 1, "expected true or false"),
            ("verbose", "perhaps", "expected true or false"),
            ("version", ["1"], "expected text"),
            ("version", "a\x00b", "expected text"),
            ("version", "x" * 2_001, "up to 2,000"),
            ("version", "a\x85b", "without control characters other than tabs and line feeds, not 'a\\x85b'"),
            ("version", "a\rb", "without control characters"),
            ("version", "\ud800", "expected text"),
            ("version", float("inf"), "expected text of up to 2,000 characters"),
            ("version", float("nan"), "expected text"),
            ("version", 10**3_000, "not one of more than 2,000 digits"),
            ("version", "", "input version: it has no default"),
            ("target", float("inf"), "expected staging"),
            ("nothing", "1", "has no input 'nothing'; it takes target, jobs"),
        ]:
            with self.subTest(name=name, value=str(value)[:20]), self.assertRaises(InputError) as caught:
                self.values(**{name: value})
            self.assertIn(said, str(caught.exception))
        with self.assertRaisesRegex(InputError, "input version: it has no default; expected text"):
            inputs.values(self.inputs, {"note": "n"})
        with self.assertRaisesRegex(InputError, "not one of more than 2,000 digits"):
            self.values(jobs=10**5_000)  # more than Python makes a text of
        with self.assertRaisesRegex(InputError, "it takes none"):
            inputs.values((), {"a": 1})

    def test_text_is_what_people_write(self) -> None:
        for text in (
            "10\u00a0000 €",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "می\u200cخواهم",
            "a\tb\n\nc",
            "\u2028",
        ):
            self.assertEqual(self.values(version=text)["version"], text)
        self.assertEqual(self.values(version="a\r\nb")["version"], "a\nb")
        self.assertEqual(self.values(version=10**20)["version"], "1" + "0" * 20)

    def test_an_empty_text_is_nothing_but_for_text_that_has_a_default(self) -> None:
        found = self.values(target="", jobs="", verbose="")
        self.assertEqual((found["target"], found["jobs"], found["verbose"]), ("staging", 4, False))
        self.assertEqual(Input("a", "text", "x").taken(""), "")
        self.assertEqual(Input("a", "text", "x").taken(None), "x")
        for kind in ("text", "number", "boolean"):
            with self.assertRaises(inputs.Missing):
                Input("a", kind).taken("")

    def test_all_together_are_bounded_by_their_json(self) -> None:
        own = tuple(Input(f"a{number}", "text", "") for number in range(5))
        room = inputs.MAX_BYTES - len('{"a0":"","a1":"","a2":"","a3":"","a4":""}')
        given = dict.fromkeys(("a0", "a1", "a2", "a3"), "x" * 2_000) | {"a4": "x" * (room - 8_000)}
        self.assertEqual(inputs.values(own, given), given)
        said = "inputs: expected at most 8,192 bytes in all, names and values as JSON and defaults included, not 8,193"
        with self.assertRaisesMessage(InputError, said):
            inputs.values(own, given | {"a4": given["a4"] + "x"})
        self.assertTrue(inputs.values(own, {"a0": "\U0001f600" * 2_000}), "the longest value fits by itself")
        long = "\n".join(f"  a{number}: {{default: {'x' * 2_000}}}" for number in range(5))
        with self.assertRaisesMessage(recipe.RecipeError, "line 2: inputs: expected at most 8,192 bytes"):
            recipe.parse(f"inputs:\n{long}\nsteps: [{{name: a, run: x}}]")

    def test_steps_get_text(self) -> None:
        found = inputs.environment(self.inputs, self.values(verbose=True, jobs=2.5))
        self.assertEqual(
            found,
            {
                "BUILDBOARD_INPUT_TARGET": "staging",
                "BUILDBOARD_INPUT_JOBS": "2.5",
                "BUILDBOARD_INPUT_VERBOSE": "true",
                "BUILDBOARD_INPUT_VERSION": "1",
                "BUILDBOARD_INPUT_NOTE": "n",
            },
        )

    @given(st.dictionaries(st.sampled_from(["target", "jobs", "verbose", "version", "note", "x"]), anything))
    def test_whatever_is_given_is_taken_or_refused_and_what_is_taken_is_taken_again(
        self, given_: dict[str, Any]
    ) -> None:
        plan = recipe.parse(RECIPE)
        try:
            found = plan.values(given_)
        except InputError:
            return
        self.assertEqual(plan.values(found), found)
        for text in inputs.environment(plan.inputs, found).values():
            self.assertNotIn("\0", text)
            text.encode()
