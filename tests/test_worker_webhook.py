"""Webhooks, signed so that those who know the standard take them."""

import hmac
import json
import time
from base64 import b64encode

from django.test import SimpleTestCase, tag

from builds import hooks
from builds.worker.outwards import webhook
from builds.worker.outwards.exchange import Answer

from . import news

SECRET = hooks.new_secret()


@tag("fast")
class WebhookTest(SimpleTestCase):
    def test_the_published_examples_of_the_standard(self) -> None:
        for secret, key, moment, body, signature in (
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                b'{"test": 2432232314}',
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_plJ3nmyCDGBKInavdOK15jsl",
                "msg_loFOjxBNrRLzqYUf",
                "1731705121",
                b'{"event_type":"ping","data":{"success":true}}',
                "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
            ),
        ):
            self.assertEqual(webhook.signature(secret, key, moment, body), signature)

    def test_another_board_would_take_it(self) -> None:
        """What this board asks of the webhooks that it gets holds for those that it sends."""
        now = time.time()
        made = webhook.request(news.claimed("webhook", secret=SECRET, address="https://x.example/h"), "", now)
        envelope = hooks.read_envelope(made.headers, made.body)
        self.assertEqual((envelope.forge, envelope.delivery), ("generic", "world-1-42-failed"))
        hooks.verify(envelope, made.headers, made.body, SECRET, now)
        with self.assertRaises(hooks.Forged):
            hooks.verify(envelope, made.headers, made.body + b" ", SECRET, now)
        with self.assertRaises(hooks.Forged):
            hooks.verify(envelope, made.headers, made.body, hooks.new_secret(), now)

    def test_what_is_in_it(self) -> None:
        claimed = news.claimed("webhook", "failed", secret=SECRET, address="https://x.example/h")
        body = json.loads(webhook.request(claimed, "https://board.example", 0).body)
        self.assertEqual((body["type"], body["timestamp"]), ("build.failed", "2026-12-01T10:02:03.000Z"))
        data = body["data"]
        self.assertEqual(data["build"]["url"], "https://board.example/builds/42/")
        self.assertNotIn("path", data["build"])
        self.assertEqual((data["change"], data["before"]["id"], data["failed_steps"]), ("broken", 41, ["test"]))
        self.assertIsNone(json.loads(webhook.request(claimed, "", 0).body)["data"]["build"]["url"])
        test = news.claimed("webhook", "test", secret=SECRET)
        self.assertEqual(json.loads(webhook.request(test, "", 0).body)["type"], "test")

    def test_the_second_attempt_is_the_same_message_at_another_time(self) -> None:
        claimed = news.claimed("webhook", secret=SECRET)
        first, second = (webhook.request(claimed, "https://b.example", now) for now in (100, 200))
        self.assertEqual((first.body, first.headers["webhook-id"]), (second.body, second.headers["webhook-id"]))
        self.assertNotEqual(first.headers["webhook-signature"], second.headers["webhook-signature"])

    def test_hostile_text_is_text(self) -> None:
        claimed = news.claimed("webhook", secret=SECRET, content=news.payload(commit_title=news.HOSTILE + "\ud800"))
        body = webhook.request(claimed, "", 0).body
        self.assertTrue(json.loads(body)["data"]["build"]["commit_title"].startswith(news.HOSTILE))

    def test_only_gone_is_for_ever(self) -> None:
        claimed = news.claimed("webhook", secret=SECRET)
        verdicts = [webhook.outcome(claimed, Answer(code)).verdict for code in (200, 400, 404, 410, 500)]
        self.assertEqual(verdicts, ["sent", "again", "again", "never", "again"])

    def test_the_signature_is_of_the_key_in_the_secret(self) -> None:
        secret = webhook.PREFIX + b64encode(b"k" * 24).decode()
        wanted = b64encode(hmac.digest(b"k" * 24, b"a.1.b", "sha256")).decode()
        self.assertEqual(webhook.signature(secret, "a", "1", b"b"), f"v1,{wanted}")
