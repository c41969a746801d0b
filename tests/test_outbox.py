"""Messages are written with what they tell of, or not at all; and each is some sender's, one at a time."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import IntegrityError, OperationalError, transaction
from django.db.models.functions import Now
from django.test import TransactionTestCase

from builds import lifecycle, outbox, vault, worlds
from builds.lifecycle import change
from builds.models import Board, Build, Outgoing, Project, Target
from builds.outbox import claims, facts
from builds.source import Source
from builds.states import Status

from .racing import answer_lost, leased, project, together

COMMIT = "a" * 40
EVERYTHING = " ".join(outbox.NEWS)


def target(of: Project, kind: str = "webhook", **more: Any) -> Target:
    return Target.objects.create(project=of, kind=kind, name=kind, **{"tells": EVERYTHING, **more})


def rows(of: Target) -> list[tuple[int | None, str, str]]:
    return list(of.outgoing.order_by("pk").values_list("build", "what", "state"))


def due_now(**which: Any) -> None:
    """As if their time had come."""
    Outgoing.objects.filter(**which).update(next_at=Now() - timedelta(seconds=1))


class OutboxCase(TransactionTestCase):
    def setUp(self) -> None:
        self.project = project()
        self.count = 0

    def build(self, status: Status = Status.PASSED, of: Project | None = None, **source: Any) -> Build:
        self.count += 1
        build = lifecycle.enqueue(of or self.project, by="alice", source=Source(**source))
        lease = lifecycle.claim("worker", f"build-{self.count}")
        assert lease is not None and lease.build_id == build.pk
        if status == Status.LOST:
            lifecycle.lose(build.pk, lease.token, "The worker died.")
        else:
            if status == Status.CANCELLED:
                lifecycle.cancel(build.pk, by="alice")
            lifecycle.finish(lease, status, "" if status == Status.PASSED else "Because.")
        return Build.objects.get(pk=build.pk)

    def claim(self, token: str = "sender", seconds: float = 60) -> outbox.Claimed:  # noqa: S107 - a claim's
        found = outbox.claim(token, seconds)
        assert found is not None
        return found


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


class ClaimTest(OutboxCase):
    def test_the_oldest_first_and_one_at_a_time_for_each_target(self) -> None:
        one, two = target(self.project), target(self.project)
        self.build()
        first, second = self.claim("a"), self.claim("b")
        self.assertEqual([(c.target.pk, c.what, c.attempts) for c in (first, second)],
                         [(one.pk, "queued", 1), (two.pk, "queued", 1)])  # fmt: skip
        self.assertIsNone(outbox.claim("c", 60))
        self.assertFalse(outbox.is_due())
        self.assertTrue(outbox.sent(first, "200", 200))
        self.assertEqual(self.claim("d").what, "running")
        row = Outgoing.objects.get(pk=first.id)
        self.assertEqual((row.state, row.code, row.answer, row.claim), ("sent", 200, "200", ""))
        self.assertIsNotNone(row.done_at)

    def test_a_claim_lapses_and_whoever_had_it_writes_nothing_more(self) -> None:
        target(self.project, tells="passed")
        self.build()
        lost = self.claim("a")
        self.assertIsNone(outbox.claim("b", 60))
        due_now()
        again = self.claim("b")
        self.assertEqual((again.key, again.attempts), (lost.key, 2))
        for late in (outbox.sent, outbox.give_up):
            self.assertFalse(late(lost, "late"))
        self.assertFalse(outbox.postpone(lost, 5, "late"))
        self.assertTrue(outbox.sent(again, "there"))
        self.assertFalse(outbox.sent(again, "twice"))

    def test_what_failed_waits_and_lets_others_by(self) -> None:
        target(self.project)
        self.build()
        outbox.postpone(self.claim("a"), 3600, "500: no", 500)
        second = self.claim("b")
        self.assertEqual(second.what, "running")
        row = Outgoing.objects.get(what="queued")
        self.assertEqual((row.state, row.answer, row.code, row.claim), ("waiting", "500: no", 500, ""))
        self.assertGreater(row.next_at, Outgoing.objects.get(what="passed").next_at)

    def test_an_older_status_of_a_commit_never_follows_a_newer_one(self) -> None:
        forge = target(self.project, "github")
        self.build(Status.FAILED, commit=COMMIT)
        passed = self.build(Status.PASSED, commit=COMMIT)
        other = self.build(Status.FAILED, commit="b" * 40)
        sent = []
        while (found := outbox.claim(f"t{len(sent)}", 60)) is not None:
            sent.append((found.payload["build"]["id"], found.what))
            outbox.sent(found, "201", 201)
        self.assertEqual(sent, [(passed.pk, "passed"), (other.pk, "failed")])
        skipped = forge.outgoing.filter(state="skipped")
        self.assertEqual(set(skipped.values_list("answer", flat=True)), {claims.OVERTAKEN})
        self.assertEqual(skipped.count(), 7)

    def test_a_status_that_was_tried_before_a_newer_one_was_sent_is_left(self) -> None:
        target(self.project, "github")
        build = lifecycle.enqueue(self.project, by="alice", source=Source(commit=COMMIT))
        outbox.postpone(self.claim("a"), 3600, "500", 500)
        lifecycle.cancel(build.pk, by="alice")
        outbox.sent(self.claim("b"), "201")
        due_now(what="queued", state="waiting")
        self.assertIsNone(outbox.claim("c", 60))
        self.assertEqual(Outgoing.objects.get(what="queued").state, "skipped")

    def test_what_waits_for_a_target_that_is_switched_off_is_left_and_a_test_is_not(self) -> None:
        hook = target(self.project)
        self.build()
        Target.objects.update(enabled=False)
        hook.refresh_from_db()
        test = outbox.test(hook)
        self.assertEqual(self.claim().key, test.key)
        self.assertEqual({state for _, what, state in rows(hook) if what != "test"}, {"skipped"})
        self.assertEqual(hook.outgoing.filter(what="queued").get().answer, claims.SWITCHED_OFF)

    def test_messages_go_with_their_target(self) -> None:
        hook = target(self.project)
        self.build()
        orphan = Outgoing.objects.filter(what="passed").get()
        hook.delete()
        self.assertFalse(Outgoing.objects.exists())
        orphan.pk = None
        orphan.save()  # written by a build that ended just then
        self.assertIsNone(outbox.claim("a", 60))
        self.assertFalse(Outgoing.objects.exists())

    def test_of_many_senders_each_message_has_one(self) -> None:
        targets = [target(self.project, tells="queued") for _ in range(6)]
        lifecycle.enqueue(self.project, by="alice")

        def some(sender: int) -> list[str]:
            taken = []
            for turn in range(20):
                found = outbox.claim(f"{sender}-{turn}", 60)
                if found is not None:
                    taken.append(found.key)
                    outbox.sent(found, "200")
            return taken

        taken = sum(together([lambda sender=sender: some(sender) for sender in range(4)]), [])
        self.assertEqual(sorted(taken), sorted(Outgoing.objects.values_list("key", flat=True)))
        self.assertEqual(len(taken), len(targets))

    def test_one_that_was_given_up_is_tried_again_when_someone_says_so(self) -> None:
        target(self.project, tells="passed")
        self.build()
        claimed = self.claim()
        self.assertFalse(outbox.retry(claimed.id), "it is being sent")
        outbox.give_up(claimed, "404", 404)
        self.assertIsNone(outbox.claim("b", 60))
        self.assertTrue(outbox.retry(claimed.id))
        again = self.claim("c")
        self.assertEqual((again.key, again.attempts), (claimed.key, 1))
        outbox.postpone(again, 3600, "500")
        self.assertTrue(outbox.retry(again.id), "it need not wait")
        outbox.sent(self.claim("d"), "200")
        self.assertFalse(outbox.retry(claimed.id), "it has arrived")

    def test_old_ones_are_forgotten_and_those_that_wait_are_not(self) -> None:
        target(self.project)
        self.build()
        outbox.sent(self.claim(), "200")
        self.assertEqual(outbox.forget(1), 0)
        Outgoing.objects.filter(state="sent").update(done_at=Now() - timedelta(days=2))
        self.assertEqual(outbox.forget(1), 1)
        self.assertEqual(Outgoing.objects.count(), 2)

    def test_an_answer_is_one_short_line_that_every_database_takes(self) -> None:
        target(self.project)
        self.build()
        outbox.give_up(self.claim(), "a\0b\n\n c \ud800" + "x" * 1000, 500)
        answer = Outgoing.objects.get(state="failed").answer
        self.assertTrue(answer.startswith("a b c ?xxx") and answer.endswith("x…") and len(answer) == 500, answer[:20])


class RowTest(OutboxCase):
    def test_impossible_rows_are_refused(self) -> None:
        hook = target(self.project)
        row = outbox.test(hook)
        for wrong in ({"state": "sent"}, {"state": "lost"}, {"done_at": Now()}, {"key": ""}):
            with self.subTest(wrong), self.assertRaises(IntegrityError), transaction.atomic():
                Outgoing.objects.filter(pk=row.pk).update(**wrong)
        for wrong in ({"kind": "pigeon"}, {"name": ""}):
            with self.subTest(wrong), self.assertRaises(IntegrityError), transaction.atomic():
                Target.objects.filter(pk=hook.pk).update(**wrong)

    def test_a_secret_is_sealed_in_the_database(self) -> None:
        hook = target(self.project, secret=vault.seal("whsec_very-secret"))
        self.assertNotIn("very-secret", Target.objects.values_list("secret", flat=True).get())
        self.assertEqual(Target.objects.get().opened(), "whsec_very-secret")
        hook.secret = ""
        self.assertEqual(hook.opened(), "")
