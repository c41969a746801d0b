"""What each kind of target needs, and that its secret goes nowhere else."""

from typing import Any

from django.test import TestCase, override_settings, tag
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisCase

from builds import hooks
from builds.models import Project, Target
from builds.outbox import targets
from builds.outbox.targets import BadTarget

SECRET = hooks.new_secret()
GOOD: dict[str, dict[str, Any]] = {
    "github": {"secret": "ghp_x"},
    "gitlab": {"secret": "glpat-x", "place": "group/sub/repo", "address": "https://git.example"},
    "gitea": {"secret": "t", "place": "o/r", "label": "ci"},
    "webhook": {"secret": SECRET, "address": "https://x.example/hook?a=b", "tells": "failed"},
    "mail": {"address": "a@example.org,b@example.org ", "tells": "failed fixed"},
    "slack": {"secret": "https://hooks.slack.com/services/T/B/x", "tells": "failed"},
    "matrix": {"secret": "syt_x", "address": "https://m.example/", "place": "!r:m.example", "tells": "failed"},
}


def make(project: Project, kind: str, **more: Any) -> Target:
    fields = {"name": "", **GOOD[kind], **more}
    secret = fields.pop("secret", None)
    target = Target(project=project, kind=kind, **fields)
    targets.save(target, secret)
    return target


