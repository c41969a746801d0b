"""What is written past the models reads as if they had written it; on PostgreSQL by one statement, or not at all."""

from django.db import IntegrityError, connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyTestCase

from builds import logrows
from builds.logrows import Row
from builds.models import Build, Event

from .racing import leased, project, state

line = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=20)
rows = st.lists(
    st.builds(
        Row,
        open=st.booleans(),
        seq=st.just(0),
        step=st.integers(0, 9_999),
        line=st.integers(1, 2**40),
        lines=st.integers(1, 1_000),
        body=st.lists(line, min_size=1, max_size=3).map("\n".join),
    ),
    min_size=1,
    max_size=4,
)


def stored(build_id: int) -> list[Row]:
    found = Event.objects.filter(build_id=build_id, kind="log").order_by("seq")
    return [Row(one.open, one.seq, one.step, one.line, one.lines, one.body) for one in found]


class AnyRowsTests(PropertyTestCase):
    @settings(max_examples=30, deadline=None)
    @given(rows)
    def test_rows_read_as_they_were_given(self, given_rows):
        lease = leased(project(f"p{Build.objects.count()}"), token=f"token{Build.objects.count()}")
        lease.head = Build.objects.get(pk=lease.build_id).head  # within a test's transaction nothing is committed
        numbered = [row._replace(seq=seq) for seq, row in enumerate(given_rows, lease.head + 1)]
        now = timezone.now()
        if logrows.can_take():
            taken = logrows.take_and_insert(lease.build_id, lease.token, lease.head, numbered, now)
            self.assertIs(taken, False)
            self.assertEqual(Build.objects.get(pk=lease.build_id).head, numbered[-1].seq)
        else:
            logrows.insert(lease.build_id, numbered, now)
        self.assertEqual(stored(lease.build_id), numbered)
        times = set(Event.objects.filter(build_id=lease.build_id, kind="log").values_list("at", flat=True))
        self.assertEqual(times, {now})


class RowsTests(TransactionTestCase):
    def setUp(self) -> None:
        self.lease = leased(project())
        self.rows = [Row(False, self.lease.head + 1, 0, 1, 2, "one\ntwo"), Row(True, self.lease.head + 2, 0, 3, 1, "")]

    def test_rows_that_the_models_refuse_are_refused(self):
        for wrong in ({"lines": 0}, {"line": 0}, {"seq": 0}):
            with self.subTest(wrong), self.assertRaises(IntegrityError):
                self._try(self.rows[0]._replace(**wrong))

    def _try(self, row: Row) -> None:
        with transaction.atomic():
            if logrows.can_take():
                logrows.take_and_insert(self.lease.build_id, self.lease.token, self.lease.head, [row], timezone.now())
            else:
                logrows.insert(self.lease.build_id, [row], timezone.now())

    def test_only_who_holds_the_lease_and_knows_the_head_takes_numbers(self):
        if not logrows.can_take():
            self.assertEqual(connection.vendor, "sqlite")  # there `events.reserve` is the fence
            return
        build_id, token, head = self.lease.build_id, self.lease.token, self.lease.head
        before = state(build_id)
        for other in ((build_id, "another", head), (build_id, token, head + 1), (build_id, token, head - 1)):
            self.assertIsNone(logrows.take_and_insert(*other, self.rows, timezone.now()))
        self.assertEqual((state(build_id), stored(build_id)), (before, []))
        Build.objects.filter(pk=build_id).update(cancel_requested_at=timezone.now())
        self.assertIs(logrows.take_and_insert(build_id, token, head, self.rows, timezone.now()), True)
        self.assertEqual(stored(build_id), self.rows)

    def test_the_text_of_events_is_compressed_by_the_fast_way(self):
        if connection.vendor != "postgresql" or connection.pg_version < 140_000:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
            has_it = cursor.fetchone()[0]
            cursor.execute(
                "SELECT attcompression FROM pg_attribute WHERE attrelid = 'builds_event'::regclass AND attname = 'body'"
            )
            self.assertEqual(cursor.fetchone()[0], "l" if has_it else "")
