"""The page of what a project is built after, and the same for programs."""

import json
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.test import TransactionTestCase, override_settings

from builds import access, chains, events
from builds.models import After

from .racing import project
from .test_chains import after, ended

URL = "/projects/deploy/after/"


class AfterCase(TransactionTestCase):
    def setUp(self) -> None:
        self.tests, self.deploy = project("tests"), project("deploy")
        self.editor = User.objects.create_user("editor")
        for name in ("change_project", "start_build"):
            self.editor.user_permissions.add(Permission.objects.get(codename=name))
        self.viewer = User.objects.create_user("viewer")


class PageTest(AfterCase):
    def test_one_is_made_and_removed(self) -> None:
        self.client.force_login(self.editor)
        self.assertContains(self.client.get(URL), "After no other project")
        given = {"upstream": self.tests.pk, "branches": "main", "same_ref": "on"}
        self.assertRedirects(self.client.post(URL, given), URL)
        made = After.objects.get()
        self.assertEqual(
            (made.upstream, made.branches, made.same_ref, made.made_by), (self.tests, "main", True, "editor")
        )
        self.assertContains(self.client.get("/projects/tests/after/"), "has passed here")
        self.assertContains(
            self.client.post(URL, {"delete": made.pk}, follow=True), "is not built after tests any more"
        )
        self.assertEqual(After.objects.count(), 0)

    def test_what_does_not_fit_is_said(self) -> None:
        self.client.force_login(self.editor)
        after(self.tests, self.deploy)
        answer = self.client.post(URL, {"upstream": self.tests.pk})
        self.assertContains(answer, "That would be a circle: tests is built after deploy already.", status_code=422)
        for wrong in (self.deploy.pk, 999, "x", ""):
            self.assertEqual(self.client.post(URL, {"upstream": wrong}).status_code, 422)
        for wrong in ("[", "release/[0-9]", "a:b"):
            answer = self.client.post(URL, {"upstream": self.tests.pk, "branches": wrong})
            self.assertContains(answer, f"{wrong} fits no branch", status_code=422)
        for wrong in ("x", "²", "9" * 30, "999"):
            self.assertIn(self.client.post(URL, {"delete": wrong}).status_code, (302, 404))
        self.assertEqual(After.objects.count(), 1)

    def test_others_may_look_and_strangers_learn_nothing(self) -> None:
        made = after(self.deploy, self.tests)
        self.client.force_login(self.viewer)
        self.assertContains(self.client.get(URL), "tests")
        self.assertNotContains(self.client.get(URL), "Remove")
        for given in ({"upstream": self.tests.pk}, {"delete": made.pk}):
            self.assertEqual(self.client.post(URL, given).status_code, 403)
        self.tests.groups.add(Group.objects.create(name="others"))
        self.assertNotContains(self.client.get(URL), "/projects/tests/")
        self.assertEqual(self.client.get("/projects/tests/after/").status_code, 404)
        self.client.force_login(self.editor)
        self.assertEqual(self.client.post(URL, {"upstream": self.tests.pk}).status_code, 422)
        self.assertNotContains(self.client.post(URL, {"delete": made.pk}, follow=True), "any more")
        self.client.logout()
        self.assertEqual(self.client.get(URL).status_code, 302)

    def test_a_build_names_the_one_that_it_came_after(self) -> None:
        after(self.deploy, self.tests)
        first = ended(self.tests)
        [build] = chains.start_due()
        self.client.force_login(self.viewer)
        link = f'after <a href="/builds/{first.pk}/">build {first.pk} of tests</a>'
        self.assertContains(self.client.get(f"/builds/{build.pk}/"), link)
        self.tests.groups.add(Group.objects.create(name="others"))
        self.assertNotContains(self.client.get(f"/builds/{build.pk}/"), f'href="/builds/{first.pk}/"')
        for page in (f"/builds/{build.pk}/", "/", "/projects/deploy/", "/api/v1/builds", f"/api/v1/builds/{build.pk}"):
            self.assertNotContains(self.client.get(page), f"build {first.pk}")

    def test_its_number_is_told_to_those_alone_who_may_see_it(self) -> None:
        after(self.deploy, self.tests)
        first = ended(self.tests)
        [build] = chains.start_due()
        self.client.force_login(self.viewer)
        one, many = f"/api/v1/builds/{build.pk}", "/api/v1/builds?project=deploy"
        for may, parent in ((True, first.pk), (False, None)):
            if not may:
                self.tests.groups.add(Group.objects.create(name="others"))
            self.assertEqual(self.client.get(one).json()["parent"], parent)
            self.assertEqual([item["parent"] for item in self.client.get(many).json()["items"]], [parent])
        told = [json.loads(record.data) for record in events.read(build.pk, 0) if record.kind == "build"]
        self.assertEqual([(one["parent"], one["started_by"]) for one in told], [(None, "another project")])
        page = self.client.get(f"/builds/{build.pk}/").content.decode()
        self.assertIn("started by <b>another project</b>", page)
        self.assertNotRegex(page, rf"\bbuild {first.pk}\b|builds/{first.pk}/|&quot;parent&quot;:{first.pk}\b")


