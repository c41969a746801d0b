"""Which build is taken next, and that no limit is ever exceeded."""

import secrets
from collections import Counter
from functools import partial

from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from builds import beats, lifecycle, queue
from builds.models import Board, Build, Project, Worker
from builds.states import Status

from .queueing import MOST, claim, queued
from .racing import RECIPE, project, state, together

EARLIER = "2026-01-01T00:00Z"


def running(of: Project, count: int = 1) -> None:
    Build.objects.bulk_create(
        Build(project=of, recipe=RECIPE, status="running", worker="w", lease_token=secrets.token_hex(8),
              started_at=EARLIER)
        for _ in range(count)
    )  # fmt: skip


def claims(own: str = "") -> list[int]:
    """Until there is nothing more to be had; none of them ends."""
    taken = []
    while (build_id := claim(own)) is not None:
        taken.append(build_id)
    return taken


class OrderTests(HypothesisTestCase):
    needs = st.sampled_from(["", "gpu", "gpu large", "mac"])

    @settings(max_examples=60, deadline=None)
    @given(
        limits=st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=1, max_size=4),
        already=st.lists(st.integers(0, 3), min_size=4, max_size=4),
        waiting=st.lists(st.tuples(st.integers(0, 3), needs), max_size=14),
        own=st.sampled_from(["", "gpu", "gpu large", "gpu large mac", "mac"]),
        most=st.sampled_from([0, 0, 3, 6, 30]),
    )
    def test_every_claim_is_the_one_that_the_rule_names(self, limits, already, waiting, own, most):
        projects = [project(f"p{n}") for n in range(len(limits))]
        for n, one in enumerate(projects):
            Project.objects.filter(pk=one.pk).update(max_running=limits[n])
            running(one, already[n])
        runs = Counter({one.pk: already[n] for n, one in enumerate(projects)})
        limit = {one.pk: limits[n] for n, one in enumerate(projects)}
        left = []
        for n, needed in waiting:
            of = projects[n % len(projects)]
            left.append((queued(of, 1, needed)[0], of.pk, needed))
        with override_settings(**{MOST: most}):
            while True:
                free = [
                    (runs[of], build_id, of)
                    for build_id, of, needed in left
                    if set(needed.split()) <= set(own.split())
                    and (limit[of] is None or runs[of] < limit[of])
                    and (not most or sum(runs.values()) < most)
                ]
                expected = min(free, default=None)
                self.assertEqual(claim(own), expected and expected[1])
                if expected is None:
                    break
                runs[expected[2]] += 1
                left = [one for one in left if one[0] != expected[1]]

    @settings(max_examples=40, deadline=None)
    @given(
        limits=st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=3, max_size=3),
        already=st.lists(st.integers(0, 3), min_size=3, max_size=3),
        waiting=st.lists(st.tuples(st.integers(0, 2), needs), max_size=12),
        most=st.sampled_from([0, 5, 30]),
    )
    def test_the_places_are_the_order_in_which_builds_are_then_taken(self, limits, already, waiting, most):
        projects = [project(f"p{n}") for n in range(3)]
        for n, one in enumerate(projects):
            Project.objects.filter(pk=one.pk).update(max_running=limits[n])
            running(one, already[n])
        ids = [queued(projects[n], 1, needed)[0] for n, needed in waiting]
        Worker.objects.all().delete()
        beats.beat("worker", labels="gpu large mac")
        with override_settings(**{MOST: most}):
            places = queue.outlook().places
            self.assertEqual(sorted(places), sorted(ids))
            self.assertEqual(sorted(place.position for place in places.values()), list(range(1, len(ids) + 1)))
            ordered = sorted(places, key=lambda build_id: places[build_id].position)
            taken = claims("gpu large mac")
            self.assertEqual(taken, ordered[: len(taken)])


