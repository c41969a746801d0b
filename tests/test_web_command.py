import socket

from django.core.management import CommandError, call_command
from django.test import SimpleTestCase, tag

from buildboard import serve

from .support.board import Board
from .support.processes import eventually, free_port
from .support.sse import SseClient


@tag("fast")
class PortTest(SimpleTestCase):
    def test_a_port_that_is_taken_is_refused_in_a_sentence(self) -> None:
        with serve.listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            for server in serve.SERVERS:
                with self.assertRaisesRegex(CommandError, f"cannot listen on 127.0.0.1 port {port}: .*--port or PORT"):
                    call_command("web", server=server, port=port)

    def test_a_number_that_is_no_port_is_refused(self) -> None:
        for port in (-1, 65536, 99999):
            with self.assertRaisesMessage(CommandError, f"--port {port}: expected a number from 1 to 65535"):
                call_command("web", port=port)

    def test_an_address_of_another_machine_is_refused(self) -> None:
        self.assertRaises(serve.PortTaken, serve.listen, "192.0.2.1", 0)
        self.assertRaises(serve.PortTaken, serve.listen, "no such host", 0)

    def test_what_is_bound_listens(self) -> None:
        with serve.listen("127.0.0.1", 0) as bound:
            socket.create_connection(bound.getsockname(), timeout=5).close()


class DevelopmentServerTest(SimpleTestCase):
    databases = {"default"}  # the board's own

    def test_runserver_streams(self) -> None:
        with Board(DEBUG="1") as board:
            port = free_port()
            process = board.spawn("runserver", "--noreload", str(port))

            def open_stream() -> SseClient | None:
                try:
                    return SseClient(port, "/events/", token=board.token("alice"))
                except OSError:
                    return None

            client = eventually(open_stream, 30, process.output)
            self.assertEqual(client.read_until(lambda message: message.event == "ping")[-1].event, "ping")
            client.close()
