"""The secrets of a project on its page, in the API and the administration: written, never shown, by nobody else."""

import html
import json
import unittest.mock
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase, override_settings, tag
from django.views.debug import ExceptionReporter

from builds import access, safe, vault
from builds.models import Project, Secret

VALUE = "hunter22-of-the-board"
RECIPE = "steps: [{name: build it, run: echo}, {name: deploy, run: echo, secrets: {VAR: TOKEN, B: MISSING}}]"


class SecretsCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(name="Lantern", slug="lantern", recipe=RECIPE)
        cls.hidden = Project.objects.create(name="Hidden", slug="hidden", recipe=RECIPE)
        cls.hidden.groups.add(Group.objects.create(name="inside"))
        cls.owner = User.objects.create_user("owner", is_staff=True)
        cls.owner.user_permissions.set(Permission.objects.filter(codename__in=["change_project", "view_project"]))
        cls.alice = User.objects.create_user("alice", is_staff=True)
        verbs = ["start_build", "cancel_build", "view_project", "view_secret", "change_secret", "add_secret"]
        cls.alice.user_permissions.set(Permission.objects.filter(codename__in=verbs))

    def as_user(self, user: User | None) -> None:
        self.client.logout()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def setUp(self) -> None:
        self.as_user(self.owner)

    def put(self, name: str = "TOKEN", project: Project | None = None, **rules: Any) -> None:
        safe.put(project or self.project, name, VALUE, by="bob", **rules)

    def value(self, name: str = "TOKEN") -> str:
        return vault.unseal(Secret.objects.get(name=name, project=self.project).value)


@tag("fast")
class PageTests(SecretsCase):
    path = "/projects/lantern/secrets/"

    def test_names_and_rules_are_shown_and_no_value(self) -> None:
        self.put(branches="main release/*")
        self.put("OPEN", for_forks=True)
        page = self.client.get(self.path).content.decode()
        self.assertNotIn(VALUE, page)
        self.assertNotIn(Secret.objects.get(name="TOKEN").value, page)
        for text in (
            "TOKEN",
            "<code>main</code>, <code>release/*</code>",
            "also of pull requests from forks",
            "deploy",
        ):
            self.assertIn(text, page)
        self.assertRegex(page, r"MISSING</code></b> is named by deploy, and is not here")
        self.assertContains(self.client.get("/projects/lantern/"), f'href="{self.path}"')

    def test_one_is_written_and_replaced(self) -> None:
        answer = self.client.post(
            self.path, {"name": "TOKEN", "value": "first\r\nsecond-line", "branches": "main, dev"}
        )
        self.assertRedirects(answer, self.path)
        self.assertEqual(self.value(), "first\nsecond-line")
        self.assertEqual(Secret.objects.get().updated_by, "owner")
        form = self.client.get(self.path + "?name=TOKEN").content.decode()
        self.assertIn('value="main, dev"', form)
        self.assertIn("it keeps the value that it has", form)
        answer = self.client.post(self.path, {"name": "TOKEN", "value": "", "for_forks": "on"}, follow=True)
        self.assertContains(answer, "TOKEN has new rules, and the value it had.")
        found = Secret.objects.get()
        self.assertEqual((found.for_forks, found.branches, self.value()), (True, "", "first\nsecond-line"))
        answer = self.client.post(self.path, {"name": "TOKEN", "value": VALUE}, follow=True)
        self.assertContains(answer, "TOKEN has a new value.")
        self.assertNotContains(answer, VALUE)

    def test_a_refused_form_says_why_and_does_not_show_the_value_again(self) -> None:
        for given, said in (
            ({"name": "lower", "value": VALUE}, "capital letters"),
            ({"name": "", "value": VALUE}, "Expected a name"),
            ({"name": "TOKEN", "value": "abc"}, "a line of 4 bytes or more"),
            ({"name": "TOKEN", "value": ""}, "Expected a value."),
            ({"name": "TOKEN", "value": VALUE, "branches": "x" * 201}, "Branches: expected"),
            ({"name": "TOKEN", "value": VALUE + "x" * safe.MAX_BYTES}, "at most 32,768 bytes"),
        ):
            with self.subTest(said):
                answer = self.client.post(self.path, given)
                self.assertEqual(answer.status_code, 422)
                text = html.unescape(answer.content.decode())
                self.assertIn(said, text)
                self.assertNotIn(VALUE, text)
        self.assertFalse(Secret.objects.exists())

    def test_one_is_deleted(self) -> None:
        self.put()
        self.assertEqual(self.client.get(f"{self.path}TOKEN/delete/").status_code, 405)
        self.assertRedirects(self.client.post(f"{self.path}TOKEN/delete/"), self.path)
        self.assertFalse(Secret.objects.exists())
        for gone in ("TOKEN", "%00"):
            self.assertEqual(self.client.post(f"{self.path}{gone}/delete/").status_code, 404)

    def test_strangers_neither_see_nor_write_any(self) -> None:
        self.put()
        self.put(project=self.hidden)
        for user, path, status in (
            (self.alice, self.path, 403),  # may start builds, and has the rows' own permissions of the administration
            (self.alice, "/projects/hidden/secrets/", 404),
            (self.owner, "/projects/hidden/secrets/", 404),
            (None, self.path, 302),
        ):
            self.as_user(user)
            with self.subTest(user=user, path=path):
                for answer in (
                    self.client.get(path),
                    self.client.post(path, {"name": "TOKEN", "value": "changed-by-them"}),
                    self.client.post(f"{path}TOKEN/delete/"),
                ):
                    self.assertEqual(answer.status_code, status)
                    self.assertNotContains(answer, "TOKEN", status_code=status) if status != 302 else None
        self.assertEqual((Secret.objects.count(), self.value()), (2, VALUE))
        self.as_user(self.alice)
        self.assertNotContains(self.client.get("/projects/lantern/"), self.path)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_nor_does_the_public(self) -> None:
        self.put()
        self.as_user(None)
        answer = self.client.get(self.path)
        self.assertRedirects(answer, f"/accounts/login/?next={self.path}", fetch_redirect_response=False)

    def test_a_project_whose_recipe_is_not_valid_has_its_secrets(self) -> None:
        Project.objects.filter(pk=self.project.pk).update(recipe="steps: 1")
        self.put()
        self.assertContains(self.client.get(self.path), "not named in the project’s recipe")

    def test_the_recipe_of_a_repository_counts(self) -> None:
        found = "steps: [{name: a, run: x, secrets: [TOKEN, OTHER]}]"
        self.put()
        Project.objects.filter(pk=self.project.pk).update(repository="https://git.example/w", found_recipe=found)
        page = self.client.get(self.path)
        self.assertContains(page, "named by <b>a</b>")
        self.assertContains(page, "<code>OTHER</code></b> is named by a, and is not here")

    def test_an_error_report_does_not_show_the_value(self) -> None:
        with self.settings(DEBUG=False), self.assertLogs("django.request", "ERROR") as logs:
            self.client.raise_request_exception = False
            with unittest.mock.patch.object(safe, "timezone", None):
                answer = self.client.post(self.path, {"name": "TOKEN", "value": VALUE})
            self.assertEqual(answer.status_code, 500)
            record = logs.records[0]
            report = ExceptionReporter(record.request, *record.exc_info)
            self.assertNotIn(VALUE, report.get_traceback_html() + report.get_traceback_text())


