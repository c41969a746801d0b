"""One request and its answer, against real servers that misbehave; and whom it must not reach."""

import ipaddress
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.worker.outwards import exchange as module
from builds.worker.outwards.exchange import Answer, Refused, Request, Unreachable, exchange, may_reach

from .receiver import Receiver, Reply
from .support import missing
from .support.processes import free_port

HERE = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def ask(url: str, seconds: float = 5.0, **headers: str) -> Answer:
    return exchange(Request("POST", url, headers, b"{}"), seconds=seconds, allowed=HERE)


@tag("fast")
class ExchangeTest(SimpleTestCase):
    def receiver(self, *script: Reply, **more: Any) -> Receiver:
        made = Receiver(*script, **more)
        self.addCleanup(made.close)
        return made

    def test_what_is_sent_arrives_and_what_is_answered_is_read(self) -> None:
        receiver = self.receiver(Reply(201, b"made", {"X-Word": "yes"}))
        answer = ask(f"{receiver.url}/a%2Fb?c=d", **{"X-Own": "1"})
        self.assertEqual((answer.code, answer.body, answer.headers["x-word"]), (201, b"made", "yes"))
        [got] = receiver.received
        self.assertEqual((got.method, got.path, got.body, got.headers["x-own"]), ("POST", "/a%2Fb?c=d", b"{}", "1"))
        self.assertEqual(got.headers["host"], f"127.0.0.1:{receiver.port}")

    def test_a_redirect_is_an_answer_and_is_not_followed(self) -> None:
        other = self.receiver()
        receiver = self.receiver(Reply(307, b"", {"Location": other.url}))
        self.assertEqual(ask(receiver.url).code, 307)
        self.assertEqual(other.received, [])

    def test_a_large_answer_is_read_up_to_a_bound(self) -> None:
        receiver = self.receiver(Reply(200, b"x" * 1_000_000))
        self.assertEqual(len(ask(receiver.url).body), module.MOST_BYTES)

    def test_one_that_hangs_or_drips_is_left_in_time(self) -> None:
        began = time.monotonic()
        with self.assertRaisesRegex(Unreachable, r"127\.0\.0\.1 did not answer within 0\.5 s"):
            ask(self.receiver(Reply(hang=20)).url, 0.5)
        dripping = ask(self.receiver(Reply(200, b"x" * 500, drip=0.05)).url, 0.5)
        self.assertLess(len(dripping.body), 400)
        self.assertLess(time.monotonic() - began, 10)

    def test_a_connection_that_is_cut_or_refused_is_said(self) -> None:
        cut = self.receiver(Reply(cut="before"))
        for url in (cut.url, f"http://127.0.0.1:{free_port()}/secret/path"):
            with self.assertRaisesRegex(Unreachable, r"^127\.0\.0\.1 did not answer: \S") as caught:
                ask(url)
            self.assertNotIn("secret", str(caught.exception))
        half = self.receiver(Reply(200, b"x" * 1000, cut="middle"))
        self.assertEqual(ask(half.url).code, 200, "it has been taken; what it says about that is of no account")

    def test_what_cannot_be_an_address_or_a_header_is_refused(self) -> None:
        for url in ("ftp://127.0.0.1/", "http://", "nonsense", "http://[::1", "http://127.0.0.1:99999/"):
            with self.subTest(url), self.assertRaises(Refused):
                ask(url)
        receiver = self.receiver()
        with self.assertRaises(Refused):
            ask(receiver.url, **{"X-Own": "a\r\nX-Other: b"})
        self.assertEqual(receiver.received, [])

    def test_a_name_that_nobody_knows_is_said(self) -> None:
        with (
            mock.patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "Name or service not known")),
            self.assertRaisesRegex(Unreachable, "nowhere.example is not known: Name or service not known"),
        ):
            ask("https://nowhere.example/")


@tag("fast")
class PrivateTest(SimpleTestCase):
    def test_only_the_open_internet_is_reached(self) -> None:
        for address in (
            "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",  # noqa: S104
            "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
            "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:7f00:1::", "ff02::1",
            "fd00:ec2::254", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1", "5f00::1", "192.0.0.8",
        ):  # fmt: skip
            self.assertFalse(may_reach(address), address)
        for address in ("1.1.1.1", "140.82.121.6", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"):
            self.assertTrue(may_reach(address), address)

    def test_a_network_may_be_allowed(self) -> None:
        only = [ipaddress.ip_network("10.0.0.0/8")]
        self.assertTrue(may_reach("10.1.2.3", only))
        self.assertTrue(may_reach("::ffff:10.1.2.3", only))
        self.assertFalse(may_reach("127.0.0.1", only))
        self.assertTrue(may_reach("::1", [ipaddress.ip_network("::/0")]))

    def test_nothing_is_sent_to_what_may_not_be_reached(self) -> None:
        with Receiver() as receiver:
            for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
                with self.subTest(host), self.assertRaisesRegex(Refused, "not on the open internet"):
                    exchange(Request("POST", f"http://{host}:{receiver.port}/", {}), seconds=2)
            self.assertEqual(receiver.received, [])

    def test_a_name_that_leads_elsewhere_when_it_is_asked_again_is_not_asked_again(self) -> None:
        """What was looked at is what is connected to."""
        answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80))] for ip in ("93.184.216.34", "127.0.0.1")]
        with (
            mock.patch("socket.getaddrinfo", side_effect=answers) as asked,
            mock.patch("socket.create_connection", side_effect=ConnectionRefusedError(111, "refused")) as connected,
            self.assertRaises(Unreachable),
        ):
            exchange(Request("GET", "http://rebound.example/", {}), seconds=2)
        self.assertEqual(asked.call_count, 1)
        self.assertEqual(connected.call_args.args[0], ("93.184.216.34", 80))

    def test_of_a_name_with_several_addresses_only_good_ones_are_tried(self) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("10.0.0.1", "93.184.216.34")]
        with (
            mock.patch("socket.getaddrinfo", return_value=found),
            mock.patch("socket.create_connection", side_effect=ConnectionRefusedError(111, "refused")) as connected,
            self.assertRaises(Unreachable),
        ):
            exchange(Request("GET", "http://two.example/", {}), seconds=2)
        self.assertEqual([call.args[0][0] for call in connected.call_args_list], ["93.184.216.34"])


class TlsTest(SimpleTestCase):
    def test_a_certificate_that_nobody_vouches_for_gets_nothing(self) -> None:
        openssl = shutil.which("openssl") or missing("openssl")
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key", "-out", folder / "pem"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pem", folder / "key")
        with Receiver(tls=context) as receiver:
            with self.assertRaisesRegex(Unreachable, r"its certificate is not good \(self.signed certificate\)"):
                ask(f"https://localhost:{receiver.port}/")
            self.assertEqual(receiver.received, [])
            known = ssl.create_default_context(cafile=str(folder / "pem"))
            with mock.patch("ssl.create_default_context", return_value=known):
                self.assertEqual(ask(f"https://localhost:{receiver.port}/x").code, 200)
                with self.assertRaisesRegex(Unreachable, "its certificate is not good"):
                    ask(f"https://127.0.0.1:{receiver.port}/")  # of another name
            self.assertEqual([got.path for got in receiver.received], ["/x"])
