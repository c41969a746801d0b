"""Times of cron in time zones: what comes next, what was missed, clocks that go forward and back."""

from datetime import UTC, datetime, timedelta

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import cron
from builds.cron import CronError

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


WRONG = [
    *("", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 32 * *", "0 0 * * 8", "*/0 * * * *"),
    *("5-1 * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "٣ * * * *", "0 0 * * mon#6", "@reboot", "1" * 200),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after(expression: str, zone: str, start: str, count: int = 1) -> list[str]:
    found = [moment.astimezone(UTC) for moment in cron.upcoming(expression, zone, at(start), count)]
    return [moment.strftime("%d %H:%M") for moment in found]


@tag("fast")
class CronTest(SimpleTestCase):
    def test_the_next_times(self) -> None:
        self.assertEqual(after("30 3 * * *", "UTC", "2026-01-05T03:30", 2), ["06 03:30", "07 03:30"])
        self.assertEqual(after("30 3 * * *", BERLIN, "2026-01-05T00:00"), ["05 02:30"])
        self.assertEqual(after("*/20 * * * *", "UTC", "2026-01-05T00:00", 3), ["05 00:20", "05 00:40", "05 01:00"])
        self.assertEqual(after("0 9 * * mon-fri", "UTC", "2026-01-09T10:00"), ["12 09:00"])
        self.assertEqual(after("@daily", NEW_YORK, "2026-01-05T06:00"), ["06 05:00"])
        self.assertEqual(cron.following("0 0 1 1 *", "UTC", at("2026-01-01T00:00")), at("2027-01-01T00:00"))

    def test_a_time_that_clocks_leave_out_comes_at_once(self) -> None:
        # Berlin, 29 March 2026: 02:00 is followed by 03:00, at 01:00 UTC.
        self.assertEqual(after("30 2 * * *", BERLIN, "2026-03-28T12:00", 2), ["29 01:00", "30 00:30"])
        self.assertEqual(after("*/30 * * * *", BERLIN, "2026-03-29T00:15", 3), ["29 00:30", "29 01:00", "29 01:30"])

    def test_a_time_that_clocks_show_twice_comes_once(self) -> None:
        # Berlin, 25 October 2026: 03:00 is followed by 02:00, at 01:00 UTC.
        self.assertEqual(after("30 2 * * *", BERLIN, "2026-10-24T12:00", 2), ["25 00:30", "26 01:30"])
        every = after("*/30 * * * *", BERLIN, "2026-10-24T23:45", 5)
        self.assertEqual(every, ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"])

    def test_what_was_missed(self) -> None:
        self.assertEqual(
            cron.passed("0 * * * *", "UTC", at("2026-01-05T03:00"), at("2026-01-05T03:00:02")),
            (1, at("2026-01-05T03:00")),
        )
        self.assertEqual(
            cron.passed("0 * * * *", "UTC", at("2026-01-05T03:00"), at("2026-01-05T06:30")), (4, at("2026-01-05T06:00"))
        )
        count, newest = cron.passed("* * * * *", "UTC", at("2020-01-01T00:00"), at("2026-01-05T06:30:10"))
        self.assertEqual((count, newest), (cron.MOST_COUNTED, at("2026-01-05T06:30")))

    def test_what_is_no_time_is_refused_with_what_was_expected(self) -> None:
        for wrong in WRONG:
            with self.assertRaisesRegex(CronError, "Expected minute, hour|never comes", msg=wrong):
                cron.check(wrong, "UTC")
        for never in ("0 0 30 2 *", "0 0 31 4,6,9 *"):
            with self.assertRaisesMessage(CronError, f"'{never}' never comes: none of its months has such a day."):
                cron.check(never, "UTC")
        with self.assertRaisesRegex(CronError, "its day-of-month is not one. Expected"):
            cron.check("0 0 32 2 *", "UTC")
        with self.assertRaisesRegex(CronError, "its hour is not one"):
            cron.check("0 24 * * *", "UTC")
        for zone in ("", "Berlin", "../../etc/passwd", "Mars/Olympus", "europe/berlin", "x" * 500, "\0"):
            with self.assertRaisesRegex(CronError, "There is no time zone"):
                cron.check("@daily", zone)

    @given(st.text(max_size=30) | st.text("0123456789*/,-L#W @adilymon", max_size=30))
    def test_any_text_is_a_time_or_refused(self, text: str) -> None:
        try:
            cron.check(text, BERLIN)
        except CronError:
            return
        now = at("2026-10-25T00:10")
        found = cron.following(text, BERLIN, now)
        assert found is not None
        self.assertGreater(found, now)
        count, newest = cron.passed(text, BERLIN, found, found + timedelta(hours=3))
        self.assertGreaterEqual(count, 1)
        self.assertGreaterEqual(newest, found)
