"""Each message is some sender's, one at a time; and its row says nothing impossible."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from builds import lifecycle, outbox, vault
from builds.models import Outgoing, Target
from builds.outbox import claims
from builds.source import Source
from builds.states import Status

from .letters import COMMIT, OutboxCase, due_now, rows, target
from .racing import together


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
