"""The keys of a step beyond its command: who needs whom, matrices, conditions, files; and what starts a build."""

import re
import textwrap
import time

from django.test import SimpleTestCase, override_settings, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.recipe import Cache, RecipeError, Triggers, parse, parts, problems
from builds.recipe.errors import MAX_PROBLEMS
from builds.recipe.needs import MAX_NEEDS


def steps(text: str) -> str:
    return "steps:\n" + textwrap.dedent(text).lstrip("\n")


FAN = steps("""
    - {name: compile, run: make}
    - {name: lint, run: ruff, needs: []}
    - name: test
      run: pytest
      needs: compile
      matrix:
        python: ["3.11", 3.12]
        db: [sqlite, postgresql]
        exclude: [{python: "3.11", db: postgresql}]
        include: [{python: "3.13", db: sqlite}]
    - {name: wheel, run: build, needs: [compile, lint]}
    - {name: publish, run: twine, needs: [test, wheel], if: 'branch == "main" and steps.test.status == "passed"'}
    - {name: tidy, run: rm, if: always()}
    """)

REFUSED = {
    # what: (recipe, line, part of the message)
    "a step that is not there": (steps("- {name: a, run: x}\n- {name: b, run: x, needs: c}"), 3, "no step 'c'"),
    "itself": (steps("- {name: a, run: x}\n- {name: b, run: x, needs: [b]}"), 3, "'b' cannot need itself"),
    "itself, as a matrix": (
        steps("- {name: a, run: x, needs: 'a (n=1)', matrix: {n: [1, 2]}}"), 2, "cannot need itself"
    ),
    "a need twice": (steps("- {name: a, run: x}\n- {name: b, run: x, needs: [a, a]}"), 3, "'a' is given twice"),
    "needs that are a mapping": (steps("- {name: a, run: x, needs: {b: c}}"), 2, "needs: expected text, not a mapping"),
    "a circle": (
        steps("- {name: a, run: x, needs: c}\n- {name: b, run: x}\n- {name: c, run: x, needs: [b]}"),
        2,
        "a circle, in which no step could begin: a → c → b → a",
    ),
    "a circle behind others": (
        steps("- {name: z, run: x}\n- {name: a, run: x, needs: [z, b]}\n- {name: b, run: x, needs: a}"), 3, "a → b → a"
    ),
    "a condition that is none": (steps("- name: a\n  run: x\n  if: branch = 1"), 4, "if: character 8: expected =="),
    "a condition on a step that is not there": (
        steps("- {name: a, run: x}\n- name: b\n  run: x\n  if: steps.c.status == 'passed'"), 5, "there is no step 'c'"
    ),
    "a condition on a step that may still run": (
        steps("- {name: a, run: x}\n- {name: b, run: x, needs: [], if: steps.a.status == 'passed'}"),
        3,
        "'a' may not be over by then",
    ),
    "a condition on itself": (steps("- {name: a, run: x, if: steps.a.status == 'passed'}"), 2, "may not be over"),
    "a status that is none": (
        steps("- {name: a, run: x}\n- {name: b, run: x, if: steps.a.status == 'success'}"),
        3,
        "steps.a.status is never 'success'; it is passed, failed, skipped",
    ),
    "an event that is none": (steps("- {name: a, run: x, if: event != 'pr'}"), 2, "event is never 'pr'"),
    "an input that is not there": (
        "inputs: {a: }\n" + steps("- {name: a, run: x, if: inputs.b}"), 3, "inputs has no 'b'; expected a"
    ),
    "a variable that is not there": (steps("- {name: a, run: x, if: env.B}"), 2, "env has no 'B'; expected none"),
    "an axis that is not there": (
        steps("- {name: a, run: x, matrix: {n: [1]}, if: matrix.m}"), 2, "matrix has no 'm'; expected n"
    ),
    "a matrix of a million": (
        steps("- name: a\n  run: x\n  matrix:\n" + "".join(f"    {c}: {list(range(10))}\n" for c in "abcdef")),
        5,
        "1,000,000 combinations (10 × 10 × 10 × 10 × 10 × 10); expected at most 200",
    ),
    "matrices that are too many together": (
        steps("\n".join(f"- {{name: {c}, run: x, matrix: {{n: {list(range(101))}}}}}" for c in "ab")),
        2,
        "at most 200 steps, not 202",
    ),
    "needs that are too many": (
        steps("\n".join(f"- {{name: {c}, run: x, matrix: {{n: {list(range(60))}}}}}" for c in "ab")),
        3,
        f"more than {MAX_NEEDS:,} in all",
    ),
    "a matrix that is a list": (steps("- {name: a, run: x, matrix: [1]}"), 2, "AXIS: [value, …] pairs, not a list"),
    "a matrix of nothing": (steps("- {name: a, run: x, matrix: {}}"), 2, "expected 1 to 10 axes, not 0"),
    "an axis without values": (steps("- {name: a, run: x, matrix: {n: []}}"), 2, "n: expected a list of values"),
    "an axis of text": (steps("- {name: a, run: x, matrix: {n: 1}}"), 2, "n: expected a list of values"),
    "an axis with a dash": (steps("- {name: a, run: x, matrix: {n-m: [1]}}"), 2, "'n-m' is not an axis's name"),
    "two axes of one variable": (steps("- {name: a, run: x, matrix: {n: [1], N: [2]}}"), 2, "the same variable"),
    "a value twice": (steps("- {name: a, run: x, matrix: {n: [1, '1']}}"), 2, "n: a value is given twice"),
    "a long value": (steps(f"- {{name: a, run: x, matrix: {{n: [{'v' * 41}]}}}}"), 2, "1 to 40 printable"),
    "a long name": (steps(f"- {{name: {'n' * 76}, run: x, matrix: {{n: [1]}}}}"), 2, "has 82 characters"),
    "an exclusion of nothing": (
        steps("- {name: a, run: x, matrix: {n: [1], exclude: {n: 2}}}"), 2, "nothing of the matrix is (n=2)"
    ),
    "everything excluded": (steps("- {name: a, run: x, matrix: {n: [1], exclude: {n: 1}}}"), 2, "every combination"),
    "an inclusion that lacks an axis": (
        steps("- {name: a, run: x, matrix: {n: [1], m: [1], include: {n: 2}}}"), 2, "a value for each of n, m"
    ),
    "an inclusion that is there": (steps("- {name: a, run: x, matrix: {n: [1], include: {n: 1}}}"), 2, "there already"),
    "an inclusion of another axis": (
        steps("- {name: a, run: x, matrix: {n: [1], include: {m: 1}}}"), 2, "expected each of n at most once, not 'm'"
    ),
    "a matrix named as a step": (
        steps("- {name: a, run: x, matrix: {n: [1]}}\n- {name: a (n=1), run: x}"), 3, "'a (n=1)' is already used"
    ),
    "an allow_failure of text": (steps("- {name: a, run: x, allow_failure: yes}"), 2, "true or false, not 'yes'"),
    "a retry beyond ten": (steps("- {name: a, run: x, retry: 11}"), 2, "a whole number from 0 to 10, not '11'"),
    "a retry below none": (steps("- {name: a, run: x, retry: -1}"), 2, "from 0 to 10, not '-1'"),
    "an image that is an option": (steps("- {name: a, run: x, image: --privileged}"), 2, "image: expected the name of"),
    "an image that is a folder": (steps("- {name: a, run: x, image: 'dir:/srv'}"), 2, "not 'dir:/srv'"),
    "an image that is a file": (steps("- {name: a, run: x, image: 'oci-archive:tmp/x.tar'}"), 2, "image: expected"),
    "an image with a scheme": (steps("- {name: a, run: x, image: 'docker://alpine'}"), 2, "image: expected"),
    "an image with a space": (steps("- {name: a, run: x, image: alpine --privileged}"), 2, "not 'alpine --privileged'"),
    "an image that is none": (steps("- {name: a, run: x, image: [alpine]}"), 2, "image: expected"),
    "another workspace": (steps("- {name: a, run: x, workspace: mine}"), 2, "shared or own, not 'mine'"),
    "a secret with a dash": (steps("- {name: a, run: x, secrets: [A-B]}"), 2, "'A-B' is not a variable's name"),
    "a secret's name with a dash": (steps("- {name: a, run: x, secrets: {A: b-c}}"), 2, "'b-c' is not a secret's name"),
    "a secret twice": (steps("- {name: a, run: x, secrets: [A, A]}"), 2, "A is given twice"),
    "a secret of ours": (steps("- {name: a, run: x, secrets: [BUILDBOARD_REF]}"), 2, "the board's own"),
    "a secret that is a variable": (steps("- {name: a, run: x, env: {A: b}, secrets: [A]}"), 2, "under env as well"),
    "artifacts from the root": (steps("- {name: a, run: x, artifacts: /etc/passwd}"), 2, "does not begin there"),
    "artifacts that climb out": (steps("- name: a\n  run: x\n  artifacts:\n  - a\n  - a/../../b"), 6, "climbs out"),
    "reports at home": (steps("- {name: a, run: x, reports: ~/x.xml}"), 2, "does not begin there"),
    "no artifacts": (steps("- {name: a, run: x, artifacts: []}"), 2, "artifacts: expected at least one path"),
    "a cache without paths": (steps("- {name: a, run: x, cache: {key: k}}"), 2, "a cache needs the key 'paths'"),
    "a cache that climbs out": (steps("- {name: a, run: x, cache: {key: k, paths: ../x}}"), 2, "climbs out"),
    "a cache twice": (
        steps("- name: a\n  run: x\n  cache:\n  - {key: k, paths: a}\n  - {key: k, paths: b}"), 6, "'k' is given twice"
    ),
    "a key with a name in single braces": (
        steps("- {name: a, run: x, cache: {key: 'k-{ branch }', paths: a}}"),
        2,
        "key: expected double braces, {{ branch }}, not { branch }",
    ),
    "the beginning of a key with a name in single braces": (
        steps("- name: a\n  run: x\n  cache: {key: k, paths: a, restore_keys: ['k-${inputs.size}']}"),
        4,
        "restore_keys: expected double braces, {{ inputs.size }}, not {inputs.size}",
    ),
    "a key of two lines": (steps('- {name: a, run: x, cache: {key: "a\\nb", paths: a}}'), 2, "1 to 200 printable"),
    "an on of text": ("on: push\n" + steps("- {name: a, run: x}"), 1, "expected on: a mapping with branches"),
    "branches of nothing": ("on: {branches: }\n" + steps("- {name: a, run: x}"), 1, "branches: expected true, false"),
    "branches that are only taken back": (
        "on: {branches: ['!wip']}\n" + steps("- {name: a, run: x}"), 1, 'put "**" first'
    ),
    "an alias within itself": ("env: &a {A: *a}\n" + steps("- {name: a, run: x}"), 1, "within what it is an alias of"),
    "aliases that are too much": (
        f"env: &e {{A: {'x' * 100_000}}}\n" + steps("\n".join(f"- {{name: s{n}, run: x, env: *e}}" for n in "abc")),
        3,
        "with its aliases written out, this is larger than 256 KiB",
    ),
}  # fmt: skip


