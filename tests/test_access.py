"""Who is asking, and what they may do: with a stranger in the room."""

import threading
import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection, connections, transaction
from django.test import RequestFactory, TestCase, TransactionTestCase, override_settings, tag
from django.utils import timezone

from builds import access, lifecycle
from builds.access import BadToken, Caller
from builds.models import ApiToken, Board, Project

RECIPE = "steps: [{name: compile, run: 'true'}]"


@tag("fast")
class AccessCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.inside = Group.objects.create(name="inside")
        cls.alice = User.objects.create_user("alice", password="alice-password")
        cls.alice.user_permissions.set(Permission.objects.filter(codename__in=("start_build", "cancel_build")))
        cls.alice.groups.add(cls.inside, Group.objects.create(name="outside"))
        cls.stranger = User.objects.create_user("stranger", password="stranger-password")
        cls.admin = User.objects.create_superuser("admin", password="admin-password")
        cls.open = Project.objects.create(name="Open", slug="open", recipe=RECIPE)
        cls.secret = Project.objects.create(name="Secret", slug="secret", recipe=RECIPE)
        cls.secret.groups.add(cls.inside, Group.objects.create(name="another"))
        for project in (cls.open, cls.secret):
            lifecycle.enqueue(project, by="alice")

    def identify(self, header: str | None = None, user: Any = None) -> Caller:
        request = RequestFactory().get("/", headers={"Authorization": header} if header is not None else {})
        request.user = user or AnonymousUser()
        return access.identify(request)

    def sees(self, caller: Caller) -> set[str]:
        projects = [project.slug for project in caller.projects()]
        self.assertEqual(len(projects), len(set(projects)), "a project is listed twice")
        self.assertEqual({build.project.slug for build in caller.builds()}, set(projects))
        self.assertEqual(caller.builds().count(), len(projects))
        return set(projects)


class SeeingTests(AccessCase):
    def test_members_see_what_their_groups_may_and_strangers_what_is_open(self) -> None:
        self.assertEqual(self.sees(Caller(self.alice)), {"open", "secret"})
        self.assertEqual(self.sees(Caller(self.stranger)), {"open"})
        self.assertEqual(self.sees(Caller(self.admin)), {"open", "secret"})

    def test_nobody_sees_nothing_and_on_a_public_board_what_is_open(self) -> None:
        for nobody in (AnonymousUser(), User(username="gone", is_active=False)):
            self.assertEqual(self.sees(Caller(nobody)), set())
            with override_settings(BUILDBOARD_PUBLIC=True):
                self.assertEqual(self.sees(Caller(nobody)), {"open"})

    def test_a_deactivated_superuser_sees_nothing(self) -> None:
        self.admin.is_active = False
        self.assertEqual(self.sees(Caller(self.admin)), set())

    def test_a_member_who_left_sees_no_more(self) -> None:
        self.alice.groups.remove(self.inside)
        self.assertEqual(self.sees(Caller(self.alice)), {"open"})


class RightsTests(AccessCase):
    def test_rights_are_the_users(self) -> None:
        self.assertTrue(Caller(self.alice).may_start() and Caller(self.alice).may_cancel())
        self.assertTrue(Caller(self.admin).may_start() and Caller(self.admin).may_cancel())
        for stranger in (self.stranger, AnonymousUser()):
            self.assertFalse(Caller(stranger).may_start() or Caller(stranger).may_cancel())

    def test_a_token_is_good_for_its_scopes_and_never_for_more_than_its_user(self) -> None:
        for user, may in ((self.alice, True), (self.stranger, False)):
            for scopes in (("read",), ("start",), ("cancel",), ("read", "start", "cancel")):
                with self.subTest(user=user.username, scopes=scopes):
                    caller = self.identify(f"Bearer {access.new_token(user, scopes=scopes)}")
                    self.assertEqual(caller.may_read(), "read" in scopes)
                    self.assertEqual(caller.may_start(), may and "start" in scopes)
                    self.assertEqual(caller.may_cancel(), may and "cancel" in scopes)

    def test_a_token_that_may_not_read_sees_nothing(self) -> None:
        self.assertEqual(self.sees(self.identify(f"Bearer {access.new_token(self.alice, scopes=('start',))}")), set())

    def test_a_scope_is_a_whole_word(self) -> None:
        text = access.new_token(self.alice, scopes=("read",))
        ApiToken.objects.update(scopes="restart already")
        caller = self.identify(f"Bearer {text}")
        self.assertFalse(caller.may_read() or caller.may_start())


