"""What each queued build waits for, told as it is."""

from django.test import SimpleTestCase, TransactionTestCase, override_settings, tag

from builds import beats, lifecycle, queue
from builds.models import Build, Worker
from builds.queue import Place, Waiting

from .queueing import MOST, claim, queued
from .racing import project


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
