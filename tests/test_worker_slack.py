"""Slack, against exchanges after its documentation; and what hostile names come to there."""

import json
from unittest import mock

from django.test import tag

from builds.worker.outwards import slack

from . import news
from .test_worker_forges import ExchangeCase


@tag("fast")
class SlackTest(ExchangeCase):
    def test_exchanges(self) -> None:
        with mock.patch.object(news, "TOKEN", "unused"):
            self.replay("slack", secret=f"URL/services/T00000000/B00000000/{'the-token-of-the-test'}")

    def test_nobody_is_called_by_what_a_commit_is_called(self) -> None:
        content = news.payload(commit_title=news.HOSTILE, commit_author=news.HOSTILE, branch=news.HOSTILE)
        content["project"]["name"] = news.HOSTILE
        content["failed_steps"] = [news.HOSTILE]
        body = json.loads(slack.request(news.claimed("slack", content=content), "https://board.example").body)
        text = body["blocks"][0]["text"]["text"]
        self.assertIn("&lt;!channel&gt;", text)
        self.assertEqual(text.count("<"), 1, "the link to the build, and no other")
        self.assertTrue(text.startswith("<https://board.example/builds/42/|"))
        self.assertNotIn("<", body["text"])
        self.assertNotIn("link_names", body)

    def test_without_an_address_there_is_no_link(self) -> None:
        body = json.loads(slack.request(news.claimed("slack"), "").body)
        self.assertNotIn("<", body["blocks"][0]["text"]["text"])