class FairnessTests(TransactionTestCase):
    def test_a_project_with_a_hundred_builds_does_not_hold_up_anothers_one(self):
        many, one = project("many"), project("one")
        first, *_ = queued(many, 100)
        (only,) = queued(one)
        self.assertEqual([claim(), claim()], [first, only])

    def test_what_a_worker_cannot_take_does_not_hold_up_what_it_can(self):
        of = project()
        heavy = queued(of, 3, "gpu")
        light = queued(of, 2)
        self.assertEqual(claims("linux"), light)
        self.assertEqual(claims("gpu linux"), heavy)

    def test_a_cancelled_build_leaves_room(self):
        of = project()
        Project.objects.update(max_running=1)
        first, second, third = queued(of, 3)
        self.assertEqual([claim(), claim()], [first, None])
        lifecycle.cancel(second, by="bob")
        token = Build.objects.get(pk=first).lease_token
        lifecycle.lose(first, token or "", "gone")
        self.assertEqual(claim(), third)

    def test_a_claim_whose_answer_was_lost_is_found_again_though_the_limit_is_reached(self):
        of = project()
        Project.objects.update(max_running=1)
        queued(of, 2)
        first = lifecycle.claim("w", "token")
        self.assertIsNone(lifecycle.claim("w", "other"))
        again = lifecycle.claim("w", "token")
        self.assertEqual((again.build_id, again.head), (first.build_id, first.head))


class CostTests(TransactionTestCase):
    def queries(self, own: str = "") -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            self.assertIsNotNone(claim(own))
        return len(caught)

    def test_a_claim_costs_the_same_whatever_waits_and_whatever_is_over(self):
        Board.get()
        of = project()
        queued(of, 3)
        few = self.queries()
        self.assertLessEqual(few, 20)
        queued(of, 10_000)
        queued(of, 2_000, "gpu")
        passed = {
            "status": "passed",
            "worker": "w",
            "started_at": "2026-01-01T00:00Z",
            "finished_at": "2026-01-01T00:00Z",
        }
        Build.objects.bulk_create((Build(project=of, recipe=RECIPE, **passed) for _ in range(2_000)), batch_size=1_000)
        self.assertEqual(self.queries(), few)
        Build.objects.queued().exclude(runs_on="gpu").update(status="cancelled", finished_at=EARLIER)
        with self.assertNumQueries(2):
            self.assertIsNone(claim("linux"), "two thousand that it cannot take")

    def test_the_queue_is_looked_through_in_the_index(self):
        of = project()
        passed = {"status": "passed", "worker": "w", "started_at": EARLIER, "finished_at": EARLIER}
        Build.objects.bulk_create(Build(project=of, recipe=RECIPE, **passed) for _ in range(3_000))
        queued(of, 1_000)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        for project_id in (None, of.pk):
            with CaptureQueriesContext(connection) as caught:
                queue._lanes(project_id)
            explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {caught[0]['sql']}")
                plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            for line in plan.splitlines():
                if "builds_build" in line:
                    self.assertIn("build_lane", line, plan)
            self.assertNotRegex(plan, "Sort|TEMP B-TREE")


