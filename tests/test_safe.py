"""Secrets go in, and come out for the steps that may have them: nowhere else, and not for a moment."""

import io
import unittest.mock

from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import SimpleTestCase, TestCase, override_settings, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import lifecycle, safe, vault
from builds.models import Build, Project, Secret
from builds.source import Source

RECIPE = "steps: [{name: a, run: echo, secrets: [TOKEN]}]"
VALUE = "hunter22-of-the-board"


class SafeCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(name="P", slug="p", recipe=RECIPE)
        cls.other = Project.objects.create(name="Q", slug="q", recipe=RECIPE)

    def put(self, name: str = "TOKEN", value: str | None = VALUE, **rules: object) -> bool:
        return safe.put(self.project, name, value, by="alice", **rules)  # type: ignore[arg-type]

    def given(self, source: Source | None = None, ref: str = "", name: str = "TOKEN") -> dict[str, str]:
        build = lifecycle.enqueue(self.project, by="alice", ref=ref, source=source or Source())
        return safe.given(build.pk, {"VARIABLE": name})

    def assert_withheld(self, said: str, source: Source | None = None, **asked: str) -> None:
        with self.assertRaises(safe.Withheld) as caught:
            self.given(source, **asked)
        self.assertEqual(str(caught.exception), said)
        self.assertNotIn(VALUE, repr(caught.exception.__context__))


@tag("fast")
class PutTests(SafeCase):
    def test_it_is_stored_sealed_and_listed_without_its_value(self) -> None:
        self.assertTrue(self.put())
        [row] = Secret.objects.values()
        self.assertNotIn(VALUE, str(row))
        self.assertEqual(vault.unseal(row["value"]), VALUE)
        [listed] = safe.listed(self.project)
        self.assertNotIn("value", listed.__dict__)
        self.assertEqual((listed.name, listed.created_by, str(listed)), ("TOKEN", "alice", "TOKEN"))

    def test_a_new_value_keeps_the_rules_and_new_rules_the_value(self) -> None:
        self.put(branches="main, release/*", for_forks=True)
        self.assertFalse(safe.put(self.project, "TOKEN", "another-value", by="bob"))
        found = Secret.objects.get()
        self.assertEqual((found.branches, found.for_forks, found.updated_by), ("main release/*", True, "bob"))
        self.assertFalse(self.put(value=None, branches="", for_forks=False))
        found.refresh_from_db()
        self.assertEqual((found.branches, found.for_forks), ("", False))
        self.assertEqual(vault.unseal(found.value), "another-value")
        self.assertEqual(found.created_by, "alice")

    def test_what_cannot_be_kept_is_said_without_the_value(self) -> None:
        for name, value, said in (
            ("token", VALUE, "capital letters"),
            ("1A", VALUE, "capital letters"),
            ("A" * 101, VALUE, "up to 100"),
            ("A\n", VALUE, "capital letters"),
            ("BUILDBOARD_TOKEN", VALUE, "the board's own"),
            ("A", "", "The value is empty"),
            ("A", " \n ", "The value is empty"),
            ("A", "abc", "a line of 4 bytes or more"),
            ("A", "ab\ncd\nefg", "a line of 4 bytes or more"),
            ("A", "xyzxyz\0", "NUL"),
            ("A", "xyzxyz\ud800", "expected text"),
            ("A", "x" * (safe.MAX_BYTES + 1), "at most 32,768 bytes, not 32,769"),
            ("A", "xyz1\n" * safe.MAX_LINES, "at most 500 lines"),
            ("A", None, "has no value yet"),
        ):
            with self.subTest(name, value=(value or "")[:20]), self.assertRaises(safe.BadSecret) as caught:
                self.put(name, value)
            self.assertIn(said, str(caught.exception))
            if value and value.strip():
                self.assertNotIn(value[:20], str(caught.exception))
        for branches in ("x" * 201, " ".join(letter * 200 for letter in "abc"), "a\x07b"):
            with self.assertRaisesRegex(safe.BadSecret, "^Branches: expected"):
                self.put(branches=branches)
        self.assertFalse(Secret.objects.exists())

    def test_a_project_has_so_many(self) -> None:
        with unittest.mock.patch.object(safe, "MAX_SECRETS", 2):
            self.put("A")
            self.put("B")
            with self.assertRaisesRegex(safe.BadSecret, "up to 2 secrets"):
                self.put("C")
            self.put("B", "other-value")
            safe.put(self.other, "C", VALUE, by="alice")
        with (
            unittest.mock.patch.object(safe, "MAX_SEALED", 400),
            self.assertRaisesRegex(safe.BadSecret, "together"),
        ):
            self.put("B", "x" * 400)

    def test_it_is_removed_once_and_goes_with_its_project(self) -> None:
        self.put()
        self.assertFalse(safe.remove(self.other, "TOKEN"))
        self.assertEqual((safe.remove(self.project, "TOKEN"), safe.remove(self.project, "TOKEN")), (True, False))
        self.put()
        self.project.delete()
        self.assertFalse(Secret.objects.exists())

    def test_line_ends_are_those_of_this_system(self) -> None:
        self.put(value="first-line\r\nsecond-line\r\n")
        self.assertEqual(vault.unseal(Secret.objects.get().value), "first-line\nsecond-line\n")


