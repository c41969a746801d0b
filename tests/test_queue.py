"""Which build is taken next, that no limit is ever exceeded, and that the queue tells the truth about itself."""

import secrets
from collections import Counter
from functools import partial

from django.db import connection
from django.test import SimpleTestCase, TransactionTestCase, override_settings, tag
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from builds import beats, lifecycle, queue
from builds.models import Board, Build, Project, Worker
from builds.queue import Place, Waiting
from builds.states import Status

from .racing import RECIPE, project, state, together

MOST = "BUILDBOARD_MAX_RUNNING"
EARLIER = "2026-01-01T00:00Z"


def queued(of: Project, count: int = 1, runs_on: str = "") -> list[int]:
    made = Build.objects.bulk_create(Build(project=of, recipe=RECIPE, runs_on=runs_on) for _ in range(count))
    return sorted(build.pk for build in made)


def running(of: Project, count: int = 1) -> None:
    Build.objects.bulk_create(
        Build(project=of, recipe=RECIPE, status="running", worker="w", lease_token=secrets.token_hex(8),
              started_at=EARLIER)
        for _ in range(count)
    )  # fmt: skip


def claim(own: str = "") -> int | None:
    lease = lifecycle.claim("worker", secrets.token_hex(16), own)
    return None if lease is None else lease.build_id


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


def worker(name: str, own: str = "linux", *, draining: bool = False, note: str = "") -> Worker:
    return Worker(name=name, labels=own, draining=draining, note=note)


def told(waiting: list[Waiting], workers: list[Worker], *, busy: str = "", runs=None, limits=None) -> dict[int, Place]:
    return queue.places(waiting, runs or {}, limits or {}, workers, busy.split())


@tag("fast")
class PlaceTests(SimpleTestCase):
    three = [Waiting(7, 1, ""), Waiting(8, 1, ""), Waiting(9, 1, "")]

    def test_each_place_says_what_it_waits_for(self):
        self.assertEqual(
            told(self.three, [worker("a"), worker("b")], busy="a", runs={1: 1}),
            {
                7: Place(1, "starts now", False),
                8: Place(2, "next free worker", False),
                9: Place(3, "2 builds before it", False),
            },
        )
        self.assertEqual(told([], [worker("a")]), {})

    def test_without_workers_or_with_draining_ones_nothing_starts(self):
        for workers, reason in (
            ([], "no worker is running"),
            ([worker("a", draining=True)], "the worker is draining"),
            ([worker("a", draining=True), worker("b", draining=True)], "the workers are draining"),
            ([worker("a", note="Less than 200 MB are free.")], "the worker takes no builds: Less than 200 MB are free"),
            (
                [worker("a", note="No room."), worker("b", draining=True), worker("c", note="Hot.")],
                "the workers take no builds: No room",
            ),
        ):
            with self.subTest(reason):
                self.assertEqual(told(self.three, workers)[9], Place(3, reason, True))

    def test_a_label_that_no_living_worker_has_is_named(self):
        for needed, workers, reason in (
            ("gpu", ["linux", "linux"], "no living worker has the label gpu (2 workers live)"),
            ("gpu linux", ["linux"], "no living worker has the label gpu (1 worker lives)"),
            ("gpu mac", ["linux"], "no living worker has the labels gpu and mac (1 worker lives)"),
            ("gpu mac", ["gpu", "mac"], "no living worker has the labels gpu and mac together (2 workers live)"),
        ):
            with self.subTest(reason):
                hands = [worker(f"w{n}", own) for n, own in enumerate(workers)]
                self.assertEqual(told([Waiting(7, 1, needed)], hands), {7: Place(1, reason, True)})
        only = [worker("a", "gpu", draining=True), worker("b")]
        self.assertEqual(told([Waiting(7, 1, "gpu")], only)[7].reason, "the worker with the label gpu is draining")

    def test_limits_are_told_in_numbers(self):
        hands = [worker("a"), worker("b"), worker("c")]
        full = told(self.three, hands, runs={1: 2}, limits={1: 2})
        self.assertEqual(full[7], Place(1, "its project already runs 2 of 2", False))
        nearly = told(self.three, hands, runs={1: 1}, limits={1: 2})
        self.assertEqual([nearly[n].reason for n in (7, 8)], ["starts now", "its project runs 2 at a time"])
        with override_settings(**{MOST: 10}):
            self.assertEqual(told(self.three, hands, runs={2: 10})[8].reason, "the board already runs 10 of 10")
            some = told(self.three, hands, runs={2: 9})
            self.assertEqual([some[n].reason for n in (7, 8)], ["starts now", "the board runs 10 at a time"])

    def test_what_cannot_start_stands_behind_what_can(self):
        waiting = [Waiting(7, 1, "gpu"), Waiting(8, 2, ""), Waiting(9, 3, "")]
        found = told(waiting, [worker("a")], busy="a", runs={2: 1}, limits={2: 1})
        self.assertEqual({build: place.position for build, place in found.items()}, {9: 1, 8: 2, 7: 3})
        self.assertEqual(found[9].reason, "next free worker")

    def test_only_those_that_want_the_same_workers_are_before_one(self):
        waiting = [*(Waiting(n, 1, "") for n in range(5)), Waiting(9, 2, "mac")]
        found = told(waiting, [worker("a", "linux"), worker("b", "mac")], busy="a b", runs={1: 1, 2: 1})
        self.assertEqual(found[9].reason, "1 build before it", "its worker is good for the first of the others, too")
        waiting = [*(Waiting(n, 1, "linux") for n in range(5)), Waiting(9, 2, "mac")]
        found = told(waiting, [worker("a", "linux"), worker("b", "mac")], busy="a b", runs={1: 1, 2: 1})
        self.assertEqual(found[9].reason, "next free worker")


class OutlookTests(TransactionTestCase):
    def test_it_counts_workers_and_knows_who_is_busy(self):
        of = project()
        for name in ("a", "b", "c"):
            beats.beat(name, labels="linux", draining=name == "c")
        beats.beat("full", labels="linux", note="No room.")
        queued(of, 3)
        lifecycle.claim("a", "t1")
        lifecycle.claim("gone", "t2")
        with self.assertNumQueries(4):
            seen = queue.outlook()
        self.assertEqual((len(seen.workers), seen.busy, seen.draining), (4, 1, 1))
        self.assertEqual([worker.name for worker in seen.noted], ["full"])
        self.assertEqual([place.reason for place in seen.places.values()], ["starts now"])

    def test_only_a_queued_build_has_a_place(self):
        runs, waits = queued(project(), 2)
        self.assertEqual(claim(), runs)
        self.assertIsNone(queue.place(Build.objects.get(pk=runs)))
        self.assertEqual(queue.place(Build.objects.get(pk=waits)), Place(1, "no worker is running", True))
