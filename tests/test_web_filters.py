from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth.models import Group, User
from django.http import QueryDict
from django.test import SimpleTestCase, TestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds.access import Caller
from builds.models import Build, Project
from builds.web import filters
from builds.web.filters import Filter, Wrong

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
NAMES = ["project", "status", "branch", "who", "when", "from", "to", "number", "before", "other"]
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "failed", "today", "7d", "dates", "2026-11-01", "2999-12-31", "\x00"]),
)


@tag("fast")
class NumberTest(SimpleTestCase):
    def test_a_number_is_one_with_or_without_its_sign(self) -> None:
        for text in ("42", "#42", " 42 "):
            self.assertEqual(filters.number(QueryDict(urlencode({"number": text}))), 42)
        for text in ("", "number=", "status=failed"):
            self.assertIsNone(filters.number(QueryDict(text)))

    def test_what_is_none_is_named(self) -> None:
        for text in ("x", "-1", "4.2", "9" * 19, "٣", "1 2"):
            with self.assertRaisesMessage(Wrong, "expected a build's number such as 42"):
                filters.number(QueryDict(urlencode({"number": text})))


@tag("fast")
class TidyTest(SimpleTestCase):
    def test_fields_that_say_nothing_leave_the_address(self) -> None:
        self.assertEqual(filters.tidy(QueryDict("project=&status=lost&branch=+&when=&from=&to=")), "status=lost")
        self.assertEqual(filters.tidy(QueryDict("number=&project=")), "")
        self.assertIsNone(filters.tidy(QueryDict("status=failed&status=lost&before=7")))
        self.assertIsNone(filters.tidy(QueryDict("")))

    def test_days_count_only_where_no_period_was_chosen(self) -> None:
        self.assertEqual(filters.tidy(QueryDict("when=dates&from=2026-11-01")), "from=2026-11-01")
        self.assertEqual(filters.tidy(QueryDict("when=7d&from=2026-11-01&to=2026-11-02")), "when=7d")

    @settings(max_examples=50)
    @given(st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=8))
    def test_it_is_done_at_once(self, fields: list[tuple[str, str]]) -> None:
        """A page that leads to itself again and again would never be shown."""
        once = filters.tidy(QueryDict(urlencode(fields)))
        if once is not None:
            self.assertIsNone(filters.tidy(QueryDict(once)))


class ReadTest(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="Lantern", slug="lantern", recipe="x")
        self.caller = Caller(User.objects.create_user("alice"))

    def read(self, text: str) -> Filter:
        return filters.read(QueryDict(text), self.caller.projects())

    def test_an_address_without_it_asks_for_every_build(self) -> None:
        for text in ("", "before=7", "number=42"):
            self.assertEqual(self.read(text), Filter())
            self.assertFalse(self.read(text))

    def test_what_it_asks_for_is_said_and_makes_the_same_address_again(self) -> None:
        for text, said in (
            ("project=lantern&status=failed&status=lost", "failed or lost builds of Lantern"),
            ("status=passed&status=failed&status=lost", "passed, failed or lost builds"),
            ("branch=main&who=alice&when=7d", "builds on branch main started by alice in the last 7 days"),
            ("when=today", "builds today"),
            ("from=2026-11-01&to=2026-11-03", "builds from 2026-11-01 to 2026-11-03"),
            ("from=2026-11-01&to=2026-11-01", "builds on 2026-11-01"),
            ("to=2026-11-03", "builds to 2026-11-03"),
        ):
            made = self.read(text)
            self.assertEqual((made.said(), made.query(), made.wrong), (said, text, ()))
            self.assertTrue(made)

    def test_each_wrong_value_is_named_and_left_out(self) -> None:
        for text, said in (
            ("project=nothing", "project: there is none called “nothing” that you may see."),
            ("project=%00", "project: there is none called “�”"),
            ("project=a&project=b", "project: expected one value, not 2."),
            ("status=faild", "status: expected some of queued, running, passed, failed, cancelled, lost, not “faild”."),
            ("branch=a%00b", "branch: expected up to 200 characters without control characters, not “a�b”."),
            (f"who={'x' * 151}", "who: expected up to 150 characters"),
            ("when=ever", "when: expected one of today, 7d, 30d, or from and to, not “ever”."),
            ("from=2026-13-01", "from: expected a day between 2000-01-01 and 2999-12-31, not “2026-13-01”."),
            ("from=20261101", "from: expected a day"),
            ("to=9999-12-31", "to: expected a day"),
            ("from=2026-11-03&to=2026-11-01", "from and to: expected a day and a later one"),
        ):
            with self.subTest(text):
                made = self.read(text + "&who=" * (not text.startswith("who")))
                self.assertEqual(len(made.wrong), 1)
                self.assertIn(said, made.wrong[0])
                self.assertFalse(made)

    def test_two_wrong_days_are_both_named_and_a_right_one_beside_a_wrong_one_counts(self) -> None:
        said = " ".join(self.read("from=yesterday&to=tomorrow").wrong)
        self.assertIn("“yesterday”", said)
        self.assertIn("“tomorrow”", said)
        made = self.read("from=2026-03-01&to=tomorrow")
        self.assertEqual((str(made.first), made.last, len(made.wrong)), ("2026-03-01", None, 1))

    def test_what_is_right_counts_beside_what_is_wrong(self) -> None:
        made = self.read("status=failed&status=faild&project=lantern&when=ever")
        self.assertEqual((made.statuses, made.project, len(made.wrong)), (("failed",), self.project, 2))

    def test_a_project_that_one_may_not_see_is_none(self) -> None:
        self.project.groups.add(Group.objects.create(name="insiders"))
        self.assertIn("there is none called “lantern”", self.read("project=lantern").wrong[0])


