"""The search as programs and pages ask it."""

from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient, TransactionTestCase

from builds import retention
from builds.access import new_token
from builds.live import reading
from builds.models import Build, Project, iso
from builds.retention import Pace
from builds.search import MAX_MATCHES
from tests import live
from tests.oldlogs import hurried, long_log, over


@hurried
class SearchTest(TransactionTestCase):
    def setUp(self) -> None:
        self.headers = {"authorization": f"Bearer {new_token(User.objects.create_user('alice'))}"}

    async def ask(self, build_id: int, status: int = 200, **query: object) -> dict:
        response = await AsyncClient().get(f"/builds/{build_id}/search/", query, headers=self.headers)
        self.assertEqual(response.status_code, status, response.content)
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        return response.json()

    async def test_lines_of_all_steps_with_their_places(self) -> None:
        lease = await sync_to_async(live.running)()
        await sync_to_async(live.printed)(lease, 1, "\x1b[1mError\x1b[0m: é error", "fine")
        await sync_to_async(live.printed)(lease, 1, "an err", step=1, is_open=True)
        found = await self.ask(lease.build_id, q="err")
        cursor = found.pop("next")
        self.assertEqual(
            found,
            {
                "matches": [{"step": "one", "line": 1, "spans": [[0, 3], [9, 12]]}],
                "lines": 1,
                "unfinished": [{"step": "two", "line": 1, "spans": [[3, 6]]}],
                "more": False,
                "head": lease.head,
                "final": False,
            },
        )
        await sync_to_async(live.printed)(lease, 1, "an error", step=1)
        await sync_to_async(live.ended)(lease)
        found = await self.ask(lease.build_id, q="err", **{"from": cursor})
        self.assertEqual([match["step"] for match in found["matches"]], ["two"])
        self.assertEqual((found["unfinished"], found["next"], found["final"]), ([], None, True))

    async def test_an_expression_capitals_a_limit_and_only_the_number(self) -> None:
        lease = await sync_to_async(live.running)()
        await sync_to_async(live.printed)(lease, 1, *["Ab", "ab"] * 500)
        await sync_to_async(live.printed)(lease, 1001, *["a.b"] * 500)
        path = lease.build_id
        for query, lines in (
            ({"q": "a.b"}, 500),
            ({"q": "a.?b", "regex": 1}, MAX_MATCHES),
            ({"q": "a.?b", "regex": 1, "case": 1, "positions": 0}, 1000),
            ({"q": "a.?b", "regex": 1, "positions": 0}, 1500),
            ({"q": "ab", "limit": 7}, 7),
        ):
            found = await self.ask(path, **query)
            self.assertEqual((found["lines"], len(found["matches"])), (lines, 0 if "positions" in query else lines))
        found = await self.ask(path, q="ab", limit=7)
        rest = await self.ask(path, q="ab", **{"from": found["next"]})
        self.assertEqual((found["more"], rest["more"], rest["lines"]), (True, False, 993))

    async def test_bad_arguments_are_told_what_was_expected(self) -> None:
        build = await sync_to_async(live.queued)()
        for query, said in (
            ({}, "q: expected 1 to 500"),
            ({"q": "(a", "regex": 1}, "not closed, at character 1"),
            ({"q": "a", "regex": "yes"}, "regex: expected 0 or 1, not 'yes'"),
            ({"q": "a", "case": ""}, "case: expected 0 or 1"),
            ({"q": "a", "positions": "2"}, "positions: expected 0 or 1"),
            ({"q": "a", "from": "17"}, "from: expected the `next` of an earlier answer, not '17'"),
            *(
                ({"q": "a", "limit": limit}, "limit: expected a number from 1")
                for limit in ("0", "1001", "-1", "x", "")
            ),
        ):
            with self.subTest(str(query)):
                self.assertIn(said, (await self.ask(build.pk, 400, **query))["detail"])

    async def test_who_may_not_see_the_build_is_told_nothing_of_its_log(self) -> None:
        build = await sync_to_async(live.queued)()
        path = f"/builds/{build.pk}/search/"
        nobody = await AsyncClient().get(path, {"q": "a"})
        self.assertEqual((nobody.status_code, nobody.headers["WWW-Authenticate"][:6]), (401, "Bearer"))
        await self.ask(99, 404, q="a")
        only = await Group.objects.acreate(name="only")
        await (await Project.objects.aget()).groups.aadd(only)
        for query in ({"q": "a"}, {"q": ""}, {"q": "a", "limit": "x"}):
            self.assertIn("that you may see", (await self.ask(build.pk, 404, **query))["detail"])
        posted = await AsyncClient().post(path, {"q": "a"}, headers=self.headers)
        self.assertEqual((posted.status_code, posted.headers["Allow"]), (405, "GET, HEAD"))
        starts = await sync_to_async(new_token)(await User.objects.aget(username="alice"), scopes=("start",))
        other = await AsyncClient().get(path, {"q": "a"}, headers={"authorization": f"Bearer {starts}"})
        self.assertEqual(other.status_code, 404)

    async def test_head_answers_headers(self) -> None:
        build = await sync_to_async(live.queued)()
        response = await AsyncClient().head(f"/builds/{build.pk}/search/", {"q": "a"}, headers=self.headers)
        self.assertEqual((response.status_code, response.content), (200, b""))

    async def test_a_database_that_is_away_is_said(self) -> None:
        build = await sync_to_async(live.queued)()
        self.addCleanup(setattr, reading._readers, "failed_at", -reading.AWAY_SECONDS)
        for error in (OperationalError("away"), InterfaceError("closed")):
            reading._readers.failed_at = -reading.AWAY_SECONDS
            with patch("builds.search.pieces.of_events", side_effect=error):
                response = await AsyncClient().get(f"/builds/{build.pk}/search/", {"q": "a"}, headers=self.headers)
            self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "5"))
            self.assertEqual(response.json()["cause"], "database")

    async def test_a_build_that_is_deleted_meanwhile_is_not_there(self) -> None:
        lease = await sync_to_async(live.running)()
        with patch("builds.search.pieces.standing", side_effect=Build.DoesNotExist):
            await self.ask(lease.build_id, 404, q="a")

    async def test_old_logs(self) -> None:
        build_id = await sync_to_async(over)(long_log(3))
        events = await self.ask(build_id, q="line 7", limit=3)
        await sync_to_async(retention.compact)(build_id, Pace())
        begin = await self.ask(build_id, q="line 7", **{"from": events["next"]})
        self.assertEqual((begin["reset"], begin["next"], begin["matches"]), (True, None, []))
        found = await self.ask(build_id, q="line 7", limit=3)
        self.assertEqual(found["matches"], events["matches"])
        found = await self.ask(build_id, q="line 7", **{"from": found["next"]})
        self.assertEqual((found["lines"], found["next"], found["final"]), (30, None, True))
        await sync_to_async(retention.prune)(build_id, "why", Pace())
        found = await self.ask(build_id, q="line 7")
        self.assertEqual((found["lines"], found["next"]), (0, None))
        self.assertEqual(found["pruned_at"], iso((await Build.objects.aget(pk=build_id)).pruned_at))
