import string
import textwrap
import time

import yaml
from django.test import SimpleTestCase, override_settings, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.recipe import DEFAULT_SECONDS, MAX_NAME, MAX_TEXT, Recipe, RecipeError, StepRecipe, parse

GOOD = """\
# how it is built
env: {LANG: C, EMPTY: , SWITCH: yes}
timeout: 1h30m
steps:
  - name: compile
    run: |
      make
      make check
    env: {JOBS: 4}
    timeout: 90s
  - name: Über prüfen
    run: true
    shell: bash
"""

REFUSED = {
    # what: (recipe, line, part of the message)
    "nothing": ("", None, "is empty"),
    "a comment": ("# nothing\n", None, "is empty"),
    "not YAML": ("steps:\n  - {name: a, run: 'x}\n", 3, "not YAML"),
    "a tab": ("steps:\n\t- name: a\n", 2, "not YAML"),
    "two documents": ("steps: [{name: a, run: b}]\n---\nsteps: []\n", 2, "not YAML"),
    "an unknown alias": ("steps: *a\n", 1, "not YAML"),
    "a NUL": ("steps:\n- name: a\n  run: a\0b\n", 3, "U+0000"),
    "a raw surrogate": ("steps:\n- name: a\n  run: a\udc80b\n", 3, "U+DC80"),
    "an escaped surrogate": ('steps:\n- name: a\n  run: "a\\ud800b"\n', 3, "surrogate"),
    "an escaped NUL": ('steps:\n- name: a\n  run: "a\\0b"\n', 3, "NUL"),
    "no such character": ('steps: [{name: a, run: "\\U00110000"}]\n', None, "not YAML"),
    "a list": ("- a\n- b\n", 1, "a mapping with inputs, env, timeout, image, on, steps; not a list"),
    "a word": ("\nmake all\n", 2, "not 'make all'"),
    "no steps": ("env: {A: b}\n", 1, "needs the key 'steps'"),
    "an empty list of steps": ("steps:\n  []\n", 2, "at least one step"),
    "steps that are nothing": ("steps:\n", 1, "a list of steps, not nothing"),
    "steps that are a mapping": ("steps:\n  a: b\n", 2, "a list of steps, not a mapping"),
    "too many steps": ("steps:\n" + "".join(f"- {{name: s{n}, run: x}}\n" for n in range(201)), 2, "at most 200"),
    "an unknown key": ("steps: [{name: a, run: b}]\nstep: c\n", 2, "unknown key 'step'"),
    "an unknown key of a step": ("steps:\n- name: a\n  run: b\n  script: c\n", 4, "unknown key 'script'"),
    "a key given twice": ("steps:\n- name: a\n  run: b\n  run: c\n", 4, "given twice"),
    "a key that is a list": ("[a]: b\n", 1, "expected text, not a list"),
    "a key that is nothing": ("~: b\n", 1, "expected text, not nothing"),
    "a merge key": ("a: &a {}\n", 1, "unknown key 'a'"),
    "a merge key in a step": ("steps:\n- &a {name: a, run: b}\n- <<: *a\n  name: c\n", 3, "unknown key '<<'"),
    "a step that is text": ("steps:\n- make\n", 2, "a step: a mapping with name, run"),
    "a step without a name": ("steps:\n- name: a\n  run: b\n- run: c\n", 4, "needs the key 'name'"),
    "a step without a run": ("steps:\n- name: a\n", 2, "needs the key 'run'"),
    "two steps of one name": ("steps:\n- {name: a, run: b}\n- {name: b, run: b}\n- {name: a, run: c}\n", 4, "line 2"),
    "one step twice by alias": ("steps:\n- &a {name: a, run: b}\n- *a\n", 2, "already used"),
    "an empty name": ("steps:\n- name: ''\n  run: b\n", 2, "1 to 80 printable"),
    "a name of spaces": ("steps:\n- name: ' a'\n  run: b\n", 2, "no space at the ends"),
    "a name of two lines": ('steps:\n- name: "a\\nb"\n  run: b\n', 2, "on one line"),
    "a name with an escape": ('steps:\n- name: "\\e[1m"\n  run: b\n', 2, "printable"),
    "a long name": (f"steps:\n- name: {'n' * (MAX_NAME + 1)}\n  run: b\n", 2, "1 to 80"),
    "a name that is nothing": ("steps:\n- name:\n  run: b\n", 2, "name: expected text, not nothing"),
    "a name that is a list": ("steps:\n- name: [a]\n  run: b\n", 2, "name: expected text, not a list"),
    "an empty run": ("steps:\n- name: a\n  run: '  '\n", 3, "expected a command"),
    "a run that is nothing": ("steps:\n- name: a\n  run:\n", 3, "run: expected text, not nothing"),
    "a run that is a list": ("steps:\n- name: a\n  run: [make, all]\n", 3, "run: expected text, not a list"),
    "a run that no system starts": (f"steps:\n- name: a\n  run: {'x' * (MAX_TEXT + 1)}\n", 3, "at most 120 KiB"),
    "an unknown shell": ("steps:\n- name: a\n  run: b\n  shell: fish\n", 4, "sh or bash, not 'fish'"),
    "an env that is a list": ("env:\n- A=b\nsteps: [{name: a, run: b}]\n", 2, "NAME: value pairs, not a list"),
    "an env name with a dash": ("env:\n  A: b\n  A-B: c\nsteps: [{name: a, run: b}]\n", 3, "'A-B' is not a variable"),
    "an env name of another script": ("env: {Ä: b}\nsteps: [{name: a, run: b}]\n", 1, "not a variable"),
    "an env name twice": ("env:\n  A: b\n  A: c\nsteps: [{name: a, run: b}]\n", 3, "A is given twice"),
    "an env of ours": ("env: {BUILDBOARD_BUILD: 1}\nsteps: [{name: a, run: b}]\n", 1, "the board's own"),
    "an env value that is a list": ("env: {A: [b]}\nsteps: [{name: a, run: b}]\n", 1, "env: A: expected text"),
    "a merge key in env": ("env: {<<: {A: b}}\nsteps: [{name: a, run: b}]\n", 1, "'<<' is not a variable"),
    "too many variables": (
        "env:\n" + "".join(f"  A{n}: b\n" for n in range(201)) + "steps: [{name: a, run: b}]\n",
        2,
        "at most 200 variables",
    ),
    "deep nesting": ("steps: " + "[" * 1_500, None, "nested too deep"),
    "deep nesting that closes": ("steps: " + "[" * 800 + "]" * 800, None, "nested too deep"),
    "too much": ("#" * (256 * 1024 + 1), None, "larger than 256 KiB"),
    "a mebibyte": ("steps:\n" + "- {name: a, run: b}\n" * 52_429, None, "larger than 256 KiB"),
}