@tag("fast")
class ApiTests(SecretsCase):
    def ask(self, method: str, path: str = "", body: Any = None, user: User | None = None, **made: Any) -> Any:
        self.client.logout()
        token = access.new_token(user or self.owner, "t", **made)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        path = path if path.startswith("/api") else f"/api/v1/projects/lantern/secrets{path}"
        answer = self.client.generic(method, path, data, "application/json", headers=headers)
        self.assertNotIn(VALUE.encode(), answer.content)
        return answer

    def test_written_listed_and_deleted(self) -> None:
        answer = self.ask("PUT", "/TOKEN", {"value": VALUE, "branches": ["main", "release/*"]})
        self.assertEqual(answer.status_code, 201)
        item = answer.json()
        self.assertEqual(
            {key: item[key] for key in ("name", "for_forks", "branches", "created_by")},
            {"name": "TOKEN", "for_forks": False, "branches": ["main", "release/*"], "created_by": "owner (t)"},
        )
        self.assertEqual(self.ask("GET").json(), {"items": [item]})
        self.assertEqual(self.value(), VALUE)
        answer = self.ask("PUT", "/TOKEN", {"for_forks": True})
        self.assertEqual((answer.status_code, answer.json()["for_forks"]), (200, True))
        self.assertEqual(self.value(), VALUE)
        self.assertEqual(self.ask("DELETE", "/TOKEN").status_code, 204)
        for gone in ("/TOKEN", "/%00"):
            self.assertEqual(self.ask("DELETE", gone).status_code, 404)
        self.assertEqual(self.ask("GET").json(), {"items": []})

    def test_what_is_wrong_is_said(self) -> None:
        for path, body, said in (
            ("/lower", {"value": VALUE}, "capital letters"),
            ("/TOKEN", {"value": "abc"}, "a line of 4 bytes"),
            ("/TOKEN", {}, "has no value yet"),
            ("/TOKEN", {"value": VALUE, "mine": 1}, "mine"),
            ("/TOKEN", {"value": [VALUE]}, "value"),
            ("/TOKEN", {"value": VALUE, "branches": ["x" * 201]}, "Branches"),
            ("/TOKEN", {"value": VALUE, "branches": ["ma\ud800in"]}, "Branches"),
            ("/TOKEN", {"value": "\ud800\ud800\ud800\ud800"}, "value"),
        ):
            with self.subTest(said, body=body):
                answer = self.ask("PUT", path, body)
                self.assertEqual(answer.status_code, 422, answer.content)
                self.assertIn(said, answer.json()["detail"])
                [wrong] = answer.json()["errors"]
                at = {"/lower": "name"}.get(path) or next(iter(reversed(body)), "value")
                self.assertEqual(wrong["at"].split(".")[0], at)
                self.assertNotIn(VALUE, json.dumps(wrong))
        self.assertEqual(self.ask("PUT", "/TOKEN", VALUE.encode()).status_code, 400)

    def test_strangers_and_narrow_tokens_are_refused(self) -> None:
        self.put()
        self.put(project=self.hidden)
        for method, path in (("GET", ""), ("PUT", "/TOKEN"), ("DELETE", "/TOKEN")):
            body = {"value": "changed-by-them"} if method == "PUT" else None
            with self.subTest(method):
                answer = self.ask(method, path, body, user=self.alice)
                self.assertEqual(answer.status_code, 403)
                self.assertIn("alice may not change projects", answer.json()["detail"])
                answer = self.ask(method, path, body, scopes=("read", "start", "cancel", "keep"))
                self.assertEqual(answer.status_code, 403)
                self.assertIn("no scope 'secrets'", answer.json()["detail"])
                elsewhere = f"/api/v1/projects/hidden/secrets{path}"
                self.assertEqual(self.ask(method, elsewhere, body).status_code, 404)
        self.assertEqual((Secret.objects.count(), self.value()), (2, VALUE))

    def test_no_other_answer_has_one(self) -> None:
        self.put("IN_NO_RECIPE")
        for path in ("/api/v1/projects", "/api/v1/projects/lantern", "/api/v1/projects/lantern/stats"):
            self.assertNotIn(b"IN_NO_RECIPE", self.ask("GET", path).content)


