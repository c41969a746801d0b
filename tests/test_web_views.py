"""Pages: who may see and do what, the verbs, signing in, mistakes."""

import re
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.test import Client, TestCase, override_settings

from builds.models import Build, Project
from builds.states import Status
from builds.web import views

from .pages import PagesCase


class WhoTest(PagesCase):
    def test_nobody_is_asked_to_sign_in_and_led_back(self) -> None:
        build = self.build()
        self.as_user(None)
        for path in ("/", "/projects/lantern/", f"/builds/{build.pk}/"):
            self.assertRedirects(self.client.get(path), f"/accounts/login/?next={path}")
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/", "/projects/lantern/start/"):
            self.assertRedirects(self.client.post(path), "/accounts/login/?next=/")
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_a_public_board_is_read_and_not_touched(self) -> None:
        build = self.build()
        self.as_user(None)
        for path in ("/", "/projects/lantern/", f"/builds/{build.pk}/"):
            self.assertNotIn('method="post"', self.page(path))
        self.assertEqual(self.client.post(f"/builds/{build.pk}/cancel/").status_code, 302)
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    def test_a_stranger_may_watch_and_gets_no_buttons(self) -> None:
        build, _ = self.running(["hello"])
        self.as_user(self.stranger)
        self.assertIn("hello", self.page(f"/builds/{build.pk}/"))
        self.assertNotIn("/cancel/", self.page(f"/builds/{build.pk}/"))
        self.assertNotIn("/start/", self.page("/projects/lantern/"))

    def test_a_stranger_who_posts_is_told_no_and_nothing_happens(self) -> None:
        build = self.build()
        self.as_user(self.stranger)
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/", "/projects/lantern/start/"):
            with self.assertLogs("django.request"):
                answer = self.client.post(path)
            self.assertContains(answer, "needs the permission", status_code=403)
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    def test_what_one_may_not_see_is_not_there(self) -> None:
        build = self.build()
        self.project.groups.add(Group.objects.create(name="insiders"))
        for path in ("/projects/lantern/", f"/builds/{build.pk}/", "/builds/999/", "/builds/99999999999999999999999/"):
            self.assertIn("Nothing is here", self.page(path, 404))
        for path in (f"/builds/{build.pk}/cancel/", "/projects/lantern/start/"):
            self.assertEqual(self.client.post(path).status_code, 404)
        self.assertNotIn("Lantern", self.page("/"))

    def test_verbs_are_posts(self) -> None:
        build = self.build()
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/"):
            self.assertEqual(self.client.get(path).status_code, 405)
        builds = Build.objects.count()
        # The address at which a form that was refused stays.
        self.assertRedirects(self.client.get("/projects/lantern/start/"), "/projects/lantern/")
        self.assertEqual(Build.objects.count(), builds)


class VerbsTest(PagesCase):
    def key(self) -> str:
        found = re.search(r'name="request_key" value="([^"]+)"', self.page("/projects/lantern/"))
        assert found
        return found[1]

    def test_a_second_click_is_the_same_build(self) -> None:
        form = {"ref": "main", "request_key": self.key()}
        first = self.client.post("/projects/lantern/start/", form)
        second = self.client.post("/projects/lantern/start/", form)
        build = Build.objects.get()
        self.assertRedirects(first, build.get_absolute_url())
        self.assertEqual(first.headers["Location"], second.headers["Location"])
        self.assertEqual((build.ref, build.started_by), ("main", "alice"))

    def test_each_page_has_a_key_of_its_own(self) -> None:
        self.assertNotEqual(self.key(), self.key())

    def test_a_refused_start_says_why_and_keeps_what_was_typed(self) -> None:
        answer = self.client.post("/projects/lantern/start/", {"ref": "-x", "request_key": self.key()})
        self.assertContains(answer, "Expected a branch, tag or commit", status_code=422)
        self.assertContains(answer, 'value="-x"', status_code=422)
        self.assertEqual(Build.objects.count(), 0)

    def test_a_ref_that_is_too_long_is_named_at_its_field(self) -> None:
        answer = self.client.post("/projects/lantern/start/", {"ref": "x" * 201})
        self.assertContains(answer, "up to 200 characters", status_code=422)

    def test_a_disabled_project_starts_nothing(self) -> None:
        Project.objects.update(enabled=False)
        self.assertIn("This project is disabled", self.page("/projects/lantern/"))
        answer = self.client.post("/projects/lantern/start/", {})
        self.assertContains(answer, "disabled", status_code=409)

    @override_settings(BUILDBOARD_MAX_QUEUED=1)
    def test_a_full_queue_takes_no_more_and_says_so(self) -> None:
        self.build()
        answer = self.client.post("/projects/lantern/start/", {"ref": "main"})
        self.assertContains(answer, "The queue is full (1 builds at most)", status_code=409)
        self.assertContains(answer, 'value="main"', status_code=409)
        self.assertEqual(Build.objects.count(), 1)

    def test_a_broken_recipe_is_named_with_its_line(self) -> None:
        Project.objects.update(recipe="steps:\n  - {name: a}\n")
        self.assertIn("line 2", self.page("/projects/lantern/"))
        self.assertContains(self.client.post("/projects/lantern/start/", {}), "line 2", status_code=409)

    def test_cancel_is_asked_for_once_and_a_finished_build_says_that_it_has_ended(self) -> None:
        build, _ = self.running()
        self.assertRedirects(self.client.post(f"/builds/{build.pk}/cancel/"), build.get_absolute_url())
        self.assertIn("Cancelling", self.page(f"/builds/{build.pk}/"))
        over = Build.objects.get(pk=build.pk)
        self.assertEqual(over.cancelled_by, "alice")
        done = self.finished()
        answer = self.client.post(f"/builds/{done.pk}/cancel/", follow=True)
        self.assertContains(answer, "has already ended: passed")

    def test_a_retry_is_a_new_build_and_both_point_to_each_other(self) -> None:
        old = self.finished(Status.FAILED, "compile failed")
        answer = self.client.post(f"/builds/{old.pk}/retry/", {"request_key": "once"})
        again = self.client.post(f"/builds/{old.pk}/retry/", {"request_key": "once"})
        new = Build.objects.exclude(pk=old.pk).get()
        self.assertEqual((answer.headers["Location"], again.headers["Location"]), (f"/builds/{new.pk}/",) * 2)
        self.assertIn(f"/builds/{old.pk}/", self.page(f"/builds/{new.pk}/"))
        self.assertIn(f'retried as <a href="/builds/{new.pk}/"', self.page(f"/builds/{old.pk}/"))

    def test_a_build_that_is_not_over_cannot_be_retried(self) -> None:
        build = self.build()
        answer = self.client.post(f"/builds/{build.pk}/retry/", follow=True)
        self.assertContains(answer, "only a finished build can be retried")
        self.assertEqual(Build.objects.count(), 1)


