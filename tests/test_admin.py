"""The admin as an operator uses it: start, cancel and retry by `lifecycle`, with an audit row; the rest read-only."""

import re
from typing import Any
from unittest import mock

from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client, tag
from django.urls import reverse

from builds import access, beats, lifecycle, recipe
from builds.admin.projects import ProjectAdmin
from builds.models import ApiToken, Build, Project

from .operating import RECIPE, AdminCase, rights
from .support.board import Board
from .support.browser import BrowserCase


@tag("fast")
class ProjectTests(AdminCase):
    def test_the_action_starts_a_build_by_this_user_and_leaves_an_audit_row(self) -> None:
        url = reverse("admin:builds_project_changelist")
        form = {"action": "start_build", "_selected_action": [self.project.pk]}
        answer = self.client.post(url, form, follow=True)
        build = Build.objects.get()
        self.assertEqual((build.project, build.started_by), (self.project, "operator"))
        self.assertIn(f"Build {build.pk}</a> of open started", self.texts(answer))
        row = LogEntry.objects.get()
        self.assertEqual((row.user, row.object_id, row.content_type.model), (self.operator, str(build.pk), "build"))
        self.assertIn("of open started", row.change_message)

    def test_the_button_needs_a_post_with_its_csrf_token(self) -> None:
        page = reverse("admin:builds_project_change", args=[self.project.pk])
        self.assertContains(self.client.get(page), "Start build")
        start = reverse("admin:builds_project_start", args=[self.project.pk])
        self.assertEqual(self.client.get(start).status_code, 405)
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.operator)
        self.assertEqual(strict.post(start).status_code, 403)
        self.assertFalse(Build.objects.exists())
        answer = self.client.post(start)
        self.assertRedirects(answer, reverse("admin:builds_build_change", args=[Build.objects.get().pk]))

    def test_who_may_only_look_is_offered_no_start_and_refused_one(self) -> None:
        self.client.force_login(self.viewer)
        self.enqueue()
        for name in ("project", "build"):
            page = self.client.get(reverse(f"admin:builds_{name}_changelist"))
            self.assertNotContains(page, 'name="action"')
        page = self.client.get(reverse("admin:builds_project_change", args=[self.project.pk]))
        self.assertNotContains(page, "Start build")
        start = reverse("admin:builds_project_start", args=[self.project.pk])
        self.assertEqual(self.client.post(start).status_code, 403)
        url = reverse("admin:builds_project_changelist")
        self.client.post(url, {"action": "start_build", "_selected_action": [self.project.pk]})
        self.assertEqual(Build.objects.count(), 1)

    def test_a_stranger_is_sent_to_the_door(self) -> None:
        for user in (self.stranger, None):
            self.client.logout()
            if user:
                self.client.force_login(user)
            answer = self.client.post(reverse("admin:builds_project_start", args=[self.project.pk]))
            self.assertIn("/admin/login/", answer["Location"])
        self.assertFalse(Build.objects.exists())

    def test_a_project_of_others_is_not_there_even_for_staff(self) -> None:
        self.assertNotContains(self.client.get(reverse("admin:builds_project_changelist")), "Secret")
        self.assertEqual(
            self.client.post(reverse("admin:builds_project_start", args=[self.secret.pk])).status_code, 404
        )
        build = self.enqueue(self.secret)
        for name in ("cancel", "retry"):
            answer = self.client.post(reverse(f"admin:builds_build_{name}", args=[build.pk]))
            self.assertEqual(answer.status_code, 404)
        self.assertEqual(self.client.get(reverse("admin:builds_build_events", args=[build.pk])).status_code, 404)
        self.assertNotContains(self.client.get(reverse("admin:builds_build_changelist")), "Secret")

    def test_what_is_refused_is_said(self) -> None:
        Project.objects.update(enabled=False)
        start = reverse("admin:builds_project_start", args=[self.project.pk])
        self.assertIn("disabled", self.texts(self.client.post(start, follow=True)))
        self.assertFalse(LogEntry.objects.exists())

    def test_a_disabled_project_offers_no_start(self) -> None:
        Project.objects.update(enabled=False)
        page = self.client.get(reverse("admin:builds_project_change", args=[self.project.pk]))
        self.assertNotContains(page, "Start build")

    def test_a_new_project_begins_with_an_example_that_is_a_recipe(self) -> None:
        self.client.force_login(self.admin)
        page = self.client.get(reverse("admin:builds_project_add"))
        example = page.context["adminform"].form["recipe"].value()
        self.assertEqual([step.shell for step in recipe.parse(example).steps], ["sh", "bash"])
        self.assertContains(page, "shell (sh or bash)")

    def test_labels_and_limits_are_kept_in_one_form_and_refused_at_their_fields(self) -> None:
        self.client.force_login(self.admin)
        url = reverse("admin:builds_project_change", args=[self.project.pk])
        form = {"name": "Open", "slug": "open", "recipe": RECIPE, "enabled": "on"}
        running = {"runs_on": "linux,  gpu linux", "max_running": "2", "auto_retries": "1"}
        self.assertEqual(self.client.post(url, form | running).status_code, 302)
        self.project.refresh_from_db()
        self.assertEqual(
            (self.project.runs_on, self.project.max_running, self.project.auto_retries), ("gpu linux", 2, 1)
        )
        for field, value, said in (
            ("runs_on", "GPU", "is not a label; expected words"),
            ("max_running", "0", "a whole number from 1 on, or nothing"),
            ("max_running", "-1", "a whole number from 1 on, or nothing"),
            ("max_running", "two", "a whole number from 1 on, or nothing"),
            ("auto_retries", "11", "less than or equal to 10"),
        ):
            answer = self.client.post(url, form | running | {field: value})
            self.assertContains(answer, said, msg_prefix=field)

    def test_a_queued_build_says_what_it_waits_for_and_a_worker_what_it_has(self) -> None:
        self.client.force_login(self.admin)
        build = self.enqueue(self.project)
        page = reverse("admin:builds_build_change", args=[build.pk])
        self.assertContains(self.client.get(page), "place 1: no worker is running")
        beats.beat("host:1", labels="gpu linux", note="Less than 200 MB are free.")
        workers = self.client.get(reverse("admin:builds_worker_changelist"))
        self.assertContains(workers, "gpu linux")
        self.assertContains(workers, "Less than 200 MB are free.")
        self.assertContains(self.client.get(page), "the worker takes no builds: Less than 200 MB are free")

    def test_a_recipe_that_is_wrong_is_refused_with_its_line_and_nothing_is_lost(self) -> None:
        self.client.force_login(self.admin)
        url = reverse("admin:builds_project_change", args=[self.project.pk])
        wrong = "steps:\n  - name: a\n    run: x\n  - name: a\n    run: typed by hand\n"
        form = {"name": "Open", "slug": "open", "recipe": wrong, "enabled": "on"}
        answer = self.client.post(url, form)
        self.assertContains(answer, "line 4: the step name")
        self.assertContains(answer, "typed by hand")
        self.project.refresh_from_db()
        self.assertEqual(self.project.recipe, RECIPE)

    def test_a_project_of_which_a_build_starts_while_it_is_deleted_stays(self) -> None:
        self.client.force_login(self.admin)
        url = reverse("admin:builds_project_delete", args=[self.project.pk])
        real = ProjectAdmin.log_deletions

        def late(*asked: Any) -> Any:
            lifecycle.enqueue(self.project, by="bob")
            return real(*asked)

        with mock.patch.object(ProjectAdmin, "log_deletions", late):
            answer = self.client.post(url, {"post": "yes"}, follow=True)
        self.assertContains(answer, "Somebody has just started a build of it")
        self.assertTrue(Project.objects.filter(pk=self.project.pk).exists())
        self.assertFalse(LogEntry.objects.filter(action_flag=DELETION).exists())

    def test_a_name_that_is_taken_is_told_in_the_boards_words(self) -> None:
        self.client.force_login(self.admin)
        form = {"name": "Another", "slug": "open", "recipe": RECIPE, "enabled": "on", "auto_retries": "0"}
        answer = self.client.post(reverse("admin:builds_project_add"), form)
        self.assertContains(answer, "There is a project of that name in addresses already.")
        self.assertNotContains(answer, "already exists")

    def test_a_project_with_builds_cannot_be_deleted(self) -> None:
        self.client.force_login(self.admin)
        url = reverse("admin:builds_project_delete", args=[self.project.pk])
        self.assertEqual(self.client.get(url).status_code, 200)
        self.enqueue()
        self.assertEqual(self.client.post(url, {"post": "yes"}).status_code, 403)


