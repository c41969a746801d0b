"""Messages are written with what they tell of, or not at all."""

from unittest import mock

from django.db import OperationalError, transaction

from builds import lifecycle, outbox, worlds
from builds.lifecycle import change
from builds.models import Board, Build, Outgoing, Project
from builds.outbox import facts
from builds.source import Source
from builds.states import Status

from .letters import COMMIT, OutboxCase, rows, target
from .racing import answer_lost, leased, project


class TellTest(OutboxCase):
    def test_each_status_is_one_message(self) -> None:
        told = target(self.project)
        build = self.build()
        self.assertEqual(rows(told), [(build.pk, what, "waiting") for what in ("queued", "running", "passed")])
        keys = list(told.outgoing.order_by("pk").values_list("key", flat=True))
        world = Board.get().world
        self.assertEqual(keys[2], f"{world}-{told.pk}-{build.pk}-passed")

    def test_a_target_is_told_what_it_wants(self) -> None:
        wanted = {
            "failed": ["failed", "failed"],
            "broken": ["failed", "lost"],
            "fixed": ["passed", "passed"],
            "lost": ["lost"],
            "cancelled": ["cancelled"],
            "passed": ["passed"] * 3,
            "": [],
        }
        targets = {tells: target(self.project, tells=tells) for tells in wanted}
        for status in ("passed", "failed", "failed", "cancelled", "passed", "lost", "passed"):
            self.build(Status(status))
        for tells, whats in wanted.items():
            self.assertEqual([what for _, what, _ in rows(targets[tells])], whats, tells)
        self.assertEqual(targets["lost"].outgoing.get().payload["change"], "broken")

    def test_branches_tags_and_pull_requests_have_changes_of_their_own(self) -> None:
        told = target(self.project, tells="broken fixed", pull_requests=True)
        for status, source in (
            ("passed", {"branch": "main"}),
            ("failed", {"branch": "topic"}),
            ("failed", {"branch": "main", "pull_request": 7}),
            ("failed", {"branch": "main", "tag": "v1"}),
        ):
            self.build(Status(status), **source)
        self.assertEqual(rows(told), [])
        broken = self.build(Status.FAILED, branch="main")
        fixed = self.build(Status.PASSED, branch="main", pull_request=7)
        self.assertEqual([build for build, _, _ in rows(told)], [broken.pk, fixed.pk])
        payload = told.outgoing.get(build=broken).payload
        self.assertEqual((payload["change"], payload["before"]["status"]), ("broken", "passed"))

    def test_a_target_hears_of_its_branches_alone_and_of_pull_requests_where_it_asks(self) -> None:
        main = target(self.project, branches="main", tells="passed")
        all_of_them = target(self.project, branches="main", tells="passed", pull_requests=True)
        push = self.build(branch="main")
        self.build(branch="other")
        request = self.build(branch="main", pull_request=3)
        self.assertEqual([build for build, _, _ in rows(main)], [push.pk])
        self.assertEqual([build for build, _, _ in rows(all_of_them)], [push.pk, request.pk])

    def test_a_forge_is_told_of_each_commit_that_is_known(self) -> None:
        forge = target(self.project, "github", tells="")
        self.build()
        self.assertEqual(rows(forge), [])
        build = self.build(commit=COMMIT, branch="main", pull_request=3)
        self.assertEqual([what for _, what, _ in rows(forge)], ["queued", "running", "passed"])
        self.assertEqual(set(forge.outgoing.values_list("slot", flat=True)), {COMMIT})
        self.assertEqual(forge.outgoing.first().payload["build"]["commit"], build.commit)

    def test_a_commit_that_becomes_known_is_told_then_and_nothing_twice(self) -> None:
        forge, hook = target(self.project, "gitlab"), target(self.project)
        lease = leased(self.project)
        self.assertEqual(rows(forge), [])
        before = rows(hook)
        with transaction.atomic():
            Build.objects.filter(pk=lease.build_id).update(commit=COMMIT)
            outbox.tell(Build.objects.select_related("project").get(pk=lease.build_id))
        self.assertEqual([what for _, what, _ in rows(forge)], ["running"])
        self.assertEqual(rows(hook), before)

    def test_what_was_so_is_in_the_row(self) -> None:
        hook = target(self.project)
        lifecycle.enqueue(self.project, by="alice", ref="topic", source=Source("push", "topic", title="Mend it"))
        lease = lifecycle.claim("worker", "t")
        lifecycle.begin_step(lease, 0)
        lifecycle.end_step(lease, 0, Status.FAILED, exit_code=2)
        lifecycle.finish(lease, Status.FAILED, "The step one failed.")
        payload = hook.outgoing.get(what="failed").payload
        self.assertEqual(payload["failed_steps"], ["one"])
        self.assertEqual(payload["project"], {"slug": "one", "name": "one"})
        build = payload["build"]
        self.assertEqual((build["status"], build["branch"], build["commit_title"]), ("failed", "topic", "Mend it"))
        self.assertEqual((build["path"], build["reason"]), (f"/builds/{lease.build_id}/", "The step one failed."))
        self.assertNotIn("steps", build)
        self.assertEqual(hook.outgoing.get(what="running").payload["failed_steps"], [])

    def test_nothing_is_told_of_what_did_not_happen(self) -> None:
        hook = target(self.project)
        lease = leased(self.project)
        before = rows(hook)
        with self.assertRaises(OperationalError), answer_lost(landed=False):
            lifecycle.finish(lease, Status.PASSED)
        self.assertEqual(rows(hook), before)
        with mock.patch.object(change, "revise", side_effect=OperationalError), self.assertRaises(OperationalError):
            lifecycle.finish(lease, Status.PASSED)
        self.assertEqual(rows(hook), before)

    def test_an_answer_that_was_lost_tells_it_once(self) -> None:
        hook = target(self.project, tells="failed")
        lease = leased(self.project)
        with self.assertRaises(OperationalError), answer_lost():
            lifecycle.finish(lease, Status.FAILED)
        self.assertEqual(lifecycle.finish(lease, Status.FAILED), Status.FAILED)
        self.assertEqual(rows(hook), [(lease.build_id, "failed", "waiting")])

    def test_a_lost_build_that_is_started_again_tells_of_both(self) -> None:
        Project.objects.update(auto_retries=1)
        hook = target(self.project, tells="lost queued")
        lease = leased(self.project)
        lifecycle.lose(lease.build_id, lease.token, "It died.")
        self.assertEqual([what for _, what, _ in rows(hook)], ["queued", "queued", "lost"])

    def test_a_project_without_targets_asks_once_and_writes_nothing(self) -> None:
        other = project("other")
        target(other)
        build = Build.objects.get(pk=leased(self.project).build_id)
        with self.assertNumQueries(1):
            outbox.tell(build)
        self.assertFalse(Outgoing.objects.exists())

    def test_a_target_that_is_off_is_told_nothing(self) -> None:
        hook = target(self.project, enabled=False)
        self.build()
        self.assertEqual(rows(hook), [])

    def test_a_restored_board_sends_nothing_of_before(self) -> None:
        hook = target(self.project)
        self.build()
        running = leased(self.project, "running").build_id
        worlds.renew()
        old, new = (
            hook.outgoing.filter(what__in=("queued", "passed", "running")),
            hook.outgoing.get(build=running, what="lost"),
        )
        self.assertEqual(set(old.values_list("state", flat=True)), {"skipped"})
        self.assertIn("restored from a backup", old.first().answer)
        self.assertEqual(new.state, "waiting")
        self.assertTrue(new.key.startswith(Board.get().world))

    def test_the_build_before_is_looked_for_among_the_newest(self) -> None:
        self.build(Status.FAILED, branch="main")
        for _ in range(3):
            self.build(branch="other")
        with mock.patch.object(facts, "LOOKED_AT", 3):
            build = self.build(branch="main")
            self.assertIsNone(facts.of(build)["before"])
        self.assertEqual(facts.of(build)["change"], "fixed")
