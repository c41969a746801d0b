"""Commit statuses, against exchanges after the documentation of each forge, over real HTTP."""

import ipaddress
import json
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.models import Project, Target
from builds.outbox import NoPlace, place_of
from builds.outbox.places import Place
from builds.worker.outwards import forges
from builds.worker.outwards.delivery import Terms, deliver

from . import exchanges, news
from .receiver import Receiver, Reply

HERE = (ipaddress.ip_network("127.0.0.0/8"),)


class ExchangeCase(SimpleTestCase):
    """Replays what `tests/exchanges/` has of a server, and compares what it gets with what is written there."""

    def replay(self, name: str, **target: Any) -> None:
        found = exchanges.of(name)["exchanges"]
        for number, one in enumerate(found):
            content = one["answer"]["body"]
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            reply = Reply(one["answer"]["status"], body, one["answer"]["headers"])
            with self.subTest(f"{name} {number}: {one['message']}"), Receiver(reply) as receiver:
                given = {key: value.replace("URL", receiver.url) for key, value in target.items()}
                on = Terms("https://board.example", 5, HERE)
                outcome = deliver(news.claimed(name, one["message"], **given), on)
                [got] = receiver.received
                wanted = one["request"]
                self.assertEqual((got.method, got.path), (wanted["method"], wanted["path"]))
                for header, value in wanted.get("headers", {}).items():
                    self.assertEqual(got.headers[header.lower()], value)
                if "body" in wanted:
                    self.assertEqual(got.json(), wanted["body"])
                self.assertEqual([outcome.verdict, outcome.said], one["outcome"])
                self.assertEqual(outcome.code, one["answer"]["status"])
                self.assertEqual(outcome.wait, one.get("wait"))


@tag("fast")
class ForgesTest(ExchangeCase):
    def test_github(self) -> None:
        # its API is on a host of its own, so that the address has no path
        with mock.patch.dict("builds.outbox.places._API", github=""):
            self.replay("github", address="URL", repository="https://github.com/octocat/Hello-World.git")

    def test_gitlab(self) -> None:
        self.replay("gitlab", address="URL", repository="git@gitlab.example.com:octocat/tools/Hello-World.git")

    def test_gitea(self) -> None:
        self.replay("gitea", address="URL", place="octocat/Hello-World")

    def test_each_kind_of_build_has_a_state_at_each_forge(self) -> None:
        states = {
            "github": ["pending", "pending", "success", "failure", "error", "error"],
            "gitlab": ["pending", "running", "success", "failed", "canceled", "failed"],
            "gitea": ["pending", "pending", "success", "failure", "error", "error"],
        }
        for kind, wanted in states.items():
            found = []
            for status in ("queued", "running", "passed", "failed", "cancelled", "lost"):
                claimed = news.claimed(kind, status, repository="https://forge.example/o/r")
                found.append(json.loads(forges.request(claimed, "").body)["state"])
            self.assertEqual(found, wanted, kind)

    def test_a_board_that_does_not_know_its_address_sends_no_link(self) -> None:
        claimed = news.claimed("github", "passed", repository="https://github.com/o/r", label="ci/board")
        body = json.loads(forges.request(claimed, "").body)
        self.assertEqual(set(body), {"state", "description", "context"})
        self.assertEqual(body["context"], "ci/board")

    def test_a_pull_request_names_no_branch_to_gitlab(self) -> None:
        content = news.payload("passed", pull_request=7)
        claimed = news.claimed("gitlab", "passed", content=content, repository="https://gitlab.com/o/r")
        self.assertNotIn("ref", json.loads(forges.request(claimed, "").body))

    def test_the_token_goes_over_the_wire_and_nowhere_else(self) -> None:
        echo = Reply(401, json.dumps({"message": f"bad token {news.TOKEN}"}).encode())
        with Receiver(echo) as receiver:
            on = Terms("", 5, HERE)
            outcome = deliver(news.claimed("gitea", "passed", address=receiver.url, place="o/r"), on)
        self.assertEqual(outcome.said, "HTTP 401 Unauthorized: bad token …")


@tag("fast")
class PlaceTest(SimpleTestCase):
    def place(self, kind: str, repository: str = "", **more: str) -> Place:
        return place_of(Target(project=Project(repository=repository), kind=kind, **more))

    def test_it_follows_from_the_repository(self) -> None:
        for kind, repository, api in (
            ("github", "https://github.com/octocat/hello.git", "https://api.github.com/repos/octocat/hello"),
            ("github", "git@github.com:octocat/hello.git", "https://api.github.com/repos/octocat/hello"),
            ("github", "ssh://git@github.com/octocat/hello", "https://api.github.com/repos/octocat/hello"),
            ("github", "https://me:x@GHE.example/o/r/", "https://ghe.example/api/v3/repos/o/r"),
            ("gitlab", "https://gitlab.com/a/b/c.git", "https://gitlab.com/api/v4/projects/a%2Fb%2Fc"),
            ("gitlab", "https://git.example:8443/a/b", "https://git.example:8443/api/v4/projects/a%2Fb"),
            ("gitea", "ssh://git@git.example:2222/o/r.git", "https://git.example/api/v1/repos/o/r"),
            ("gitea", "git@codeberg.org:o/r.x", "https://codeberg.org/api/v1/repos/o/r.x"),
        ):
            with self.subTest(repository):
                self.assertEqual(self.place(kind, repository).repository, api)

    def test_its_own_settings_come_first(self) -> None:
        for kind, address, api in (
            ("gitlab", "https://git.example", "https://git.example/api/v4/projects/o%2Fr"),
            ("gitlab", "https://git.example/gitlab/api/v4/", "https://git.example/gitlab/api/v4/projects/o%2Fr"),
            ("github", "https://api.github.com", "https://api.github.com/repos/o/r"),
            ("github", "https://ghe.example", "https://ghe.example/api/v3/repos/o/r"),
            ("gitea", "https://git.example/api/v1", "https://git.example/api/v1/repos/o/r"),
        ):
            with self.subTest(address):
                found = self.place(kind, "https://elsewhere.example/x/y", address=address, place="o/r")
                self.assertEqual(found.repository, api)

    def test_what_is_not_known_is_said(self) -> None:
        for kind, repository, place in (
            ("github", "", ""),
            ("github", "", "o/r"),
            ("github", "/srv/git/r.git", "o/r"),
            ("github", "https://github.com/only", ""),
            ("github", "https://github.com/a/b/c", ""),
            ("gitea", "https://git.example/../..", ""),
            ("gitea", "https://git.example/o/r?x=1", ""),
            ("gitlab", "https://git.example/o/r", "o/%2e%2e"),
            ("gitlab", "https://git.example/o/r", "o//r"),
        ):
            with self.subTest(repository, place=place), self.assertRaisesRegex(NoPlace, "is not known|Nothing says"):
                self.place(kind, repository, place=place)
        outcome = deliver(news.claimed("github", "passed"), Terms("", 5))
        self.assertEqual(outcome.verdict, "never")
        self.assertIn("owner/name", outcome.said)