@tag("fast")
class TokenTests(AdminCase):
    def setUp(self) -> None:
        self.client.force_login(self.admin)
        self.url = reverse("admin:builds_apitoken_add")

    def test_a_new_token_is_shown_once_and_only_its_digest_is_kept(self) -> None:
        form = {"user": self.operator.pk, "name": "ci", "scopes": ["read", "start"], "days": "30"}
        answer = self.client.post(self.url, form)
        found = re.search(r"bb_[\w-]{43}", answer.content.decode())
        assert found is not None
        self.assertIn("no-store", answer["Cache-Control"])
        token = ApiToken.objects.get()
        self.assertEqual((token.digest, token.scopes), (access.digest(found[0]), "read start"))
        self.assertIsNotNone(token.expires_at)
        for page in (
            reverse("admin:builds_apitoken_changelist"),
            reverse("admin:builds_apitoken_change", args=[token.pk]),
        ):
            self.assertNotContains(self.client.get(page), found[0])
        self.assertEqual(LogEntry.objects.get().object_id, str(token.pk))

    def test_a_revoked_token_is_good_for_nothing(self) -> None:
        text = access.new_token(self.operator)
        url = reverse("admin:builds_apitoken_delete", args=[ApiToken.objects.get().pk])
        self.client.post(url, {"post": "yes"})
        answer = self.client.get("/api/v1/projects", headers={"Authorization": f"Bearer {text}"})
        self.assertEqual(answer.status_code, 401)

    def test_who_is_no_superuser_makes_and_sees_tokens_of_their_own_alone(self) -> None:
        access.new_token(self.admin, "of the admin")
        self.operator.user_permissions.add(*rights("add_apitoken", "view_apitoken"))
        self.client.force_login(self.operator)
        self.assertNotContains(self.client.get(reverse("admin:builds_apitoken_changelist")), "of the admin")
        form = {"user": self.admin.pk, "name": "x", "scopes": ["read"]}
        self.assertContains(self.client.post(self.url, form), "Select a valid choice")
        self.assertContains(self.client.post(self.url, {**form, "user": self.operator.pk}), "bb_")
        self.assertEqual(ApiToken.objects.filter(user=self.admin).count(), 1)


