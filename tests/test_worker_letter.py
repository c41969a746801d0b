"""Mail: by Django's own test backend, and over real SMTP."""

import email
import email.policy
import smtplib
import socket
from typing import Any
from unittest import mock

from django.core import mail
from django.test import SimpleTestCase, override_settings, tag

from builds.worker.outwards import letter
from builds.worker.outwards.delivery import Terms, deliver

from . import news
from .receiver import MailServer
from .support.processes import free_port

BOARD = "https://board.example"
TO = "team@example.org, boss@example.org"


@tag("fast")
@override_settings(EMAIL_HOST="mail.example")
class LetterTest(SimpleTestCase):
    def test_what_is_in_it(self) -> None:
        outcome = deliver(news.claimed("mail", "failed", secret="", address=TO), Terms(BOARD, 5))
        self.assertEqual(outcome[:2], ("sent", "The mail server has taken it."))
        [sent] = mail.outbox
        self.assertEqual(sent.subject, "✗ Hello World: build 42 failed; build 41 had passed")
        self.assertEqual(sent.to, ["team@example.org", "boss@example.org"])
        self.assertIn("\nfailed in test\n", sent.body)
        self.assertTrue(sent.body.endswith("\n\nhttps://board.example/builds/42/\n"))
        self.assertEqual(sent.extra_headers["Message-ID"], "<world-1-42-failed@board.example>")
        self.assertEqual(sent.extra_headers["Auto-Submitted"], "auto-generated")

    def test_hostile_text_is_text(self) -> None:
        content = news.payload(commit_title=news.HOSTILE)
        content["project"]["name"] = "evil\r\nBcc: all@example.org"
        written = letter.written(news.claimed("mail", content=content, address=TO), "")
        message = written.message()
        self.assertIsNone(message["Bcc"])
        self.assertNotIn("\n", message["Subject"].strip())
        html = written.alternatives[0][0]
        self.assertNotIn("<script", html)
        self.assertIn("&lt;script&gt;", html)
        self.assertNotIn("<a ", html)

    @override_settings(EMAIL_HOST="")
    def test_without_a_server_it_is_said(self) -> None:
        outcome = deliver(news.claimed("mail", address=TO), Terms(BOARD, 5))
        self.assertEqual((outcome.verdict, outcome.said), ("never", "No mail server is set: EMAIL_URL."))
        self.assertEqual(mail.outbox, [])


@tag("fast")
class SmtpTest(SimpleTestCase):
    def send(self, refuse: dict[str, str] | None = None, **more: Any) -> tuple[Any, MailServer]:
        server = MailServer(refuse)
        self.addCleanup(server.close)
        backend = "django.core.mail.backends.smtp.EmailBackend"
        with override_settings(EMAIL_BACKEND=backend, EMAIL_HOST="127.0.0.1", **{"EMAIL_PORT": server.port, **more}):
            return deliver(news.claimed("mail", "failed", address=TO), Terms(BOARD, 2)), server

    def test_over_the_wire(self) -> None:
        outcome, server = self.send()
        self.assertEqual(outcome.verdict, "sent")
        [(sender, to, raw)] = server.letters
        self.assertEqual((sender, to), ("buildboard@localhost", ["team@example.org", "boss@example.org"]))
        found = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual(found["Message-ID"], "<world-1-42-failed@board.example>")
        self.assertEqual(found["Subject"].strip(), "✗ Hello World: build 42 failed; build 41 had passed")
        self.assertIn("failed in test", found.get_body(("plain",)).get_content())
        self.assertIn("<h1>", found.get_body(("html",)).get_content())

    def test_what_the_server_refuses_for_now_is_tried_again_and_for_ever_is_not(self) -> None:
        for refuse, verdict, said in (
            ({"RCPT": "550 no such user"}, "never", "takes no letter to them: 550 no such user"),
            ({"RCPT": "451 greylisted"}, "again", "451 greylisted"),
            ({"DATA": "554 spam"}, "never", "The mail server refused it: 554 spam"),
            ({"MAIL": "452 disk full"}, "again", "452 disk full"),
        ):
            with self.subTest(refuse):
                outcome, server = self.send(refuse)
                self.assertEqual(outcome.verdict, verdict)
                self.assertIn(said, outcome.said)
                self.assertEqual(server.letters, [])

    def test_a_server_that_is_away_or_hangs_is_tried_again(self) -> None:
        outcome, _ = self.send(EMAIL_PORT=free_port())
        self.assertEqual(
            (outcome.verdict, outcome.said), ("again", "The mail server did not answer: Connection refused")
        )
        with socket.create_server(("127.0.0.1", 0)) as silent:
            outcome, _ = self.send(EMAIL_PORT=silent.getsockname()[1])
        self.assertEqual(outcome.verdict, "again")
        self.assertIn("did not answer", outcome.said)

    def test_a_password_that_is_refused_is_for_the_operator_to_mend(self) -> None:
        with mock.patch("smtplib.SMTP.login", side_effect=smtplib.SMTPAuthenticationError(535, b"no")):
            outcome, _ = self.send(EMAIL_HOST_USER="u", EMAIL_HOST_PASSWORD="a-secret")
        self.assertEqual(
            (outcome.verdict, outcome.said), ("again", "The mail server does not let the board in: 535 no")
        )
