"""What a build of a repository becomes: queued without knowing its steps, checked out, and then with those it has."""

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db import OperationalError
from django.test import TransactionTestCase

from builds import events, lifecycle, plans
from builds.events import Chunk, LeaseLost
from builds.lifecycle import Refused
from builds.live.sources import BuildSource
from builds.models import Build, Changes, Project
from builds.source import Commit
from builds.states import Status
from tests.racing import answer_lost, leased

OWN = "steps: [{name: own, run: x}]"
FOUND = "inputs: {jobs: {type: number, default: 2}}\nsteps: [{name: a, run: x}, {name: b, run: x, needs: []}]"
COMMIT = "0123456789" * 4


class CheckoutCase(TransactionTestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="w", slug="w", repository="https://git.example/w", recipe=OWN)

    def names(self, build: Build) -> list[str]:
        return [step.name for step in build.steps.order_by("position")]

    def told(self, build_id: int) -> list[Any]:
        return [json.loads(record.data) for record in events.read(build_id, 0) if record.kind == "build"]

    def checked_out(self) -> tuple[events.Lease, Build]:
        lease = leased(self.project, "t")
        lifecycle.begin_step(lease, 0)
        lifecycle.checked_out(lease, Commit(COMMIT, "Title", "Ada", datetime(2024, 2, 3, tzinfo=UTC), "main", ""))
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        return lease, Build.objects.get(pk=lease.build_id)


class StartTest(CheckoutCase):
    def test_the_address_is_frozen_and_the_steps_are_those_that_are_expected(self) -> None:
        build = lifecycle.enqueue(self.project, by="alice", inputs={"jobs": "3"})
        self.assertEqual((build.repository, build.inputs), ("https://git.example/w", {"jobs": "3"}))
        self.assertEqual(self.names(build), ["check out", "own"])
        self.assertEqual([step.needs for step in build.steps.order_by("position")], [[], [0]])
        lifecycle.remember_recipe(self.project.pk, FOUND, COMMIT)
        self.project.refresh_from_db()
        self.assertEqual(self.names(lifecycle.enqueue(self.project, by="alice")), ["check out", "a", "b"])

    def test_what_is_wrong_by_itself_is_refused_at_once(self) -> None:
        for ref in ("a..b", "x y", "refs/heads/", "@{-1}"):
            with self.assertRaisesRegex(Refused, "ref: not a branch, tag or commit"):
                lifecycle.enqueue(self.project, by="alice", ref=ref)
        with self.assertRaisesRegex(Refused, "'1st' is no name of an input"):
            lifecycle.enqueue(self.project, by="alice", inputs={"1st": "x"})
        self.project.repository = "http://git.example/w"
        with self.assertRaisesRegex(Refused, "The repository of w cannot be fetched from: http:// is not encrypted"):
            lifecycle.enqueue(self.project, by="alice")
        self.assertFalse(Build.objects.exists())

    def test_a_retry_keeps_address_commit_and_recipe(self) -> None:
        lease, build = self.checked_out()
        lifecycle.adopt(lease, plans.at_commit(build, FOUND), ".buildboard.yml")
        lifecycle.finish(lease, Status.FAILED, "no")
        Project.objects.update(repository="https://git.example/other")
        again = lifecycle.retry(Build.objects.get(), by="alice")
        self.assertEqual((again.repository, again.commit), ("https://git.example/w", COMMIT))
        self.assertEqual((self.names(again), again.inputs), (["check out", "a", "b"], {"jobs": 2}))


class CheckedOutTest(CheckoutCase):
    def test_what_was_found_is_stored_and_told(self) -> None:
        _, build = self.checked_out()
        self.assertEqual((build.commit, build.commit_title, build.commit_author), (COMMIT, "Title", "Ada"))
        self.assertEqual((build.branch, build.committed_at), ("main", datetime(2024, 2, 3, tzinfo=UTC)))
        self.assertEqual([data["commit"] for data in self.told(build.pk)], ["", "", COMMIT])

    def test_what_whoever_started_it_knew_of_the_branch_stays(self) -> None:
        build = lifecycle.enqueue(self.project, by="hook", ref="refs/pull/7/head")
        Build.objects.update(branch="main", pull_request=7)
        lease = lifecycle.claim("test:1", "u")
        lifecycle.checked_out(lease, Commit(COMMIT, branch="elsewhere"))
        build.refresh_from_db()
        self.assertEqual(build.branch, "main")

    def test_changes_are_stored_once_also_when_the_answer_was_lost(self) -> None:
        lease = leased(self.project, "t")
        found = {"since": "f" * 40, "since_build": 999, "count": 2, "gone": 1, "commits": []}
        with answer_lost():
            with self.assertRaises(OperationalError):
                lifecycle.checked_out(lease, Commit(COMMIT), found)
            lifecycle.checked_out(lease, Commit(COMMIT), found)
        self.assertEqual(Changes.objects.get().data(), found | {"since_build": None})

    def test_only_who_holds_the_lease(self) -> None:
        lease = leased(self.project, "t")
        lifecycle.lose(lease.build_id, lease.token, "gone")
        with self.assertRaises(LeaseLost):
            lifecycle.checked_out(lease, Commit(COMMIT))
        with self.assertRaises(LeaseLost):
            lifecycle.adopt(lease, plans.at_commit(Build.objects.get(), FOUND), "x")


