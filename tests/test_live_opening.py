"""Who is it, may they, and from which cursor: asked by requests of every shape."""

from django.conf import settings as django_settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from django.test import AsyncRequestFactory, TestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds.access import ALL_SCOPES, new_token
from builds.live import opening
from builds.live.opening import Opening, Refusal
from builds.models import Board, Project
from tests import live


def request(user: User, *, query: dict | None = None, scopes: tuple[str, ...] = ALL_SCOPES, **headers: str):
    headers["authorization"] = f"Bearer {new_token(user, scopes=scopes)}"
    return AsyncRequestFactory().get("/", query or {}, headers=headers)


class CursorTest(PropertyCase):
    def setUp(self) -> None:
        self.extent = opening.Extent(3, 9, False)

    def cursor(self, header: str | None = None, **query: str) -> int | None:
        headers = {} if header is None else {"last-event-id": header}
        return opening._cursor(AsyncRequestFactory().get("/", query, headers=headers), self.extent, "a world")

    @settings(max_examples=200)
    @given(st.text(max_size=40) | st.integers(-5, 20).map(str))
    def test_any_text_is_a_cursor_or_void_and_never_an_error(self, text: str) -> None:
        wanted = int(text) if text.isascii() and text.isdigit() and 2 <= int(text) <= 9 else None
        self.assertEqual(self.cursor(after=text), wanted)

    def test_the_header_wins_and_an_empty_one_is_none(self) -> None:
        self.assertEqual(self.cursor("4", after="7"), 4)
        self.assertEqual(self.cursor("", after="7"), 7)
        self.assertIsNone(self.cursor("x", after="7"))
        self.extent = opening.Extent(1, 9, False)
        self.assertEqual(self.cursor(), 0)

    def test_without_a_cursor_all_that_is_stored_follows(self) -> None:
        """Also where what came first is not stored any more, or the numbers began later."""
        self.assertEqual(self.cursor(), 2)
        self.assertIsNone(self.cursor(after="0"))
        self.assertIsNone(self.cursor(after=""))

    def test_only_this_world_is_known(self) -> None:
        self.assertEqual(self.cursor(after="4", world="a world"), 4)
        self.assertIsNone(self.cursor(after="4", world="x"))


def admitted(*asked: opening.Asked) -> list[Opening | int]:
    """What each is given, or the status of its refusal."""
    return [answer.response.status_code if isinstance(answer, Refusal) else answer for answer in opening._builds(asked)]


def build_opened(by: HttpRequest, build_id: int) -> Opening | int:
    return admitted(opening.Asked(by, build_id))[0]


