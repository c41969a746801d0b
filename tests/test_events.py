import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from unittest import mock

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from builds import events, lifecycle, logrows, printed
from builds.events import Chunk, Fact, Lease, LeaseLost
from builds.models import Build, Event, Step
from builds.states import FINAL, Status

from .racing import answer_lost, leased, project, state, together

# What a worker hands over: no line feed, no NUL, no half of a surrogate pair; anything else.
text = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\n\0"),
        st.sampled_from("\u2028\u2029\x85\r\x0b\x1b\\\"'<>&\U0001f600"),
    ),
    max_size=12,
)


class Rollback(Exception):
    pass


def plain_build() -> Build:
    """A build with two steps and nothing in its log."""
    build = Build.objects.create(project=project(f"p{Build.objects.count()}"), recipe="")
    Step.objects.bulk_create(Step(build=build, position=n, name=name) for n, name in enumerate(("one", "zwei ☃")))
    return build


def number_and_store(build: Build, drafts: list[Fact]) -> None:
    with transaction.atomic():
        Build.objects.select_for_update().get(pk=build.pk)
        events.put_unleased(build.pk, drafts)


def seqs(build_id: int) -> list[int]:
    return list(Event.objects.filter(build_id=build_id).order_by("seq").values_list("seq", flat=True))


class ReadingTests(TestCase):
    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_lines_are_what_a_simple_model_says(self, data):
        build = plain_build()
        model: dict[int, list[str]] = {0: [], 1: []}
        is_open = {0: False, 1: False}
        for head in range(data.draw(st.integers(0, 8))):
            step = data.draw(st.integers(0, 1))
            new = data.draw(st.lists(text, min_size=1, max_size=4))
            if is_open[step]:
                model[step].pop()  # the chunk begins with the open line's number, and replaces it
            first = len(model[step]) + 1
            model[step] += new
            is_open[step] = data.draw(st.booleans())
            events.put(build.pk, head, [Chunk(step, first, new, is_open[step])])
        for step, expected in model.items():
            self.assertEqual(printed.total_lines(build.pk, step), len(expected))
            first, last = data.draw(st.integers(-2, 20)), data.draw(st.integers(-2, 20))
            found = printed.lines(build.pk, step, first, last)
            numbers = [n for n in range(first, last + 1) if 1 <= n <= len(expected)]
            self.assertEqual([(line.number, line.text) for line in found], [(n, expected[n - 1]) for n in numbers])
            for line in found:
                self.assertEqual(line.open, is_open[step] and line.number == len(expected))

    def test_a_line_is_found_in_the_largest_chunk(self):
        build = plain_build()
        many = [f"line {n}" for n in range(1, events.MAX_CHUNK_LINES + 1)]
        events.put(build.pk, 0, [Chunk(0, 1, many), Chunk(0, 1001, many)])
        for number in (1, 2, 999, 1000, 1001, 2000):
            with self.subTest(number):
                found = printed.lines(build.pk, 0, number, number)
                self.assertEqual([line.text for line in found], [many[(number - 1) % 1000]])
        self.assertEqual(printed.lines(build.pk, 0, 2001, 9999), [])
        self.assertEqual(printed.lines(build.pk, 0, 5, 4), [])
        self.assertEqual(printed.total_lines(build.pk, 1), 0)

    def test_a_chunk_that_would_shift_the_numbers_is_refused(self):
        build = plain_build()
        for lines in ([], ["a\nb"], ["a"] * (events.MAX_CHUNK_LINES + 1)):
            with self.subTest(lines=len(lines)), self.assertRaises(ValueError):
                events.put(build.pk, 0, [Chunk(0, 1, lines)])

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(text, min_size=1, max_size=3) | st.dictionaries(text, text, max_size=2), max_size=7))
    def test_what_was_stored_is_read_page_by_page_as_it_was(self, bodies):
        build = plain_build()
        drafts = [Fact("build", body) if isinstance(body, dict) else Chunk(1, 1, body) for body in bodies]
        events.put(build.pk, 0, drafts)
        whole = events.read(build.pk, 0)
        self.assertEqual([record.seq for record in whole], list(range(1, len(bodies) + 1)))
        for body, record in zip(bodies, whole, strict=True):
            self.assertNotIn("\n", record.data)
            self.assertNotIn("\r", record.data)
            read = json.loads(record.data)
            if isinstance(body, dict):
                self.assertEqual((record.kind, read), ("build", body))
            else:
                self.assertEqual((record.kind, read["step"], read["text"].split("\n")), ("log", "zwei ☃", body))
                self.assertNotIn("open", read)
        for limit in (1, 2, 5):
            paged: list[events.Record] = []
            while page := events.read(build.pk, paged[-1].seq if paged else 0, limit, ["one", "zwei ☃"]):
                self.assertLessEqual(len(page), limit)
                paged += page
            self.assertEqual(paged, whole)

    def test_an_open_line_says_so(self):
        build = plain_build()
        events.put(build.pk, 0, [Chunk(0, 1, ["50 %"], open=True)])
        self.assertIs(json.loads(events.read(build.pk, 0)[0].data)["open"], True)

    def test_half_of_a_surrogate_pair_never_reaches_the_database(self):
        build = plain_build()
        events.put(build.pk, 0, [Fact("build", {"reason": "caf\udce9"})])
        self.assertEqual(json.loads(events.read(build.pk, 0)[0].data), {"reason": "caf?"})

    def test_extents(self):
        build = plain_build()
        self.assertEqual(events.extent(build.pk), (1, 0, False))
        Build.objects.filter(pk=build.pk).update(head=7, horizon=3, status=Status.CANCELLED, finished_at=timezone.now())
        self.assertEqual(events.extent(build.pk), (3, 7, True))
        self.assertIsNone(events.extent(10**9))
        with self.assertNumQueries(1):
            self.assertEqual(events.heads([build.pk, 10**9]), {build.pk: (3, 7, True)})

    def test_reading_is_one_query(self):
        build = plain_build()
        events.put(build.pk, 0, [Chunk(0, 1, ["a"])])
        with self.assertNumQueries(1):
            events.read(build.pk, 0, names=["one"])