class AdoptTest(CheckoutCase):
    def test_the_steps_behind_the_checkout_are_replaced(self) -> None:
        lease, build = self.checked_out()
        self.assertEqual(self.names(build), ["check out", "own"])
        lifecycle.adopt(lease, plans.at_commit(build, FOUND), ".buildboard.yml")
        build.refresh_from_db()
        self.assertEqual((self.names(build), build.recipe, build.inputs), (["check out", "a", "b"], FOUND, {"jobs": 2}))
        self.assertEqual(build.recipe_path, ".buildboard.yml")
        self.assertEqual([step["name"] for step in self.told(build.pk)[-1]["steps"]], ["check out", "a", "b"])
        self.assertEqual(build.steps.get(position=0).status, "passed")
        lifecycle.begin_step(lease, 2)
        with self.assertRaisesRegex(Refused, "cannot be replaced any more"):
            lifecycle.adopt(lease, plans.at_commit(build, FOUND), "x")

    def test_which_recipe_it_is_is_known_from_then_on(self) -> None:
        lease, build = self.checked_out()
        self.assertFalse(build.recipe_known)
        lifecycle.adopt(lease, plans.at_commit(build, None), "")
        build.refresh_from_db()
        self.assertEqual((build.recipe_known, build.recipe_path), (True, ""))
        self.assertEqual([data["recipe_known"] for data in self.told(build.pk)][-2:], [False, True])
        plain = Project.objects.create(name="p", slug="p", recipe=OWN)
        self.assertTrue(lifecycle.enqueue(plain, by="alice").recipe_known)

    def test_of_builds_from_before_it_is_known_where_their_steps_tell(self) -> None:
        lease, begun = self.checked_out()
        lifecycle.adopt(lease, plans.at_commit(begun, None), "")
        lifecycle.begin_step(lease, 1)
        lifecycle.finish(lease, Status.FAILED, "no")
        lease, bad = self.checked_out()
        lifecycle.finish(lease, Status.FAILED, "The recipe in .buildboard.yml is not valid.")
        plain = lifecycle.enqueue(Project.objects.create(name="p", slug="p", recipe=OWN), by="alice")
        Build.objects.update(recipe_known=False)
        import_module("builds.migrations.0024_recipe_known_and_images").know(apps, None)
        known = set(Build.objects.filter(recipe_known=True).values_list("pk", flat=True))
        self.assertEqual(known, {plain.pk, begun.pk})
        Build.objects.filter(pk=bad.pk).update(recipe_path=".buildboard.yml")
        import_module("builds.migrations.0024_recipe_known_and_images").know(apps, None)
        self.assertEqual(Build.objects.filter(recipe_known=True).count(), 3)

    def test_steps_have_the_images_of_their_recipe(self) -> None:
        lease, build = self.checked_out()
        text = "image: debian:12\nsteps: [{name: a, run: x}, {name: b, run: x, image: 'alpine:3.20'}]"
        lifecycle.adopt(lease, plans.at_commit(build, text), "x")
        told = [step["image"] for step in self.told(build.pk)[-1]["steps"]]
        self.assertEqual(told, ["", "debian:12", "alpine:3.20"])

    def test_viewers_are_told_each_line_under_the_name_that_its_step_has_then(self) -> None:
        lease = leased(self.project, "t")
        source = BuildSource(lease.build_id, self.project.pk)
        lifecycle.begin_step(lease, 0)
        events.append(lease, [Chunk(0, 1, ["fetching"])])
        first = source.page(0)
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        lifecycle.adopt(lease, plans.at_commit(Build.objects.get(), FOUND), "x")
        lifecycle.begin_step(lease, 1)
        events.append(lease, [Chunk(1, 1, ["one"])])
        lifecycle.begin_step(lease, 2)
        events.append(lease, [Chunk(2, 1, ["two"])])
        bodies = [frame.body.decode() for frame in (*first.frames, *source.page(first.upto).frames)]
        logs = [body.partition('"step":"')[2].partition('"')[0] for body in bodies if "event: log" in body]
        self.assertEqual(logs, ["check out", "a", "b"])

    def test_names_are_settled_once_a_step_behind_the_checkout_is_not_pending(self) -> None:
        lease, build = self.checked_out()
        self.assertIsNone(events.settled_names(build.pk))
        lifecycle.adopt(lease, plans.at_commit(build, FOUND), "x")
        lifecycle.begin_step(lease, 1)
        self.assertEqual(events.settled_names(build.pk), ["check out", "a", "b"])
        lifecycle.finish(lease, Status.FAILED, "no")
        self.assertEqual(events.settled_names(build.pk), ["check out", "a", "b"])
        plain = Project.objects.create(name="p", slug="p", recipe=OWN)
        self.assertEqual(events.settled_names(lifecycle.enqueue(plain, by="alice").pk), ["own"])