@tag("fast")
class GivenTests(SafeCase):
    def test_a_step_that_names_it_gets_it_under_its_variable(self) -> None:
        self.put()
        self.assertEqual(self.given(), {"VARIABLE": VALUE})
        build = lifecycle.enqueue(self.project, by="alice")
        self.assertEqual(safe.given(build.pk, {}), {})
        self.put(value="a-newer-value")
        self.assertEqual(safe.given(build.pk, {"A": "TOKEN", "B": "TOKEN"}), dict.fromkeys("AB", "a-newer-value"))

    def test_one_that_is_not_there_is_named(self) -> None:
        safe.put(self.other, "TOKEN", VALUE, by="alice")
        self.assert_withheld("needs the secret TOKEN, which this project does not have")

    def test_builds_of_forks_get_none_unless_it_is_said(self) -> None:
        self.put()
        forked = "needs the secret TOKEN, which is not given to builds of pull requests from forks"
        fork = Source("pull_request", branch="main", pull_request=7, fork=True)
        self.assert_withheld(forked, fork)
        own = Source("pull_request", branch="main", pull_request=7)
        self.assertEqual(self.given(own), {"VARIABLE": VALUE})
        for ref in (
            *("refs/pull/7/head", "pull/7/merge", "refs/merge-requests/1/head", "refs/Pull/7/head"),
            *("refs/pull-requests/7/from", f"refs/keep-around/{'a' * 40}", "refs/changes/1/1/1", "refs/Heads/main"),
        ):
            self.assert_withheld(forked, ref=ref)
            self.assertTrue(lifecycle.enqueue(self.project, by="alice", ref=ref).fork, ref)
        self.assertEqual(self.given(ref="refs/heads/pull"), {"VARIABLE": VALUE})
        # A forge that names the pull request says whose it is.
        known = lifecycle.enqueue(self.project, by="alice", ref="refs/pull/7/head", source=own)
        self.assertFalse(known.fork)
        self.put(value=None, for_forks=True)
        self.assertEqual(self.given(fork), {"VARIABLE": VALUE})

    def test_a_retry_of_a_fork_s_build_is_one(self) -> None:
        self.put()
        fork = Source("pull_request", branch="main", pull_request=7, fork=True)
        build = lifecycle.enqueue(self.project, by="alice", source=fork)
        lifecycle.cancel(build.pk, by="alice")
        build.refresh_from_db()
        with self.assertRaises(safe.Withheld):
            safe.given(lifecycle.retry(build, by="alice").pk, {"A": "TOKEN"})

    def test_what_was_started_before_refs_were_looked_at_is_one_as_well(self) -> None:
        self.put()
        build = lifecycle.enqueue(self.project, by="alice", ref="refs/pull/7/head")
        Build.objects.filter(pk=build.pk).update(fork=False)
        with self.assertRaises(safe.Withheld):
            safe.given(build.pk, {"A": "TOKEN"})

    def test_branches_restrict_it(self) -> None:
        self.put(branches="main release/*", for_forks=True)
        only = "needs the secret TOKEN, which is given to builds of main and release/* alone"
        for branch in ("main", "release/1.0"):
            self.assertEqual(self.given(Source("push", branch=branch)), {"VARIABLE": VALUE})
        for branch in ("mainly", "Main", "topic", "a/main", "release/1/2"):
            self.assert_withheld(f"{only}, not of {branch}", Source("push", branch=branch))
        self.assert_withheld(f"{only}, and of this one no branch is known", Source("tag", tag="main"))
        self.assert_withheld(f"{only}, and of this one no branch is known", ref="topic")
        # A pull request has the branch that it would be merged into: what it runs is not of that branch.
        for fork in (True, False):
            proposed = Source("pull_request", branch="main", pull_request=7, fork=fork)
            self.assert_withheld(f"{only}, not to those of pull requests", proposed)
        self.assert_withheld(f"{only}, not to those of pull requests", ref="refs/pull/7/head")

    def test_what_no_key_opens_is_said(self) -> None:
        with override_settings(BUILDBOARD_SECRETS_KEYS=[Fernet.generate_key().decode()]):
            self.put()
        self.assert_withheld(
            "needs the secret TOKEN, which none of this board's keys opens: write it anew, or give the board its "
            "former key"
        )
        build = lifecycle.enqueue(self.project, by="alice")
        self.assertEqual(safe.to_mask(build.pk, ["TOKEN"]), [])

    def test_what_is_named_is_masked_whether_it_is_given_or_not(self) -> None:
        self.put()
        self.put("OTHER", "another-value")
        safe.put(self.other, "THEIRS", "the-others-value", by="alice")
        fork = Source("pull_request", pull_request=7, fork=True)
        build = lifecycle.enqueue(self.project, by="alice", source=fork)
        self.assertEqual(safe.to_mask(build.pk, ["TOKEN", "THEIRS", "NONE"]), [VALUE])


