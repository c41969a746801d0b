"""Who is it, may they, and from which cursor: asked by requests of every shape."""

from django.contrib.auth.models import Group, User
from django.test import AsyncRequestFactory, TestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds.access import ALL_SCOPES, new_token
from builds.live import opening
from builds.live.opening import Refusal
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
        return opening._cursor(AsyncRequestFactory().get("/", query, headers=headers), self.extent)

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
        self.assertEqual(self.cursor(after="4", world=Board.get().world), 4)
        self.assertIsNone(self.cursor(after="4", world="x"))


class OpeningTest(TestCase):
    def setUp(self) -> None:
        self.alice, self.stranger = (User.objects.create_user(name) for name in ("alice", "stranger"))
        self.build = live.queued()

    def refused(self, function, *args) -> int:
        with self.assertRaises(Refusal) as caught:
            function(*args)
        return caught.exception.response.status_code

    def test_whoever_may_see_the_project_may_open_its_builds(self) -> None:
        opened = opening._build(request(self.alice, query={"after": "1"}), self.build.pk)
        self.assertEqual((opened.cursor, opened.standing.user, opened.is_over), (1, self.alice.pk, False))
        group = Group.objects.create(name="insiders")
        group.user_set.add(self.alice)
        Project.objects.get().groups.add(group)
        opening._build(request(self.alice), self.build.pk)
        self.assertEqual(self.refused(opening._build, request(self.stranger), self.build.pk), 404)
        self.assertEqual(opening._board(request(self.stranger)).visible, frozenset())
        self.assertEqual(opening._board(request(self.alice)).visible, {self.build.project_id})

    def test_a_token_without_the_scope_reads_nothing(self) -> None:
        self.assertEqual(self.refused(opening._build, request(self.alice, scopes=("start",)), self.build.pk), 404)
        self.assertEqual(self.refused(opening._board, request(self.alice, scopes=("start",))), 403)

    def test_nobody_has_to_sign_in_unless_the_board_is_public(self) -> None:
        from django.contrib.auth.models import AnonymousUser

        nobody = AsyncRequestFactory().get("/")
        nobody.user = AnonymousUser()
        self.assertEqual(self.refused(opening._build, nobody, self.build.pk), 401)
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertIsNone(opening._build(nobody, self.build.pk).standing.user)

    def test_an_unknown_build_is_not_found(self) -> None:
        for unknown in (0, self.build.pk + 1, 10**40):
            self.assertEqual(self.refused(opening._build, request(self.alice), unknown), 404)