class TargetsCase(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(
            name="P", slug="p", recipe="steps: [{name: a, run: b}]", repository="https://github.com/octocat/hello"
        )

    def wrong(self, kind: str, **more: Any) -> dict[str, str]:
        with self.assertRaises(BadTarget) as caught:
            make(self.project, kind, **more)
        return caught.exception.wrong


@tag("fast")
class TargetsTest(TargetsCase):
    def test_each_kind_with_what_it_needs_is_kept_in_one_form(self) -> None:
        for kind in GOOD:
            make(self.project, kind)
        kept = {target.kind: target for target in Target.objects.all()}
        self.assertEqual(set(kept), set(GOOD))
        self.assertEqual(kept["mail"].address, "a@example.org, b@example.org")
        self.assertEqual((kept["matrix"].address, kept["matrix"].opened()), ("https://m.example", "syt_x"))
        self.assertEqual(kept["github"].secret_for, "https://api.github.com")
        self.assertEqual({target.name for target in kept.values()}, set(targets.NAMES.values()))

    def test_what_is_wrong_is_said_at_its_field(self) -> None:
        for kind, field, said, more in (
            ("webhook", "address", "Expected an address", {"address": "ftp://x"}),
            ("webhook", "address", "Expected an address", {"address": "https://me:pw@x.example/"}),
            ("webhook", "address", "Expected an address", {"address": "https://x.example/a b"}),
            ("webhook", "secret", "whsec_", {"secret": "short"}),
            ("webhook", "secret", "Expected one.", {"secret": None}),
            ("webhook", "tells", "It would be told nothing", {"tells": ""}),
            ("webhook", "tells", "'sometimes' is nothing", {"tells": "sometimes"}),
            ("webhook", "branches", "expected a branch", {"branches": "!"}),
            ("webhook", "place", "This kind has none.", {"place": "x"}),
            ("webhook", "label", "Only the status", {"label": "x"}),
            ("webhook", "name", "Expected 1 to 100", {"name": "a\nb"}),
            ("mail", "address", "'nobody' is no address", {"address": "nobody"}),
            ("mail", "address", "Expected 1 to 20", {"address": ","}),
            ("mail", "secret", "This kind has none.", {"secret": "x"}),
            ("slack", "secret", "Expected an address", {"secret": "xoxb-1"}),
            ("slack", "secret", "https://", {"secret": "http://hooks.slack.com/x"}),
            ("slack", "address", "is a secret", {"address": "https://hooks.slack.com/x"}),
            ("matrix", "place", "room's id", {"place": "#room:m.example"}),
            ("matrix", "address", "a token goes there", {"address": "http://m.example"}),
            ("github", "secret", "printable ASCII", {"secret": "a b"}),
            ("github", "place", "owner/name", {"place": "only"}),
            ("gitlab", "address", "a token goes there", {"address": "http://git.example"}),
        ):
            with self.subTest(kind, **more):
                found = self.wrong(kind, **more)
                self.assertIn(said, found.get(field, f"not said: {found}"))

    @override_settings(BUILDBOARD_OUTBOX_ALLOW_PRIVATE=["10.0.0.0/8"])
    def test_a_board_that_reaches_its_own_network_may_do_so_without_tls(self) -> None:
        make(self.project, "gitlab", address="http://git.intranet")

    def test_a_secret_stays_where_none_is_given_and_goes_to_no_other_address(self) -> None:
        matrix, hook = make(self.project, "matrix"), make(self.project, "webhook")
        matrix.branches = "main"
        targets.save(matrix)
        self.assertEqual(Target.objects.get(pk=matrix.pk).opened(), "syt_x")
        matrix.address = "https://evil.example"
        with self.assertRaises(BadTarget) as caught:
            targets.save(matrix)
        self.assertIn("another address", caught.exception.wrong["secret"])
        hook.address = "https://elsewhere.example"  # a key that signs is not sent
        targets.save(hook)

    def test_a_change_takes_no_new_secret_back_or_elsewhere_and_brings_nothing_back(self) -> None:
        make(self.project, "matrix")
        mine, theirs = Target.objects.get(), Target.objects.get()
        targets.save(theirs, "syt_new")
        mine.name = "Room"
        self.assert_late(mine)
        found = Target.objects.get()
        self.assertEqual((found.name, found.opened()), ("Matrix", "syt_new"))
        Target.objects.all().delete()
        self.assert_late(mine)
        self.assertFalse(Target.objects.exists())

    def assert_late(self, target: Target) -> None:
        with self.assertRaises(BadTarget) as caught:
            targets.save(target)
        self.assertIn("changed or deleted meanwhile", caught.exception.wrong["target"])

    def test_a_token_of_a_forge_does_not_follow_a_repository_that_moves(self) -> None:
        forge = make(self.project, "github")
        Project.objects.update(repository="https://evil.example/octocat/hello")
        moved = Target.objects.select_related("project").get(pk=forge.pk)
        with self.assertRaises(BadTarget) as caught:
            targets.save(moved)
        self.assertIn("another address", caught.exception.wrong["secret"])
        from builds.worker.outwards.delivery import Terms, deliver

        from . import news

        claimed = news.claimed("github", "passed", repository="https://evil.example/o/r")
        claimed.target.secret_for = "https://api.github.com"
        outcome = deliver(claimed, Terms("", 1))
        self.assertEqual(outcome.verdict, "never")
        self.assertIn("The token was given for https://api.github.com", outcome.said)

    def test_it_does_not_become_another_kind(self) -> None:
        hook = make(self.project, "webhook")
        hook.kind = "slack"
        with self.assertRaises(BadTarget) as caught:
            targets.save(hook)
        self.assertIn("make a new one", caught.exception.wrong["kind"])
        self.assertIn("kind", self.wrong_kind())

    def wrong_kind(self) -> dict[str, str]:
        with self.assertRaises(BadTarget) as caught:
            targets.save(Target(project=self.project, kind="pigeon", name="x"))
        return caught.exception.wrong

    def test_no_two_of_a_project_have_one_name(self) -> None:
        first, second = make(self.project, "webhook"), make(self.project, "webhook")
        self.assertEqual((first.name, second.name), ("Webhook", "Webhook 2"))
        self.assertRegex(self.wrong("mail", name=" Webhook ")["name"], "^The project has a target of that name")
        second.name = "Webhook"
        with self.assertRaises(BadTarget):
            targets.save(second)
        Target.objects.filter(pk=second.pk).update(name="Webhook")  # from before there was such a rule
        second.refresh_from_db()
        second.enabled = False
        targets.save(second)


class AnythingTest(HypothesisCase):
    @settings(deadline=None)
    @given(st.sampled_from(sorted(GOOD)), st.text(max_size=80), st.sampled_from(
        ["name", "address", "place", "label", "branches", "tells", "secret"]))  # fmt: skip
    def test_any_text_is_kept_or_refused_with_a_sentence(self, kind: str, text: str, field: str) -> None:
        project = Project(name="P", slug="p", recipe="x", repository="https://github.com/octocat/hello")
        fields = {"name": "", **GOOD[kind], field: text}
        secret = fields.pop("secret", None)
        try:
            targets.check(Target(project=project, kind=kind, **fields), secret)
        except BadTarget as refusal:
            self.assertTrue(all(sentence.endswith((".", ")")) for sentence in refusal.wrong.values()), refusal)
