from unittest import mock

from django.contrib.auth.models import Group, User
from django.test import TestCase, override_settings

from builds.access import new_token
from builds.models import Build
from builds.web.once import Busy

from . import failures

PASSED = ["cc a.c", "done"]
FAILED = ["cc a.c", "<b>error: x</b>"]


class FindingsCase(TestCase):
    def setUp(self) -> None:
        self.alice = User.objects.create_user("alice")
        self.passed = failures.build(PASSED, status="passed")
        self.failed = failures.build(FAILED)

    def page(self, build: Build, **options):
        return self.client.get(f"/builds/{build.pk}/difference/", **options)

    def api(self, build: Build, user: User | None = None):
        headers = {"authorization": f"Bearer {new_token(user)}"} if user else {}
        return self.client.get(f"/api/v1/builds/{build.pk}/difference", headers=headers)


class PageTest(FindingsCase):
    def test_it_shows_both_lines_with_links_and_escapes_them(self) -> None:
        self.client.force_login(self.alice)
        text = self.page(self.failed).content.decode()
        self.assertIn("&lt;b&gt;error: x&lt;/b&gt;", text)
        self.assertNotIn("<b>error", text)
        for href in (f"/builds/{self.failed.pk}/#2:2", f"/builds/{self.passed.pk}/#2:2", f"/builds/{self.passed.pk}/"):
            self.assertIn(f'href="{href}"', text)
        self.assertIn('id="failure"', text)
        self.assertEqual(self.page(self.failed)["Cache-Control"], "no-store, private")

    def test_what_has_not_failed_or_never_passed_says_so(self) -> None:
        self.client.force_login(self.alice)
        self.assertContains(self.page(self.passed), "only a build that failed is compared")
        first = failures.build(["quiet"], slug="new")
        self.assertContains(self.page(first), "No build of new passed before this one")

    def test_while_others_are_compared_it_loads_itself_again(self) -> None:
        self.client.force_login(self.alice)
        for name in ("_first_error", "_compared"):
            with mock.patch(f"builds.web.comparison.{name}", side_effect=Busy):
                answer = self.page(self.failed)
            self.assertContains(answer, "Other builds are being compared just now", status_code=503)
            self.assertEqual((answer["Retry-After"], answer["Cache-Control"]), ("3", "no-store, private"))
            self.assertContains(answer, '<meta http-equiv="refresh" content="3">', status_code=503)
            self.assertNotContains(answer, 'id="failure"', status_code=503)
        self.assertNotContains(self.page(self.failed), "refresh")

    def test_a_builds_page_does_not_wait_for_its_first_error(self) -> None:
        self.client.force_login(self.alice)
        with mock.patch("builds.web.comparison._first_error", side_effect=Busy) as look:
            text = self.client.get(f"/builds/{self.failed.pk}/").content.decode()
        look.assert_called_once()
        self.assertNotIn("data-first-error", text)
        self.assertIn("Compare what they printed", text)

    def test_a_build_that_failed_in_no_step_says_so(self) -> None:
        self.client.force_login(self.alice)
        self.failed.steps.update(status="skipped", exit_code=None, started_at=None)
        Build.objects.filter(pk=self.failed.pk).update(reason="The workspace could not be made: <full>.")
        answer = self.page(self.failed)
        self.assertContains(answer, "None of its steps failed, so there is no output to compare.")
        self.assertContains(answer, "The workspace could not be made: &lt;full&gt;.")
        self.assertNotContains(answer, "passed before this one")

    def test_it_is_for_those_who_may_see_the_build(self) -> None:
        answer = self.page(self.failed)
        self.assertRedirects(answer, f"/accounts/login/?next=/builds/{self.failed.pk}/difference/")
        self.failed.project.groups.add(Group.objects.create(name="tide"))
        self.client.force_login(User.objects.create_user("stranger"))
        self.assertEqual(self.page(self.failed).status_code, 404)
        self.assertEqual(self.client.post(f"/builds/{self.failed.pk}/difference/").status_code, 405)
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.client.logout()
            self.assertEqual(self.page(self.failed).status_code, 404)

    def test_a_builds_page_has_the_first_error_and_a_link_for_the_rest(self) -> None:
        self.client.force_login(self.alice)
        with mock.patch("builds.web.comparison.compare") as compare:
            text = self.client.get(f"/builds/{self.failed.pk}/").content.decode()
        compare.assert_not_called()
        self.assertIn('data-first-error="2:2"', text)
        self.assertIn("Compare what they printed", text)
        self.assertIn(f'data-href="/builds/{self.failed.pk}/difference/"', text)
        text = self.client.get(f"/builds/{self.passed.pk}/").content.decode()
        self.assertNotIn("data-first-error", text)
        self.assertRegex(text, r'(?s)id="failure"[^>]* hidden>')


class ApiTest(FindingsCase):
    def test_while_others_are_compared_it_asks_to_come_again(self) -> None:
        for name in ("_first_error", "_compared"):
            with mock.patch(f"builds.web.comparison.{name}", side_effect=Busy):
                answer = self.api(self.failed, self.alice)
            self.assertEqual((answer.status_code, answer["Retry-After"]), (503, "3"))
            self.assertEqual(answer["Content-Type"], "application/problem+json")
            self.assertIn("try again", answer.json()["detail"])

    def test_it_tells_the_first_error_and_the_difference(self) -> None:
        found = self.api(self.failed, self.alice).json()
        self.assertEqual(found["first_error"], {"step": "compile", "line": 2, "text": "<b>error: x</b>"})
        self.assertEqual(
            (found["difference"]["passed_build"], found["difference"]["step"]), (self.passed.pk, "compile")
        )
        self.assertEqual(
            [(one["which"], one["build"], one["line"], one["text"]) for one in found["difference"]["lines"]],
            [
                ("before", self.failed.pk, 1, "cc a.c"),
                ("was", self.passed.pk, 2, "done"),
                ("is", self.failed.pk, 2, "<b>error: x</b>"),
            ],
        )
        self.assertEqual(self.api(self.passed, self.alice).json(), {"first_error": None, "difference": None})

    def test_it_is_for_those_who_may_see_the_build(self) -> None:
        self.assertEqual(self.api(self.failed).status_code, 401)
        self.failed.project.groups.add(Group.objects.create(name="tide"))
        self.assertEqual(self.api(self.failed, User.objects.create_user("stranger")).status_code, 404)
        reads_not = new_token(self.alice, scopes=["start"])
        answer = self.client.get(
            f"/api/v1/builds/{self.failed.pk}/difference", headers={"authorization": f"Bearer {reads_not}"}
        )
        self.assertEqual(answer.status_code, 403)