@tag("fast")
class AdminTests(SecretsCase):
    path = "/admin/builds/secret/"

    def test_one_is_added_changed_and_deleted_and_no_value_is_shown_or_logged(self) -> None:
        given = {"project": self.project.pk, "name": "TOKEN", "new_value": VALUE, "branches": "main, dev"}
        self.assertRedirects(self.client.post(f"{self.path}add/", given), self.path)
        found = Secret.objects.get()
        self.assertEqual((self.value(), found.branches, found.updated_by), (VALUE, "main dev", "owner"))
        page = self.client.get(f"{self.path}{found.pk}/change/")
        self.assertNotContains(page, VALUE)
        self.assertNotContains(page, found.value)
        changed = {"new_value": "", "branches": "", "for_forks": "on"}
        self.assertRedirects(self.client.post(f"{self.path}{found.pk}/change/", changed), self.path)
        found.refresh_from_db()
        self.assertEqual((self.value(), found.branches, found.for_forks), (VALUE, "", True))
        self.client.post(f"{self.path}{found.pk}/change/", {"new_value": "another-value", "branches": ""})
        self.assertEqual(self.value(), "another-value")
        self.assertContains(self.client.get(self.path), "TOKEN")
        self.client.post(f"{self.path}{found.pk}/delete/", {"post": "yes"})
        self.assertFalse(Secret.objects.exists())
        said = " ".join(f"{entry.change_message} {entry.object_repr}" for entry in LogEntry.objects.all())
        self.assertEqual(LogEntry.objects.count(), 4)
        self.assertNotIn("another-value", said)
        self.assertNotIn(VALUE, said)

    def test_a_refused_form_does_not_show_the_value_again(self) -> None:
        for given, said in (
            ({"name": "lower", "new_value": VALUE}, "capital letters"),
            ({"name": "TOKEN", "new_value": VALUE, "branches": "x" * 201}, "Branches"),
            ({"name": "TOKEN", "new_value": "abc"}, "a line of 4 bytes"),
            ({"name": "TOKEN", "new_value": ""}, "has no value yet"),
        ):
            answer = self.client.post(f"{self.path}add/", {"project": self.project.pk, **given})
            self.assertContains(answer, said)
            self.assertNotContains(answer, VALUE)

    def test_staff_without_the_right_to_change_projects_sees_none(self) -> None:
        self.put()
        self.put(project=self.hidden)
        pk = Secret.objects.get(project=self.project).pk
        self.as_user(self.alice)
        for path in (self.path, f"{self.path}add/", f"{self.path}{pk}/change/", f"{self.path}{pk}/delete/"):
            self.assertEqual(self.client.get(path).status_code, 403, path)
        self.as_user(self.owner)
        hidden = Secret.objects.get(project=self.hidden).pk
        self.assertEqual(self.client.get(f"{self.path}{hidden}/change/").status_code, 302)
        self.assertNotContains(self.client.get(self.path), "Hidden")
        self.assertNotContains(self.client.get(f"{self.path}add/"), "Hidden")
