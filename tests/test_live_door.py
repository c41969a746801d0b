"""Questions that are answered together: each gets its own answer, and those who come meanwhile are the next go."""

import asyncio
import threading
from collections.abc import Sequence

from django.test import SimpleTestCase, tag

from builds.live import door
from builds.live.door import Door
from tests.test_live_tail import until


@tag("fast")
class DoorTest(SimpleTestCase):
    def setUp(self) -> None:
        self.gos: list[list[int]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, questions: Sequence[int]) -> list[str | Exception]:
        self.gos.append(list(questions))
        self.may_answer.wait(10)
        if 99 in questions:
            raise OSError("the store is away")
        return [ValueError(f"{one} is odd") if one % 2 else f"answer {one}" for one in questions]

    async def test_each_gets_its_own_answer_or_its_own_error(self) -> None:
        asked = Door(self.answer)
        found = await asyncio.gather(*map(asked.ask, range(5)), return_exceptions=True)
        told = ["answer 0", "1 is odd", "answer 2", "3 is odd", "answer 4"]
        self.assertEqual([str(one) for one in found], told)

    async def test_those_who_come_meanwhile_are_the_next_go(self) -> None:
        self.may_answer.clear()
        asked = Door(self.answer)
        futures = [asked.ask(0)]
        await until(lambda: bool(self.gos))
        futures += [asked.ask(number) for number in range(2, 2 * door.MOST + 20, 2)]
        futures[3].cancel()
        self.may_answer.set()
        await asyncio.wait(futures)
        self.assertEqual([len(go) for go in self.gos], [1, door.MOST - 1, 9])
        self.assertEqual(futures[-1].result(), f"answer {2 * door.MOST + 18}")
        self.assertNotIn(6, self.gos[1], "nobody waits for it any more")

    async def test_a_go_that_fails_fails_all_of_it_and_not_the_next_one(self) -> None:
        asked = Door(self.answer)
        found = await asyncio.gather(asked.ask(2), asked.ask(99), return_exceptions=True)
        self.assertEqual([type(one) for one in found], [OSError, OSError])
        self.assertEqual(await asked.ask(4), "answer 4")