class ApiTest(AfterCase):
    path = "/api/v1/projects/deploy/after"

    def ask(self, method: str, path: str, data: Any = None, *, scopes: tuple[str, ...] = ("read", "start")) -> Any:
        headers = {"Authorization": f"Bearer {access.new_token(self.editor, 'x', scopes=scopes)}"}
        body = {"data": data, "content_type": "application/json"} if data is not None else {}
        return getattr(self.client, method)(path, headers=headers, **body)

    def test_made_read_and_deleted(self) -> None:
        answer = self.ask("post", self.path, {"project": "tests", "branches": "main"})
        self.assertEqual(answer.status_code, 201, answer.content)
        made = answer.json()
        self.assertEqual(
            made | {"id": 0}, {"id": 0, "project": "tests", "branches": "main", "same_ref": False, "note": ""}
        )
        self.assertEqual(self.ask("get", self.path).json(), {"items": [made]})
        self.assertEqual(self.ask("post", self.path, {"project": "tests"}).status_code, 409)
        again = self.ask("post", "/api/v1/projects/deploy/after", {"project": "tests"})
        self.assertEqual((again.status_code, again.json()["detail"]), (409, "deploy is built after tests already."))
        itself = self.ask("post", "/api/v1/projects/tests/after", {"project": "tests"})
        said = "tests cannot be built after itself; expected another project."
        self.assertEqual((itself.status_code, itself.json()["detail"]), (409, said))
        circle = self.ask("post", "/api/v1/projects/tests/after", {"project": "deploy"})
        self.assertEqual(circle.status_code, 409)
        self.assertIn("circle", circle.json()["detail"])
        self.assertEqual(self.ask("post", self.path, {"project": "deploy"}).status_code, 409)
        self.assertEqual(self.ask("post", self.path, {"project": "none"}).status_code, 404)
        self.assertEqual(self.ask("post", self.path, {"project": "tests", "x": 1}).status_code, 422)
        of_theirs = Group.objects.create(name="others")
        self.tests.groups.add(of_theirs)
        self.assertEqual(self.ask("delete", f"{self.path}/{made['id']}").status_code, 404)
        self.tests.groups.remove(of_theirs)
        self.assertEqual(self.ask("delete", f"{self.path}/{made['id']}").status_code, 204)
        self.assertEqual(self.ask("delete", f"{self.path}/{made['id']}").status_code, 404)

    def test_who_may(self) -> None:
        given = {"project": "tests"}
        after(self.deploy, self.tests)
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertEqual(self.client.get(self.path).status_code, 401)
        self.assertEqual(self.ask("post", self.path, given, scopes=("read",)).status_code, 403)
        self.tests.groups.add(Group.objects.create(name="others"))
        self.assertEqual(self.ask("post", self.path, given).status_code, 404)
        self.editor.user_permissions.clear()
        self.assertEqual(self.ask("post", self.path, given).status_code, 403)
        self.assertEqual(self.ask("delete", f"{self.path}/1").status_code, 403)
