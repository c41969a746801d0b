"""Matrix, against exchanges after its specification; and what hostile names come to there."""

import json

from django.test import tag

from builds.worker.outwards import matrix
from builds.worker.outwards.exchange import Answer

from . import news
from .test_worker_forges import ExchangeCase


@tag("fast")
class MatrixTest(ExchangeCase):
    def test_exchanges(self) -> None:
        self.replay("matrix", address="URL/", place="!636q39766251:example.com")

    def test_nobody_is_called_by_what_a_commit_is_called(self) -> None:
        content = news.payload(commit_title=news.HOSTILE, commit_author=news.HOSTILE, branch=news.HOSTILE)
        body = json.loads(matrix.request(news.claimed("matrix", content=content, place="!r:x"), "").body)
        self.assertNotIn("<script", body["formatted_body"])
        self.assertIn("&lt;script&gt;", body["formatted_body"])
        self.assertEqual(body["m.mentions"], {}, "so that @room in the text is a word like others")

    def test_an_answer_of_another_kind_says_nothing_of_when(self) -> None:
        claimed = news.claimed("matrix", place="!r:x")
        for body in (b"", b"[]", b'{"retry_after_ms": "soon"}', b"\xff"):
            self.assertIsNone(matrix.outcome(claimed, Answer(429, body=body)).wait)
