import json

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.live import frames
from tests.support.sse import parse_block

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def parsed(body: bytes):
    """The one message of a frame, read as the format's definition has it."""
    text = body.decode("utf-8")
    assert text.endswith("\n\n") and "\n\n" not in text[:-2] and "\r" not in text
    return parse_block(text)


@tag("fast")
class FramesTest(SimpleTestCase):
    @given(st.integers(1, 2**62), TEXT)
    def test_a_stored_event_arrives_as_it_is_but_for_the_kind_of_its_line_breaks(self, number: int, data: str) -> None:
        message = parsed(frames.encode(number, "log", data))
        wanted = data.replace("\r\n", "\n").replace("\r", "\n")
        self.assertEqual((message.seq, message.event, message.data), (number, "log", wanted))

    @given(st.integers(1, 2**62), st.dictionaries(TEXT, TEXT | st.integers() | st.none()))
    def test_a_frame_can_be_taken_apart_again(self, number: int, data: dict) -> None:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        body = frames.encode(number, "step", text)
        self.assertEqual(frames.fields(body), (number, "step", text))
        self.assertEqual(frames.kind(body), "step")
        self.assertEqual(json.loads(frames.as_json(body)), {"id": number, "kind": "step", "data": data})

    def test_raw_line_breaks_become_lines_of_data(self) -> None:
        self.assertEqual(
            frames.encode(7, "log", "a\nb\r\nc\rd"), b"id: 7\nevent: log\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
        )
        self.assertEqual(frames.encode(7, "log", " led"), b"id: 7\nevent: log\ndata:  led\n\n")
        self.assertEqual(frames.encode(7, "log", ""), b"id: 7\nevent: log\ndata: \n\n")

    def test_other_separators_and_half_surrogates_end_no_line(self) -> None:
        message = parsed(frames.encode(1, "log", "a\u2028b\u2029c\x85d\x0be\x0cf\ud800g"))
        self.assertEqual(message.data, "a\u2028b\u2029c\x85d\x0be\x0cf?g")

    def test_nobody_writes_another_field_by_a_break_in_a_name(self) -> None:
        for bad in ("a\nid: 9", "a\r", "a\0"):
            with self.subTest(bad):
                self.assertRaises(ValueError, frames.encode, 1, bad, "{}")
                self.assertRaises(ValueError, frames.control, bad)
                self.assertRaises(ValueError, frames.comment, bad)

    def test_a_control_event_has_data_and_moves_no_cursor(self) -> None:
        message = parsed(frames.control("problem", {"detail": "é"}))
        self.assertEqual((message.id, message.event, message.json), (None, "problem", {"detail": "é"}))
        self.assertEqual(parsed(frames.control("end")).json, {})
        self.assertEqual(parsed(frames.comment("hello") + frames.retry(1500)).retry, 1500)
