"""One project after another: once, whatever crashes, and never in a circle."""

from importlib import import_module
from unittest import mock

from django.apps import apps
from django.db import IntegrityError, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from builds import chains, deliveries, lifecycle, worlds
from builds.hooks import Envelope, Wanted
from builds.models import After, Build, FollowUp, Hook, Project
from builds.source import Source
from builds.states import Status

from .racing import answer_lost, project, together


def after(following: Project, upstream: Project, **fields: object) -> After:
    made = After(project=following, upstream=upstream, **fields)
    chains.save(made)
    return made


# Leases count what is committed, and a TestCase commits nothing.
def ended(of: Project, status: Status = Status.PASSED, *, source: Source | None = None, ref: str = "") -> Build:
    """A new build of that project that has run."""
    build = lifecycle.enqueue(of, by="alice", source=source, ref=ref)
    lease = lifecycle.claim("worker", f"token {build.pk}")
    assert lease and lease.build_id == build.pk
    for position in range(2):
        lifecycle.begin_step(lease, position)
        passed = status == Status.PASSED
        lifecycle.end_step(lease, position, status, exit_code=0 if passed else 1)
        if not passed:
            break
    lifecycle.finish(lease, status, "" if status == Status.PASSED else "It said no.")
    return Build.objects.get(pk=build.pk)


class FollowTest(TransactionTestCase):
    def setUp(self) -> None:
        self.tests, self.deploy = project("tests"), project("deploy")

    def test_a_passed_build_is_followed_by_one_of_the_other(self) -> None:
        after(self.deploy, self.tests)
        first = ended(self.tests)
        self.assertEqual(FollowUp.objects.count(), 1)
        [build] = chains.start_due()
        self.assertEqual((build.project, build.parent, build.trigger, build.ref), (self.deploy, first, "project", ""))
        self.assertEqual(build.started_by, "another project")
        self.assertIsNone(build.data()["parent"], "an event is told to those, too, who may not see that one")
        self.assertEqual((chains.start_due(), FollowUp.objects.count()), ([], 0))
        with self.assertNumQueries(1):
            chains.start_due()

    def test_what_was_stored_with_a_name_loses_it(self) -> None:
        after(self.deploy, self.tests)
        first = ended(self.tests)
        [build] = chains.start_due()
        other = lifecycle.enqueue(self.tests, by="build 7 of mine")
        Build.objects.filter(pk=build.pk).update(started_by=f"build {first.pk} of tests")
        import_module("builds.migrations.0023_nameless").forget_names(apps, None)
        build.refresh_from_db()
        self.assertEqual(build.started_by, f"build {first.pk}")
        other.refresh_from_db()
        self.assertEqual(other.started_by, "build 7 of mine")

    def test_what_was_stored_with_a_number_loses_it(self) -> None:
        made = after(self.deploy, self.tests)
        first = ended(self.tests)
        [build] = chains.start_due()
        other = lifecycle.enqueue(self.tests, by=f"build {first.pk}")
        Build.objects.filter(pk=build.pk).update(started_by=f"build {first.pk}")
        After.objects.filter(pk=made.pk).update(note=f"After build {first.pk} it could not be started: TypeError.")
        import_module("builds.migrations.0025_numberless").forget_numbers(apps, None)
        build.refresh_from_db()
        made.refresh_from_db()
        other.refresh_from_db()
        self.assertEqual((build.started_by, made.note), ("another project", "It could not be started: TypeError."))
        self.assertEqual(other.started_by, f"build {first.pk}", "nobody's build of a chain")

    def test_one_that_cannot_be_started_at_all_holds_up_no_other(self) -> None:
        made = after(self.deploy, self.tests)
        ended(self.tests)
        with (
            mock.patch.object(lifecycle, "enqueue", side_effect=TypeError),
            self.assertLogs("builds.chains", "ERROR"),
        ):
            self.assertEqual(chains.start_due(), [])
        made.refresh_from_db()
        self.assertEqual(made.note, "It could not be started: TypeError.")
        self.assertEqual(FollowUp.objects.count(), 0)

    def test_others_are_not(self) -> None:
        after(self.deploy, self.tests)
        ended(self.tests, Status.FAILED)
        ended(self.deploy)
        lifecycle.cancel(lifecycle.enqueue(self.tests, by="alice").pk, by="alice")
        self.assertEqual((FollowUp.objects.count(), chains.start_due()), (0, []))

    def test_of_some_branches_and_of_no_pull_request(self) -> None:
        after(self.deploy, self.tests, branches="main release/*")
        for source, ref, counts in (
            (Source("push", "main"), "main", True),
            (Source("push", "release/1"), "release/1", True),
            (Source("push", "dev"), "dev", False),
            (Source("manual"), "main", True),
            (Source("manual"), "", False),
            (Source("tag", tag="main"), "main", False),
            (Source("pull_request", "main", pull_request=7), "refs/pull/7/head", False),
        ):
            first = ended(self.tests, source=source, ref=ref)
            found = chains.start_due()
            self.assertEqual([build.parent for build in found], [first] if counts else [], (source, ref))
            for build in found:
                lifecycle.cancel(build.pk, by="alice")

    def test_of_the_same_branch_where_that_is_asked_for(self) -> None:
        after(self.deploy, self.tests, same_ref=True)
        ended(self.tests, source=Source("push", "dev"), ref="dev")
        self.assertEqual([build.ref for build in chains.start_due()], ["dev"])

    def test_several_follow_and_each_may_be_followed(self) -> None:
        docs, last = project("docs"), project("last")
        after(self.deploy, self.tests)
        after(docs, self.tests)
        after(last, docs)
        ended(self.tests)
        self.assertEqual({build.project.slug for build in chains.start_due()}, {"deploy", "docs"})

    def test_a_refusal_is_said_and_a_full_queue_is_waited_for(self) -> None:
        made = after(self.deploy, self.tests)
        ended(self.tests)
        with override_settings(BUILDBOARD_MAX_QUEUED=1):
            lifecycle.enqueue(self.tests, by="alice")
            self.assertEqual((chains.start_due(), FollowUp.objects.count()), ([], 1))
        Project.objects.filter(pk=self.deploy.pk).update(enabled=False)
        self.assertEqual((chains.start_due(), FollowUp.objects.count()), ([], 0))
        made.refresh_from_db()
        self.assertIn("It could not be started: The project deploy is disabled", made.note)

    def test_of_a_restored_board_nothing_follows_what_had_passed(self) -> None:
        after(self.deploy, self.tests)
        ended(self.tests)
        worlds.renew()
        self.assertEqual((FollowUp.objects.count(), chains.start_due()), (0, []))

    def test_a_retry_has_the_same_parent(self) -> None:
        after(self.deploy, self.tests)
        first = ended(self.tests)
        [build] = chains.start_due()
        lifecycle.cancel(build.pk, by="alice")
        self.assertEqual(lifecycle.retry(build, by="alice").parent, first)


