"""`/hooks/<slug>/`: who may deliver, what they are answered, and what a stranger learns."""

import json
from typing import Any
from unittest import mock

from django.test import TestCase, override_settings

from builds import deliveries
from builds.models import Build, Delivery, Hook, Project

from . import forges
from .forges import COMMIT
from .racing import project


class WebhookTest(TestCase):
    def setUp(self) -> None:
        self.project = project()
        self.secret = deliveries.make_secret(self.project, by="alice")

    def send(self, delivery: forges.Delivery, slug: str = "one", **more: Any) -> Any:
        headers = {name: value for name, value in delivery.headers.items() if name != "Content-Type"}
        kind = delivery.headers["Content-Type"]
        return self.client.post(f"/hooks/{slug}/", delivery.body, content_type=kind, headers=headers, **more)

    def test_each_forge_starts_a_build(self) -> None:
        for number, delivery in enumerate((
            forges.github(forges.github_push(), self.secret),
            forges.github_form(forges.github_push(), self.secret, number="2"),
            forges.gitlab(forges.gitlab_push(), self.secret),
            forges.gitea(forges.gitea_push(), self.secret),
            forges.gitea(forges.gitea_push(), self.secret, name="Forgejo"),
            forges.generic({"type": "push", "data": {"ref": "refs/heads/main", "commit": COMMIT}}, self.secret),
        ), start=1):  # fmt: skip
            answer = self.send(delivery)
            self.assertEqual(answer.status_code, 201, answer.content)
            build = Build.objects.latest("id")
            self.assertEqual(
                answer.json(),
                {"outcome": "started", "why": "", "build": build.pk, "url": f"http://testserver/builds/{build.pk}/"},
            )
            self.assertEqual((build.branch, build.commit), ("main", COMMIT))
            self.assertEqual(Build.objects.count(), number)
            again = self.send(delivery)
            self.assertEqual((again.status_code, again.json()["outcome"]), (200, "repeated"))
            self.assertEqual(again.json()["build"], build.pk)

    def test_what_starts_nothing_says_why(self) -> None:
        answer = self.send(forges.github({"zen": "x"}, self.secret, event="ping"))
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.json(), {"outcome": "ignored", "why": "A ping: the hook works.", "build": None})
        self.assertEqual(answer["Cache-Control"], "no-store")

    def test_a_stranger_learns_nothing(self) -> None:
        Project.objects.create(name="bare", slug="bare", recipe="steps: [{name: a, run: b}]")
        forged = forges.github(forges.github_push(), "a guess")
        answers = [self.send(forged, slug) for slug in ("one", "bare", "there-is-none")]
        self.assertEqual({answer.status_code for answer in answers}, {401})
        self.assertEqual(len({answer.content for answer in answers}), 1)
        self.assertEqual(len({tuple(sorted(answer.items())) for answer in answers}), 1)
        self.assertEqual(Build.objects.count(), 0)

    def test_a_wrong_signature_is_remembered_without_the_body(self) -> None:
        self.send(forges.github(forges.github_push(message="a secret of theirs"), "a guess"))
        found = Delivery.objects.get()
        self.assertEqual((found.outcome, found.event, found.address), ("refused", "push", "127.0.0.1"))
        self.assertEqual((found.ref, found.commit, found.sender), ("", "", ""))
        self.assertRegex(found.why, "does not fit: the hook at the forge has another secret")
        self.assertEqual(self.send(forges.github(forges.github_push(), self.secret)).status_code, 201)

    def test_an_old_time_is_refused(self) -> None:
        answer = self.send(forges.generic({"type": "ping"}, self.secret, at=1_700_000_000))
        self.assertEqual(answer.status_code, 401)
        self.assertRegex(Delivery.objects.get().why, "was signed .* s ago; at most 300 s")

    def test_nothing_is_parsed_before_it_is_verified(self) -> None:
        with mock.patch("builds.hooks.payload.json.loads") as loads:
            self.send(forges.github(forges.github_push(), "a guess"))
        loads.assert_not_called()

    def test_bad_bodies_are_told_to_those_who_know_the_secret(self) -> None:
        for body, said in (
            (b"{", "not JSON"),
            (b"[]", "not an object"),
            (b'{"x":' * 100_000, "nested too deeply"),
            (b"{}", "ref: expected"),
        ):
            answer = self.send(forges.github(body, self.secret))
            self.assertEqual(answer.status_code, 400)
            self.assertEqual(answer["Content-Type"], "application/problem+json")
            self.assertIn(said, answer.json()["detail"])
            self.assertIn(said, Delivery.objects.latest("id").why)
        wrong = forges.github(b"{}", self.secret, Content_Type="text/xml")
        self.assertIn("Content-Type: expected application/json", self.send(wrong).json()["detail"])

    def test_what_no_forge_sends(self) -> None:
        answer = self.client.post("/hooks/one/", b"{}", content_type="application/json")
        self.assertEqual(answer.status_code, 400)
        self.assertIn("X-GitHub-Event", answer.json()["detail"])

    def test_only_post(self) -> None:
        for method in ("get", "put", "delete", "head"):
            answer = getattr(self.client, method)("/hooks/one/")
            self.assertEqual((answer.status_code, answer["Allow"]), (405, "POST"))

    @override_settings(BUILDBOARD_MAX_HOOK_KB=16)
    def test_a_large_body_is_refused_whoever_sends_it(self) -> None:
        for secret in (self.secret, "a guess"):
            large = forges.github(forges.github_push(message="x" * 20_000), secret)
            self.assertEqual(self.send(large).status_code, 413)
        self.assertIn("16 KiB", self.send(large).json()["detail"])
        self.assertEqual(self.send(forges.github(forges.github_push(), self.secret)).status_code, 201)

    def test_a_body_that_is_larger_than_a_form_may_be_is_taken(self) -> None:
        large = forges.github(forges.github_push(message="x" * 2_000_000), self.secret)
        self.assertEqual(self.send(large).status_code, 201)

    def test_refusals_of_the_queue(self) -> None:
        with override_settings(BUILDBOARD_MAX_QUEUED=1):
            self.assertEqual(self.send(forges.github(forges.github_push(), self.secret)).status_code, 201)
            answer = self.send(forges.github(forges.github_push(), self.secret, number="2"))
            self.assertEqual((answer.status_code, answer["Retry-After"]), (429, "60"))
        Project.objects.update(enabled=False)
        answer = self.send(forges.github(forges.github_push(), self.secret, number="3"))
        self.assertEqual(answer.status_code, 409)
        Project.objects.update(enabled=True, recipe="steps: 3")
        answer = self.send(forges.github(forges.github_push(), self.secret, number="3"))
        self.assertEqual(answer.status_code, 422)
        self.assertIn("recipe", answer.json()["detail"])

    def test_a_secret_that_cannot_be_read_is_no_secret(self) -> None:
        from cryptography.fernet import Fernet

        with override_settings(BUILDBOARD_SECRETS_KEYS=[Fernet.generate_key().decode()]):
            answer = self.send(forges.github(forges.github_push(), self.secret))
        self.assertEqual(answer.status_code, 401)
        self.assertRegex(Delivery.objects.get().why, "cannot be read")
        self.assertEqual(Hook.objects.count(), 1)

    def test_odd_texts_are_stored(self) -> None:
        payload = forges.github_push(message="a\0b \ud800 c", sender={"login": "x\0\udfff"})
        self.assertEqual(self.send(forges.github(json.dumps(payload).encode(), self.secret)).status_code, 201)
        build = Build.objects.get()
        self.assertEqual((build.commit_title, build.started_by), ("ab ? c", "x? (GitHub)"))
