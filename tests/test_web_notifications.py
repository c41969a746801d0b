"""Who is told of a project's builds, on its page and in the API: for who may change it, and for nobody else."""

import html
import json
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.db.models.functions import Now
from django.test import Client, TestCase, override_settings, tag
from django.urls import reverse

from builds import access, hooks, lifecycle, outbox, vault
from builds.models import Outgoing, Project, Target
from builds.web import news, targetforms

from .test_outbox_targets import GOOD, SECRET, make

RECIPE = "steps: [{name: compile, run: make}]"
PAGE = "/projects/lantern/notifications/"
API = "/api/v1/projects/lantern"


class NotificationsCase(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(
            name="Lantern", slug="lantern", recipe=RECIPE, repository="https://github.com/octocat/lantern"
        )
        self.hidden = Project.objects.create(name="Hidden", slug="hidden", recipe=RECIPE)
        self.hidden.groups.add(Group.objects.create(name="inside"))
        self.owner = User.objects.create_user("owner", is_staff=True)
        rights = ["change_project", "view_project", "view_target", "view_outgoing"]
        self.owner.user_permissions.set(Permission.objects.filter(codename__in=rights))
        self.stranger = User.objects.create_user("stranger")
        self.as_user(self.owner)

    def as_user(self, user: User | None) -> None:
        self.client.logout()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def page(self, path: str = PAGE, status: int = 200) -> str:
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, status)
        return html.unescape(answer.content.decode())

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        token = token or access.new_token(self.owner)
        return Client().generic(
            method,
            f"{API}{path}",
            json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )


