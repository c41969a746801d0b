"""The tests of builds: stored once, counted, and told apart from those that cannot make up their mind."""

import json

from django.db import IntegrityError, transaction
from django.test import TransactionTestCase, override_settings

from builds import events, retention, testcases
from builds.events import Lease, LeaseLost
from builds.junit import Case
from builds.models import Build, TestCase, TestReport
from builds.testcases import Counts, Past, key

from . import live
from .oldlogs import hurried


def case(name: str = "a", status: str = "passed", **more: object) -> Case:
    return Case("suite", "class", name, status, **more)  # type: ignore[arg-type]


def reported(lease: Lease, *cases: Case, step: int = 0) -> None:
    """As a worker stores them."""
    testcases.begin(lease, step)
    name = events.step_names(lease.build_id)[step]
    testcases.add(lease, step, name, 1, cases)
    counts = Counts()
    for one in cases:
        counts = counts.plus(one.status, seconds=one.seconds)
    testcases.tell(lease, step, counts)


class StoredTest(TransactionTestCase):
    def setUp(self) -> None:
        self.lease = live.running()
        self.build_id = self.lease.build_id

    def told(self) -> dict:
        return Build.objects.get(pk=self.build_id).data()["tests"]

    def test_cases_are_stored_counted_and_told(self) -> None:
        reported(
            self.lease,
            case("a", seconds=0.5),
            case("b", "failed", message="no"),
            case("c", "error"),
            case("d", "skipped"),
        )
        reported(self.lease, case("a"), step=1)
        self.assertEqual(self.told(), {"passed": 2, "failed": 2, "skipped": 1})
        last = json.loads(events.read(self.build_id, 0)[-1].data)
        self.assertEqual((last["step"], last["passed"], last["total"]["passed"]), ("two", 1, 2))
        self.assertEqual([one.name for one in testcases.failed(self.build_id)], ["b", "c"])
        self.assertEqual(testcases.cases(self.build_id).count(), 5)

    def test_a_step_that_is_tried_again_has_what_it_said_last(self) -> None:
        reported(self.lease, case("a", "failed"), case("b"))
        reported(self.lease, case("a"))
        self.assertEqual(self.told(), {"passed": 1, "failed": 0, "skipped": 0})
        self.assertEqual(testcases.cases(self.build_id).count(), 1)

    def test_what_had_landed_is_not_stored_twice(self) -> None:
        for _ in range(2):
            testcases.add(self.lease, 0, "one", 1, [case("a"), case("b")])
        testcases.add(self.lease, 0, "one", 3, [case("c")])
        self.assertEqual(
            list(testcases.cases(self.build_id).values_list("number", "name")), [(1, "a"), (2, "b"), (3, "c")]
        )
        before = self.lease.head
        for _ in range(2):
            self.lease.head = before
            testcases.tell(self.lease, 0, Counts(3))
        self.assertEqual(self.told()["passed"], 3)

    def test_whoever_lost_the_lease_stores_nothing(self) -> None:
        self.lease.token = "another"
        for call in (
            lambda: testcases.begin(self.lease, 0),
            lambda: testcases.add(self.lease, 0, "one", 1, [case()]),
            lambda: testcases.tell(self.lease, 0, Counts(1)),
        ):
            with self.assertRaises(LeaseLost):
                call()
        self.assertFalse(TestCase.objects.exists() or TestReport.objects.exists())

    def test_the_key_of_a_test_tells_steps_suites_and_classes_apart(self) -> None:
        keys = {
            key("s", case("a")),
            key("t", case("a")),
            key("s", case("b")),
            key("s", Case("", "class", "a", "passed")),
        }
        self.assertEqual(len(keys), 4)
        self.assertEqual(key("s", case("a", "failed")), key("s", case("a")))
        self.assertTrue(all(-(2**63) <= one < 2**63 for one in keys))

    def test_the_database_refuses_what_cannot_be(self) -> None:
        good = {"build_id": self.build_id, "step": 0, "number": 1, "key": 1, "name": "a", "status": "passed"}
        for wrong in ({"status": "lost"}, {"number": 0}, {"seconds": -1.0}):
            with self.subTest(wrong), self.assertRaises(IntegrityError), transaction.atomic():
                TestCase.objects.create(**good | wrong)

    @hurried
    @override_settings(BUILDBOARD_KEEP_LEAST=0, BUILDBOARD_KEEP_DAYS=1)
    def test_a_log_that_is_pruned_takes_its_cases_with_it_and_leaves_the_counts(self) -> None:
        reported(self.lease, *(case(str(number)) for number in range(50)))
        live.ended(self.lease)
        retention.prune(self.build_id, "for a test", retention.Pace())
        self.assertFalse(TestCase.objects.exists())
        self.assertEqual(self.told()["passed"], 50)


class PastTest(TransactionTestCase):
    def run_with(self, *cases: Case, commit: str = "", ref: str = "") -> Build:
        lease = live.running()
        reported(lease, *cases)
        live.ended(lease)
        Build.objects.filter(pk=lease.build_id).update(commit=commit, ref=ref)
        return Build.objects.get(pk=lease.build_id)

    def went(self, *statuses: str, commits: str = "", refs: str = "") -> Past | None:
        build = None
        for place, status in enumerate(statuses):
            commit = (commits[place] if commits else chr(97 + place)) * 40
            build = self.run_with(case("a", status), case("b"), commit=commit, ref=refs[place] if refs else "")
        return testcases.pasts(build).get(key("one", case("a"))) if build else None

    def test_one_that_never_failed_has_no_past(self) -> None:
        self.assertIsNone(self.went("passed", "passed"))

    def test_one_that_broke_is_not_flaky(self) -> None:
        self.assertEqual(self.went("passed", "passed", "failed", "error", "skipped"), Past(2, 4, False))

    def test_one_that_was_mended_is_not_flaky(self) -> None:
        self.assertEqual(self.went("failed", "failed", "passed"), Past(2, 3, False))

    def test_one_that_changes_its_mind_is(self) -> None:
        self.assertEqual(self.went("passed", "failed", "passed"), Past(1, 3, True))

    def test_one_that_passed_and_failed_on_one_commit_is(self) -> None:
        self.assertEqual(self.went("failed", "passed", commits="aa"), Past(1, 2, True))

    def test_that_another_branch_is_broken_makes_nobody_flaky(self) -> None:
        self.assertEqual(self.went("passed", "failed", "passed", refs="mxm"), Past(1, 3, False))

    def test_only_the_newest_builds_count_and_none_that_came_later(self) -> None:
        first = self.run_with(case("a", "failed"))
        for _ in range(testcases.LATELY):
            last = self.run_with(case("a"))
        self.assertEqual(testcases.pasts(last), {})
        self.assertEqual(testcases.pasts(first), {key("one", case("a")): Past(1, 1, False)})