class OpeningTest(TestCase):
    def setUp(self) -> None:
        self.alice, self.stranger = (User.objects.create_user(name) for name in ("alice", "stranger"))
        self.build = live.queued()

    def test_whoever_may_see_the_project_may_open_its_builds(self) -> None:
        opened = build_opened(request(self.alice, query={"after": "1"}), self.build.pk)
        self.assertEqual((opened.cursor, opened.standing.user, opened.is_over), (1, self.alice.pk, False))
        group = Group.objects.create(name="insiders")
        group.user_set.add(self.alice)
        Project.objects.get().groups.add(group)
        self.assertIsInstance(build_opened(request(self.alice), self.build.pk), Opening)
        self.assertEqual(build_opened(request(self.stranger), self.build.pk), 404)
        self.assertEqual(opening._boards([request(self.stranger)])[0].visible, frozenset())
        self.assertEqual(opening._boards([request(self.alice)])[0].visible, {self.build.project_id})

    def test_a_token_without_the_scope_reads_nothing(self) -> None:
        self.assertEqual(build_opened(request(self.alice, scopes=("start",)), self.build.pk), 404)
        self.assertEqual(opening._boards([request(self.alice, scopes=("start",))])[0].response.status_code, 403)

    def test_nobody_has_to_sign_in_unless_the_board_is_public(self) -> None:
        nobody = AsyncRequestFactory().get("/")
        nobody.user = AnonymousUser()
        self.assertEqual(build_opened(nobody, self.build.pk), 401)
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertIsNone(build_opened(nobody, self.build.pk).standing.user)

    def test_an_unknown_build_is_not_found(self) -> None:
        for unknown in (0, self.build.pk + 1, 10**40):
            self.assertEqual(build_opened(request(self.alice), unknown), 404)

    def test_those_who_come_together_are_each_answered_as_if_alone(self) -> None:
        other = live.queued("other")
        other.project.groups.add(Group.objects.create(name="insiders"))
        seen, unseen = self.build.pk, other.pk
        good = f"Bearer {new_token(self.alice)}"
        admin = f"Bearer {new_token(User.objects.create_superuser('root'))}"
        get = AsyncRequestFactory().get
        asked = [
            opening.Asked(get("/", query, headers={"authorization": credential}), build_id)
            for credential in (good, "Bearer wrong", admin, "Basic x", good, "Bearer wrong")
            for build_id in (seen, unseen, 10**40)
            for query in ({}, {"after": "1"}, {"after": "99"}, {"world": "x"}, {"world": Board.get().world})
        ]
        for one in asked:
            one.request.user = AnonymousUser()
        alone = [admitted(one)[0] for one in asked]
        self.assertEqual(list(map(told, admitted(*asked))), list(map(told, alone)))
        known = [one for one in asked if one.request.headers["authorization"] in (good, admin)]
        with self.assertNumQueries(6):  # whose the two tokens are, what each may see, where it stands, and the world
            admitted(*known)

    def test_those_who_come_to_the_board_together_see_what_each_may_see(self) -> None:
        other = live.queued("other")
        other.project.groups.add(Group.objects.create(name="insiders"))
        root = User.objects.create_superuser("root")
        asked = [request(user, query={"after": "1"}) for user in (self.alice, root)]
        asked += [asked[0], AsyncRequestFactory().get("/", headers={"authorization": "Bearer wrong"}), asked[1]]
        found = opening._boards(asked)
        self.assertEqual(found[3].response.status_code, 401)
        few, all_of_them = {self.build.project_id}, {self.build.project_id, other.project_id}
        self.assertEqual([found[place].visible for place in (0, 1, 2, 4)], [few, all_of_them, few, all_of_them])
        self.assertEqual({found[place].cursor for place in (0, 1, 2, 4)}, {1})
        many = [asked[place] for place in (0, 1, 2, 4)] * 20
        with self.assertNumQueries(7):  # whose the tokens are, where the board stands, and what all may see
            opening._boards(many)

    def test_whom_a_middleware_knows_by_something_else_is_nobody_else(self) -> None:
        """Such as a proxy's header: neither cookie nor token tells them apart."""
        private = Group.objects.create(name="insiders")
        private.user_set.add(self.alice)
        self.build.project.groups.add(private)
        asked = []
        for user in (self.alice, self.stranger, self.alice):
            one = AsyncRequestFactory().get("/", headers={"remote-user": user.username})
            one.user, one.session = user, SessionStore()
            one.session.create()
            one.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            asked.append(one)
        remote = "django.contrib.auth.middleware.RemoteUserMiddleware"
        with override_settings(MIDDLEWARE=[*django_settings.MIDDLEWARE, remote]):
            found = [told(one) for one in admitted(*(opening.Asked(one, self.build.pk) for one in asked))]
            seen = [one.visible for one in opening._boards(asked)]
        self.assertEqual([one == 404 for one in found], [False, True, False])
        self.assertEqual(seen, [{self.build.project_id}, frozenset(), {self.build.project_id}])

    def test_only_middleware_of_the_boards_own_lets_those_with_the_same_cookie_be_the_same(self) -> None:
        self.assertEqual(opening._OWN_MIDDLEWARE, {*django_settings.MIDDLEWARE})

    def test_one_whose_question_cannot_be_read_is_refused_alone(self) -> None:
        """Whoever is not even signed in could turn away all who come in the same moment."""
        good = [request(self.alice, query={"after": "1"}) for _ in range(3)]
        nobody = AsyncRequestFactory().get("/?" + "&".join(["a"] * 1_001))
        nobody.user = AnonymousUser()
        credential = good[0].headers["authorization"]
        known = AsyncRequestFactory().get("/?" + "&".join(["world"] * 1_001), headers={"authorization": credential})
        asked = [good[0], nobody, known, *good[1:]]
        for found in (opening._boards(asked), opening._builds([opening.Asked(one, self.build.pk) for one in asked])):
            wanted = [Opening, Refusal, TooManyFieldsSent, Opening, Opening]
            self.assertEqual([type(one) for one in found], wanted)

    def test_a_right_that_ends_is_seen_by_the_next_go(self) -> None:
        one = opening.Asked(request(self.alice), self.build.pk)
        self.assertIsInstance(build_opened(*one), Opening)
        self.build.project.groups.add(Group.objects.create(name="insiders"))
        self.assertEqual(admitted(one, one), [404, 404])
        User.objects.filter(pk=self.alice.pk).update(is_active=False)
        self.assertEqual(admitted(one, one), [401, 401])


def told(answer: Opening | int) -> object:
    if isinstance(answer, int):
        return answer
    return answer.standing, answer.source.topic, answer.extent, answer.cursor, answer.visible