@tag("fast")
class PageTest(NotificationsCase):
    def test_an_empty_page_says_what_could_be_there(self) -> None:
        text = self.page()
        self.assertIn("Nobody is told", text)
        for kind, about in news.ABOUT.items():
            self.assertIn(f"{PAGE}new/{kind}/", text)
            self.assertIn(about, text)
        self.assertIn(PAGE, self.page("/projects/lantern/"))

    def test_each_kind_has_a_form_with_its_own_fields(self) -> None:
        for kind in GOOD:
            text = self.page(f"{PAGE}new/{kind}/")
            self.assertEqual('name="tells"' in text, kind not in ("github", "gitlab", "gitea"))
            self.assertEqual('name="secret"' in text, kind != "mail")
            self.assertEqual('name="address"' in text, kind != "slack")
        self.page(f"{PAGE}new/pigeon/", 404)

    def test_a_target_of_each_kind_is_made(self) -> None:
        for kind, fields in GOOD.items():
            form = {"name": f"my {kind}", "enabled": "on", **fields, "tells": fields.get("tells", "").split()}
            self.assertRedirects(self.client.post(f"{PAGE}new/{kind}/", form), PAGE)
        self.assertEqual(set(Target.objects.values_list("kind", flat=True)), set(GOOD))
        text = self.page()
        for said in (
            "my github", "octocat/lantern at api.github.com", "each status", "Told of failed and fixed",
            "!r:m.example at m.example",
        ):  # fmt: skip
            self.assertIn(said, text)
        for secret in (SECRET, "syt_x", "hooks.slack.com/services"):
            self.assertNotIn(secret, text)

    def test_what_is_wrong_is_said_at_its_field_and_no_secret_is_sent_back(self) -> None:
        form = {"address": "nonsense", "secret": "not-so-good-a-secret", "tells": ["failed"], "branches": "!"}
        answer = self.client.post(f"{PAGE}new/matrix/", form)
        self.assertEqual(answer.status_code, 422)
        text = html.unescape(answer.content.decode())
        self.assertIn("Expected an address such as https://", text)
        self.assertIn("!wip/* leaves out", text)
        self.assertIn("type it anew", text)
        self.assertNotIn("not-so-good-a-secret", text)
        self.assertFalse(Target.objects.exists())
        answer = self.client.post(f"{PAGE}new/webhook/", {"address": "https://x.example", "secret": SECRET})
        self.assertIn("It would be told nothing", html.unescape(answer.content.decode()))

    def test_a_signing_secret_is_made_and_shown_until_it_is_kept(self) -> None:
        text = self.page(f"{PAGE}new/webhook/")
        made = text.partition('value="whsec_')[2].partition('"')[0]
        self.assertGreater(len(made), 40)
        self.assertNotIn(made, self.page(f"{PAGE}new/webhook/"), "each time another")
        answer = self.client.post(f"{PAGE}new/webhook/", {"address": "x", "secret": f"whsec_{made}"})
        self.assertIn(made, answer.content.decode(), "it has been given to the receiver already")
        target = make(self.project, "webhook")
        self.assertNotIn("whsec_", self.page(f"{PAGE}{target.pk}/"))

    def test_it_is_changed_and_its_secret_stays(self) -> None:
        target = make(self.project, "slack")
        text = self.page(f"{PAGE}{target.pk}/")
        self.assertNotIn("hooks.slack.com/services/T", text)
        form = {"name": "team", "tells": ["fixed", "failed"], "branches": "main,release/*", "pull_requests": "on"}
        self.assertRedirects(self.client.post(f"{PAGE}{target.pk}/", form), PAGE)
        target.refresh_from_db()
        self.assertEqual((target.name, target.tells, target.branches), ("team", "failed fixed", "main release/*"))
        self.assertEqual((target.pull_requests, target.enabled), (True, False))
        self.assertEqual(target.opened(), GOOD["slack"]["secret"])
        self.assertIn("Told of failed and fixed builds of main, release/*, pull requests too", self.page())
        self.assertIn("switched off", self.page())

    def test_one_that_another_has_changed_meanwhile_is_not_stored_over_it(self) -> None:
        target = make(self.project, "slack")

        def meanwhile(mine: Target, secret: str | None = None) -> str:
            Target.objects.update(secret=vault.seal("another"))
            return ""

        with mock.patch("builds.outbox.targets.check", meanwhile):
            answer = self.client.post(f"{PAGE}{target.pk}/", {"name": "mine", "tells": ["failed"]})
        self.assertContains(answer, "changed or deleted meanwhile", status_code=422)
        target.refresh_from_db()
        self.assertEqual((target.name, target.opened()), ("Slack", "another"))

    def test_it_is_deleted_with_its_messages(self) -> None:
        target = make(self.project, "slack")
        outbox.test(target)
        self.assertEqual(self.client.get(f"{PAGE}{target.pk}/delete/").status_code, 405)
        self.assertRedirects(self.client.post(f"{PAGE}{target.pk}/delete/"), PAGE)
        self.assertFalse(Outgoing.objects.exists())

    def test_a_test_is_a_message_whose_end_the_page_waits_for(self) -> None:
        target = make(self.project, "slack")
        answer = self.client.post(f"{PAGE}{target.pk}/test/")
        row = Outgoing.objects.get()
        self.assertRedirects(answer, f"{PAGE}?message={row.pk}#message", fetch_redirect_response=False)
        watched = f"{PAGE}?message={row.pk}"
        self.assertIn('http-equiv="refresh"', self.page(watched))
        claimed = outbox.claim("t", 60)
        assert claimed is not None
        outbox.give_up(claimed, "HTTP 404 Not Found: no_service", 404)
        text = self.page(watched)
        self.assertNotIn('http-equiv="refresh"', text)
        self.assertIn("The test to Slack: given up.", text.replace("\n", " "))
        self.assertIn("no_service", text)
        retry = f"{PAGE}messages/{row.pk}/retry/"
        self.client.post(retry)
        row.refresh_from_db()
        self.assertEqual((row.state, row.attempts), ("waiting", 0))
        outbox.sent(outbox.claim("u", 60), "HTTP 200 OK.", 200)
        self.assertContains(self.client.post(retry, follow=True), "nothing to try again")

    def test_messages_are_listed_with_what_became_of_them(self) -> None:
        target = make(self.project, "slack", tells="queued")
        builds = [lifecycle.enqueue(self.project, by="alice") for _ in range(60)]
        outbox.postpone(outbox.claim("t", 60), 3600, "HTTP 500 Internal Server Error: oh", 500)
        text = self.page()
        self.assertIn(f'href="/builds/{builds[-1].pk}/"', text)
        self.assertNotIn("Try again", text)
        older = text.partition('href="?before=')[2].partition('"')[0]
        second = self.page(f"{PAGE}?before={older}")
        self.assertIn("Try again", second)
        self.assertIn("HTTP 500 Internal Server Error: oh", second)
        self.assertIn("next ", second)
        self.page(f"{PAGE}?before=nonsense&message=-1")
        self.assertEqual(target.outgoing.count(), 60)

    def test_what_others_call_things_is_text(self) -> None:
        make(self.project, "slack", name="<script>alert(1)</script>")
        outbox.give_up(self._tested(), "<img src=x onerror=alert(1)>", 500)
        raw = self.client.get(PAGE).content.decode()
        self.assertNotIn("<script>alert", raw)
        self.assertNotIn("<img src=x", raw)

    def _tested(self) -> Any:
        outbox.test(Target.objects.get())
        return outbox.claim("t", 60)

    @override_settings(BUILDBOARD_URL="", EMAIL_HOST="")
    def test_what_keeps_messages_from_being_good_is_said(self) -> None:
        make(self.project, "mail")
        text = self.page()
        self.assertIn("BUILDBOARD_URL", text)
        self.assertIn("EMAIL_URL", text)

    def test_every_word_that_may_be_told_has_a_meaning(self) -> None:
        self.assertEqual(tuple(news.NEWS), outbox.NEWS)
        self.assertEqual(set(targetforms._SHOWN), set(GOOD))