class CircleTest(TestCase):
    def test_circles_are_refused_however_long(self) -> None:
        one, two, three = project("one"), project("two"), project("three")
        after(two, one)
        after(three, two)
        for following, upstream in ((one, three), (one, two), (two, three), (one, one)):
            with self.assertRaisesRegex(chains.Circle, f"circle: {upstream} is built after {following} already"):
                chains.save(After(project=following, upstream=upstream))
        after(three, one)
        self.assertEqual(After.objects.count(), 3)

    def test_what_the_database_refuses(self) -> None:
        one, two = project("one"), project("two")
        after(two, one)
        for wrong in ({"project": one, "upstream": one}, {"project": two, "upstream": one}):
            with self.assertRaises(IntegrityError), transaction.atomic():
                After.objects.create(**wrong)


class RaceTest(TransactionTestCase):
    def setUp(self) -> None:
        self.tests, self.deploy = project("tests"), project("deploy")

    def test_of_six_who_look_at_the_same_instant_one_starts_it(self) -> None:
        after(self.deploy, self.tests)
        ended(self.tests)
        found = together([chains.start_due for _ in range(6)])
        self.assertEqual(sum(len(each) for each in found), 1)
        self.assertEqual(self.deploy.builds.count(), 1)

    def test_a_crash_loses_nothing_and_doubles_nothing(self) -> None:
        after(self.deploy, self.tests)
        ended(self.tests)
        for landed in (False, True):
            with answer_lost(landed), self.assertRaisesRegex(Exception, "lost"):
                chains.start_due()
            self.assertEqual(self.deploy.builds.count(), int(landed))
            self.assertEqual(FollowUp.objects.count(), int(not landed))
        self.assertEqual(chains.start_due(), [])

    def test_an_end_that_did_not_land_is_followed_by_nothing(self) -> None:
        after(self.deploy, self.tests)
        build = lifecycle.enqueue(self.tests, by="alice")
        lease = lifecycle.claim("worker", "token")
        assert lease
        with answer_lost(landed=False), self.assertRaisesRegex(Exception, "lost"):
            lifecycle.finish(lease, Status.PASSED)
        self.assertEqual((Build.objects.get(pk=build.pk).status, FollowUp.objects.count()), (Status.RUNNING, 0))
        lifecycle.finish(lease, Status.PASSED)
        self.assertEqual(FollowUp.objects.count(), 1)

    def test_of_two_halves_of_a_circle_at_the_same_instant_one_is_refused(self) -> None:
        def half(following: Project, upstream: Project) -> str:
            try:
                after(following, upstream)
            except chains.Circle:
                return "refused"
            return "stored"

        found = together([lambda: half(self.deploy, self.tests), lambda: half(self.tests, self.deploy)])
        self.assertEqual(sorted(found), ["refused", "stored"])

    def test_news_ends_and_what_follows_lock_nobody_out(self) -> None:
        """Workers, webhooks, schedules and chains at once, over projects that follow each other."""
        last = project("last")
        after(self.deploy, self.tests)
        after(last, self.tests)
        after(last, self.deploy)
        deliveries.make_secret(self.tests, by="alice")
        hook = Hook.objects.get()
        Hook.objects.update(supersede=True)
        hook.refresh_from_db()
        wanted = Wanted("main", Source("push", "main"))

        def push(start: int) -> None:
            for number in range(start, start + 6):
                deliveries.take(hook, Envelope("github", "push", str(number)), wanted)

        def work(name: str) -> None:
            for number in range(12):
                lease = lifecycle.claim(name, f"{name} {number}")
                if lease is not None:
                    lifecycle.finish(lease, Status.PASSED)

        def follow() -> None:
            for _ in range(12):
                chains.start_due()

        together([lambda: push(0), lambda: push(3), lambda: work("a"), lambda: work("b"), follow, follow])
        work("c")
        while chains.start_due():
            work("c")
        passed = self.tests.builds.filter(status=Status.PASSED).count()
        self.assertGreaterEqual(passed, 1)
        self.assertEqual(self.deploy.builds.count(), passed)
        self.assertEqual(last.builds.count(), 2 * passed)

    def test_two_builds_of_it_are_followed_by_two(self) -> None:
        after(self.deploy, self.tests)
        with mock.patch.object(chains, "_MOST", 1):
            ended(self.tests)
            ended(self.tests)
            self.assertEqual((len(chains.start_due()), len(chains.start_due())), (1, 1))