@tag("fast")
class RulesTests(SimpleTestCase):
    @given(st.text(max_size=60))
    @settings(deadline=None)
    def test_a_value_is_kept_as_it_is_or_refused_in_a_sentence(self, value: str) -> None:
        try:
            self.assertEqual(safe.checked(value), value.replace("\r\n", "\n"))
        except safe.BadSecret as refusal:
            self.assertTrue(str(refusal).endswith("."))

    def test_branches_as_they_are_typed(self) -> None:
        self.assertEqual(safe.globs(" main,release/*\n dev  main "), ["main", "release/*", "dev"])
        self.assertEqual([safe.globs(text) for text in ("", " ", ",")], [[], [], []])


@tag("fast")
class SetSecretTests(SafeCase):
    def run_with(self, stdin: str | bytes, *args: str) -> str:
        out = io.StringIO()
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with unittest.mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(data))):
            call_command("setsecret", *args, stdout=out, stderr=out)
        self.assertNotIn("hunter", out.getvalue())
        return out.getvalue()

    def value(self) -> str:
        return vault.unseal(Secret.objects.get(name="TOKEN").value)

    def test_the_value_comes_on_stdin(self) -> None:
        self.assertEqual(self.run_with("hunter22\n", "p", "TOKEN"), "TOKEN of p is kept.\n")
        self.assertEqual(self.value(), "hunter22")
        self.assertRegex(Secret.objects.get(name="TOKEN").updated_by, r"^command \(.+\)$")
        self.assertEqual(self.run_with("hunter23\r\n", "p", "TOKEN"), "TOKEN of p has a new value.\n")
        self.assertEqual(self.value(), "hunter23")
        self.run_with("-----BEGIN-----\nhunter\n-----END-----\n", "p", "TOKEN")
        self.assertEqual(self.value(), "-----BEGIN-----\nhunter\n-----END-----\n")

    def test_rules_and_deleting(self) -> None:
        self.run_with("hunter22", "p", "TOKEN", "--forks", "--branches", "main")
        found = Secret.objects.get()
        self.assertEqual((found.for_forks, found.branches), (True, "main"))
        self.run_with("hunter22", "p", "TOKEN", "--no-forks")
        found.refresh_from_db()
        self.assertEqual((found.for_forks, found.branches), (False, "main"))
        self.assertEqual(self.run_with("", "p", "TOKEN", "--delete"), "TOKEN of p is deleted.\n")
        self.assertFalse(Secret.objects.exists())

    def test_what_is_wrong_is_named(self) -> None:
        for stdin, args, said in (
            ("hunter22", ("none", "TOKEN"), "There is no project 'none'. Projects: p, q."),
            ("hunter22", ("p", "token"), "capital letters"),
            ("", ("p", "TOKEN"), "The value is empty"),
            (b"\xff\xfe\xff\xfe\xff", ("p", "TOKEN"), "UTF-8"),
            ("x" * 100_000, ("p", "TOKEN"), "at most 32,768 bytes"),
            ("", ("p", "TOKEN", "--delete"), "has no secret 'TOKEN'"),
        ):
            with self.subTest(args), self.assertRaises(CommandError) as caught:
                self.run_with(stdin, *args)
            self.assertIn(said, str(caught.exception))