@tag("fast")
class StrangerTest(NotificationsCase):
    def setUp(self) -> None:
        super().setUp()
        self.target = make(self.project, "slack")
        self.row = outbox.test(self.target)

    def paths(self) -> list[tuple[str, str]]:
        number, row = self.target.pk, self.row.pk
        return [
            ("GET", PAGE),
            ("GET", f"{PAGE}new/slack/"),
            ("POST", f"{PAGE}new/slack/"),
            ("GET", f"{PAGE}{number}/"),
            ("POST", f"{PAGE}{number}/"),
            ("POST", f"{PAGE}{number}/test/"),
            ("POST", f"{PAGE}{number}/delete/"),
            ("POST", f"{PAGE}messages/{row}/retry/"),
        ]

    def test_who_may_not_change_the_project_sees_and_does_nothing(self) -> None:
        self.as_user(self.stranger)
        for method, path in self.paths():
            with self.subTest(f"{method} {path}"), self.assertLogs("django.request"):
                answer = self.client.generic(method, path)
                self.assertContains(answer, "need the permission", status_code=403)
        self.assertNotIn("notifications/", self.page("/projects/lantern/"))
        self.assertEqual(Outgoing.objects.count(), 1)

    def test_nobody_is_asked_to_sign_in_also_on_a_public_board(self) -> None:
        self.as_user(None)
        for method, path in self.paths():
            self.assertEqual(self.client.generic(method, path).status_code, 302, path)
        with override_settings(BUILDBOARD_PUBLIC=True):
            for path in (PAGE, f"{PAGE}new/mail/"):
                answer = self.client.get(path)
                self.assertRedirects(answer, f"/accounts/login/?next={path}", fetch_redirect_response=False)

    def test_a_project_that_one_may_not_see_is_not_there(self) -> None:
        for method, path in self.paths():
            with self.subTest(path):
                answer = self.client.generic(method, path.replace("lantern", "hidden"))
                self.assertEqual(answer.status_code, 404)

    def test_a_target_of_another_project_is_not_there(self) -> None:
        other = Project.objects.create(name="Other", slug="other", recipe=RECIPE)
        self.assertTrue(Project.objects.visible_to(self.owner).filter(pk=other.pk).exists())
        for method, path in self.paths()[3:]:
            answer = self.client.generic(method, path.replace("lantern", "other"))
            self.assertEqual(answer.status_code, 404, path)

    def test_programs_need_the_scope_and_the_right(self) -> None:
        number, row = self.target.pk, self.row.pk
        doors = [
            ("GET", "/targets"), ("POST", "/targets"), ("GET", f"/targets/{number}"), ("PATCH", f"/targets/{number}"),
            ("DELETE", f"/targets/{number}"), ("POST", f"/targets/{number}/test"), ("GET", "/messages"),
            ("POST", f"/messages/{row}/retry"),
        ]  # fmt: skip
        for user, scopes in ((self.stranger, access.ALL_SCOPES), (self.owner, ("read", "start", "secrets"))):
            token = access.new_token(user, scopes=scopes)
            for method, path in doors:
                with self.subTest(f"{user} {method} {path}"):
                    body = {"kind": "slack"} if (method, path) == ("POST", "/targets") else {}
                    self.assertEqual(self.call(method, path, body, token).status_code, 403)
        self.assertEqual(Target.objects.get().name, "Slack")