@tag("fast")
class StepsTests(SimpleTestCase):
    def test_needs_and_matrices_become_steps_with_positions(self) -> None:
        found = parse(FAN).steps
        names = [step.name for step in found]
        tests = [
            "test (python=3.11, db=sqlite)",
            "test (python=3.12, db=sqlite)",
            "test (python=3.12, db=postgresql)",
            "test (python=3.13, db=sqlite)",
        ]
        self.assertEqual(names, ["compile", "lint", *tests, "wheel", "publish", "tidy"])
        self.assertEqual([step.needs for step in found], [(), (), *[(0,)] * 4, (0, 1), (2, 3, 4, 5, 6), (7,)])
        self.assertEqual(found[4].env, {"MATRIX_PYTHON": "3.12", "MATRIX_DB": "postgresql"})
        self.assertEqual((found[4].group, found[4].matrix), ("test", {"python": "3.12", "db": "postgresql"}))
        self.assertEqual((found[0].group, found[0].condition), ("", None))

    def test_one_of_a_matrix_can_be_needed_and_asked_for(self) -> None:
        found = parse(
            steps("""
            - {name: a, run: x, matrix: {n: [1, 2]}}
            - {name: b, run: x, needs: a (n=2), if: 'steps["a (n=2)"].status == "passed" and fork'}
            """)
        ).steps
        self.assertEqual([step.needs for step in found], [(), (), (1,)])

    def test_a_step_with_everything(self) -> None:
        [found] = parse(
            steps("""
            - name: a
              run: x
              allow_failure: true
              retry: 2
              workspace: own
              secrets: {TOKEN: PYPI_TOKEN}
              artifacts: ./dist/*.whl
              reports: [build/junit.xml, "**/TEST-*.xml"]
              cache:
                key: pip-1
                paths: [.pip, .tox]
                restore_keys: pip-
            """)
        ).steps
        self.assertTrue(found.allow_failure)
        self.assertEqual((found.retry, found.workspace, found.secrets), (2, "own", {"TOKEN": "PYPI_TOKEN"}))
        self.assertEqual((found.artifacts, found.reports), (("dist/*.whl",), ("build/junit.xml", "**/TEST-*.xml")))
        self.assertEqual(found.cache, (Cache("pip-1", (".pip", ".tox"), ("pip-",)),))
        [bare] = parse(steps("- {name: a, run: x, secrets: [A, B], retry: , if: , matrix: , artifacts: }")).steps
        self.assertEqual((bare.secrets, bare.retry, bare.artifacts), ({"A": "A", "B": "B"}, 0, ()))

    def test_a_step_without_an_image_has_that_of_the_recipe(self) -> None:
        for name in ("docker:dind", "r.example:5000/Team/x"):
            said = re.fullmatch(parts.IMAGE, name)
            self.assertEqual(said is not None, name == "docker:dind", name)
        given = "image: debian:12\nsteps:\n- {name: a, run: x}\n- {name: b, run: x, image: alpine@sha256:0}\n"
        self.assertEqual([step.image for step in parse(given).steps], ["debian:12", "alpine@sha256:0"])
        self.assertEqual([step.image for step in parse("image:\n" + steps("- {name: a, run: x}")).steps], [""])

    def test_every_error_names_the_line_and_what_was_expected(self) -> None:
        for what, (text, line, message) in REFUSED.items():
            with self.subTest(what):
                with self.assertRaises(RecipeError) as refused:
                    parse(text)
                self.assertIn(message, str(refused.exception))
                self.assertEqual(refused.exception.line, line, refused.exception)
                self.assertLess(len(str(refused.exception)), 400)

    def test_a_matrix_of_a_million_is_refused_before_it_is_made(self) -> None:
        axes = "".join(f"    a{n}: {list(range(1000))}\n" for n in range(10))
        began = time.process_time()
        with self.assertRaisesRegex(RecipeError, "combinations"):
            parse(steps(f"- name: a\n  run: x\n  matrix:\n{axes}"))
        self.assertLess(time.process_time() - began, 20)

    @override_settings(BUILDBOARD_MAX_STEPS=10_000, BUILDBOARD_MAX_RECIPE_KB=1_024)
    def test_a_long_chain_is_followed(self) -> None:
        count = 3_000
        chain = "\n".join(f"- {{name: s{n}, run: x, needs: s{n + 1}}}" for n in range(count))
        with self.assertRaisesRegex(RecipeError, "no step 's3000'"):
            parse(steps(chain))
        with self.assertRaisesRegex(RecipeError, "s0 → s1 → s2 → s3 → … → s0"):
            parse(steps(f"{chain}\n- {{name: s{count}, run: x, needs: s0}}"))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(st.integers(0, 6), max_size=3, unique=True), min_size=1, max_size=7))
    def test_what_is_accepted_has_an_order_and_what_is_not_has_none(self, wanted: list[list[int]]) -> None:
        count = len(wanted)
        needs = [[one for one in own if one < count] for own in wanted]
        text = steps(
            "\n".join(f"- {{name: s{at}, run: x, needs: {[f's{n}' for n in own]}}}" for at, own in enumerate(needs))
        )
        left, over = set(range(count)), set()
        while free := {at for at in left if set(needs[at]) <= over}:
            left, over = left - free, over | free
        if left:
            with self.assertRaisesRegex(RecipeError, "circle|itself"):
                parse(text)
        else:
            self.assertEqual([set(step.needs) for step in parse(text).steps], list(map(set, needs)))