class NarrowTest(TestCase):
    def setUp(self) -> None:
        self.projects = [Project.objects.create(name=slug, slug=slug, recipe="x") for slug in "ab"]

    def build(self, days_ago: float = 0, **fields: object) -> int:
        at = NOW - timedelta(days=days_ago)
        return Build.objects.create(**{"project": self.projects[0], "recipe": "x", "created_at": at} | fields).pk

    def found(self, **wanted: object) -> set[int]:
        return set(Filter(**wanted).narrow(Build.objects.all(), NOW).values_list("pk", flat=True))  # type: ignore[arg-type]

    def test_each_part_narrows_it(self) -> None:
        main = self.build(ref="main", started_by="alice")
        other = self.build(project=self.projects[1], ref="dev", started_by="bob")
        over = self.build(status="cancelled", finished_at=NOW)
        self.assertEqual(self.found(), {main, other, over})
        self.assertEqual(self.found(project=self.projects[1]), {other})
        self.assertEqual(self.found(statuses=("cancelled", "lost")), {over})
        self.assertEqual(self.found(branch="main"), {main})
        self.assertEqual(self.found(who="bob"), {other})
        self.assertEqual(self.found(who="bob", branch="main"), set())

    def test_periods_end_now_and_days_are_whole(self) -> None:
        now, yesterday, week, old = (self.build(days) for days in (0, 0.7, 6.9, 29.9))
        self.build(400)
        self.assertEqual(self.found(when="today"), {now})
        self.assertEqual(self.found(when="7d"), {now, yesterday, week})
        self.assertEqual(self.found(when="30d"), {now, yesterday, week, old})
        self.assertEqual(self.found(when="dates", first=date(2026, 11, 23), last=date(2026, 11, 23)), {yesterday})
        self.assertEqual(self.found(when="dates", first=date(2026, 11, 24)), {now})
        self.assertEqual(self.found(when="dates", last=date(2999, 12, 31), first=date(2026, 11, 24)), {now})

    def test_suggestions_are_of_the_newest_builds_the_most_recent_first(self) -> None:
        for ref, who in (("old", "bob"), ("main", "alice"), ("", ""), ("dev", "alice")):
            self.build(ref=ref, started_by=who)
        self.assertEqual(filters.suggestions(Build.objects.all()), (["dev", "main", "old"], ["alice", "bob"]))
        self.assertEqual(filters.suggestions(Build.objects.all(), newest=1), (["dev"], ["alice"]))


class AnyAddressTest(PropertyCase):
    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=6))
    def test_any_address_is_read_and_asked_of_the_database(self, fields: list[tuple[str, str]]) -> None:
        made = filters.read(QueryDict(urlencode(fields, errors="replace")), Project.objects.all())
        list(made.narrow(Build.objects.all(), NOW))
        self.assertEqual(filters.read(QueryDict(made.query()), Project.objects.all()).query(), made.query())