@tag("fast")
class ParseTests(SimpleTestCase):
    def test_a_recipe_with_everything(self):
        self.assertEqual(
            parse(GOOD),
            Recipe(
                steps=(
                    StepRecipe("compile", "make\nmake check\n", {"JOBS": "4"}, 90),
                    StepRecipe("Über prüfen", "true", {}, None, "bash", needs=(0,)),
                ),
                env={"LANG": "C", "EMPTY": "", "SWITCH": "yes"},
                timeout=5400,
            ),
        )

    def test_the_least_recipe(self):
        self.assertEqual(parse("steps: [{name: a, run: b}]"), Recipe((StepRecipe("a", "b"),), {}, DEFAULT_SECONDS))

    def test_values_stay_as_they_were_written(self):
        found = parse("env: {A: 1.10, B: 0x10, C: on, D: 2024-01-01, E: 'null'}\nsteps: [{name: 1, run: false}]")
        self.assertEqual(found.env, {"A": "1.10", "B": "0x10", "C": "on", "D": "2024-01-01", "E": "null"})
        self.assertEqual((found.steps[0].name, found.steps[0].run), ("1", "false"))

    def test_windows_line_ends_and_a_byte_order_mark(self):
        self.assertEqual(parse("\ufeff" + GOOD.replace("\n", "\r\n")), parse(GOOD))

    def test_every_error_names_the_line_and_what_was_expected(self):
        for what, (text, line, message) in REFUSED.items():
            with self.subTest(what):
                with self.assertRaises(RecipeError) as refused:
                    parse(text)
                self.assertEqual(refused.exception.line, line, refused.exception)
                self.assertIn(message, str(refused.exception))
                self.assertLess(len(str(refused.exception)), 400)
                if line:
                    self.assertTrue(str(refused.exception).startswith(f"line {line}: "))

    def test_durations(self):
        good = {
            "90": 90,
            "90s": 90,
            "45m": 2700,
            "1h30m": 5400,
            "1h": 3600,
            "1h1m1s": 3661,
            "24h": 86400,
            "'10m '": 600,
        }
        for text, seconds in good.items():
            with self.subTest(text):
                self.assertEqual(parse(f"timeout: {text}\nsteps: [{{name: a, run: b}}]").timeout, seconds)
        for text in (
            "0",
            "-1",
            "1.5",
            "1h30",
            "30m1h",
            "1 h",
            "1d",
            "24h1s",
            "999999h",
            "soon",
            "1:30",
            "٣",
            "''",
            "[1]",
        ):
            with self.subTest(text), self.assertRaises(RecipeError) as refused:
                parse(f"env: {{}}\ntimeout: {text}\nsteps: [{{name: a, run: b}}]")
            self.assertEqual(refused.exception.line, 2)
            self.assertIn("timeout: expected", str(refused.exception))
        self.assertEqual(parse("timeout:\nsteps: [{name: a, run: b}]").timeout, DEFAULT_SECONDS)

    def test_an_alias_may_share_an_env(self):
        found = parse("env: &e {A: b}\nsteps:\n- {name: a, run: b, env: *e}\n- {name: c, run: b, env: *e}")
        self.assertEqual([step.env for step in found.steps], [{"A": "b"}, {"A": "b"}])

    def test_an_alias_bomb_costs_nothing(self):
        bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        bomb += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)]
        began = time.process_time()
        for recipe in ("\n".join(bomb), "\n".join([*bomb, "steps: *l"]), "steps: &a [*a]", "&a steps: *a"):
            with self.subTest(recipe[-20:]), self.assertRaises(RecipeError):
                parse(recipe)
        self.assertLess(time.process_time() - began, 5)

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.sampled_from("steps:-namerun \n\t[]{}&*!|>'\"#%@`,?<~\\x0u1d8\0\ud800\u2028é"), max_size=60))
    def test_no_text_raises_anything_but_a_recipe_error(self, text):
        for candidate in (
            text,
            f"steps:\n- name: {text}\n  run: {text}\n",
            f"steps: [{{name: a, run: b}}]\nenv: {text}",
        ):
            try:
                found = parse(candidate)
            except RecipeError as error:
                self.assertTrue(str(error))
            else:
                self.assertIsInstance(found, Recipe)

    @settings(max_examples=50, deadline=None)
    @given(st.text(st.characters(codec=None), max_size=200))
    def test_nor_does_any_other_text(self, text):
        try:
            parse(text)
        except RecipeError as error:
            self.assertTrue(str(error))

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_what_is_valid_comes_back_as_it_was_meant(self, data):
        # Without YAML's own line breaks beside the line feed: what writes this YAML does not quote them well.
        characters = st.characters(codec="utf-8", exclude_characters="\0\x85\u2028\u2029")
        env = st.dictionaries(
            st.text(string.ascii_letters + "_", min_size=1, max_size=8).filter(lambda name: name[:11] != "BUILDBOARD_"),
            st.text(characters, max_size=10),
            max_size=4,
        )
        names = data.draw(
            st.lists(
                st.text(characters, min_size=1, max_size=MAX_NAME).filter(lambda n: n.isprintable() and n == n.strip()),
                min_size=1,
                max_size=4,
                unique=True,
            )
        )
        steps = [
            {
                "name": name,
                "run": data.draw(st.text(characters, min_size=1, max_size=40).filter(str.strip)),
                "env": data.draw(env),
                "timeout": data.draw(st.none() | st.integers(1, 86400)),
                "shell": data.draw(st.sampled_from(["sh", "bash"])),
            }
            for name in names
        ]
        whole = {"env": data.draw(env), "timeout": data.draw(st.integers(1, 86400)), "steps": steps}
        text = yaml.safe_dump(
            whole, allow_unicode=data.draw(st.booleans()), default_flow_style=data.draw(st.booleans())
        )
        expected = Recipe(
            tuple(StepRecipe(**step, needs=(at - 1,) if at else ()) for at, step in enumerate(steps)),
            whole["env"],
            whole["timeout"],
        )
        self.assertEqual(parse(text), expected, textwrap.shorten(text, 500))


