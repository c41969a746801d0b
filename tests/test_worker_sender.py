"""A sender and those it sends to, for real: they fail, hang and come back, and it is killed at the worst time."""

import os
import signal
import threading
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import psutil
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import SimpleTestCase, override_settings

from builds import hooks, lifecycle, outbox, vault
from builds.models import Outgoing, Target
from builds.source import Source
from builds.states import Status
from builds.worker.outwards.outcome import Outcome
from builds.worker.outwards.sender import Sender

from . import news
from .letters import OutboxCase, due_now, target
from .receiver import Received, Receiver, Reply
from .support.board import Board
from .support.processes import Process, eventually

SECRET = hooks.new_secret()


@override_settings(BUILDBOARD_OUTBOX_ALLOW_PRIVATE=["127.0.0.0/8"], BUILDBOARD_OUTBOX_TIMEOUT_SECONDS=1)
class SenderTest(OutboxCase):
    def receiver(self, *script: Reply) -> Receiver:
        made = Receiver(*script)
        self.addCleanup(made.close)
        return made

    def hook(self, receiver: Receiver, tells: str = "passed", **more: Any) -> Target:
        return target(self.project, address=receiver.url, secret=vault.seal(SECRET), tells=tells, **more)

    def state(self, **which: Any) -> tuple[str, int, int | None, str]:
        row = Outgoing.objects.get(**which)
        return row.state, row.attempts, row.code, row.answer

    def test_what_is_due_is_sent(self) -> None:
        receiver = self.receiver()
        self.hook(receiver, tells="queued running passed")
        self.build()
        self.assertEqual(Sender().run(), 3)
        self.assertEqual([got.json()["type"] for got in receiver.received],
                         ["build.queued", "build.running", "build.passed"])  # fmt: skip
        self.assertEqual(set(Outgoing.objects.values_list("state", "answer")), {("sent", "HTTP 200 OK.")})
        for got in receiver.received:
            hooks.verify(hooks.read_envelope(got.headers, got.body), got.headers, got.body, SECRET, time.time())

    def test_500_then_200_is_one_message_with_one_id(self) -> None:
        receiver = self.receiver(Reply(500, b"oh"), Reply(200))
        self.hook(receiver)
        self.build()
        self.assertEqual(Sender().run(), 1)
        self.assertEqual(self.state(), ("waiting", 1, 500, "HTTP 500 Internal Server Error: oh"))
        self.assertEqual(Sender().run(), 0, "its time has not come")
        due_now()
        Sender().run()
        self.assertEqual(self.state()[:3], ("sent", 2, 200))
        first, second = receiver.received
        self.assertEqual(first.headers["webhook-id"], second.headers["webhook-id"])
        self.assertEqual(first.body, second.body)

    def test_retry_after_is_honoured(self) -> None:
        receiver = self.receiver(Reply(429, b"", {"Retry-After": "600"}))
        self.hook(receiver)
        self.build()
        Sender().run()
        later = Outgoing.objects.filter(next_at__gt=Now() + timedelta(seconds=590))
        self.assertEqual(later.filter(next_at__lt=Now() + timedelta(seconds=601)).count(), 1)

    def test_it_is_given_up_after_so_many_attempts_and_says_so(self) -> None:
        receiver = self.receiver(Reply(cut="before"))
        self.hook(receiver)
        self.build()
        with override_settings(BUILDBOARD_OUTBOX_TRIES=3):
            for _ in range(5):
                Sender().run()
                due_now(state="waiting")
        state, attempts, code, answer = self.state()
        self.assertEqual((state, attempts, code, len(receiver.received)), ("failed", 3, None, 3))
        self.assertRegex(answer, r"^127\.0\.0\.1 did not answer: .*\. Given up after 3 attempts\.$")

    def test_one_that_hangs_holds_up_nobody_else(self) -> None:
        slow, quick = self.receiver(Reply(hang=30)), self.receiver()
        self.hook(slow)
        self.hook(quick)
        self.build()
        arrived: list[float] = []
        quick.began = lambda got: arrived.append(got.at)
        slow_began: list[float] = []
        slow.began = lambda got: slow_began.append(got.at)
        Sender().run()
        self.assertLess(arrived[0] - slow_began[0], 0.9)
        self.assertEqual(self.state(target__address=slow.url)[3], "127.0.0.1 did not answer within 1 s.")
        self.assertEqual(self.state(target__address=quick.url)[0], "sent")

    def test_no_more_than_so_many_are_on_their_way_and_one_for_each_target(self) -> None:
        flying, most, lock, full = 0, 0, threading.Lock(), threading.Event()
        by_target: dict[int, int] = {}

        def deliver(claimed: outbox.Claimed, _: Any) -> Outcome:
            nonlocal flying, most
            with lock:
                flying += 1
                most = max(most, flying)
                by_target[claimed.target.pk] = by_target.get(claimed.target.pk, 0) + 1
                assert by_target[claimed.target.pk] == 1
                if most == 3:
                    full.set()
            full.wait(20)
            with lock:
                flying -= 1
                by_target[claimed.target.pk] -= 1
            return Outcome("sent", "ok")

        for _ in range(6):
            target(self.project, tells="queued running passed")
        self.build()
        with override_settings(BUILDBOARD_OUTBOX_SENDERS=3):
            self.assertEqual(Sender(deliver).run(), 18)
        self.assertEqual(most, 3)

    def test_what_came_of_it_is_noted_when_the_database_is_back(self) -> None:
        receiver = self.receiver()
        self.hook(receiver)
        self.build()
        real, fails = outbox.sent, [OperationalError("away")] * 2

        def sent(*args: Any) -> bool:
            if fails:
                raise fails.pop()
            return real(*args)

        with mock.patch.object(outbox, "sent", sent), self.assertLogs("builds.worker.outwards.sender", "WARNING"):
            self.assertEqual(Sender().run(), 1)
        self.assertEqual((self.state()[0], len(receiver.received)), ("sent", 1))

    def test_an_older_status_is_never_sent_after_a_newer_one(self) -> None:
        forge = self.receiver(Reply(502), Reply(201))
        target(
            self.project,
            "gitea",
            address=forge.url,
            place="o/r",
            secret=vault.seal("t"),
            secret_for=f"{forge.url}/api/v1",
        )
        build = lifecycle.enqueue(self.project, by="alice", source=Source(commit=news.COMMIT))
        Sender().run()
        lease = lifecycle.claim("worker", "t")
        lifecycle.finish(lease, Status.PASSED)
        due_now(state="waiting")
        Sender().run()
        self.assertEqual([got.json()["state"] for got in forge.received], ["pending", "success"])
        self.assertEqual(
            dict(build.outgoing.values_list("what", "state")),
            {"queued": "skipped", "running": "skipped", "passed": "sent"},
        )

    def test_a_thread_that_cannot_be_had_is_another_attempt(self) -> None:
        target(self.project, tells="passed")
        self.build()
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")):
            Sender().run()
        self.assertEqual(self.state()[3], "This machine had no thread for it.")

    def test_old_messages_are_forgotten_in_passing(self) -> None:
        target(self.project, tells="passed")
        self.build()
        outbox.sent(self.claim(), "ok")
        Outgoing.objects.update(done_at=Now() - timedelta(days=31))
        Sender().run()
        self.assertFalse(Outgoing.objects.exists())


