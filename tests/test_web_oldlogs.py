"""The page, the API and the administration of builds whose log is kept, compacted or pruned."""

import html

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase
from django.urls import reverse

from builds import access, events, lifecycle, retention
from builds.events import Chunk
from builds.models import Board, Build, Project
from builds.retention import Pace
from builds.web.logtail import Section, sections

from . import live
from .oldlogs import hurried, long_log, over


def rights(*names: str):
    return Permission.objects.filter(content_type__app_label="builds", codename__in=names)


@hurried
class OldLogsCase(TestCase):
    def setUp(self) -> None:
        self.alice = User.objects.create_user("alice", is_staff=True)
        self.alice.user_permissions.set(rights("keep_build", "view_build", "view_project"))
        self.starter = User.objects.create_user("starter", is_staff=True)
        self.starter.user_permissions.set(rights("start_build", "cancel_build", "view_build"))
        self.stranger = User.objects.create_user("stranger")
        in_turn = sorted(long_log(), key=lambda one: one.step == 1 if isinstance(one, Chunk) else True)
        self.build_id = over(in_turn)
        self.as_user(self.alice)

    def as_user(self, user: User) -> None:
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def compact(self) -> None:
        retention.compact(self.build_id, Pace())

    def prune(self) -> None:
        retention.prune(self.build_id, "90 days after it ended", Pace())

    def is_kept(self) -> bool:
        return Build.objects.get(pk=self.build_id).kept

    def page(self) -> str:
        answer = self.client.get(f"/builds/{self.build_id}/")
        self.assertEqual(answer.status_code, 200)
        return html.unescape(answer.content.decode())


@hurried
class PageTests(OldLogsCase):
    def sections(self) -> list[Section]:
        build = Build.objects.get(pk=self.build_id)
        return sections(build, list(build.steps.all()), build.head)

    def test_a_compacted_log_ends_on_its_page_as_it_did_before(self) -> None:
        before = self.sections()
        self.compact()
        self.assertEqual(self.sections(), before)
        self.assertEqual([len(section.lines) for section in before], [497, 3])
        self.assertEqual([(line.number, line.gap) for line in before[1].lines], [
            (1, ""), (9, "7 lines left out (2 to 8, 70 bytes)"), (10, ""),
        ])  # fmt: skip
        self.assertEqual(self.page().count('class="ln"'), 500)

    def test_half_of_the_events_deleted_is_no_reason_to_show_half_of_the_lines(self) -> None:
        before = self.sections()
        build = Build.objects.get(pk=self.build_id)
        steps = list(build.steps.all())
        self.compact()
        self.assertEqual(sections(build, steps, build.head), before, "the row was read before it was compacted")

    def test_the_page_of_a_pruned_build_says_what_was_pruned_when_and_by_which_rule(self) -> None:
        self.compact()
        self.prune()
        page = self.page()
        self.assertIn(retention.pruned(Build.objects.get(pk=self.build_id)), page)
        self.assertIn("90 days after it ended: 3,003 lines, 1", page)
        self.assertIn(">3,003 lines, pruned<", page)
        self.assertNotIn('class="ln"', page)
        self.assertNotIn("no output", page)
        self.assertNotIn("Keep log", page)
        extent = events.extent(self.build_id)
        self.assertIn(f'data-cursor="{extent.head}"', page)

    def test_a_log_that_was_pruned_by_its_place_says_so(self) -> None:
        retention.prune(self.build_id, "since its project has 1,000 newer builds", Pace())
        self.assertRegex(self.page(), r"pruned on .*, since its project has 1,000 newer builds: 3,003 lines")

    def test_the_button_keeps_it_and_takes_that_back(self) -> None:
        self.assertIn('value="1">Keep log', self.page())
        path = f"/builds/{self.build_id}/keep/"
        self.assertRedirects(self.client.post(path, {"kept": "1"}), f"/builds/{self.build_id}/")
        self.assertTrue(self.is_kept())
        self.assertIn('value="0">Do not keep', self.page())
        self.assertIn("kept, never pruned", self.page())
        self.client.post(path, {"kept": "0"})
        self.assertFalse(self.is_kept())
        self.assertEqual(self.client.get(path).status_code, 405)
        for wrong in ({}, {"kept": "yes"}, {"kept": ""}):
            answer = self.client.post(path, wrong, follow=True)
            self.assertContains(answer, "kept: expected 1 (keep the log) or 0.")
        self.assertFalse(self.is_kept())
        self.prune()
        answer = self.client.post(path, {"kept": "1"}, follow=True)
        self.assertContains(answer, "there is nothing left to be kept")

    def test_who_may_not_keep_is_offered_no_button_and_refused(self) -> None:
        path = f"/builds/{self.build_id}/keep/"
        for user in (self.starter, self.stranger):
            self.as_user(user)
            self.assertNotIn("Keep log", self.page())
            self.assertEqual(self.client.post(path, {"kept": "1"}).status_code, 403)
        self.client.logout()
        self.assertIn("/accounts/login/", self.client.post(path, {"kept": "1"})["Location"])
        Project.objects.get().groups.add(Group.objects.create(name="insiders"))
        self.as_user(self.alice)
        self.assertEqual(self.client.post(path, {"kept": "1"}).status_code, 404)
        self.assertFalse(self.is_kept())

    def test_boards_are_told_that_it_is_kept_and_not_that_it_was_pruned(self) -> None:
        revision = Board.get().revision
        self.compact()
        self.assertEqual(Board.get().revision, revision)
        lifecycle.keep(self.build_id, True)
        lifecycle.keep(self.build_id, False)
        self.assertEqual(Board.get().revision, revision + 2)
        self.prune()
        self.assertEqual(Board.get().revision, revision + 2)


