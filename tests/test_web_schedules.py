"""The page of a project's schedules, and the same for programs."""

import re
import subprocess
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

from builds import access
from builds.models import After, Project, Schedule

from .racing import project
from .support import ROOT, missing
from .support.board import Board
from .test_schedules import nightly

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
URL = "/projects/one/schedules/"
GIVEN = {"name": "nightly", "cron": "30 3 * * *", "zone": "Europe/Berlin", "ref": "main", "enabled": "on"}
INPUTS = "inputs: {target: {default: all}, deep: {type: boolean, default: false}}\nsteps: [{name: a, run: b}]"


class PageTest(TestCase):
    def setUp(self) -> None:
        self.project = project(recipe=INPUTS)
        self.viewer = User.objects.create_user("viewer")
        self.editor = User.objects.create_user("editor")
        self.editor.user_permissions.add(Permission.objects.get(codename="change_project"))
        self.client.force_login(self.editor)

    def test_one_is_made_looked_at_first_changed_and_deleted(self) -> None:
        given = GIVEN | {"input-target": "docs", "input-deep": "on"}
        preview = self.client.post(URL, given | {"preview": "1"})
        self.assertEqual(len(re.findall(r"<li>\w{3} \d+ \w{3} \d{4}, 03:30 CES?T</li>", preview.content.decode())), 5)
        self.assertEqual(Schedule.objects.count(), 0)
        self.assertRedirects(self.client.post(URL, given), URL)
        made = Schedule.objects.get()
        self.assertEqual((made.inputs, made.made_by, made.ref), ({"target": "docs", "deep": True}, "editor", "main"))
        self.assertGreater(made.next_at, timezone.now())
        page = self.client.get(f"{URL}{made.pk}/")
        self.assertContains(page, 'value="docs"')
        self.assertContains(page, "03:30 CE", count=6)
        self.assertRedirects(self.client.post(f"{URL}{made.pk}/", GIVEN | {"enabled": ""}), URL)
        made.refresh_from_db()
        self.assertEqual((made.enabled, made.next_at, made.inputs), (False, None, {}))
        self.assertContains(self.client.get(URL), ">off<")
        answer = self.client.post(f"{URL}{made.pk}/", {"delete": "1"}, follow=True)
        self.assertContains(answer, "The schedule nightly is deleted")
        self.assertEqual(Schedule.objects.count(), 0)

    def test_what_does_not_fit_is_said_at_its_field(self) -> None:
        nightly()
        for wrong, said in (
            ({"cron": "0 24 * * *"}, "its hour is not one"),
            ({"cron": "0 0 30 2 *"}, "never comes: none of its months has such a day"),
            ({"zone": "Mars/Olympus"}, "There is no time zone"),
            ({"ref": "--upload-pack=x"}, "not beginning with"),
            ({"name": ""}, "This field is required"),
            ({"name": "nightly"}, "has a schedule of that name"),
        ):
            answer = self.client.post(URL, GIVEN | {"name": "other"} | wrong)
            self.assertContains(answer, said, status_code=422)
        self.assertEqual(Schedule.objects.count(), 1)

    def test_what_was_missed_is_said(self) -> None:
        made = nightly()
        made.note, made.missed, made.missed_at = "3 starts were missed.", 3, timezone.now() - timedelta(days=2)
        made.save()
        page = self.client.get(URL)
        self.assertContains(page, "3 starts were missed.")
        self.assertContains(page, "3 missed in all")

    def test_a_zone_that_is_not_known_any_more_breaks_no_page(self) -> None:
        made = nightly()
        Schedule.objects.update(zone="Europe/Atlantis")
        self.assertEqual(self.client.get(URL).status_code, 200)
        self.assertEqual(self.client.get(f"{URL}{made.pk}/").status_code, 200)

    def test_others_may_look_and_strangers_may_not(self) -> None:
        made = nightly()
        self.client.force_login(self.viewer)
        page = self.client.get(URL)
        self.assertContains(page, "nightly")
        self.assertNotContains(page, "<textarea")
        self.assertNotContains(page, 'name="cron"')
        for path in (URL, f"{URL}{made.pk}/"):
            self.assertEqual(self.client.post(path, GIVEN).status_code, 403)
        self.project.groups.add(Group.objects.create(name="others"))
        for path in (URL, f"{URL}{made.pk}/"):
            self.assertEqual(self.client.get(path).status_code, 404)
        self.client.logout()
        self.assertEqual(self.client.get(URL).status_code, 302)

    def test_a_schedule_of_another_project_is_not_there(self) -> None:
        other = nightly(project=project("two"))
        self.assertEqual(self.client.get(f"{URL}{other.pk}/").status_code, 404)
        self.assertEqual(self.client.post(f"{URL}{other.pk}/", {"delete": "1"}).status_code, 404)


