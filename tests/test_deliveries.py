"""What webhooks deliver: started once, remembered always, forgotten in time."""

from datetime import timedelta
from unittest import mock

from django.db import IntegrityError, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

from builds import deliveries, lifecycle, vault
from builds.hooks import Envelope, Ignored, Wanted
from builds.models import Build, Delivery, Hook, Project
from builds.source import Source
from builds.states import Status

from .racing import RECIPE, answer_lost, project, together

COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"


def hooked(slug: str = "one", **options: object) -> Hook:
    found = project(slug)
    deliveries.make_secret(found, by="alice")
    Hook.objects.filter(project=found).update(**options)
    return Hook.objects.get(project=found)


def push(branch: str = "main", *, message: str = "", sender: str = "octocat") -> Wanted:
    return Wanted(branch, Source("push", branch, commit=COMMIT), message, sender)


def pull(number: int = 7, *, fork: bool = False) -> Wanted:
    source = Source("pull_request", "main", commit=COMMIT, pull_request=number, fork=fork)
    return Wanted(f"refs/pull/{number}/head", source)


def envelope(number: str = "1", event: str = "push") -> Envelope:
    return Envelope("github", event, number)


class TakeTest(TestCase):
    def setUp(self) -> None:
        self.hook = hooked()

    def test_a_push_starts_a_build(self) -> None:
        made = deliveries.take(self.hook, envelope(), push(), "192.0.2.7")
        self.assertEqual((made.outcome, made.why, made.ref, made.commit), ("started", "", "main", COMMIT))
        self.assertEqual((made.sender, made.address, made.event), ("octocat", "192.0.2.7", "push"))
        build = Build.objects.get()
        self.assertEqual(made.build, build)
        self.assertEqual((build.trigger, build.branch, build.commit, build.ref), ("push", "main", COMMIT, "main"))
        self.assertEqual(build.started_by, "octocat (GitHub)")

    def test_the_same_delivery_starts_nothing_twice(self) -> None:
        first = deliveries.take(self.hook, envelope(), push())
        again = deliveries.take(self.hook, envelope(), push())
        self.assertEqual((again.outcome, again.build), ("repeated", first.build))
        self.assertEqual(again.why, f"The same delivery has started build {first.build_id} before.")
        other = deliveries.take(self.hook, envelope("2"), push())
        self.assertEqual(other.outcome, "started")
        elsewhere = deliveries.take(hooked("two"), envelope(), push())
        self.assertEqual(elsewhere.outcome, "started", "the numbers of one hook say nothing about another's")
        self.assertEqual(Build.objects.count(), 3)

    def test_what_was_not_built_may_be_sent_again(self) -> None:
        Hook.objects.update(pull_requests=False)
        self.hook.refresh_from_db()
        self.assertEqual(deliveries.take(self.hook, envelope(), pull()).outcome, "ignored")
        self.hook.pull_requests = True
        self.assertEqual(deliveries.take(self.hook, envelope(), pull()).outcome, "started")

    def test_what_is_ignored_says_why(self) -> None:
        for asked, options, why in (
            (Ignored("A ping: the hook works."), {}, "ping"),
            (push(message="[skip ci] typo"), {}, r"says \[skip ci\]"),
            (Wanted("v1", Source("tag", tag="v1", commit=COMMIT)), {"tags": False}, "no tags"),
            (pull(), {"pull_requests": False}, "no pull requests"),
            (push("dev"), {"branches": "main release/*"}, r"branch dev is none of those that are built \(main rel"),
            (pull(), {"branches": "** !main"}, "branch main is none"),
            (pull(fork=True), {}, "from a fork: such pull requests are not built unless"),
        ):
            self.hook.refresh_from_db()
            for name, value in options.items():
                setattr(self.hook, name, value)
            made = deliveries.take(self.hook, envelope(), asked)
            self.assertEqual((made.outcome, made.build), ("ignored", None))
            self.assertRegex(made.why, why)
        self.assertEqual(Build.objects.count(), 0)

    def test_branches_are_chosen_by_patterns(self) -> None:
        self.hook.branches = "main, release/* !release/old"
        chosen = {"main": "started", "release/1": "started", "release/old": "ignored", "x": "ignored"}
        for branch, outcome in chosen.items():
            self.assertEqual(deliveries.take(self.hook, envelope(branch), push(branch)).outcome, outcome, branch)
        tag = Wanted("v1", Source("tag", tag="v1", commit=COMMIT))
        self.assertEqual(deliveries.take(self.hook, envelope("tag"), tag).outcome, "started", "a tag is of no branch")

    def test_what_the_recipe_leaves_out_is_ignored(self) -> None:
        own = self.hook.project
        own.recipe = "on: {branches: [main], tags: ['v*'], cancel_superseded: true}\n" + RECIPE
        made = deliveries.take(self.hook, envelope("1"), push("dev"))
        self.assertEqual((made.outcome, made.why), ("ignored", "The recipe's 'on' leaves out dev."))
        tag = Wanted("x", Source("tag", tag="x", commit=COMMIT))
        self.assertEqual(deliveries.take(self.hook, envelope("2"), tag).outcome, "ignored")
        old = deliveries.take(self.hook, envelope("3"), push())
        deliveries.take(self.hook, envelope("4"), push())
        assert old.build
        old.build.refresh_from_db()
        self.assertEqual(old.build.status, Status.CANCELLED, "the recipe says so")

    def test_of_a_repository_each_commit_has_a_recipe_of_its_own(self) -> None:
        own = self.hook.project
        own.recipe, own.repository = "on: {branches: [main]}\n" + RECIPE, "https://forge.example/one.git"
        self.assertEqual(deliveries.take(self.hook, envelope("1"), push("dev")).outcome, "started")

    def test_forks_are_built_where_that_is_allowed(self) -> None:
        self.hook.forks = True
        made = deliveries.take(self.hook, envelope(), pull(fork=True))
        self.assertEqual((made.outcome, made.build and made.build.fork), ("started", True))

    def test_what_lifecycle_refuses_is_remembered_and_may_be_sent_again(self) -> None:
        Project.objects.update(enabled=False)
        self.hook.project.refresh_from_db()
        with self.assertRaisesRegex(lifecycle.Refused, "disabled"):
            deliveries.take(self.hook, envelope(), push())
        refused = Delivery.objects.get()
        self.assertEqual((refused.outcome, refused.build), ("refused", None))
        self.assertRegex(refused.why, "disabled")
        self.hook.project.enabled = True
        self.assertEqual(deliveries.take(self.hook, envelope(), push()).outcome, "started")

    def test_inputs_that_do_not_fit_are_refused(self) -> None:
        wanted = Wanted("main", Source("push", "main"), inputs={"x": "1"})
        with self.assertRaisesRegex(lifecycle.Refused, "no input 'x'"):
            deliveries.take(self.hook, envelope(), wanted)

    def test_a_newer_push_supersedes_what_waits_of_its_branch(self) -> None:
        self.hook.supersede = True
        by_hand = lifecycle.enqueue(self.hook.project, by="alice", source=Source("manual", "main"))
        old = deliveries.take(self.hook, envelope("1"), push()).build
        aside = deliveries.take(self.hook, envelope("2"), push("other")).build
        asked = deliveries.take(self.hook, envelope("3"), pull(7)).build
        new = deliveries.take(self.hook, envelope("4"), push()).build
        assert old and aside and asked and new
        old.refresh_from_db()
        self.assertEqual((old.status, old.reason), (Status.CANCELLED, f"Superseded by build {new.pk}."))
        for build in (by_hand, aside, asked, new):
            build.refresh_from_db()
            self.assertEqual(build.status, Status.QUEUED, build.pk)
        deliveries.take(self.hook, envelope("5"), pull(8))
        asked.refresh_from_db()
        self.assertEqual(asked.status, Status.QUEUED, "another pull request to the same branch")
        deliveries.take(self.hook, envelope("6"), pull(7))
        asked.refresh_from_db()
        self.assertEqual(asked.status, Status.CANCELLED)

    def test_of_two_at_once_the_lower_number_may_be_there_last(self) -> None:
        old = deliveries.take(self.hook, envelope("1"), push()).build
        new = deliveries.take(self.hook, envelope("2"), push()).build
        assert old and new
        self.assertEqual(lifecycle.supersede(old), [old.pk], "it finds that it is not the newest")
        self.assertEqual(lifecycle.supersede(new), [])
        new.refresh_from_db()
        self.assertEqual(new.status, Status.QUEUED)

    def test_a_running_build_is_not_superseded(self) -> None:
        self.hook.supersede = True
        old = deliveries.take(self.hook, envelope("1"), push()).build
        lifecycle.claim("worker", "token")
        deliveries.take(self.hook, envelope("2"), push())
        assert old
        old.refresh_from_db()
        self.assertEqual((old.status, old.cancel_requested_at), (Status.RUNNING, None))


