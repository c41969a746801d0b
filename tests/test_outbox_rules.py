"""Which news a target wants, and when what could not be sent is tried again."""

from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.outbox import pace, rules
from builds.outbox.rules import RuleError, change_of, joined_branches, matches, wants


@tag("fast")
class RulesTest(SimpleTestCase):
    def test_patterns_name_branches_and_leave_some_out(self) -> None:
        for patterns, branch, whether in (
            ("", "main", True),
            ("", "", True),
            ("main", "main", True),
            ("main", "Main", False),
            ("main", "main2", False),
            ("release/*", "release/1.0/fix", False),
            ("release/**", "release/1.0/fix", True),
            ("main release/*", "release/1", True),
            ("!wip/*", "main", True),
            ("!wip/*", "wip/x", False),
            ("!wip/*", "", True),
            ("main !main", "main", False),
            ("!main main", "main", True),
            ("v?.*", "v1.2", True),
        ):
            self.assertIs(matches(patterns, branch), whether, f"{patterns!r} {branch!r}")

    def test_patterns_are_kept_in_one_form(self) -> None:
        self.assertEqual(joined_branches(" main,release/*\n !wip/* ,"), "main release/* !wip/*")
        for wrong in ("!", "a\x00b", "x " * 21, "y" * 501, "v[0-9]*"):
            with self.assertRaisesRegex(RuleError, "expected"):
                joined_branches(wrong)

    @settings(deadline=None)
    @given(st.text(), st.text())
    def test_any_text_is_patterns_or_refused_and_matching_never_fails(self, text: str, branch: str) -> None:
        try:
            patterns = joined_branches(text)
        except RuleError:
            return
        self.assertEqual(joined_branches(patterns), patterns)
        self.assertIn(matches(patterns, branch), (True, False))

    def test_many_stars_cost_nothing(self) -> None:
        self.assertFalse(matches("*a" * 200 + "b", "a" * 200))

    def test_a_change_is_of_a_final_status_after_another(self) -> None:
        for status, before, change in (
            ("failed", "passed", "broken"),
            ("lost", "passed", "broken"),
            ("failed", "failed", ""),
            ("failed", None, ""),
            ("passed", "failed", "fixed"),
            ("passed", "lost", "fixed"),
            ("passed", "passed", ""),
            ("passed", None, ""),
            ("cancelled", "failed", ""),
        ):
            self.assertEqual(change_of(status, before), change, (status, before))

    def test_a_target_is_told_a_status_or_a_change(self) -> None:
        self.assertTrue(wants("failed fixed", "passed", "fixed"))
        self.assertFalse(wants("failed fixed", "passed", ""))
        self.assertTrue(wants("passed", "passed", "fixed"))
        self.assertFalse(wants("", "failed", ""))
        self.assertTrue(set(rules.CHANGES) < set(rules.NEWS))


@tag("fast")
class PaceTest(SimpleTestCase):
    def test_it_doubles_up_to_a_limit(self) -> None:
        with mock.patch("random.uniform", return_value=1.0):
            waits = [pace.seconds_until_next(attempts) for attempts in range(1, 16)]
            self.assertEqual(waits[:4], [5, 10, 20, 40])
            self.assertEqual(waits[-1], pace.LONGEST_SECONDS)
            self.assertEqual(pace.seconds_until_next(10**9), pace.LONGEST_SECONDS)

    def test_it_is_never_sooner_than_was_asked_for_and_never_endless(self) -> None:
        self.assertGreaterEqual(pace.seconds_until_next(1, 90), 90)
        self.assertLessEqual(pace.seconds_until_next(1, 10**9), pace.LONGEST_SECONDS)
        self.assertGreaterEqual(pace.seconds_until_next(5, -3), 64)

    def test_messages_do_not_come_in_step(self) -> None:
        waits = {pace.seconds_until_next(4) for _ in range(50)}
        self.assertGreater(len(waits), 40)
        self.assertTrue(all(32 <= wait <= 48 for wait in waits))
