"""Whatever goes wrong with one message is an outcome of it."""

import ipaddress
import socket
import threading
from unittest import mock

from django.test import SimpleTestCase, override_settings, tag

from builds import vault
from builds.worker.outwards import delivery
from builds.worker.outwards.delivery import Terms, deliver

from . import news
from .receiver import Receiver


def _answer(server: socket.socket, said: bytes) -> None:
    connection = server.accept()[0]
    with connection:
        connection.recv(65536)
        connection.sendall(said)


@tag("fast")
class DeliveryTest(SimpleTestCase):
    def test_a_secret_that_cannot_be_read_is_said(self) -> None:
        claimed = news.claimed("github", repository="https://github.com/o/r")
        with mock.patch.object(vault, "unseal", side_effect=vault.Unreadable("No key opens it.")):
            outcome = deliver(claimed, Terms("", 1))
        self.assertEqual(
            (outcome.verdict, outcome.said), ("never", "No key opens it. Give the target its secret anew.")
        )

    def test_what_may_not_be_reached_is_given_up_at_once(self) -> None:
        with Receiver() as receiver:
            outcome = deliver(news.claimed("webhook", secret="whsec_AAAA", address=receiver.url), Terms("", 1))
            self.assertEqual(outcome.verdict, "never")
            self.assertIn("BUILDBOARD_OUTBOX_ALLOW_PRIVATE", outcome.said)
            self.assertEqual(receiver.received, [])

    def test_a_server_that_repeats_what_it_was_told_does_not_have_it_shown(self) -> None:
        local = Terms("", 5, (ipaddress.ip_network("127.0.0.0/8"),))
        path = b"services/T0/B0/sEcReTsEcReT"
        for said in (
            b"POST /%b HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 404 No\r\n\r\nCannot POST /%b",
            b"HTTP/1.1 500 /%b\r\n\r\n",
        ):
            with self.subTest(said), socket.create_server(("127.0.0.1", 0)) as server:
                threading.Thread(target=_answer, args=(server, said % path), daemon=True).start()
                url = f"http://127.0.0.1:{server.getsockname()[1]}/{path.decode()}"
                outcome = deliver(news.claimed("slack", secret=url), local)
                self.assertNotIn("sEcReT", outcome.said)
                self.assertGreater(len(outcome.said), 5)

    def test_a_mistake_of_the_boards_own_is_logged_and_loses_no_message(self) -> None:
        with (
            mock.patch.object(delivery, "exchange", side_effect=ZeroDivisionError),
            self.assertLogs("builds.worker.outwards.delivery", "ERROR"),
        ):
            outcome = deliver(news.claimed("webhook", secret="whsec_AAAA", address="https://x.example"), Terms("", 1))
        self.assertEqual(
            (outcome.verdict, outcome.said), ("again", "The board could not make the message: ZeroDivisionError.")
        )

    @override_settings(
        BUILDBOARD_URL="https://b.example", BUILDBOARD_OUTBOX_ALLOW_PRIVATE=["10.0.0.0/8"],
        BUILDBOARD_OUTBOX_TIMEOUT_SECONDS=3,
    )  # fmt: skip
    def test_the_terms_are_the_settings(self) -> None:
        found = delivery.terms()
        self.assertEqual((found.board, found.seconds, [str(one) for one in found.allowed]),
                         ("https://b.example", 3, ["10.0.0.0/8"]))  # fmt: skip
