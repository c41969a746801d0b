"""A build is queued, for the first time or again."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

from django.test import TransactionTestCase

from builds import events, lifecycle
from builds.lifecycle import Refused
from builds.models import Board, Build, Project, Step

from .racing import RECIPE, project, together, whole_build


class EnqueueTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    def test_a_build_its_steps_and_its_event_are_there_together(self):
        build = lifecycle.enqueue(self.project, by="alice", ref="main")
        build.refresh_from_db()
        self.assertEqual((build.status, build.started_by, build.ref, build.head), ("queued", "alice", "main", 1))
        self.assertEqual([(s.position, s.name, s.status) for s in build.steps.all()],
                         [(0, "one", "pending"), (1, "two", "pending")])  # fmt: skip
        self.assertEqual(json.loads(events.read(build.pk, 0)[0].data), build.data())
        self.assertEqual(build.revision, Board.get().revision)

    def test_a_second_click_is_the_same_build(self):
        first = lifecycle.enqueue(self.project, by="alice", request_key="k")
        Project.objects.update(enabled=False, recipe="broken")
        self.project.refresh_from_db()
        self.assertEqual(lifecycle.enqueue(self.project, by="alice", request_key="k").pk, first.pk)
        self.assertEqual(Build.objects.count(), 1)

    def test_eight_clicks_at_once_are_one_build(self):
        for key in ("a", "b", "c"):
            clicks = [partial(lifecycle.enqueue, self.project, by="alice", request_key=key)] * 8
            self.assertEqual(len({build.pk for build in together(clicks)}), 1)
        self.assertEqual(Build.objects.count(), 3)

    def test_a_build_keeps_its_inputs_with_their_defaults_and_a_retry_has_the_same(self) -> None:
        steps = "steps: [{name: a, run: x}]"
        self.project.recipe = "inputs: {jobs: {type: number, default: 4}, target: {}}\n" + steps
        build = lifecycle.enqueue(self.project, by="alice", inputs={"target": "x"})
        self.assertEqual(build.inputs, {"jobs": 4, "target": "x"})
        self.project.recipe = steps
        self.project.save()
        lifecycle.cancel(build.pk, by="alice")
        self.assertEqual(lifecycle.retry(build, by="alice").inputs, build.inputs)

    def test_what_does_not_fit_is_refused_and_nothing_is_stored(self):
        refused = [
            ({"ref": "-x"}, "ref: expected"),
            ({"ref": " x"}, "ref: expected"),
            ({"ref": "a\nb"}, "ref: expected"),
            ({"ref": "x" * 201}, "ref: expected"),
            ({"ref": "\udce9"}, "ref: expected"),
            ({"inputs": {"a": 1}}, "has no input 'a'"),
            ({"request_key": ""}, "request_key: expected"),
            ({"request_key": "ä"}, "request_key: expected"),
            ({"request_key": "k" * 65}, "request_key: expected"),
        ]
        for options, message in refused:
            with self.subTest(options), self.assertRaisesMessage(Refused, message):
                lifecycle.enqueue(self.project, by="alice", **options)
        self.project.recipe = "steps: []"
        with self.assertRaisesMessage(Refused, "line 1: steps: expected at least one step"):
            lifecycle.enqueue(self.project, by="alice")
        self.project.recipe, self.project.enabled = RECIPE, False
        with self.assertRaisesMessage(Refused, "disabled"):
            lifecycle.enqueue(self.project, by="alice")
        self.assertFalse(Build.objects.exists())

    def test_steps_expect_the_median_of_the_last_passed_builds(self):
        began = datetime(2026, 1, 1, tzinfo=UTC)
        for status, seconds in [("passed", 900), *[("passed", s) for s in range(1, 11)], ("failed", 99)]:
            run = {"started_at": began, "finished_at": began, "worker": "w"}
            build = Build.objects.create(project=self.project, recipe=RECIPE, status=status, **run)
            Step.objects.create(
                build=build, position=0, name="one", status=status, exit_code=int(status == "failed"),
                started_at=began, finished_at=began + timedelta(seconds=seconds),
            )  # fmt: skip
        steps = {s.name: s.expected_seconds for s in lifecycle.enqueue(self.project, by="alice").steps.all()}
        self.assertEqual(steps, {"one": 5.5, "two": None})

    def test_a_retry_is_a_new_build_of_the_same_recipe(self):
        first = whole_build(self.project, "t")
        Project.objects.update(recipe="steps: [{name: other, run: x}]")
        again = lifecycle.retry(first, by="bob")
        self.assertEqual((again.retry_of_id, again.recipe, again.started_by), (first.pk, RECIPE, "bob"))
        first.refresh_from_db()
        self.assertEqual((first.status, first.started_by), ("passed", "alice"))

    def test_a_build_that_is_not_over_is_not_retried(self):
        queued = lifecycle.enqueue(self.project, by="alice")
        with self.assertRaisesMessage(Refused, "still queued"):
            lifecycle.retry(queued, by="bob")
        lifecycle.claim("worker", "t")
        with self.assertRaisesMessage(Refused, "still running"):
            lifecycle.retry(queued, by="bob")
        self.assertEqual(Build.objects.count(), 1)
