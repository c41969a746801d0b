"""The hub in this process, on a real database: wakes, looks, rights, and an end when nobody watches."""

import asyncio
import time
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import TransactionTestCase, override_settings

from builds import access
from builds.access import Standing
from builds.live import hub as hubs
from builds.live.hub import Viewer, hub
from builds.live.sources import BoardSource, BuildSource
from builds.models import ApiToken, Build
from tests import live

NEVER = 3600.0


def watch(source, standing: Standing, cursor: int, visible: frozenset[int] = frozenset()) -> Viewer:
    return hub().enter(source, standing, cursor, source.kind, visible)


async def texts(viewer: Viewer, upto: int) -> list[int]:
    got: list[int] = []
    while not got or got[-1] < upto:
        found = await asyncio.wait_for(viewer.next(10), 10)
        got += [frame.id for frame in found.frames]
    return got


class HubTest(TransactionTestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, hubs, "_draining", False)
        self.user = User.objects.create_user("alice")
        access.new_token(self.user)
        self.standing = Standing(self.user.pk, token=ApiToken.objects.get().pk)
        self.lease = live.running()
        self.project = Build.objects.get(pk=self.lease.build_id).project_id
        self.source = BuildSource(self.lease.build_id, self.project)

    async def test_a_wake_alone_brings_news(self) -> None:
        with patch.multiple(hubs, LOOK_SECONDS=NEVER, LOOK_ALONE_SECONDS=NEVER):
            viewer = watch(self.source, self.standing, 3)
            self.assertIsNone(await viewer.next(0.2))
            for number in range(1, 4):
                await sync_to_async(live.printed)(self.lease, number, "line")
                self.assertEqual(await texts(viewer, 3 + number), [3 + number])

    async def test_a_look_alone_brings_news(self) -> None:
        with patch("builds.wakes.wake"):
            viewer = watch(self.source, self.standing, 3)
            for number in range(1, 4):
                await sync_to_async(live.printed)(self.lease, number, "line")
                self.assertEqual(await texts(viewer, 3 + number), [3 + number])

    async def test_a_channel_layer_that_raises_delays_news_and_loses_none(self) -> None:
        with patch("builds.wakes.Listener.next", side_effect=OSError("the layer is away")):
            viewer = watch(self.source, self.standing, 3)
            await sync_to_async(live.printed)(self.lease, 1, "line")
            self.assertEqual(await texts(viewer, 4), [4])

    async def test_everything_stops_when_nobody_watches(self) -> None:
        with patch.object(hubs, "LINGER_SECONDS", 0.1):
            here, viewer = hub(), watch(self.source, self.standing, 3)
            self.assertIsNone(await viewer.next(0.05))
            here.leave(viewer)
            here.leave(viewer)
            for _ in range(500):
                if not here.tails:
                    break
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
            again = watch(self.source, self.standing, 3)
            await sync_to_async(live.printed)(self.lease, 1, "line")
            self.assertEqual(await texts(again, 4), [4])

    @override_settings(BUILDBOARD_STREAMS_PER_USER=2, BUILDBOARD_STREAMS_PER_PROCESS=3)
    async def test_streams_are_counted_by_user_and_process(self) -> None:
        here, other = hub(), Standing(self.user.pk + 1)
        viewers = [watch(self.source, self.standing, 3) for _ in range(2)]
        self.assertEqual([here.is_full(self.standing), here.is_full(other)], [True, False])
        viewers.append(watch(self.source, other, 3))
        self.assertTrue(here.is_full(Standing(None)))
        for viewer in viewers:
            here.leave(viewer)
        self.assertFalse(here.is_full(self.standing))

    async def test_a_right_that_ended_is_denied_and_a_failed_look_denies_nobody(self) -> None:
        viewer = watch(self.source, self.standing, 3)
        with patch("builds.access.visible_projects", side_effect=OSError), self.assertLogs("builds.live.hub"):
            await hub().recheck()
        self.assertIsNone(await viewer.next(0.01))
        await hub().recheck()
        self.assertIsNone(await viewer.next(0.01))
        await ApiToken.objects.all().adelete()
        await hub().recheck()
        self.assertEqual(await viewer.next(5), "denied")

    async def test_a_project_that_is_new_is_shown_to_whoever_may_see_it(self) -> None:
        viewer = watch(BoardSource(), self.standing, 3, frozenset({self.project}))
        self.assertIsNone(await viewer.next(0.01))
        build = await sync_to_async(live.queued)("brand-new")
        found = await asyncio.wait_for(viewer.next(10), 10)
        self.assertEqual([frame.key for frame in found.frames], [build.pk])

    async def test_a_project_that_another_viewer_knew_first_is_shown_to_those_who_were_there_before(self) -> None:
        first = watch(BoardSource(), self.standing, 3, frozenset({self.project}))
        self.assertIsNone(await first.next(0.01))
        new = await sync_to_async(live.project)("brand-new")
        watch(BoardSource(), self.standing, 3, frozenset({self.project, new.pk}))
        with patch("builds.access.visible_projects", side_effect=OSError), self.assertLogs("builds.live.hub"):
            self.assertFalse(await hub().recheck())
        build = await sync_to_async(live.queued)("brand-new")
        found = await asyncio.wait_for(first.next(10), 10)
        self.assertEqual([frame.key for frame in found.frames], [build.pk])

    async def test_a_project_that_came_while_a_viewer_was_asked_for_is_shown_to_them(self) -> None:
        first = watch(BoardSource(), self.standing, 3, frozenset({self.project}))
        self.assertIsNone(await first.next(0.01))
        await sync_to_async(live.queued)("brand-new")
        await asyncio.wait_for(first.next(10), 10)
        second = watch(BoardSource(), self.standing, 4, frozenset({self.project}))  # as they were before it was there
        build = await sync_to_async(live.queued)("brand-new")
        found = await asyncio.wait_for(second.next(10), 10)
        self.assertEqual([frame.key for frame in found.frames], [build.pk])

    async def test_who_comes_while_the_others_are_asked_for_is_asked_for_too(self) -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Future[Viewer] = loop.create_future()
        asked = access.visible_projects

        def come() -> None:
            late.set_result(watch(BoardSource(), self.standing, 3, frozenset({self.project})))

        def slowly(standings: Any) -> Any:
            found = asked(standings)
            if not late.done():
                loop.call_soon_threadsafe(come)
                time.sleep(0.1)
            return found

        first = watch(BoardSource(), self.standing, 3, frozenset({self.project}))
        self.assertIsNone(await first.next(0.01))
        with patch("builds.access.visible_projects", slowly):
            build = await sync_to_async(live.queued)("brand-new")
            for viewer in (first, await late):
                found = await asyncio.wait_for(viewer.next(10), 10)
                self.assertEqual([frame.key for frame in found.frames], [build.pk])

    async def test_a_board_shows_only_builds_of_projects_that_the_viewer_may_see(self) -> None:
        viewer = watch(BoardSource(), Standing(None), 3, frozenset())
        await sync_to_async(live.queued)()
        self.assertIsNone(await viewer.next(0.3))
        self.assertEqual(viewer.cursor, 4)

    async def test_a_deleted_build_is_denied(self) -> None:
        viewer = watch(self.source, self.standing, 3)
        self.assertIsNone(await viewer.next(0.1))
        await Build.objects.all().adelete()
        self.assertEqual(await viewer.next(10), "denied")

    async def test_draining_and_age_end_with_restart(self) -> None:
        with self.settings(BUILDBOARD_MAX_STREAM_SECONDS=0.1):
            self.assertEqual(await watch(self.source, self.standing, 3).next(10), "restart")
        viewer = watch(self.source, self.standing, 3)
        hubs.drain()
        self.assertEqual(await viewer.next(10), "restart")
        self.assertTrue(hubs.is_draining())
