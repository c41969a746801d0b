"""The examples of docs/notifications.md, as they stand there."""

import json
import re
import shlex
import time
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client, TestCase, tag

from builds import access, hooks, outbox
from builds.models import Project, Target
from builds.worker.outwards import forges, webhook

from . import news
from .support import ROOT

PAGE = (ROOT / "docs/notifications.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


@tag("fast")
class NotificationsPageTest(TestCase):
    def test_the_function_verifies_what_is_sent_and_nothing_else(self) -> None:
        names: dict[str, Any] = {}
        exec(block("python"), names)  # noqa: S102 - of this project's own page
        verified = names["verified"]
        secret = hooks.new_secret()
        made = webhook.request(news.claimed("webhook", secret=secret), "https://board.example", time.time())
        headers = {name.lower(): value for name, value in made.headers.items()}
        self.assertTrue(verified(secret, headers, made.body))
        self.assertTrue(
            verified(secret, headers | {"webhook-signature": f"v1,x {headers['webhook-signature']}"}, made.body)
        )
        self.assertFalse(verified(secret, headers, made.body + b" "))
        self.assertFalse(verified(hooks.new_secret(), headers, made.body))
        old = webhook.request(news.claimed("webhook", secret=secret), "", time.time() - 400)
        self.assertFalse(verified(secret, {name.lower(): value for name, value in old.headers.items()}, old.body))

    def test_the_body_has_the_fields_of_the_example(self) -> None:
        example = json.loads(block("json"))
        sent = json.loads(webhook.request(news.claimed("webhook", secret=hooks.new_secret()), "https://b.x", 0).body)
        self.assertEqual(set(sent), set(example))
        self.assertEqual(set(sent["data"]), set(example["data"]))
        self.assertLessEqual(set(example["data"]["build"]), set(sent["data"]["build"]))
        self.assertEqual(sent["type"], example["type"])

    def test_the_table_of_states_is_what_is_sent(self) -> None:
        rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)
        told = {row[0]: row[1:] for row in rows if row[0] != "build"}
        self.assertEqual(len(told), 6)
        for status, states in told.items():
            self.assertEqual(tuple(forges._state(kind, status) for kind in ("github", "gitlab", "gitea")), states)

    def test_every_word_that_may_be_told_is_explained(self) -> None:
        for word in outbox.NEWS:
            self.assertIn({"running": "begun"}.get(word, word), PAGE)

    def test_the_request_makes_a_target(self) -> None:
        Project.objects.create(name="Hello", slug="hello", recipe="steps: [{name: a, run: b}]")
        user = User.objects.create_user("owner")
        user.user_permissions.set(Permission.objects.filter(codename="change_project"))
        words = shlex.split(block("sh").replace("\\\n", " ").replace("$TOKEN", access.new_token(user)))
        self.assertEqual(words[:3], ["curl", "-X", "POST"])
        headers = dict(word.split(": ", 1) for option, word in zip(words, words[1:], strict=False) if option == "-H")
        answer = Client().post(
            words[3].removeprefix("https://board.example"),
            words[words.index("-d") + 1],
            content_type=headers.pop("Content-Type"),
            headers=headers,
        )
        self.assertEqual(answer.status_code, 201, answer.content)
        self.assertEqual(Target.objects.get().tells, "failed fixed")
