"""Events are told as they were stored, whatever text and times they have, and the same way to all who read."""

import json
from datetime import UTC, datetime, timedelta

from django.test import TestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyTestCase

from builds import events, logrows
from builds.events import Chunk, Fact
from builds.models import Event, iso
from builds.telling import Around

from . import live

LOG = Around("<", ">", ";")
line = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=20)
times = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
chunks = st.lists(st.tuples(st.lists(line, min_size=1, max_size=3), st.booleans(), times), max_size=5)


def other(seq: int, kind: str, data: str) -> str:
    return f"[{seq}|{kind}|{data}]"


def stored(found: list) -> int:
    """A build with a `log` event of each, from number 1 on."""
    build_id = live.queued(f"p{Event.objects.count()}").pk
    Event.objects.filter(build_id=build_id).delete()
    for seq, (texts, is_open, at) in enumerate(found, start=1):
        logrows.insert(build_id, [logrows.Row(is_open, seq, 0, 7, len(texts), "\n".join(texts))], at)
    return build_id


class AnyTests(PropertyTestCase):
    @settings(max_examples=40, deadline=None)
    @given(chunks)
    def test_what_is_told_is_what_was_stored(self, found: list) -> None:
        build_id = stored(found)
        told = events.read(build_id, 0)
        self.assertEqual([(seq, kind) for seq, kind, _ in told], [(seq, "log") for seq in range(1, len(found) + 1)])
        for (_, _, data), (texts, is_open, at) in zip(told, found, strict=True):
            expected = {"step": "one", "line": 7, "text": "\n".join(texts), "at": iso(at)}
            self.assertEqual(json.loads(data), expected | ({"open": True} if is_open else {}))
            self.assertNotIn("\n", data)
        texts, last = events.written(build_id, 0, 100, None, 10_000, LOG, other)
        self.assertEqual(texts, [f"<{seq}>{data};" for seq, _, data in told])
        self.assertEqual(last, len(found))


class WrittenTests(TestCase):
    def test_any_other_event_is_handed_over_as_it_stands_there(self) -> None:
        build_id = stored([])
        drafts = [Fact("step", {"a": "é"}), Chunk(0, 1, ["x"]), Fact("log-like", {"b": 1}), Chunk(1, 1, ["y"])]
        events.put(build_id, 0, drafts)
        told = events.read(build_id, 0, names=["one", 'two "quoted"'])
        self.assertEqual([kind for _, kind, _ in told], ["step", "log", "log-like", "log"])
        texts, last = events.written(build_id, 0, 100, ["one", 'two "quoted"'], 10_000, LOG, other)
        self.assertEqual(texts[::2], ['[1|step|{"a":"é"}]', '[3|log-like|{"b":1}]'])
        self.assertEqual(texts[1::2], [f"<2>{told[1].data};", f"<4>{told[3].data};"])
        self.assertEqual(json.loads(told[3].data)["step"], 'two "quoted"')
        self.assertEqual(last, 4)

    def test_it_ends_with_the_event_that_passes_the_size_or_with_the_limit_in_one_query(self) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=999)
        build_id = stored([(["x" * 100], False, at)] * 10)
        for limit, size, count in ((100, 0, 1), (100, 99, 1), (100, 100, 2), (100, 10_000, 10), (3, 10_000, 3)):
            with self.subTest(limit=limit, size=size), self.assertNumQueries(1):
                texts, last = events.written(build_id, 0, limit, ["one"], size, LOG, other)
                self.assertEqual((len(texts), last), (count, count))
        self.assertEqual(events.written(build_id, 10, 100, ["one"], 10_000, LOG, other), ([], 10))