@hurried
class ApiTests(OldLogsCase):
    def ask(self, method: str, user: User, *scopes: str, build_id: int | None = None):
        token = access.new_token(user, scopes=scopes or ("read", "keep"))
        path = f"/api/v1/builds/{build_id or self.build_id}/keep"
        return self.client.generic(method, path, headers={"Authorization": f"Bearer {token}"})

    def test_keep_and_no_longer_keep(self) -> None:
        self.client.logout()
        for method, kept in (("POST", True), ("POST", True), ("DELETE", False), ("DELETE", False)):
            answer = self.ask(method, self.alice)
            self.assertEqual((answer.status_code, answer.json()["kept"]), (200, kept))
            self.assertIsNone(answer.json()["pruned_at"])
        self.assertEqual(self.ask("GET", self.alice).status_code, 405)
        self.prune()
        answer = self.ask("POST", self.alice)
        self.assertEqual(answer.status_code, 409)
        self.assertIn("nothing left to be kept", answer.json()["detail"])
        self.assertIsNotNone(self.ask("DELETE", self.alice).json()["pruned_at"])

    def test_who_may_not_is_told_what_is_missing(self) -> None:
        self.client.logout()
        for user, scopes, status, said in (
            (self.starter, ("read", "keep"), 403, "starter may not keep the logs of builds."),
            (self.stranger, ("read", "keep"), 403, "stranger may not keep"),
            (self.alice, ("read", "start", "cancel"), 403, "no scope 'keep'"),
        ):
            for method in ("POST", "DELETE"):
                answer = self.ask(method, user, *scopes)
                self.assertEqual(answer.status_code, status)
                self.assertIn(said, answer.json()["detail"])
        self.assertEqual(self.ask("POST", self.alice, build_id=10**6).status_code, 404)
        Project.objects.get().groups.add(Group.objects.create(name="insiders"))
        self.assertEqual(self.ask("POST", self.alice).status_code, 404)
        self.assertEqual(self.client.post(f"/api/v1/builds/{self.build_id}/keep").status_code, 401)
        self.assertFalse(self.is_kept())


