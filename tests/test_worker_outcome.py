"""What an answer comes to."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.worker.outwards.exchange import Answer
from builds.worker.outwards.outcome import judge, said_by

NOW = 1_800_000_000.0


@tag("fast")
class OutcomeTest(SimpleTestCase):
    def test_each_status_comes_to_something(self) -> None:
        for code, verdict, patient in (
            (200, "sent", "sent"),
            (204, "sent", "sent"),
            (301, "never", "never"),
            (400, "never", "again"),
            (401, "never", "again"),
            (404, "never", "again"),
            (408, "again", "again"),
            (410, "never", "never"),
            (422, "never", "again"),
            (429, "again", "again"),
            (500, "again", "again"),
            (503, "again", "again"),
            (599, "again", "again"),
        ):
            self.assertEqual(judge(Answer(code)).verdict, verdict, code)
            self.assertEqual(judge(Answer(code), patient=True).verdict, patient, code)

    def test_how_long_it_asks_to_be_left_alone(self) -> None:
        for headers, wait in (
            ({"retry-after": "120"}, 120),
            ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
            ({"retry-after": "Fri, 15 Jan 2021 08:01:00 GMT"}, 0),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "-5"}, None),
            ({"retry-after": "9" * 400}, 999_999_999),
            ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000090"}, 90),
            ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1800000090"}, None),
            ({}, None),
        ):
            self.assertEqual(judge(Answer(429, headers=headers), now=NOW).wait, wait, headers)

    def test_github_says_403_where_others_say_429(self) -> None:
        limited = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000090"}
        self.assertEqual(judge(Answer(403, headers=limited), now=NOW).verdict, "again")
        body = b'{"message": "You have exceeded a secondary rate limit"}'
        self.assertEqual(judge(Answer(403, body=body)).verdict, "again")
        self.assertEqual(judge(Answer(403)).verdict, "never")

    def test_what_it_says_is_one_line(self) -> None:
        for body, said in (
            (b"", "HTTP 500 Internal Server Error."),
            (b"so\r\nit\x00 is", "HTTP 500 Internal Server Error: so it is"),
            (b'{"error": {"a": 1}}', 'HTTP 500 Internal Server Error: {"a": 1}'),
            (b'{"detail": "no"}', "HTTP 500 Internal Server Error: no"),
            (b"[1]", "HTTP 500 Internal Server Error: [1]"),
            (b"x" * 9999, f"HTTP 500 Internal Server Error: {'x' * 200}…"),
            (b"[" * 4096, f"HTTP 500 Internal Server Error: {'[' * 200}…"),
        ):
            self.assertEqual(said_by(Answer(500, body=body)), said)
        self.assertEqual(said_by(Answer(200, body=b"a page")), "HTTP 200 OK.")
        self.assertEqual(said_by(Answer(799)), "HTTP 799.")

    @settings(deadline=None)
    @given(st.integers(100, 999), st.binary(max_size=300), st.dictionaries(st.sampled_from(
        ["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]), st.text(max_size=40)))  # fmt: skip
    def test_anything_is_an_answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        found = judge(Answer(code, "", headers, body))
        self.assertIn(found.verdict, ("sent", "again", "never"))
        self.assertTrue(found.said.isprintable())
        self.assertTrue(found.wait is None or found.wait >= 0)