class RaceTests(TransactionTestCase):
    """Real threads, each with a connection of its own."""

    def test_eight_at_once_all_get_a_build_where_there_are_eight(self):
        queued(project(), 20)
        for round_ in range(2):
            taken = together([claim] * 8)
            self.assertEqual(len(set(taken) - {None}), 8, f"round {round_}: {taken}")

    def test_eight_at_once_fill_every_limit_and_exceed_none(self):
        narrow, wide = project("narrow"), project("wide")
        Project.objects.filter(pk=narrow.pk).update(max_running=3)
        for total, (of_narrow, of_wide) in {0: (3, 5), 5: (None, None), 2: (None, None)}.items():
            with self.subTest(total=total), override_settings(**{MOST: total}):
                Build.objects.all().delete()
                queued(narrow, 20)
                queued(wide, 5)
                taken = [build_id for build_id in together([claim] * 8) if build_id is not None]
                self.assertEqual(len(taken), len(set(taken)))
                self.assertEqual(len(taken), total or 8)
                runs = Counter(Build.objects.running().values_list("project__slug", flat=True))
                self.assertLessEqual(runs["narrow"], 3)
                if of_narrow is not None:
                    self.assertEqual((runs["narrow"], runs["wide"]), (of_narrow, of_wide))

    def test_eight_workers_through_a_long_queue_never_exceed_a_limit_and_leave_nothing_behind(self):
        limits = {"a": 1, "b": 2, "c": None}
        for slug, limit in limits.items():
            queued(project(slug), 20)
            Project.objects.filter(slug=slug).update(max_running=limit)
        most = 4
        spans: list[tuple[int, int, str]] = []

        def work(me: int) -> None:
            while Build.objects.queued().exists():
                lease = lifecycle.claim(f"w{me}", secrets.token_hex(16))
                if lease is None:
                    continue
                # Only its worker changes it now: this is the number that its claim took, in the order of commits.
                begun, slug = Build.objects.values_list("revision", "project__slug").get(pk=lease.build_id)
                lifecycle.finish(lease, Status.PASSED)
                spans.append((begun, Build.objects.get(pk=lease.build_id).revision, slug))

        with override_settings(**{MOST: most}):
            together([partial(work, me) for me in range(8)])
        self.assertEqual(len(spans), 60)
        moves = sorted([(begun, 1, slug) for begun, _, slug in spans] + [(ended, -1, slug) for _, ended, slug in spans])
        runs: Counter[str] = Counter()
        highest: Counter[str] = Counter()
        for _, change, slug in moves:
            runs[slug] += change
            highest[slug] = max(highest[slug], runs[slug])
            self.assertLessEqual(sum(runs.values()), most)
        self.assertLessEqual(highest["a"], 1)
        self.assertLessEqual(highest["b"], 2)

    def test_a_cancel_and_a_claim_at_once_agree(self):
        of = project()
        for _ in range(10):
            first, second = queued(of, 2)
            taken, _ = together([claim, partial(lifecycle.cancel, first, by="bob")])
            self.assertIn(taken, (first, second))
            self.assertEqual(state(second)["status"], "running" if taken == second else "queued")
            Build.objects.all().delete()


class BoundTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    @override_settings(BUILDBOARD_MAX_QUEUED=3)
    def test_one_more_than_may_wait_is_refused_and_nothing_is_stored(self):
        builds = [lifecycle.enqueue(self.project, by="alice", request_key=f"{n}") for n in range(3)]
        with self.assertRaisesMessage(lifecycle.QueueFull, "The queue is full (3 builds at most)"):
            lifecycle.enqueue(self.project, by="alice")
        self.assertEqual(Build.objects.count(), 3)
        self.assertEqual(lifecycle.enqueue(self.project, by="alice", request_key="0").pk, builds[0].pk)
        self.assertIsNotNone(claim())
        lifecycle.enqueue(self.project, by="alice")

    def test_starts_at_once_stop_at_the_bound(self):
        def start() -> bool:
            try:
                lifecycle.enqueue(self.project, by="alice")
            except lifecycle.QueueFull:
                return False
            return True

        with override_settings(BUILDBOARD_MAX_QUEUED=5):
            self.assertEqual(sum(together([start] * 8)), 5)
        self.assertEqual(Build.objects.queued().count(), 5)

    def test_a_build_needs_what_its_project_needed_when_it_was_started(self):
        Project.objects.update(runs_on="linux, gpu")
        self.project.refresh_from_db()
        first = lifecycle.enqueue(self.project, by="alice")
        self.assertEqual((first.runs_on, first.data()["runs_on"]), ("gpu linux", "gpu linux"))
        Project.objects.update(runs_on="")
        self.assertIsNone(claim("linux"))
        self.assertEqual(claim("gpu large linux"), first.pk)

    def test_a_project_whose_labels_are_none_starts_nothing(self):
        self.project.runs_on = "GPU!"
        with self.assertRaisesMessage(lifecycle.Refused, "'GPU!' is not a label; expected words"):
            lifecycle.enqueue(self.project, by="alice")
