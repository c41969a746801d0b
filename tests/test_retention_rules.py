"""Which logs are due: the rules one by one, and all of them against a simple model."""

from datetime import UTC, datetime, timedelta

from django.test import SimpleTestCase, override_settings, tag
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from builds import retention
from builds.models import Build, Project
from builds.retention.rules import Ended, Rules
from builds.states import FINAL, Status

from . import live

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@tag("fast")
class RulesTests(SimpleTestCase):
    def rules(self, **numbers: int) -> Rules:
        return Rules(**({"days": 90, "builds": 10, "now": NOW, "beyond": 5, "least": 90, "passed": 3} | numbers))

    def ended(self, number: int, days: float, kept: bool = False) -> Ended:
        return Ended(number, NOW - timedelta(days=days), kept)

    def test_each_rule_says_why(self) -> None:
        rules = self.rules()
        self.assertEqual(rules.why(self.ended(50, 90)), "90 days after it ended")
        self.assertEqual(rules.why(self.ended(50, 89.9)), "")
        self.assertEqual(rules.why(self.ended(5, 1)), "since its project has 10 newer builds")
        self.assertEqual(rules.why(self.ended(6, 1)), "")
        self.assertEqual(self.rules(days=1).why(self.ended(50, 1)), "one day after it ended")
        self.assertEqual(self.rules(builds=1).why(self.ended(5, 0)), "since its project has a newer build")

    def test_what_is_kept_stays_whatever_its_age_and_place(self) -> None:
        for build in (self.ended(1, 999, kept=True), self.ended(3, 999), self.ended(91, 999)):
            self.assertEqual(self.rules().why(build), "")

    def test_no_limit_is_no_limit(self) -> None:
        self.assertEqual(self.rules(days=0, builds=0).why(self.ended(1, 9999)), "")


BUILD = st.tuples(
    st.sampled_from([status for status in Status if status not in ("pending", "skipped")]),
    st.integers(0, 12),  # days ago
    st.booleans(),  # kept
    st.booleans(),  # pruned already
)
LIMIT = st.none() | st.integers(0, 8)


class DueTests(TestCase):
    def make(self, project: Project, status: str, days: int, kept: bool, pruned: bool) -> Build:
        then = timezone.now() - timedelta(days=days, minutes=1)
        is_final = status in FINAL
        return Build.objects.create(
            project=project,
            recipe="",
            status=status,
            worker="" if status == "queued" else "w",
            started_at=None if status == "queued" else then,
            finished_at=then if is_final else None,
            lease_token=f"token {Build.objects.count()}" if status == "running" else None,
            kept=kept,
            pruned_at=then if pruned and is_final else None,
        )

    @settings(max_examples=80, deadline=None)
    @given(st.lists(BUILD, max_size=9), LIMIT, LIMIT, st.integers(0, 8), st.integers(0, 8), st.integers(0, 4))
    def test_what_is_pruned_is_what_a_simple_model_says(
        self, made: list, own_days: int | None, own_builds: int | None, days: int, builds: int, least: int
    ) -> None:
        number = Project.objects.count()
        project = live.project(f"p{number}", keep_days=own_days, keep_builds=own_builds)
        other = live.project(f"other{number}")
        stored = []
        for one in made:
            stored.append(self.make(project, *one))
            self.make(other, "passed", 0, False, False)  # numbers of one project are not side by side
        most_days = days if own_days is None else own_days
        most_builds = builds if own_builds is None else own_builds
        newest_first = stored[::-1]
        passed = [build for build in newest_first if build.status == "passed"][:1]
        expected = set()
        for rank, build in enumerate(newest_first):
            is_old = most_days and build.finished_at and (timezone.now() - build.finished_at).days >= most_days
            is_beyond = most_builds and rank >= most_builds
            stays = build.kept or build.pruned_at or build in passed or rank < least or build.finished_at is None
            if (is_old or is_beyond) and not stays:
                expected.add(build.pk)
        with override_settings(BUILDBOARD_KEEP_DAYS=days, BUILDBOARD_KEEP_BUILDS=builds, BUILDBOARD_KEEP_LEAST=least):
            due = [one for one in retention.due(project) if one.why]
            everywhere = {one.build_id for one in retention.due() if one.why and one.project == project.slug}
            self.assertEqual([one for one in retention.due(project, compact_only=True) if one.why], [])
        self.assertEqual({one.build_id for one in due}, expected)
        self.assertEqual(everywhere, expected)
        self.assertEqual([one.build_id for one in due], sorted(expected), "the oldest first")

    @settings(max_examples=40, deadline=None)
    @given(st.lists(BUILD, max_size=9), st.integers(0, 10))
    def test_what_is_compacted_has_been_over_for_so_long_and_is_not_pruned_instead(self, made: list, days: int) -> None:
        project = live.project(f"p{Project.objects.count()}")
        stored = [self.make(project, *one) for one in made]
        limits = {"BUILDBOARD_COMPACT_HOURS": days * 24, "BUILDBOARD_KEEP_LEAST": 2, "BUILDBOARD_KEEP_DAYS": 6}
        with override_settings(BUILDBOARD_KEEP_BUILDS=0, **limits):
            due = list(retention.due(project))
        pruned = {one.build_id for one in due if one.why}
        expected = [
            build.pk
            for build in stored
            if build.finished_at
            and not build.pruned_at
            and (timezone.now() - build.finished_at).days >= days
            and build.pk not in pruned
        ]
        self.assertEqual([one.build_id for one in due if not one.why], expected)

    def test_what_was_begun_comes_first(self) -> None:
        project = live.project()
        first, second = (self.make(project, "passed", 5, False, False) for _ in range(2))
        Build.objects.filter(pk=second.pk).update(log_rest=True, compacted_at=timezone.now())
        self.assertEqual([(one.build_id, one.rest) for one in retention.due()], [(second.pk, True), (first.pk, False)])