class TokenTests(AccessCase):
    def test_a_token_is_256_random_bits_and_only_its_digest_is_stored(self) -> None:
        text, other = access.new_token(self.alice, "ci"), access.new_token(self.alice, "ci")
        self.assertNotEqual(text, other)
        self.assertRegex(text, r"\Abb_[\w-]{43}\Z")
        self.assertNotIn(text[3:], str(list(ApiToken.objects.values())))

    def test_a_token_comes_before_the_session(self) -> None:
        caller = self.identify(f"bearer  {access.new_token(self.alice, 'ci')} ", user=self.stranger)
        self.assertEqual((caller.user, caller.name), (self.alice, "alice (ci)"))

    def test_a_bad_token_is_never_taken_for_a_session_or_an_anonymous_caller(self) -> None:
        for header in ("Bearer", "Bearer ", "Bearer bb_wrong", "Digest YTpi", "Bearer é\x00", "bb_x", "Bearer a b"):
            with self.subTest(header), self.assertRaises(BadToken):
                self.identify(header, user=self.alice)

    def test_the_sign_in_of_a_proxy_stands_beside_a_session_and_replaces_none(self) -> None:
        self.assertEqual(self.identify("Basic YTpi", user=self.alice).user, self.alice)
        self.assertRaises(BadToken, self.identify, "Basic YTpi")

    def test_expired_tokens_and_those_of_deactivated_users_are_refused(self) -> None:
        text = access.new_token(self.alice, days=1)
        self.assertEqual(self.identify(f"Bearer {text}").user, self.alice)
        ApiToken.objects.update(expires_at=timezone.now())
        with self.assertRaises(BadToken):
            self.identify(f"Bearer {text}")
        ApiToken.objects.update(expires_at=None)
        self.identify(f"Bearer {text}")
        User.objects.filter(pk=self.alice.pk).update(is_active=False)
        with self.assertRaises(BadToken):
            self.identify(f"Bearer {text}")

    def test_its_use_is_noted_at_most_once_a_minute(self) -> None:
        text = access.new_token(self.alice)
        self.identify(f"Bearer {text}")
        with self.assertNumQueries(1):
            self.identify(f"Bearer {text}")
        ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
        with self.assertNumQueries(2):
            self.identify(f"Bearer {text}")

    def test_unknown_scopes_are_refused_by_name(self) -> None:
        with self.assertRaisesMessage(ValueError, "root"):
            access.new_token(self.alice, scopes=("read", "root"))


@tag("fast")
class BusyTest(TransactionTestCase):
    def test_who_reads_does_not_wait_for_who_writes(self) -> None:
        """SQLite has one writer: whoever comes with a token would wait for it only to note that."""
        text = access.new_token(User.objects.create_user("alice"))
        wrote, over = threading.Event(), threading.Event()

        def write() -> None:
            with transaction.atomic():
                Board.objects.update_or_create(pk=1)
                wrote.set()
                over.wait(15)
            connections.close_all()

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(over.set)
        self.assertTrue(wrote.wait(10))
        request = RequestFactory().get("/", headers={"Authorization": f"Bearer {text}"})
        request.user = AnonymousUser()
        began = time.monotonic()
        self.assertEqual(access.identify(request).user.get_username(), "alice")
        self.assertLess(time.monotonic() - began, 10)
        over.set()
        writer.join()
        ApiToken.objects.update(name="it waits again where it has to")
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout")
                self.assertEqual(cursor.fetchone(), (20_000,))