class ProcessTest(SimpleTestCase):
    """The real commands: a worker's supervisor, its sender, and a receiver."""

    databases = {"default"}

    def setUp(self) -> None:
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.board = Board(
            BUILDBOARD_OUTBOX_ALLOW_PRIVATE="127.0.0.0/8", BUILDBOARD_URL="https://board.example",
            BUILDBOARD_OUTBOX_TIMEOUT_SECONDS="5",
        )  # fmt: skip
        self.addCleanup(self.board.close)
        self.board.project("hello", "steps: [{name: one, run: 'true'}]")

    def hook(self, tells: str) -> None:
        from builds.models import Project

        target(Project.objects.get(slug="hello"), address=self.receiver.url, secret=vault.seal(SECRET), tells=tells)

    def sender(self, supervisor: Process) -> psutil.Process | None:
        found = [one for one in psutil.Process(supervisor.pid).children() if "--send" in one.cmdline()]
        return found[0] if found else None

    def types(self) -> list[str]:
        return [got.json()["type"] for got in self.receiver.received]

    def test_a_build_is_told_of_without_further_ado(self) -> None:
        with self.board.database():
            self.hook("queued running passed")
            supervisor = self.board.workers(1)
            build = self.board.enqueue("hello")
            self.board.wait(build, 30, status="passed")
            eventually(lambda: len(self.receiver.received) == 3, 30, self.board.outputs)
            self.assertEqual(self.types(), ["build.queued", "build.running", "build.passed"])
            url = self.receiver.received[2].json()["data"]["build"]["url"]
            self.assertEqual(url, f"https://board.example/builds/{build}/")
            eventually(lambda: not Outgoing.objects.exclude(state="sent").exists(), 10, self.board.outputs)
            self.assertIsNotNone(self.sender(supervisor))
            self.assertEqual(supervisor.terminate(15), 0)

    def test_a_board_that_tells_nobody_has_no_sender(self) -> None:
        with self.board.database():
            supervisor = self.board.workers(1)
            self.board.wait(self.board.enqueue("hello"), 30, status="passed")
            time.sleep(1.5)
            self.assertIsNone(self.sender(supervisor))

    def test_a_sender_that_is_killed_after_it_was_heard_says_it_again_under_the_same_id(self) -> None:
        """Between the answer and its note there is a moment: at least once, and whoever is told can know it."""
        killed = threading.Event()

        def kill(got: Received) -> None:
            if not killed.is_set():
                child = self.sender(supervisor)
                assert child is not None
                os.kill(child.pid, signal.SIGKILL)
                killed.set()

        self.receiver.began = kill
        with self.board.database():
            self.hook("passed")
            supervisor = self.board.workers(1)
            self.board.wait(self.board.enqueue("hello"), 30, status="passed")
            self.assertTrue(killed.wait(30), self.board.outputs())
            row = Outgoing.objects.get()
            self.assertEqual((row.state, row.attempts), ("waiting", 1))
            self.assertNotEqual(row.claim, "")
            due_now()  # its claim lapses
            eventually(lambda: Outgoing.objects.filter(state="sent", attempts=2).exists(), 60, self.board.outputs)
        first, second = self.receiver.received
        self.assertEqual(first.headers["webhook-id"], second.headers["webhook-id"])
        self.assertEqual(first.body, second.body)

    def test_a_sender_ends_with_its_supervisor_however_that_ends(self) -> None:
        for how in ("terminate", "kill"):
            with self.subTest(how), self.board.database():
                Target.objects.all().delete()
                self.hook("queued")
                supervisor = self.board.workers(1)
                self.board.enqueue("hello")
                eventually(lambda: self.sender(supervisor), 30, self.board.outputs)  # noqa: B023
                child = self.sender(supervisor)
                if how == "kill":
                    supervisor.kill()
                else:
                    self.assertEqual(supervisor.terminate(15), 0)
                eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5, "it lives on")  # noqa: B023