class WritingTests(TransactionTestCase):
    def setUp(self):
        self.lease = leased(project())
        self.chunks = [Chunk(0, 1, ["a", "b"]), Chunk(0, 3, ["c"], open=True)]

    def other(self, head: int | None = None, token: str | None = None) -> Lease:
        return Lease(self.lease.build_id, token or self.lease.token, self.lease.head if head is None else head)

    def test_appending_numbers_the_chunks_and_raises_the_head_and_the_renewal(self):
        before, head = state(self.lease.build_id), self.lease.head
        events.append(self.lease, self.chunks)
        after = state(self.lease.build_id)
        self.assertEqual(self.lease.head, head + 2)
        self.assertEqual((after["head"], after["renewal"]), (head + 2, before["renewal"] + 1))
        self.assertEqual(seqs(self.lease.build_id), list(range(1, head + 3)))
        self.assertEqual(after["revision"], before["revision"], "no board hears of log lines")
        events.append(self.lease, [])
        self.assertEqual(state(self.lease.build_id), after)

    def test_appending_costs_one_statement_or_three_in_one_transaction(self):
        with self.assertNumQueries(1 if logrows.can_take() else 5):  # begin, number, look, insert, commit
            events.append(self.lease, self.chunks)

    def test_an_append_brings_back_that_a_cancel_was_asked_for(self):
        lifecycle.cancel(self.lease.build_id, by="bob")
        self.assertFalse(self.lease.cancel_requested)
        events.append(self.lease, self.chunks)
        self.assertTrue(self.lease.cancel_requested)

    def test_a_rolled_back_write_leaves_no_number_used_and_wakes_nobody(self):
        before, head = state(self.lease.build_id), self.lease.head
        with mock.patch("builds.wakes.wake") as wake:
            for write in (
                partial(events.append, self.lease, self.chunks),
                partial(lifecycle.begin_step, self.lease, 0),
                partial(lifecycle.finish, self.lease, Status.FAILED),
            ):
                with self.assertRaises(Rollback), transaction.atomic():
                    write()
                    raise Rollback
            wake.assert_not_called()
        self.assertEqual(self.lease.head, head)
        self.assertEqual(state(self.lease.build_id), before)
        self.assertEqual(seqs(self.lease.build_id), list(range(1, head + 1)))

    def test_the_wake_leaves_when_others_can_see_the_events(self):
        seen = []
        with ThreadPoolExecutor(1) as elsewhere:

            def look(topic: str, head: int) -> None:
                def rows() -> tuple:
                    try:
                        return topic, head, events.extent(self.lease.build_id).head, seqs(self.lease.build_id)[-1]
                    finally:
                        connection.close()

                seen.append(elsewhere.submit(rows).result(10))

            with mock.patch("builds.wakes.wake", look):
                events.append(self.lease, self.chunks)
        topic, head = f"build.{self.lease.build_id}", self.lease.head
        self.assertEqual(seen, [(topic, head, head, head)])

    def test_an_answer_that_was_lost_stores_nothing_twice(self):
        for landed in (True, False):
            with self.subTest(landed=landed):
                head = self.lease.head
                with self.assertRaises(OperationalError), answer_lost(landed):
                    events.append(self.lease, self.chunks)
                self.assertEqual(self.lease.head, head, "not known yet")
                with mock.patch("builds.wakes.wake") as wake:
                    events.append(self.lease, self.chunks)
                wake.assert_called_once_with(f"build.{self.lease.build_id}", head + 2)
                self.assertEqual(self.lease.head, head + 2)
                self.assertEqual(seqs(self.lease.build_id), list(range(1, head + 3)))

    def test_a_lease_that_is_not_this_one_writes_nothing(self):
        events.append(self.lease, self.chunks)
        before, rows = state(self.lease.build_id), seqs(self.lease.build_id)
        for what, lease in {
            "another token": self.other(token="other"),
            "a head that is behind": self.other(head=self.lease.head - 1),
            "a head that is ahead": self.other(head=self.lease.head + 5),
            "no such build": Lease(10**9, "token", 0),
        }.items():
            with self.subTest(what), self.assertRaises(LeaseLost):
                events.append(lease, self.chunks)
        self.assertEqual((state(self.lease.build_id), seqs(self.lease.build_id)), (before, rows))

    def test_a_lost_lease_writes_nothing(self):
        self.assertTrue(lifecycle.lose(self.lease.build_id, self.lease.token, "It was silent."))
        before, rows = state(self.lease.build_id), seqs(self.lease.build_id)
        with self.assertRaises(LeaseLost):
            events.append(self.lease, self.chunks)
        self.assertEqual((state(self.lease.build_id), seqs(self.lease.build_id)), (before, rows))