@tag("fast")
class ApiTest(NotificationsCase):
    def test_a_target_is_made_changed_tested_and_deleted(self) -> None:
        given = {"kind": "webhook", "name": "ci", "address": "https://x.example/h", "secret": SECRET,
                 "tells": ["fixed", "failed"], "branches": ["main"]}  # fmt: skip
        made = self.call("POST", "/targets", given)
        self.assertEqual(made.status_code, 201, made.content)
        item = made.json()
        self.assertEqual((item["tells"], item["branches"], item["has_secret"]), (["failed", "fixed"], ["main"], True))
        self.assertNotIn(SECRET, made.content.decode())
        number = item["id"]
        changed = self.call("PATCH", f"/targets/{number}", {"enabled": False, "branches": []})
        self.assertEqual((changed.json()["enabled"], changed.json()["branches"]), (False, []))
        self.assertEqual(Target.objects.get().opened(), SECRET)
        self.assertEqual(self.call("GET", "/targets").json()["items"], [changed.json()])
        self.assertEqual(self.call("GET", f"/targets/{number}").json(), changed.json())
        test = self.call("POST", f"/targets/{number}/test")
        self.assertEqual((test.status_code, test.json()["state"], test.json()["what"]), (202, "waiting", "test"))
        self.assertEqual(self.call("DELETE", f"/targets/{number}").status_code, 204)
        self.assertEqual(self.call("GET", f"/targets/{number}").status_code, 404)

    def test_what_is_wrong_is_named(self) -> None:
        answer = self.call("POST", "/targets", {"kind": "webhook", "address": "x", "secret": "s", "tells": []})
        self.assertEqual(answer.status_code, 422)
        self.assertEqual({one["at"] for one in answer.json()["errors"]}, {"address", "secret", "tells"})
        for body in ({"kind": "pigeon"}, {"kind": "slack", "colour": "red"}, {"kind": "slack", "tells": ["x"]}, []):
            answer = self.call("POST", "/targets", body)
            self.assertEqual(answer.status_code, 422, body)
        self.assertEqual(
            self.call("POST", "/targets", {"kind": "slack", "secret": "xoxb-secret-word"}).status_code, 422
        )
        self.assertNotIn("secret-word", answer.content.decode())
        self.assertFalse(Target.objects.exists())

    def test_messages_are_paged_filtered_and_tried_again(self) -> None:
        target = make(self.project, "slack", tells="queued")
        for _ in range(3):
            lifecycle.enqueue(self.project, by="alice")
        outbox.give_up(outbox.claim("t", 60), "HTTP 404 Not Found: no_service", 404)
        page = self.call("GET", "/messages?limit=2").json()
        self.assertEqual(len(page["items"]), 2)
        self.assertIn("before=", page["next"])
        [failed] = self.call("GET", f"/messages?state=failed&target={target.pk}").json()["items"]
        self.assertEqual(
            (failed["code"], failed["answer"], failed["next_at"]), (404, "HTTP 404 Not Found: no_service", None)
        )
        again = self.call("POST", f"/messages/{failed['id']}/retry")
        self.assertEqual((again.status_code, again.json()["state"]), (200, "waiting"))
        Outgoing.objects.filter(pk=failed["id"]).update(state="sent", done_at=Now())
        self.assertEqual(self.call("POST", f"/messages/{failed['id']}/retry").status_code, 409)
        self.assertEqual(self.call("POST", "/messages/999999/retry").status_code, 404)

    def test_a_secret_that_was_made_here_is_good_there(self) -> None:
        self.assertEqual(self.call("POST", "/targets", {"kind": "webhook", "address": "https://x.example",
                         "secret": hooks.new_secret(), "tells": ["failed"]}).status_code, 201)  # fmt: skip


@tag("fast")
class AdminTest(NotificationsCase):
    def test_targets_and_messages_are_looked_at_and_tried_again(self) -> None:
        target = make(self.project, "slack")
        hidden = make(self.hidden, "slack", name="of the hidden")
        outbox.test(hidden)
        row = outbox.test(target)
        outbox.give_up(outbox.claim("t", 60), "no_service")
        listed = self.client.get(reverse("admin:builds_target_changelist"))
        self.assertContains(listed, "Slack")
        self.assertNotContains(listed, "of the hidden")
        one = self.client.get(reverse("admin:builds_target_change", args=[target.pk]))
        self.assertContains(one, f"{PAGE}{target.pk}/")
        self.assertNotContains(one, "hooks.slack.com")
        Outgoing.objects.filter(pk=row.pk).update(state="failed", done_at=Now())
        messages = reverse("admin:builds_outgoing_changelist")
        rows = self.client.get(messages)
        self.assertNotContains(rows, "of the hidden")
        self.assertContains(rows, f'<a href="{reverse("admin:builds_outgoing_change", args=[row.pk])}">test</a>')
        self.client.post(messages, {"action": "try_again", "_selected_action": [row.pk]})
        self.assertEqual(Outgoing.objects.get(pk=row.pk).state, "waiting")
        self.assertEqual(self.client.get(reverse("admin:builds_target_add")).status_code, 403)