@hurried
class AdminTests(OldLogsCase):
    def test_the_actions_and_the_button_leave_audit_rows(self) -> None:
        listed = reverse("admin:builds_build_changelist")
        button = reverse("admin:builds_build_keep", args=[self.build_id])
        for ask, kept in (
            (lambda: self.client.post(listed, {"action": "keep_builds", "_selected_action": [self.build_id]}), True),
            (
                lambda: self.client.post(listed, {"action": "do_not_keep_builds", "_selected_action": [self.build_id]}),
                False,
            ),
            (lambda: self.client.post(button, {"kept": "1"}), True),
            (lambda: self.client.post(button, {"kept": "0"}), False),
        ):
            ask()
            self.assertEqual(self.is_kept(), kept)
            row = LogEntry.objects.first()
            self.assertEqual((row.user, row.object_id), (self.alice, str(self.build_id)))
            self.assertIn("its log is kept" if kept else "its log is no longer kept", row.change_message)
        self.assertEqual(LogEntry.objects.count(), 4)
        page = self.client.get(reverse("admin:builds_build_change", args=[self.build_id]))
        self.assertContains(page, ">Keep<")

    def test_who_may_not_is_offered_nothing_and_refused(self) -> None:
        button = reverse("admin:builds_build_keep", args=[self.build_id])
        self.as_user(self.starter)
        self.assertNotContains(self.client.get(reverse("admin:builds_build_change", args=[self.build_id])), ">Keep<")
        self.assertNotContains(self.client.get(reverse("admin:builds_build_changelist")), "keep_builds")
        self.assertEqual(self.client.post(button, {"kept": "1"}).status_code, 403)
        self.assertEqual(self.client.get(button).status_code, 405)
        self.as_user(self.stranger)
        self.assertIn("/admin/login/", self.client.post(button, {"kept": "1"})["Location"])
        self.assertFalse(self.is_kept())

    def test_the_event_log_and_the_build_say_what_became_of_the_log(self) -> None:
        log = reverse("admin:builds_build_events", args=[self.build_id])
        change = reverse("admin:builds_build_change", args=[self.build_id])
        said = "cut: 7 of 3,010 lines left out"
        for sentence in ("Its events are stored.", said):
            self.assertContains(self.client.get(change), sentence)
        self.compact()
        for page in (log, change):
            self.assertContains(self.client.get(page), "Its log was compacted on")
        self.assertContains(self.client.get(change), said)
        answer = self.client.get(f"{log}?check=1")
        self.assertContains(answer, "no gaps")
        head = events.extent(self.build_id).head
        self.assertContains(answer, f"Stored: events {head} to {head}.")
        self.prune()
        for page in (log, change):
            self.assertContains(self.client.get(page), "90 days after it ended: 3,003 lines")
        self.assertContains(self.client.get(f"{log}?check=1"), "no gaps")
        Build.objects.filter(pk=self.build_id).update(
            pruned_at=None, compacted_at=None, log_note="not compacted: line 1 of step 1 is not what its event says"
        )
        self.assertContains(self.client.get(log), "Its log was not compacted: line 1 of step 1")

    def test_a_project_has_its_own_numbers_and_nonsense_is_refused(self) -> None:
        self.alice.user_permissions.add(*rights("change_project"))
        project = Project.objects.get()
        url = reverse("admin:builds_project_change", args=[project.pk])
        form = {"name": "hello", "slug": "hello", "recipe": live.RECIPE, "enabled": "on", "auto_retries": "0"}
        answer = self.client.post(url, form | {"keep_days": "-1", "keep_builds": "many"})
        self.assertEqual(answer.status_code, 200)
        self.assertContains(answer, "greater than or equal to 0")
        self.assertContains(answer, "Enter a whole number")
        self.client.post(url, form | {"keep_days": "7", "keep_builds": ""})
        project.refresh_from_db()
        self.assertEqual((project.keep_days, project.keep_builds), (7, None))
