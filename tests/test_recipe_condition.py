from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.recipe import Facts
from builds.recipe.condition import FUNCTIONS, MAX_CONDITION, MAX_DEPTH, PLAIN, Condition, ConditionError, parse

FACTS = Facts(
    plain={"branch": "release/1.2", "tag": "", "event": "push", "pull_request": None, "fork": False},
    inputs={"target": "staging", "jobs": 4, "fast": True},
    env={"LANG": "C"},
    matrix={"python": "3.12"},
    steps={"compile": "passed", "unit tests": "failed"},
)
FAILED = Facts(FACTS.plain, FACTS.inputs, FACTS.env, FACTS.matrix, FACTS.steps, failed=True)

HOLDS = [
    'branch == "release/1.2"',
    "branch ~ 'release/*'",
    'branch !~ "main" and branch != "main"',
    'event == "push" and not pull_request',
    "not tag",
    'tag == "" and pull_request == ""',
    'inputs.jobs == 4 and inputs.jobs == 4.0 and inputs.jobs == "4"',
    "inputs.fast",
    'inputs.fast == true and fork == "false"',
    'env.LANG == "C" and matrix.python == "3.12"',
    'steps.compile.status == "passed"',
    'steps["unit tests"].status != "passed"',
    "false and true or true",
    "true or false and false",
    "not false and not (false or 0)",
    "not not 1",
    "passed()",
    "always()",
    '\n  branch\n  ~ "**"\n',
    '"a" ~ "?" and "" ~ "*"',
]
DOES_NOT = [
    "tag",
    "fork",
    "0",
    '""',
    "pull_request",
    "failed()",
    "not always()",
    'branch ~ "*"',
    "1 == 2",
    "branch == tag",
]

REFUSED = {
    "": "character 1: expected a name",
    "branch ==": "character 10: expected a name",
    "branch = 'main'": "character 8: expected ==",
    "branch == 'a' && tag": "character 15: expected and, not '&&'",
    "branch == 'a' || tag": "character 15: expected or, not '||'",
    "!fork": "character 1: expected not, not '!'",
    "branch == main": "character 11: there is no main",
    "branch == 'main": "character 11: this text has no end",
    "${{ branch }}": "character 1: '$' has no meaning here",
    "a.b.c.d": "character 1: there is no a.b.c.d",
    "inputs": "character 1: there is no inputs; expected branch",
    "inputs.": "character 8: expected a name, not the end",
    "inputs[target]": "character 8: expected a name in quotes",
    "inputs['target'": "character 16: expected ]",
    "steps.compile": "character 1: there is no steps.compile",
    "steps.compile.result": "there is no steps.compile.result",
    "success()": "character 1: there is no success(); expected always(), failed() or passed()",
    "always": "character 1: expected always(), with its parentheses",
    "always(1)": "character 8: expected )",
    "(branch": "character 8: expected )",
    "branch)": "character 7: expected and, or, or the end",
    "branch tag": "character 8: expected and, or, or the end, not 'tag'",
    "1 == 1 == 1": "character 8: expected and, or, or the end: one comparison",
    "and": "character 1: expected a name",
    "not": "character 4: expected a name",
    "branch and or tag": "character 12: expected a name",
    "branch in 'a'": "character 8: expected and, or, or the end, not 'in'",
    "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1): f"at most {MAX_DEPTH} deep",
    "not " * (MAX_DEPTH + 1) + "1": f"at most {MAX_DEPTH} deep",
    "1 or " * 300 + "1": "expected at most 1,000 characters, not 1,501",
}

names = st.sampled_from([*PLAIN, "inputs.a", "env.A", "matrix.x", "steps.s.status", 'steps["a b"].status'])
literals = st.sampled_from(['"main"', "'x*'", "1", "2.5", "true", "false", *(f"{name}()" for name in FUNCTIONS)])
expressions = st.recursive(
    names | literals | st.tuples(names, st.sampled_from(["==", "!=", "~", "!~"]), literals).map(" ".join),
    lambda inner: (
        inner.map(lambda one: f"not ({one})")
        | st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda one: f"({' '.join(one)})")
    ),
    max_leaves=6,
)


@tag("fast")
class ConditionTests(SimpleTestCase):
    def test_what_holds_and_what_does_not(self) -> None:
        for said in HOLDS:
            with self.subTest(said):
                self.assertTrue(parse(said).holds(FACTS))
        for said in DOES_NOT:
            with self.subTest(said):
                self.assertFalse(parse(said).holds(FACTS))

    def test_after_a_failure_only_what_asks_for_it_holds(self) -> None:
        for said, holds in {
            "true": False,
            "branch": False,
            "passed()": False,
            "failed()": True,
            "always()": True,
        }.items():
            with self.subTest(said):
                self.assertEqual(parse(said).holds(FAILED), holds)
        self.assertTrue(parse('failed() and branch ~ "release/*"').holds(FAILED))

    def test_every_refusal_names_the_character(self) -> None:
        for said, message in REFUSED.items():
            with self.subTest(said[:40]), self.assertRaises(ConditionError) as refused:
                parse(said)
            self.assertIn(message, str(refused.exception))

    def test_the_names_in_it_are_known(self) -> None:
        found = parse('branch and steps["unit tests"].status == "passed" or "x" == tag')
        self.assertEqual(
            [name.path for name in found.names], [("branch",), ("steps", "unit tests", "status"), ("tag",)]
        )
        self.assertEqual([(name.path[1], said) for name, said in found.compared], [("unit tests", "passed")])
        self.assertEqual(found, parse(found.text))

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=60) | st.text(st.sampled_from("branch stepinuofal()[].'\"=!~&|0123 \n"), max_size=60))
    def test_no_text_raises_anything_but_a_condition_error(self, said: str) -> None:
        try:
            found = parse(said)
        except ConditionError as error:
            self.assertTrue(str(error))
        else:
            self.assertIsInstance(found.holds(FACTS), bool)

    @settings(max_examples=200, deadline=None)
    @given(expressions, expressions)
    def test_expressions_follow_the_rules_of_logic(self, one: str, other: str) -> None:
        for facts in (FACTS, FAILED):

            def holds(said: str, facts: Facts = facts) -> bool:
                return _bare(said).holds(facts)

            self.assertEqual(holds(f"not ({one})"), not holds(one))
            self.assertEqual(holds(f"({one}) and ({other})"), holds(one) and holds(other))
            self.assertEqual(holds(f"({one}) or ({other})"), holds(one) or holds(other))
            self.assertEqual(holds(f"not ({one} and {other})"), holds(f"(not ({one})) or not ({other})"))

    def test_the_longest_and_the_deepest_are_understood_at_once(self) -> None:
        self.assertTrue(parse("1 or " * 199 + "1").holds(FACTS))
        self.assertTrue(parse("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH).holds(FACTS))
        self.assertEqual(MAX_CONDITION, 1_000)


def _bare(said: str) -> Condition:
    """Without the rule that nothing may have failed."""
    return parse(f"always() and ({said})")
