"""Builds in the admin, and their event logs."""

import json
import re
from datetime import UTC, datetime
from unittest import mock

from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import tag
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from builds import beats, events, lifecycle
from builds.admin import builds as admin_builds
from builds.admin import paging
from builds.admin.eventlog import summary
from builds.models import Build, Event, Project
from builds.states import Status

from .operating import RECIPE, AdminCase


@tag("fast")
class BuildTests(AdminCase):
    def test_lists_ask_a_fixed_number_of_queries_and_never_for_events(self) -> None:
        for name in ("project", "build", "worker"):
            url = reverse(f"admin:builds_{name}_changelist")
            counts = []
            self.client.force_login(self.admin)
            for _ in range(2):
                with self.subTest(name), CaptureQueriesContext(connection) as asked:
                    self.assertEqual(self.client.get(url).status_code, 200)
                self.assertNotIn("builds_event", " ".join(query["sql"] for query in asked.captured_queries))
                counts.append(len(asked))
                for number in range(3):
                    slug = f"p{Project.objects.count()}"
                    build = self.enqueue(Project.objects.create(name=slug, slug=slug, recipe=RECIPE))
                    beats.beat(f"worker-{build.pk}-{number}")
            self.assertEqual(counts[0], counts[1])

    def test_a_long_list_is_counted_and_paged_so_far_and_no_further(self) -> None:
        for _ in range(4):
            self.enqueue()
        url = reverse("admin:builds_build_changelist")
        with mock.patch.object(paging, "MOST", 3):
            self.assertNotContains(self.client.get(url, {"status": "running"}), "3+")
            page = self.client.get(url)
        self.assertEqual(page.context["cl"].paginator.count, 3)
        self.assertContains(page, "3+ builds")
        self.assertEqual(str(paging.AtLeast(1_000)), "1,000+")

    def test_words_are_looked_for_in_the_newest_builds_and_a_number_in_all(self) -> None:
        old, new = self.enqueue(ref="release-7"), self.enqueue(ref="release-8")
        url = reverse("admin:builds_build_changelist")
        with mock.patch.object(admin_builds, "_SEARCHED", 1):
            for query, found in {"release": [new.pk], str(old.pk): [old.pk]}.items():
                self.assertEqual([each.pk for each in self.client.get(url, {"q": query}).context["cl"].queryset], found)

    def test_search_finds_number_project_ref_and_reason(self) -> None:
        build = self.enqueue(ref="release-7")
        other = self.enqueue()
        lifecycle.cancel(build.pk, by="bob")
        url = reverse("admin:builds_build_changelist")
        for query in (str(build.pk), f"#{build.pk}", "release", "Cancelled by bob"):
            found = {each.pk for each in self.client.get(url, {"q": query}).context["cl"].queryset}
            self.assertIn(build.pk, found, query)
            self.assertNotIn(other.pk, found, query)
        self.assertEqual(self.client.get(url, {"q": "9" * 40}).status_code, 200)

    def test_filters_by_status_project_and_person(self) -> None:
        build = self.enqueue()
        lifecycle.cancel(self.enqueue().pk, by="bob")
        url = reverse("admin:builds_build_changelist")
        for query in ({"status": "queued"}, {"project": "open", "status": "queued"}, {"who": "alice", "q": build.pk}):
            found = [each.pk for each in self.client.get(url, query).context["cl"].queryset]
            self.assertEqual(found, [build.pk], query)
        for query in ({"status": "odd"}, {"who": "stranger"}):
            self.assertEqual(len(self.client.get(url, query).context["cl"].queryset), 0)

    def test_the_page_shows_steps_lease_and_the_way_to_the_live_page(self) -> None:
        build = self.enqueue()
        lease = lifecycle.claim("host:1", "t" * 32)
        assert lease is not None
        page = self.client.get(reverse("admin:builds_build_change", args=[build.pk]))
        for text in ("compile", "held by host:1", f'href="/builds/{build.pk}/"', "Event log", "Cancel"):
            self.assertContains(page, text)
        self.assertNotContains(page, "t" * 32)
        self.assertNotContains(page, 'name="status"')

    def test_moments_are_shown_to_the_second_and_with_their_zone(self) -> None:
        build = self.enqueue()
        Build.objects.update(created_at=datetime(2026, 11, 23, 2, 30, 5, tzinfo=UTC))
        for url in (
            reverse("admin:builds_build_changelist"),
            reverse("admin:builds_build_change", args=[build.pk]),
        ):
            self.assertContains(self.client.get(url), "2026-11-23 02:30:05 UTC")

    def test_nobody_edits_adds_or_deletes_a_build_by_hand(self) -> None:
        build = self.enqueue()
        self.client.force_login(self.admin)
        self.assertEqual(self.client.get(reverse("admin:builds_build_add")).status_code, 403)
        change = reverse("admin:builds_build_change", args=[build.pk])
        self.assertEqual(self.client.post(change, {"status": "passed"}).status_code, 403)
        delete = reverse("admin:builds_build_delete", args=[build.pk])
        self.assertEqual(self.client.post(delete, {"post": "yes"}).status_code, 403)
        build.refresh_from_db()
        self.assertEqual(build.status, Status.QUEUED)

    def test_cancel_and_retry_as_buttons_and_as_actions(self) -> None:
        builds = [self.enqueue() for _ in range(2)]
        self.client.post(reverse("admin:builds_build_cancel", args=[builds[0].pk]))
        url = reverse("admin:builds_build_changelist")
        both = [build.pk for build in builds]
        answer = self.client.post(url, {"action": "cancel_builds", "_selected_action": both}, follow=True)
        self.assertIn(f"Build {both[0]} has already ended", self.texts(answer))
        self.assertEqual(Build.objects.filter(status="cancelled", cancelled_by="operator").count(), 2)
        answer = self.client.post(reverse("admin:builds_build_retry", args=[both[0]]), follow=True)
        self.client.post(url, {"action": "retry_builds", "_selected_action": [both[1]]})
        self.assertEqual(list(Build.objects.order_by("pk").values_list("retry_of", flat=True))[2:], both)
        self.assertEqual(
            sorted(LogEntry.objects.values_list("object_id", flat=True)),
            sorted(str(pk) for pk in Build.objects.values_list("pk", flat=True)),
        )
        queued = Build.objects.filter(status="queued").first()
        answer = self.client.post(reverse("admin:builds_build_retry", args=[queued.pk]), follow=True)
        self.assertIn("still queued", self.texts(answer))

    def test_who_may_only_look_gets_403_for_a_direct_post(self) -> None:
        build = self.enqueue()
        self.client.force_login(self.viewer)
        for name in ("cancel", "retry"):
            answer = self.client.post(reverse(f"admin:builds_build_{name}", args=[build.pk]))
            self.assertEqual(answer.status_code, 403)
        page = self.client.get(reverse("admin:builds_build_change", args=[build.pk]))
        self.assertNotContains(page, ">Cancel<")
        build.refresh_from_db()
        self.assertEqual(build.status, Status.QUEUED)


