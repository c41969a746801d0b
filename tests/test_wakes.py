"""Wakes in one process."""

import asyncio
import threading
from unittest import mock

from channels.layers import get_channel_layer
from django.test import override_settings

from builds import wakes

from .bells import FreshBell

MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@override_settings(CHANNEL_LAYERS=MEMORY)
class InOneProcessTests(FreshBell):
    async def test_a_wake_of_another_thread_is_heard(self):
        async with wakes.listen() as ear:
            self.assertTrue(await ear.join("build.1"))
            self.assertTrue(await ear.join("build.1"))
            await asyncio.to_thread(wakes.wake, "build.1", 7)
            self.assertEqual(await asyncio.wait_for(ear.next(), 5), ("build.1", 7))

    async def test_a_listener_that_ends_makes_no_other_deaf(self):
        async with wakes.listen() as ear:
            await ear.join("build.1")
            async with wakes.listen():
                pass
            wakes.wake("build.1", 8)
            self.assertEqual(await asyncio.wait_for(ear.next(), 5), ("build.1", 8))

    async def test_only_joined_topics_are_heard_until_they_are_left(self):
        async with wakes.listen() as ear:
            await ear.join("build.1")
            await ear.join("board")
            await ear.leave("build.1")
            await ear.leave("build.1")
            wakes.wake("build.1", 1)
            wakes.wake("build.2", 1)
            await asyncio.sleep(0.05)
            wakes.wake("board", 3)
            self.assertEqual(await asyncio.wait_for(ear.next(), 5), ("board", 3))

    async def test_many_wakes_are_merged_and_the_last_head_arrives(self):
        async with wakes.listen() as ear:
            await ear.join("build.1")
            writers = [threading.Thread(target=lambda: [wakes.wake("build.1", n) for n in range(2_000)]) for _ in "ab"]
            for writer in writers:
                writer.start()
            heard = []
            while not heard or heard[-1].head != 1_999:
                heard.append(await asyncio.wait_for(ear.next(), 5))
            for writer in writers:
                writer.join()
        self.assertLess(len(heard), 4_000)

    async def test_without_a_head_it_is_still_a_wake(self):
        async with wakes.listen() as ear:
            await ear.join("board")
            wakes.wake("board")
            self.assertEqual(await asyncio.wait_for(ear.next(), 5), ("board", None))

    def test_without_a_listener_it_costs_nothing(self):
        self.assertFalse(wakes.is_shared())
        self.assert_costs_nothing()

    async def test_a_blocked_loop_blocks_no_writer(self):
        async with wakes.listen() as ear:
            await ear.join("board")
            writer = threading.Thread(target=self.assert_costs_nothing)
            writer.start()
            writer.join(5)  # the loop stands still here
            self.assertFalse(writer.is_alive())

    def test_the_end_of_a_listener_ends_no_writer(self):
        async def short() -> None:
            async with wakes.listen() as ear:
                await ear.join("board")

        asyncio.run(short())
        self.assert_costs_nothing(10)

        async def again() -> wakes.Wake:
            async with wakes.listen() as ear:
                await ear.join("board")
                await asyncio.to_thread(wakes.wake, "board", 4)
                return await asyncio.wait_for(ear.next(), 5)

        self.assertEqual(asyncio.run(again()).topic, "board")

    def test_merged_wakes_keep_the_highest_head_and_none_where_one_had_none(self):
        bell = wakes._Bell()
        with mock.patch.object(bell, "_thread", threading.current_thread()):  # nobody empties it
            for heads, merged in (((3, 5, 4), 5), ((None, 5), None), ((5, None), None), ((None,), None)):
                bell._marked.clear()
                for head in heads:
                    bell.mark("board", head)
                self.assertEqual(bell._marked, {"board": merged})

    def test_threads_that_ask_first_get_the_same_layer(self):
        found = []
        gate = threading.Barrier(8)

        def ask() -> None:
            gate.wait(5)
            found.append(wakes._layer())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        self.assertEqual({id(layer) for layer in found}, {id(get_channel_layer())})