@tag("fast")
class ProblemsTests(SimpleTestCase):
    def test_all_are_told_by_their_lines(self) -> None:
        text = steps("""
            - name: compile
              run: ''
              shell: fish
              timeout: soon
            - nme: test
              run: x
              if: a b
              cache: [{key: k}, {paths: /x, key: ''}]
            - {name: a, run: x, needs: nowhere, env: {A-B: 1, C: [1]}}
            """) + "on: {branch: main}\nenv: {1: 2}\n"  # fmt: skip
        found = [(error.line, re.split("[:;]", error.message)[0]) for error in problems(text)]
        self.assertEqual(
            found,
            [
                (3, "run"), (4, "shell"), (5, "timeout"), (6, "unknown key 'nme' in a step"),
                (6, "a step needs the key 'name'"), (8, "if"), (9, "a cache needs the key 'paths'"), (9, "key"),
                (10, "env"), (10, "env"), (11, "unknown key 'branch' in on"), (12, "env"),
            ],
        )  # fmt: skip
        with self.assertRaises(RecipeError) as refused:
            parse(text)
        self.assertIn(
            "line 6: unknown key 'nme'", str(refused.exception), "what is misspelt is ahead of what is missing"
        )
        self.assertEqual([str(one) for one in refused.exception.all], [str(one) for one in problems(text)])

    def test_who_needs_whom_is_told_once_every_step_has_a_name(self) -> None:
        text = steps("- {name: a, run: '', needs: x}\n- {name: b, run: y, needs: [b, z]}")
        self.assertEqual(
            [error.message[:12] for error in problems(text)],
            ["run: expecte", "needs: there", "needs: the s", "needs: there"],
        )

    def test_they_are_bounded_and_none_is_told_twice(self) -> None:
        self.assertEqual(len(problems(steps("\n".join(["- {name: a}"] * 199)))), MAX_PROBLEMS)
        shared = "env: &e {A-B: 1}\n" + steps("- {name: a, run: x, env: *e}\n- {name: b, run: x, env: *e}")
        self.assertEqual(len(problems(shared)), 1)
        self.assertEqual(problems(FAN), [])