@tag("fast")
class EventLogTests(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.build = self.enqueue()
        with self.captureOnCommitCallbacks(execute=True):
            lease = lifecycle.claim("host:1", "t" * 32)
        assert lease is not None
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.begin_step(lease, 0)
        for first in range(1, 500, 50):
            lines = range(first, first + 50)
            with self.captureOnCommitCallbacks(execute=True):
                events.append(lease, [events.Chunk(0, line, [f"\x1b[31m<b>line {line}</b>\x1b[0m"]) for line in lines])
        self.url = reverse("admin:builds_build_events", args=[self.build.pk])

    def test_pages_cover_every_event_once(self) -> None:
        head = events.extent(self.build.pk).head
        seen: list[int] = []
        url = self.url
        while url:
            page = self.client.get(url)
            self.assertContains(page, "no gaps")
            seen += [row.seq for row in page.context["rows"]]
            older = re.search(r'href="\?after=(\d+)">Older', page.content.decode())
            url = f"{self.url}?after={older[1]}" if older else ""
        self.assertEqual(seen[:200], list(range(head, head - 200, -1)))
        self.assertEqual(set(seen), set(range(1, head + 1)))

    def test_a_line_is_shown_as_text_without_its_colours(self) -> None:
        page = self.client.get(self.url)
        self.assertContains(page, "builds/admin.css", count=1)
        self.assertContains(page, "compile, line 500: &lt;b&gt;line 500&lt;/b&gt;")
        self.assertNotContains(page, "\x1b")

    def test_a_missing_event_is_found(self) -> None:
        self.assertContains(self.client.get(f"{self.url}?check=1"), "The whole log was read: no gaps")
        Event.objects.filter(build=self.build, seq__in=(10, 11, 499)).delete()
        page = self.client.get(f"{self.url}?check=1")
        self.assertContains(page, "Missing: 10–11, 499.")
        self.assertContains(page, "numbers are missing here")
        head = events.extent(self.build.pk).head
        Event.objects.filter(build=self.build, seq=head).delete()
        self.assertEqual(events.gaps(self.build.pk)[-1], (head, head))

    def test_a_cut_stands_for_the_numbers_before_it(self) -> None:
        Event.objects.filter(build=self.build, seq__range=(10, 19)).delete()
        Event.objects.filter(build=self.build, seq=20).update(
            kind="cut", step=None, line=None, lines=None, body='{"step":"compile","line":8,"lines":11,"bytes":90}'
        )
        self.assertEqual(events.gaps(self.build.pk), [])
        self.assertContains(
            self.client.get(f"{self.url}?after=0"), "compile, from line 8 on: 11 lines, 90 bytes left out"
        )

    def test_any_cursor_is_answered(self) -> None:
        for after in ("-1", "x", "9" * 18, "9" * 40, "%00", "é", "0"):
            with self.subTest(after):
                self.assertEqual(self.client.get(f"{self.url}?after={after}").status_code, 200)

    def test_summaries_of_every_kind_are_one_short_line(self) -> None:
        for record in events.read(self.build.pk, 0):
            text = summary(record.kind, record.data)
            self.assertNotIn("\n", text)
            self.assertLessEqual(len(text), 160)
        group = {"step": "compile", "number": 1, "name": "all", "line": 3, "last": None}
        self.assertEqual(summary("group", json.dumps(group)), "compile, line 3 on: all")
        self.assertEqual(summary("group", json.dumps(group | {"last": 9})), "compile, lines 3–9: all")
        said = {"step": "compile", "line": 3, "level": "error", "message": "It broke", "title": ""}
        self.assertEqual(summary("annotation", json.dumps(said)), "compile, line 3: error: It broke")
        self.assertEqual(summary("progress", '{"step":"compile","progress":0.5}'), "step compile, progress 0.5")