class SignInTest(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.client.logout()

    def test_a_right_password_leads_on(self) -> None:
        form = {"username": "alice", "password": "a-long-password", "next": "/projects/lantern/"}
        self.assertRedirects(self.client.post("/accounts/login/", form), "/projects/lantern/")

    def test_it_leads_nowhere_else(self) -> None:
        form = {"username": "alice", "password": "a-long-password", "next": "https://elsewhere.example/"}
        self.assertRedirects(self.client.post("/accounts/login/", form), "/")

    def test_a_wrong_password_is_told_without_telling_which_was_wrong(self) -> None:
        answer = self.client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        self.assertContains(answer, "Name and password do not match.")

    def test_ten_wrong_passwords_lock_for_a_while(self) -> None:
        for _ in range(10):
            answer = self.client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        self.assertContains(answer, "Too many wrong passwords", status_code=429)

    def test_signing_out_is_a_post(self) -> None:
        self.as_user(self.alice)
        self.assertEqual(self.client.get("/accounts/logout/").status_code, 405)
        self.assertRedirects(self.client.post("/accounts/logout/"), "/accounts/login/")


class ErrorPagesTest(PagesCase):
    def test_a_mistake_of_the_board_has_a_page_that_needs_no_database(self) -> None:
        self.client.raise_request_exception = False
        with mock.patch.object(views, "_live_board", side_effect=RuntimeError), self.assertLogs("django.request"):
            answer = self.client.get("/")
        self.assertContains(answer, "Something failed here", status_code=500)

    def test_a_form_without_its_token_is_refused(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        self.assertEqual(strict.post("/projects/lantern/start/", {}).status_code, 403)
        self.assertEqual(Build.objects.count(), 0)


class InputsTest(TestCase):
    def setUp(self) -> None:
        user = User.objects.create_user("alice")
        user.user_permissions.add(Permission.objects.get(codename="start_build"))
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        recipe = "inputs: {target: {choices: [moon, mars], help: where to}, loud: {type: boolean, default: true}}\n"
        Project.objects.create(name="p", slug="p", recipe=recipe + "steps: [{name: a, run: x}]")

    def test_the_start_form_has_the_recipes_inputs_and_the_builds_page_says_them(self) -> None:
        page = self.client.get("/projects/p/").content.decode()
        self.assertInHTML('<option value="mars">mars</option>', page)
        self.assertIn("where to", page)
        wrong = self.client.post("/projects/p/start/", {"input-target": "venus"})
        self.assertContains(wrong, "Expected moon or mars, not &#x27;venus&#x27;.", status_code=422)
        self.assertFalse(Build.objects.exists())
        answer = self.client.post("/projects/p/start/", {"input-target": "mars"})
        self.assertEqual(Build.objects.get().inputs, {"target": "mars", "loud": False})
        self.assertContains(self.client.get(answer.url), ">mars</dd>")

    def test_a_value_is_needed_where_there_is_no_default(self) -> None:
        self.assertContains(self.client.post("/projects/p/start/", {}), "A value is needed.", status_code=422)

    def test_all_that_is_wrong_is_told_at_once_each_at_its_field(self) -> None:
        Project.objects.filter(slug="p").update(repository="https://git.example/p.git")
        answer = self.client.post("/projects/p/start/", {"ref": "a..b", "input-target": "venus"})
        said = answer.content.decode()
        for wrong in ("id_ref_error", "id_input-target_error"):
            self.assertEqual(said.count(f'id="{wrong}"'), 1)
        self.assertContains(answer, "Not a branch, tag or commit: &#x27;..&#x27; cannot be part of it", status_code=422)
        self.assertNotContains(answer, 'class="messages"', status_code=422)
        self.assertFalse(Build.objects.exists())

    def test_more_than_a_build_may_have_is_refused_with_the_number(self) -> None:
        recipe = "inputs: {a: {}, b: {}, c: {}, d: {}, e: {}}\nsteps: [{name: a, run: x}]"
        Project.objects.filter(slug="p").update(recipe=recipe)
        answer = self.client.post("/projects/p/start/", {f"input-{name}": "x" * 2_000 for name in "abcde"})
        said = "Inputs: expected at most 8,192 bytes in all, names and values as JSON and defaults included, "
        self.assertContains(answer, said + "not 10,036.", status_code=409)
        self.assertFalse(Build.objects.exists())