@tag("fast")
class TriggersTests(SimpleTestCase):
    def on(self, said: str) -> Triggers | None:
        return parse(f"on: {said}\nsteps: [{{name: a, run: b}}]").on

    def test_what_starts_a_build(self) -> None:
        on = self.on('{branches: [main, "release/*", "!release/old"], tags: "v*"}')
        assert on is not None
        self.assertTrue(on.starts("push", branch="main"))
        self.assertTrue(on.starts("push", branch="release/1"))
        self.assertFalse(on.starts("push", branch="release/old"))
        self.assertFalse(on.starts("push", branch="wip"))
        self.assertTrue(on.starts("tag", tag="v1"))
        self.assertFalse(on.starts("pull_request", branch="main"))
        for always in ("manual", "api", "command", "schedule", "project"):
            self.assertTrue(on.starts(always, branch="wip"))

    def test_the_short_forms(self) -> None:
        self.assertIsNone(self.on(""))
        self.assertEqual(self.on("{pull_requests: true}"), Triggers((), (), ("**",)))
        self.assertEqual(self.on("{branches: false}"), Triggers((), (), ()))
        self.assertEqual(
            self.on("{branches: true, tags: [], cancel_superseded: true}"), Triggers(("**",), (), (), True)
        )
        self.assertEqual(self.on("{cancel_superseded: true}"), Triggers(cancel_superseded=True))