class SecretTest(TestCase):
    def test_it_is_kept_sealed_and_replaced_as_a_whole(self) -> None:
        found = project()
        first = deliveries.make_secret(found, by="alice")
        kept = Hook.objects.get()
        self.assertEqual(vault.unseal(kept.secret), first)
        self.assertNotIn(first, kept.secret)
        Hook.objects.update(forks=True)
        second = deliveries.make_secret(found, by="bob")
        again = Hook.objects.get()
        self.assertNotEqual(first, second)
        self.assertEqual((vault.unseal(again.secret), again.made_by, again.forks), (second, "bob", True))

    def test_a_hook_is_found_by_its_project(self) -> None:
        hook = hooked()
        self.assertEqual(deliveries.hook_of("one"), hook)
        self.assertIsNone(deliveries.hook_of("two"))


class BoundsTest(TestCase):
    def setUp(self) -> None:
        self.hook = hooked()

    @override_settings(BUILDBOARD_KEEP_DELIVERIES=10)
    def test_the_oldest_are_forgotten(self) -> None:
        deliveries.take(self.hook, envelope("first"), push())
        for number in range(10):
            deliveries.take(self.hook, envelope(str(number)), Ignored("Nothing."))
        self.assertEqual(Delivery.objects.count(), 10)
        self.assertFalse(Delivery.objects.filter(delivery="first").exists())
        again = deliveries.take(self.hook, envelope("first"), push())
        self.assertEqual(Build.objects.count(), 1, "its build knows it, however long ago it was")
        self.assertEqual(again.build, Build.objects.get())

    def test_strangers_push_out_no_others(self) -> None:
        deliveries.take(self.hook, envelope("good"), Ignored("Nothing."))
        with mock.patch.object(deliveries, "KEPT_REFUSED", 5), mock.patch.object(deliveries, "REFUSED_A_MINUTE", 999):
            for number in range(20):
                deliveries.refuse(self.hook, envelope(str(number)), "Its signature does not fit.")
        self.assertEqual(Delivery.objects.filter(outcome="refused").count(), 5)
        self.assertTrue(Delivery.objects.filter(delivery="good").exists())

    def test_and_write_only_so_many_rows_a_minute(self) -> None:
        for number in range(deliveries.REFUSED_A_MINUTE + 5):
            deliveries.refuse(self.hook, envelope(str(number)), "No.")
        self.assertEqual(Delivery.objects.count(), deliveries.REFUSED_A_MINUTE)
        Delivery.objects.update(received_at=timezone.now() - timedelta(minutes=2))
        deliveries.refuse(self.hook, envelope("later"), "No.")
        self.assertEqual(Delivery.objects.count(), deliveries.REFUSED_A_MINUTE + 1)

    @override_settings(BUILDBOARD_KEEP_DAYS=30)
    def test_old_ones_are_forgotten(self) -> None:
        deliveries.take(self.hook, envelope("old"), Ignored("Nothing."))
        Delivery.objects.update(received_at=timezone.now() - timedelta(days=31))
        deliveries.take(self.hook, envelope("new"), Ignored("Nothing."))
        self.assertEqual(list(Delivery.objects.values_list("delivery", flat=True)), ["new"])

    def test_two_started_rows_of_one_delivery_are_refused_by_the_database(self) -> None:
        same = {"project": self.hook.project, "forge": "github", "delivery": "1"}
        Delivery.objects.create(outcome="started", **same)
        Delivery.objects.create(outcome="repeated", **same)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Delivery.objects.create(outcome="started", **same)
        for wrong in ({"outcome": "x"}, {"forge": "svn"}):
            with self.assertRaises(IntegrityError), transaction.atomic():
                Delivery.objects.create(**({"outcome": "ignored"} | same | wrong))


