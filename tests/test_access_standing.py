"""Whether what a long answer rests on still holds, asked for many at once. A stranger is among them."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.models import Session
from django.test import RequestFactory, TestCase, override_settings
from django.utils import timezone

from builds.access import Standing, identify, new_token, standing, visible_projects
from builds.models import ApiToken, Project
from tests import live


def bearer(text: str):
    request = RequestFactory().get("/", headers={"authorization": text})
    request.user = AnonymousUser()
    return request


class AccessCase(TestCase):
    def setUp(self) -> None:
        self.alice, self.stranger = (User.objects.create_user(name, password=name) for name in ("alice", "stranger"))
        self.admin = User.objects.create_superuser("admin")
        self.open, self.closed = live.project("open"), live.project("closed")
        group = Group.objects.create(name="insiders")
        self.closed.groups.add(group)
        self.alice.groups.add(group)


class StandingTest(AccessCase):
    def by_session(self, user: User) -> Standing:
        request = RequestFactory().get("/")
        request.session = import_module(settings.SESSION_ENGINE).SessionStore()
        request.user = user
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        request.session.save()
        return standing(request, identify(request))

    def by_token(self, user: User, **options) -> Standing:
        return standing(RequestFactory().get("/"), identify(bearer(f"Bearer {new_token(user, **options)}")))

    def test_it_sees_what_the_project_list_shows(self) -> None:
        for public in (False, True):
            with override_settings(BUILDBOARD_PUBLIC=public):
                for user in (self.alice, self.stranger, self.admin, AnonymousUser()):
                    one = self.by_session(user) if user.is_authenticated else Standing(None)
                    wanted = set(Project.objects.visible_to(user).values_list("pk", flat=True))
                    with self.subTest(user=str(user), public=public):
                        self.assertEqual(visible_projects({one})[one], wanted)

    def test_the_number_of_queries_does_not_grow_with_those_who_watch(self) -> None:
        many = {self.by_session(user) for user in (self.alice, self.stranger, self.admin) for _ in range(5)}
        many |= {self.by_token(self.alice) for _ in range(5)}
        with self.assertNumQueries(5):
            self.assertEqual(len(visible_projects(many)), 20)

    def test_what_ended_is_absent_and_nothing_else_is(self) -> None:
        stays = self.by_session(self.alice)
        for end in (
            lambda one: Session.objects.filter(session_key=one.session).delete(),
            lambda one: Session.objects.filter(session_key=one.session).update(expire_date=timezone.now()),
            lambda one: User.objects.filter(pk=one.user).update(is_active=False),
            lambda one: self._new_password(),
        ):
            User.objects.filter(pk=self.stranger.pk).update(is_active=True)
            self.stranger.refresh_from_db()
            one = self.by_session(self.stranger)
            self.assertEqual(visible_projects({one, stays}).keys(), {one, stays})
            end(one)
            self.assertEqual(visible_projects({one, stays}).keys(), {stays})

    def _new_password(self) -> None:
        self.stranger.set_password("another")
        self.stranger.save()

    def test_tokens_end_by_deletion_expiry_and_scope(self) -> None:
        for change in ({"expires_at": timezone.now()}, {"scopes": "start"}, None):
            one = self.by_token(self.alice)
            self.assertIn(one, visible_projects({one}))
            found = ApiToken.objects.filter(pk=one.token)
            found.update(**change) if change else found.delete()
            self.assertEqual(visible_projects({one}), {})

    def test_leaving_a_group_takes_its_projects_away(self) -> None:
        one = self.by_session(self.alice)
        self.alice.groups.clear()
        self.assertEqual(visible_projects({one}), {one: {self.open.pk}})
