"""The figures for Prometheus: parsed by its own parser, and there when the database is not."""

import unittest.mock

from django.db import OperationalError
from django.test import TestCase, tag
from prometheus_client.parser import text_string_to_metric_families

from builds import beats, gauges, lifecycle, outbox
from builds.models import Build, Project, Target
from builds.states import BUILD_STATUSES
from builds.web import metrics as figures


@tag("fast")
class MetricsTests(TestCase):
    def scrape(self) -> dict[tuple[str, str], float]:
        answer = self.client.get("/metrics")
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer["Content-Type"].startswith("text/plain"))
        samples = {}
        for family in text_string_to_metric_families(answer.content.decode()):
            for sample in family.samples:
                samples[sample.name, ",".join(sample.labels.values())] = sample.value
        return samples

    def test_messages_are_counted_by_state(self) -> None:
        project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: one, run: 'true'}]")
        target = Target.objects.create(project=project, kind="mail", name="mail", tells="queued")
        lifecycle.enqueue(project, by="alice")
        self.assertEqual(self.scrape()["buildboard_messages", "waiting"], 1)
        claimed = outbox.claim("t", 60)
        assert claimed is not None and claimed.target == target
        outbox.give_up(claimed, "550 no such user")
        self.assertEqual(self.scrape()["buildboard_messages", "waiting"], 0)
        figures._past._until = 0.0  # a minute later
        self.assertEqual(self.scrape()["buildboard_messages", "failed"], 1)

    def test_what_is_over_is_counted_once_a_minute_and_what_goes_on_each_time(self) -> None:
        project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: one, run: 'true'}]")
        build = lifecycle.enqueue(project, by="alice")
        self.assertEqual(self.scrape()["buildboard_builds", "queued"], 1)
        lifecycle.cancel(build.pk, by="bob")
        with self.assertNumQueries(8):
            samples = self.scrape()
        self.assertEqual([samples["buildboard_builds", one] for one in ("queued", "cancelled")], [0, 0])
        figures._past._until = 0.0
        samples = self.scrape()
        self.assertEqual([samples["buildboard_builds", one] for one in ("queued", "cancelled")], [0, 1])
        self.assertEqual(samples["buildboard_events", ""], 2)

    def test_an_empty_board_has_every_figure_at_zero(self) -> None:
        samples = self.scrape()
        self.assertEqual(samples["buildboard_messages", "failed"], 0)
        for status in BUILD_STATUSES:
            self.assertEqual(samples["buildboard_builds", status.value], 0)
        for name in ("queue_depth", "queue_oldest_seconds", "events", "builds_cancelling"):
            self.assertEqual(samples[f"buildboard_{name}", ""], 0, name)
        self.assertEqual(samples["buildboard_database_up", ""], 1)
        self.assertGreater(samples["process_resident_memory_bytes", ""], 0)

    def test_builds_queue_workers_and_events_are_counted(self) -> None:
        project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: a, run: 'true'}]")
        running, waiting, ended = (lifecycle.enqueue(project, by="alice") for _ in range(3))
        lifecycle.claim("host:1", "t" * 32)
        lifecycle.cancel(running.pk, by="alice")
        lifecycle.cancel(ended.pk, by="alice")
        Build.objects.filter(pk=waiting.pk).update(created_at="2020-01-01T00:00Z")
        beats.beat("host:1")
        beats.beat("host:2", draining=True)
        beats.beat("host:3", note="Less than 200 MB are free.")
        samples = self.scrape()
        for status in ("queued", "running", "cancelled"):
            self.assertEqual(samples["buildboard_builds", status], 1)
        self.assertEqual(samples["buildboard_queue_depth", ""], 1)
        self.assertGreater(samples["buildboard_queue_oldest_seconds", ""], 1e7)
        self.assertEqual(samples["buildboard_builds_cancelling", ""], 1)
        self.assertEqual(samples["buildboard_workers", "taking"], 1)
        self.assertEqual(samples["buildboard_workers", "draining"], 1)
        self.assertEqual(samples["buildboard_workers", "resting"], 1)
        self.assertEqual(samples["buildboard_events", ""], sum(Build.objects.values_list("head", flat=True)))

    def test_a_scrape_asks_a_fixed_number_of_queries_and_never_for_events(self) -> None:
        with self.assertNumQueries(10) as asked:
            self.scrape()
        self.assertNotIn("builds_event", " ".join(query["sql"] for query in asked.captured_queries))

    def test_without_a_database_the_process_still_tells_of_itself(self) -> None:
        with unittest.mock.patch("builds.beats.living", side_effect=OperationalError("away")):
            samples = self.scrape()
        self.assertEqual(samples["buildboard_database_up", ""], 0)
        self.assertIn(("process_resident_memory_bytes", ""), samples)

    def test_viewers_and_their_lag_are_this_processes_own(self) -> None:
        counted = gauges.Gauges()
        with unittest.mock.patch("builds.gauges.streams", counted):
            self.assertEqual(self.scrape()["buildboard_viewers", "build"], 0)
            for _ in range(3):
                counted.opened("build")
            counted.closed("build", "gone")
            counted.sent(7)
            for seconds in (0.02, 0.3, 60.0):
                counted.lag(seconds)
            samples = self.scrape()
        self.assertEqual(samples["buildboard_viewers", "build"], 2)
        self.assertEqual(samples["buildboard_streams_opened_total", "build"], 3)
        self.assertEqual(samples["buildboard_streams_closed_total", "gone"], 1)
        self.assertEqual(samples["buildboard_stream_frames_total", ""], 7)
        lags = {
            bound: samples["buildboard_event_lag_seconds_bucket", bound] for bound in ("0.01", "0.025", "0.5", "+Inf")
        }
        self.assertEqual(lags, {"0.01": 0, "0.025": 1, "0.5": 2, "+Inf": 3})
