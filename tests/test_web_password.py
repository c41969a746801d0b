"""Changing one's own password."""

from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds.access import new_token

from .pages import PagesCase

PATH = "/accounts/password/"
OLD, NEW = "a-long-password", "another-long-secret"


def form(old: str = OLD, new: str = NEW, again: str | None = None) -> dict[str, str]:
    return {"old_password": old, "new_password1": new, "new_password2": new if again is None else again}


class PasswordTest(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.as_user(self.alice)

    def is_alices(self, password: str) -> bool:
        return User.objects.get(pk=self.alice.pk).check_password(password)

    def test_every_page_leads_there_and_it_is_changed(self) -> None:
        self.assertIn(f'href="{PATH}"', self.page("/"))
        elsewhere = Client()
        elsewhere.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        token = new_token(self.alice, "kept")
        answer = self.client.post(PATH, form(), follow=True)
        self.assertRedirects(answer, "/")
        self.assertContains(answer, "Your password is another one now.")
        self.assertTrue(self.is_alices(NEW))
        self.assertEqual(self.client.get("/").status_code, 200, "who changes it stays signed in")
        self.assertEqual(elsewhere.get("/").status_code, 302, "all other sessions have ended")
        asked = Client().get("/api/v1/projects", HTTP_AUTHORIZATION=f"Bearer {token}")
        self.assertEqual(asked.status_code, 200, "a token stays")

    def test_what_is_wrong_is_said_at_its_field_and_nothing_is_changed(self) -> None:
        for sent, said in (
            (form(old="not-it"), "This is not your password now."),
            (form(again="something-else"), "The two are not the same."),
            (form(new="short"), "at least 8 characters"),
            (form(new="password"), "too common"),
            (form(new="alice"), "too similar"),
            (form(new=OLD), "This is your password now: expected another one."),
            (form(new=""), "This is needed."),
            ({}, "This is needed."),
        ):
            with self.subTest(said=said):
                answer = self.client.post(PATH, sent)
                self.assertContains(answer, said)
                self.assertNotContains(answer, f'value="{OLD}"')
                self.assertTrue(self.is_alices(OLD))
        refused = self.client.post(PATH, form(new="short")).content.decode()
        self.assertLess(refused.index("too short"), refused.index("The same again"), "at its first field")

    def test_nobody_is_asked_to_sign_in_and_changes_nothing(self) -> None:
        self.as_user(None)
        self.assertRedirects(self.client.get(PATH), f"/accounts/login/?next={PATH}")
        self.assertRedirects(self.client.post(PATH, form()), f"/accounts/login/?next={PATH}")
        self.assertTrue(self.is_alices(OLD))

    def test_a_stranger_changes_their_own_and_nobody_elses(self) -> None:
        self.stranger.set_password("a-password-of-theirs")
        self.stranger.save()
        self.as_user(self.stranger)
        self.assertIn("stranger", self.page(PATH))
        self.client.post(PATH, form(old="a-password-of-theirs") | {"username": "alice", "user": str(self.alice.pk)})
        self.assertTrue(User.objects.get(pk=self.stranger.pk).check_password(NEW))
        self.assertTrue(self.is_alices(OLD))

    def test_without_the_pages_own_token_it_is_refused(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        self.assertEqual(strict.post(PATH, form()).status_code, 403)
        self.assertTrue(self.is_alices(OLD))

    def test_an_account_from_outside_is_told_that_it_has_none_here(self) -> None:
        self.alice.set_unusable_password()
        self.alice.save()
        self.as_user(self.alice)
        page = self.page(PATH)
        self.assertIn("There is none here", page)
        self.assertNotIn("new_password1", page)
        self.assertEqual(self.client.post(PATH, form()).status_code, 403)
        self.assertFalse(User.objects.get(pk=self.alice.pk).has_usable_password())

    def test_no_copy_of_the_page_is_kept(self) -> None:
        self.assertIn("no-store", self.client.get(PATH)["Cache-Control"])


class AnyPasswordTest(PropertyCase):
    @settings(max_examples=20, deadline=None)
    @given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
    def test_whatever_is_typed_it_is_taken_or_refused_by_a_sentence(self, old: str, new: str) -> None:
        user = User.objects.create_user("someone", password=OLD)
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        answer = client.post(PATH, form(old=old, new=new))
        self.assertEqual(answer.status_code, 302 if old == OLD else 200)
        self.assertEqual(User.objects.get(pk=user.pk).check_password(OLD), old != OLD)
        taken = client.post(PATH, form(new=new))
        self.assertIn(taken.status_code, (200, 302))