@tag("fast")
class RoomTests(AdminCase):
    def test_workers_and_the_board_are_only_looked_at(self) -> None:
        build = self.enqueue()
        beats.beat("host:1")
        lifecycle.claim("host:1", "t" * 32)
        self.client.force_login(self.viewer)
        self.assertContains(self.client.get(reverse("admin:builds_worker_changelist")), f"build {build.pk}</a>")
        self.assertContains(self.client.get(reverse("admin:builds_board_changelist")), "revision")
        self.client.force_login(self.admin)
        for name in ("worker", "board"):
            self.assertEqual(self.client.get(reverse(f"admin:builds_{name}_add")).status_code, 403)

    def test_no_page_has_an_inline_script_or_style(self) -> None:
        self.client.force_login(self.admin)
        build = self.enqueue()
        for url in (
            "/admin/",
            "/admin/login/?next=/admin/",
            reverse("admin:builds_project_changelist"),
            reverse("admin:builds_project_change", args=[self.project.pk]),
            reverse("admin:builds_build_changelist"),
            reverse("admin:builds_build_change", args=[build.pk]),
            reverse("admin:builds_build_events", args=[build.pk]),
            reverse("admin:builds_apitoken_add"),
        ):
            page = self.client.get(url, follow=True)
            text = page.content.decode()
            with self.subTest(url):
                self.assertEqual(page.status_code, 200)
                self.assertNotRegex(text, r"<style|\sstyle=|\son(click|load|submit|change)=")
                for attributes in re.findall(r"<script([^>]*)>", text):
                    self.assertRegex(attributes, r"\ssrc=|application/json")


class WidthTests(BrowserCase):
    def test_the_list_and_the_event_log_fit_their_screens(self) -> None:
        board = self.enterContext(Board())
        web = board.web()
        board.project("a-name-of-some-more-words-than-two", RECIPE)
        build = board.start("a-name-of-some-more-words-than-two")
        self.sign_in(board, "admin")
        for path, width in (("", 1280), (f"{build}/events/", 390)):
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.goto(f"{web.url}/admin/builds/build/{path}")
            for part in ("html", ".results"):
                spare = self.page.eval_on_selector(part, "each => each.clientWidth - each.scrollWidth")
                self.assertEqual(spare, 0, f"{part} at {width} px")
        text, time = (self.page.locator(f".bb-{name}").first.bounding_box() for name in ("summary", "time"))
        assert text is not None and time is not None
        self.assertGreater(text["width"], 300)
        self.assertGreaterEqual(text["y"], time["y"] + time["height"])