@tag("fast")
class BoundsTests(SimpleTestCase):
    """Three bounds are the board's settings: exactly at them a recipe is good, one beyond it is not."""

    def refusal(self, text: str) -> str:
        with self.assertRaises(RecipeError) as refused:
            parse(text)
        return str(refused.exception)

    def steps(self, count: int) -> str:
        return "steps:\n" + "".join(f"- {{name: s{number}, run: x}}\n" for number in range(count))

    @override_settings(BUILDBOARD_MAX_STEPS=3)
    def test_steps(self) -> None:
        self.assertEqual(len(parse(self.steps(3)).steps), 3)
        self.assertEqual(self.refusal(self.steps(4)), "line 2: steps: expected at most 3 steps, not 4")

    @override_settings(BUILDBOARD_MAX_RECIPE_KB=1)
    def test_size_in_bytes(self) -> None:
        text = self.steps(1)
        parse(text + "#" * (1024 - len(text)))
        self.assertEqual(self.refusal(text + "#" * (1025 - len(text))), "the recipe is larger than 1 KiB")
        self.assertEqual(self.refusal(text + "#" + "é" * 600), "the recipe is larger than 1 KiB")

    @override_settings(BUILDBOARD_MAX_BUILD_SECONDS=5400)
    def test_time(self) -> None:
        self.assertEqual(parse("timeout: 1h30m\n" + self.steps(1)).timeout, 5400)
        expected = "from 1s to 1h30m, not '5401'"
        self.assertIn(expected, self.refusal("timeout: 5401\n" + self.steps(1)))
        self.assertIn(expected, self.refusal("steps: [{name: a, run: x, timeout: 5401}]"))
        self.assertEqual(parse(self.steps(1)).timeout, DEFAULT_SECONDS)

    def test_a_build_has_no_more_time_than_any_may_have_where_its_recipe_says_nothing(self) -> None:
        with override_settings(BUILDBOARD_MAX_BUILD_SECONDS=60):
            self.assertEqual(parse(self.steps(1)).timeout, 60)
        with override_settings(BUILDBOARD_MAX_BUILD_SECONDS=30 * 86_400):
            self.assertEqual(parse("timeout: 2592000\n" + self.steps(1)).timeout, 30 * 86_400)
            self.assertEqual(parse("timeout: 720h\n" + self.steps(1)).timeout, 30 * 86_400)
