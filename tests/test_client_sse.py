"""The client's parser of server-sent events: the standard's own cases, and every way of cutting them."""

import re

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.client import sse
from buildboard.client.sse import Message, Parser


def parsed(*parts: bytes) -> list[Message]:
    parser = Parser()
    return [message for part in parts for message in parser.feed(part)]


def by_the_standard(stream: bytes) -> list[Message]:
    """Slowly, and word by word as the standard has it; ids of a message alone, as ours are."""
    found = []
    event, data, own = "", [], None
    lines = re.split(
        "\r\n|\n|\r", stream.decode("utf-8-sig" if stream.startswith(b"\xef\xbb\xbf") else "utf-8", "replace")
    )
    for line in lines[:-1]:
        if not line:
            if data:
                found.append(Message(event or "message", "\n".join(data), own))
            event, data, own = "", [], None
            continue
        name, colon, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            own = value
    return found


PIECES = st.sampled_from(
    ["data", "event", "id", "retry", ":", ": ", " ", "\n", "\r", "\r\n", "\n\n"]
    + ["\ufeff", "x", "log", "7", "\0", "é", "\u2028", "\x85", "\x0b"]
)


@tag("fast")
class ParserTests(SimpleTestCase):
    def test_a_boards_stream(self) -> None:
        stream = b': Buildboard\nretry: 2113\n\nevent: ping\ndata: {"head":3}\n\nid: 2\nevent: step\ndata: {}\n\n'
        parser = Parser()
        self.assertEqual(parser.feed(stream), [Message("ping", '{"head":3}', None), Message("step", "{}", "2")])
        self.assertEqual(parser.retry, 2113)

    def test_the_standards_cases(self) -> None:
        for stream, expected in (
            (b"data\n\ndata\ndata\n\ndata:", [("message", "", None), ("message", "\n", None)]),
            (b"data:test\n\ndata: test\n\n", [("message", "test", None)] * 2),
            (b"data:  two\ndata:\ttab\n\n", [("message", " two\n\ttab", None)]),
            (b":\ndata:x\n: long " + b"x" * 5000 + b"\n\n", [("message", "x", None)]),
            (b"Data:no\n data:no\nda-ta:no\ndata\0:no\n\n", []),
            (b"event: left\n\ndata: x\n\n", [("message", "x", None)]),
            (b"id: a\0b\ndata: x\n\n", [("message", "x", None)]),
            (b"\xef\xbb\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n", [("message", "x", None)]),
            (b"data: a\xe2\x80\xa8b\xc2\x85c\n\n", [("message", "a\u2028b\x85c", None)]),
            (b"data: \xff\xfe\n\n", [("message", "\ufffd\ufffd", None)]),
            (b"id: 9\n\ndata: x\n\n", [("message", "x", None)]),
            (b"data: unfinished\n", []),
        ):
            with self.subTest(stream[:60]):
                self.assertEqual(parsed(stream), [Message(*one) for one in expected])

    def test_retry_is_digits_alone(self) -> None:
        for text, expected in ((b"1000", 1000), (b"+5", None), (b"1000x", None), (b"", None), ("٣".encode(), None)):
            parser = Parser()
            parser.feed(b"retry:" + text + b"\n\n")
            self.assertEqual(parser.retry, expected, text)

    def test_a_message_without_an_end_is_not_held_for_ever(self) -> None:
        parser = Parser()
        with self.assertRaises(sse.TooLarge):
            for _ in range(sse.MAX_BYTES // 2**20 + 2):
                parser.feed(b"data: " + b"x" * 2**20 + b"\n")

    @given(st.lists(PIECES, max_size=40).map("".join), st.lists(st.integers(0, 200), max_size=8))
    def test_any_stream_cut_anywhere_is_what_the_standard_says(self, text: str, cuts: list[int]) -> None:
        stream = text.encode()
        places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        parts = [stream[begin:end] for begin, end in zip(places, places[1:], strict=False)]
        self.assertEqual(parsed(*parts), by_the_standard(stream))
        self.assertEqual(parsed(*(bytes([byte]) for byte in stream)), by_the_standard(stream))

    @given(st.binary(max_size=200))
    def test_no_bytes_are_an_error(self, stream: bytes) -> None:
        parsed(stream)
