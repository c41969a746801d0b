"""Viewers whom others cannot harm: what one client does to its connection, or asks for, is its own affair."""

import re
import socket

from tests import live

from .serving import SERVERS, ServersCase, ids, is_event


class GoneTest(ServersCase):
    def test_one_who_asked_for_more_and_broke_off_keeps_no_news_from_the_others(self) -> None:
        """A server that has begun to read a second request tells the first of no end."""
        for server in SERVERS:
            with self.subTest(server):
                lease = live.running()
                path = f"/builds/{lease.build_id}/events/"
                gone, stays = [], []
                for _ in range(8):
                    one = self.open(server, path)
                    one.read_until(is_event("step"))
                    gone.append(one)
                    stays.append(self.open(server, path))
                    stays[-1].read_until(is_event("step"))
                for one in gone:
                    one.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                for number in range(1, 6):
                    live.printed(lease, number, f"line {number}")
                    stays[0].read_until(is_event("log"))
                for one in gone:
                    one.abort()
                for number in range(6, 40):
                    live.printed(lease, number, f"line {number}")
                    stays[0].read_until(is_event("log"), 10)
                for one in stays[1:]:
                    found = one.read_until(lambda message: message.seq == 42, 10)
                    self.assertEqual(ids(found), list(range(4, 43)))
                self.assertNotIn("Traceback", self.board.outputs())


class PipelinedTest(ServersCase):
    def test_a_second_request_that_came_with_the_first_is_answered_as_if_alone(self) -> None:
        lease = live.running()
        for server in SERVERS:
            with self.subTest(server), socket.create_connection(("127.0.0.1", self.webs[server].port), 10) as client:
                head = f"Host: localhost\r\nAuthorization: Bearer {self.board.token('alice')}\r\n"
                paths = (f"/builds/{lease.build_id}/events.json", "/healthz", f"/builds/{lease.build_id}/events.json")
                asked = [f"GET {path} HTTP/1.1\r\n{head}\r\n" for path in paths]
                asked[-1] = asked[-1].replace(head, f"{head}Connection: close\r\n")
                client.sendall("".join(asked).encode())
                answer = b""
                while part := client.recv(65536):
                    answer += part
                self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200"] * 3, answer)