class RaceTest(TransactionTestCase):
    def setUp(self) -> None:
        self.hook = hooked()

    def test_of_the_same_delivery_at_the_same_instant_one_starts_a_build(self) -> None:
        found = together([lambda: deliveries.take(self.hook, envelope(), push()) for _ in range(6)])
        self.assertEqual(sorted(one.outcome for one in found), ["repeated"] * 5 + ["started"])
        self.assertEqual({one.build_id for one in found}, {Build.objects.get().pk})
        self.assertEqual(Delivery.objects.count(), 6)

    def test_a_crash_before_the_commit_leaves_nothing_and_one_after_it_loses_nothing(self) -> None:
        for landed in (False, True):
            with answer_lost(landed), self.assertRaisesRegex(Exception, "lost"):
                deliveries.take(self.hook, envelope(), push())
            self.assertEqual(Build.objects.count(), int(landed))
            self.assertEqual(Delivery.objects.count(), int(landed))
        again = deliveries.take(self.hook, envelope(), push())
        self.assertEqual((again.outcome, again.build), ("repeated", Build.objects.get()))

    def test_pushes_that_supersede_each_other_leave_the_newest(self) -> None:
        Hook.objects.update(supersede=True)
        self.hook.refresh_from_db()
        found = together([lambda n=n: deliveries.take(self.hook, envelope(str(n)), push()) for n in range(6)])
        newest = max(one.build_id for one in found)
        waiting = Build.objects.queued().values_list("pk", flat=True)
        self.assertEqual(list(waiting), [newest])
        self.assertEqual(RECIPE, Build.objects.get(pk=newest).recipe)