class ApiTest(TestCase):
    path = "/api/v1/projects/one/schedules"

    def setUp(self) -> None:
        self.project = project(recipe=INPUTS)
        self.user = User.objects.create_user("alice")
        for name in ("change_project", "start_build"):
            self.user.user_permissions.add(Permission.objects.get(codename=name))

    def ask(self, method: str, path: str, data: Any = None, *, scopes: tuple[str, ...] = ("read", "start")) -> Any:
        headers = {"Authorization": f"Bearer {access.new_token(self.user, 'x', scopes=scopes)}"}
        body = {"data": data, "content_type": "application/json"} if data is not None else {}
        return getattr(self.client, method)(path, headers=headers, **body)

    def test_made_read_replaced_and_deleted(self) -> None:
        given = {"name": "nightly", "cron": "@daily", "inputs": {"target": "docs"}}
        answer = self.ask("post", self.path, given)
        self.assertEqual(answer.status_code, 201, answer.content)
        made = answer.json()
        self.assertEqual((made["zone"], made["inputs"], made["enabled"]), ("UTC", {"target": "docs"}, True))
        self.assertEqual(self.ask("get", self.path).json(), {"items": [made]})
        answer = self.ask("put", f"{self.path}/{made['id']}", {"name": "n", "cron": "0 1 * * *", "enabled": False})
        self.assertEqual((answer.json()["name"], answer.json()["next_at"]), ("n", None))
        self.assertEqual(self.ask("delete", f"{self.path}/{made['id']}").status_code, 204)
        self.assertEqual(self.ask("delete", f"{self.path}/{made['id']}").status_code, 404)

    def test_what_does_not_fit_is_a_422_that_names_it(self) -> None:
        self.ask("post", self.path, {"name": "nightly", "cron": "@daily"})
        for wrong, said in (
            ({"cron": "never"}, "cron: 'never' is no time of cron"),
            ({"zone": "Mars"}, "zone: There is no time zone"),
            ({"inputs": {"x": 1}}, "no input 'x'"),
            ({"inputs": {"deep": "perhaps"}}, "deep"),
            ({"name": "a\0b"}, "name: Expected printable characters on one line"),
            ({"name": "a\nb"}, "name: Expected printable characters on one line"),
            ({"name": "nightly"}, "This project has a schedule of that name"),
            ({"ref": "-x"}, "ref: Expected"),
            ({"when": "now"}, "when"),
        ):
            answer = self.ask("post", self.path, {"name": "other", "cron": "@daily"} | wrong)
            self.assertEqual(answer.status_code, 422, answer.content)
            self.assertIn(said, answer.json()["detail"])
            self.assertEqual([one["at"].split(".")[0] for one in answer.json()["errors"]], list(wrong))
        both = self.ask("post", self.path, {"name": "nightly", "cron": "never", "zone": "Mars", "inputs": {"x": 1}})
        self.assertEqual({one["at"] for one in both.json()["errors"]}, {"name", "cron", "zone", "inputs.x"})
        self.assertEqual(Schedule.objects.count(), 1)

    def test_who_may(self) -> None:
        made = nightly()
        given = {"name": "other", "cron": "@daily"}
        self.assertEqual(self.ask("post", self.path, given, scopes=("read",)).status_code, 403)
        self.user.user_permissions.clear()
        for method, path in (
            ("post", self.path),
            ("put", f"{self.path}/{made.pk}"),
            ("delete", f"{self.path}/{made.pk}"),
        ):
            self.assertEqual(self.ask(method, path, given).status_code, 403)
        self.assertEqual(self.ask("get", self.path).status_code, 200)
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertEqual(self.client.get(self.path).status_code, 401)
        Project.objects.get().groups.add(Group.objects.create(name="others"))
        self.assertEqual(self.ask("get", self.path).status_code, 404)
        self.assertEqual(self.ask("post", self.path, given).status_code, 404)


class DocumentTest(SimpleTestCase):
    databases = {"default"}

    def test_what_the_pages_tell_to_type_works(self) -> None:
        with Board() as board:
            for slug in ("lantern", "tests", "deploy"):
                board.project(slug, "steps: [{name: one, run: 'true'}]")
            env = {"PATH": "/usr/bin:/bin", "BOARD": board.web().url, "TOKEN": board.token("admin")}
            for page in ("schedules", "chains"):
                [block] = BLOCK.findall((ROOT / f"docs/{page}.md").read_text())
                done = subprocess.run(
                    ["sh", "-euc", block], env=env, capture_output=True, text=True, check=False, timeout=60
                )
                if done.returncode == 127:
                    missing("curl")
                self.assertEqual(done.returncode, 0, done.stderr)
            with board.database():
                made = Schedule.objects.get()
                after = After.objects.select_related("project", "upstream").get()
            self.assertEqual((made.name, made.zone, made.made_by), ("nightly", "Europe/Berlin", "admin (tests)"))
            self.assertEqual((after.project.slug, after.upstream.slug, after.branches), ("deploy", "tests", "main"))