class Reader:
    """Follows one build's log from cursor 0 and notes what it should never see."""

    def __init__(self, build_id: int, until: int, dice: random.Random, stop: threading.Event) -> None:
        self.build_id, self.until, self.dice, self.stop = build_id, until, dice, stop
        self.records: list[events.Record] = []
        self.wrong: list[str] = []

    def __call__(self) -> None:
        while len(self.records) < self.until and not self.stop.is_set():
            known = events.extent(self.build_id).head
            cursor = len(self.records)
            page = events.read(self.build_id, cursor, self.dice.randint(1, 9))
            if not page and known > cursor:
                self.wrong.append(f"the head was {known}, and nothing is above {cursor}")
            if [record.seq for record in page] != list(range(cursor + 1, cursor + 1 + len(page))):
                self.wrong.append(f"after {cursor} came {[record.seq for record in page]}")
            self.records += page
            for record in page:
                told = json.loads(record.data).get("status") if record.kind == "build" else None
                if told in FINAL and Build.objects.get(pk=self.build_id).status != told:
                    self.wrong.append(f"{told} is told before it is so")
            if not page:
                self.stop.wait(0.002)


class ConcurrencyTests(TransactionTestCase):
    """Eight writers and eight readers at once: none misses, doubles or reorders an event."""

    WRITERS = 8
    WRITES = 12

    def follow(self, builds: list[int], until: int, writers: list) -> None:
        stop = threading.Event()
        readers = [Reader(build, until, random.Random(n), stop) for n, build in enumerate(builds)]

        def guarded(write) -> None:
            try:
                write()
            except BaseException:
                stop.set()
                raise

        together([*(partial(guarded, write) for write in writers), *readers])
        for reader in readers:
            self.assertEqual(reader.wrong, [])
            self.assertEqual([record.seq for record in reader.records], list(range(1, until + 1)))
            self.assertEqual(events.read(reader.build_id, 0), reader.records, "what was read never changed")

    def test_writers_that_each_have_their_build(self):
        one = project()
        leases = [leased(one, f"token {n}") for n in range(self.WRITERS)]
        before = leases[0].head

        def write(lease: Lease, dice: random.Random) -> None:
            lifecycle.begin_step(lease, 0)
            line = 1
            for _ in range(self.WRITES):
                if dice.random() < 0.2:
                    try:
                        with transaction.atomic():
                            events.append(lease, [Chunk(0, line, ["never"])] * dice.randint(1, 3))
                            raise Rollback
                    except Rollback:
                        pass
                events.append(lease, [Chunk(0, line, ["a"]), Chunk(0, line + 1, ["b"])])
                line += 2
            lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
            lifecycle.finish(lease, Status.PASSED)

        until = before + 3 + 2 * self.WRITES
        writers = [partial(write, lease, random.Random(n)) for n, lease in enumerate(leases)]
        self.follow([lease.build_id for lease in leases], until, writers)
        for lease in leases:
            self.assertEqual(
                [line.text for line in printed.lines(lease.build_id, 0, 1, 10**6)], ["a", "b"] * self.WRITES
            )

    def test_writers_that_contend_for_one_build(self):
        build = plain_build()

        def write(me: int) -> None:
            dice = random.Random(me)
            for n in range(self.WRITES):
                if dice.random() < 0.3:
                    try:
                        with transaction.atomic():
                            number_and_store(build, [Fact("note", {"never": n})] * dice.randint(1, 3))
                            raise Rollback
                    except Rollback:
                        pass
                number_and_store(build, [Fact("note", {"by": me, "n": n}), Fact("note", {"by": me, "n": n})])

        until = 2 * self.WRITERS * self.WRITES
        self.follow([build.pk] * 8, until, [partial(write, n) for n in range(self.WRITERS)])
        told = [json.loads(record.data) for record in events.read(build.pk, 0)]
        self.assertEqual(told[::2], told[1::2], "what was stored together has numbers side by side")
        for me in range(self.WRITERS):
            self.assertEqual([data["n"] for data in told[::2] if data["by"] == me], list(range(self.WRITES)))
