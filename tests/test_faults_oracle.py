"""The oracle of the fault bench is given wrong evidence: one that overlooks it would make the bench worthless."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.test import SimpleTestCase, tag

from .faults.oracle import (
    BuildEnd,
    Printed,
    Stored,
    Verdict,
    judge_board_viewer,
    judge_build,
    judge_viewer,
)
from .faults.printer import line
from .faults.recipes import RECIPES
from .faults.victims import Harm
from .faults.viewers import Seen, checksum

BEGAN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORKER = "host:17:abcdef"


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def log(step: str, first: int, texts: list[str], **more: object) -> tuple[str, dict]:
    return "log", {"step": step, "line": first, "text": "\n".join(texts), **more}


def said(build: int, step: str, first: int, last: int) -> list[str]:
    return [line(build, step, number) for number in range(first, last + 1)]


def numbered(facts: list[tuple[str, dict]]) -> list[Stored]:
    return [Stored(seq, kind, json.dumps(data)) for seq, (kind, data) in enumerate(facts, 1)]


def build(slug: str, status: str, reason: str = "", *, logs: list[tuple[str, dict]], **fields: object) -> BuildEnd:
    """One that ran for ten seconds, whose log has these lines."""
    recipe = RECIPES[slug]
    ended = {"passed": "passed", "lost": "lost", "cancelled": "cancelled", "failed": "failed"}[status]
    facts = [("build", {"status": "queued", "reason": ""}), *logs, ("build", {"status": status, "reason": reason})]
    steps = [(step.name, ended, 0 if ended == "passed" else None) for step in recipe.steps]
    whole = BuildEnd(7, slug, status, reason, WORKER, at(0), at(10), steps, numbered(facts))
    return replace(whole, **fields)


def whole(slug: str = "pieces") -> list[tuple[str, dict]]:
    """All that the recipe's steps print, a chunk each."""
    return [log(step.name, 1, said(7, step.name, 1, step.lines)) for step in RECIPES[slug].steps]


def all_printed(slug: str = "pieces") -> dict[str, Printed]:
    return {step.name: Printed(step.lines, step.lines) for step in RECIPES[slug].steps}


@tag("fast")
class EndTest(SimpleTestCase):
    def judge(
        self, ended: BuildEnd, *harms: Harm, printed: dict[str, Printed] | None = None, **options: object
    ) -> Verdict:
        return judge_build(ended, all_printed() if printed is None else printed, harms, options.get("outages", ()))

    def test_a_build_that_nothing_harmed_passes(self) -> None:
        self.assertTrue(self.judge(build("pieces", "passed", logs=whole())).passed)

    def test_it_is_not_lost_without_a_harm_to_its_worker(self) -> None:
        reason = f"The worker {WORKER} gave no sign of life for 5 s."
        lost = build("pieces", "lost", reason, logs=whole())
        self.assertIn("nothing happened to it", self.judge(lost).untrue[0])
        other = Harm("worker killed", at(5), worker="host:18:fedcba", build=8)
        self.assertTrue(self.judge(lost, other).untrue)
        self.assertTrue(self.judge(lost, Harm("worker killed", at(5), worker=WORKER)).passed)

    def test_a_reason_names_the_worker_that_died(self) -> None:
        harm = Harm("worker killed", at(5), worker=WORKER, build=7)
        self.assertTrue(
            self.judge(build("pieces", "lost", f"The worker {WORKER} died (signal SIGKILL).", logs=[]), harm).passed
        )
        for wrong in ("The worker host:18:fedcba died (signal SIGKILL).", "", "The worker was stopped."):
            self.assertTrue(self.judge(build("pieces", "lost", wrong, logs=[]), harm).untrue, wrong)

    def test_a_build_whose_worker_was_killed_under_its_step_cannot_have_passed(self) -> None:
        passed = build("pieces", "passed", logs=whole())
        self.assertTrue(self.judge(passed, Harm("worker killed", at(5), worker=WORKER, build=7)).untrue)
        between = Harm("worker killed", at(10.5), worker=WORKER)  # it had just ended
        self.assertTrue(self.judge(passed, between).passed)

    def test_a_killed_step_has_failed_by_that_signal(self) -> None:
        harm = Harm("step killed", at(5), build=7, step="half")
        failed = build("pieces", "failed", "Step half was ended by signal 9 (SIGKILL).", logs=whole())
        self.assertTrue(self.judge(failed, harm).passed)
        self.assertTrue(self.judge(build("pieces", "passed", logs=whole()), harm).untrue)
        self.assertTrue(self.judge(failed).untrue)

    def test_a_worker_that_was_stopped_is_fenced_while_the_database_can_be_asked(self) -> None:
        passed = build("pieces", "passed", logs=whole(), finished_at=at(30))
        harm = Harm("worker stopped longer than its lease", at(5), worker=WORKER, build=7, until=at(16))
        self.assertTrue(self.judge(passed, harm).untrue)
        self.assertTrue(self.judge(passed, harm, outages=[(at(6), at(9))]).passed)

    def test_a_build_that_still_runs_or_ended_twice_is_seen(self) -> None:
        running = replace(build("pieces", "passed", logs=whole()), status="running")
        self.assertTrue(self.judge(running).untrue)
        ended = ("build", {"status": "passed", "reason": ""})
        self.assertTrue(self.judge(build("pieces", "passed", logs=[*whole(), ended])).duplicated)

    def test_a_log_ends_with_the_end(self) -> None:
        late = build("pieces", "passed", logs=whole())
        late = replace(late, events=[*late.events, Stored(late.events[-1].seq + 1, "step", "{}")])
        self.assertTrue(self.judge(late).untrue)


@tag("fast")
class LogTest(SimpleTestCase):
    def judge(self, *logs: tuple[str, dict], printed: Printed | None = None, **fields: object) -> Verdict:
        status = fields.pop("status", "passed")
        return judge_build(
            build("pieces", status, logs=list(logs), **fields), {"half": printed or Printed(25, 25)}, [], []
        )

    def test_a_missing_line_is_lost_wherever_it_was(self) -> None:
        for kept in (said(7, "half", 1, 24), said(7, "half", 1, 10)):
            self.assertTrue(self.judge(log("half", 1, kept)).lost)
        first, rest = said(7, "half", 1, 10), said(7, "half", 12, 25)
        self.assertTrue(self.judge(log("half", 1, first), log("half", 12, rest)).lost)
        self.assertTrue(self.judge().lost)

    def test_a_missing_event_is_lost(self) -> None:
        ended = build("pieces", "passed", logs=whole())
        holed = replace(ended, events=[event for event in ended.events if event.kind != "log"])
        self.assertIn("no events from 2 to 2", " ".join(judge_build(holed, all_printed(), [], []).lost))

    def test_a_changed_swapped_or_foreign_line_is_untrue(self) -> None:
        texts = said(7, "half", 1, 25)
        for wrong in (
            [*texts[:4], texts[5], texts[4], *texts[6:]],
            [*texts[:4], texts[4][:-1], *texts[5:]],
            said(8, "half", 1, 25),
        ):
            self.assertTrue(self.judge(log("half", 1, wrong)).untrue)
        self.assertTrue(self.judge(*whole(), log("other", 1, ["?"])).untrue)

    def test_more_lines_than_were_meant_are_duplicates_and_so_is_a_second_run(self) -> None:
        self.assertTrue(self.judge(log("half", 1, said(7, "half", 1, 26))).duplicated)
        self.assertTrue(self.judge(*whole(), printed=Printed(25, 25, twice=True)).duplicated)

    def test_what_the_terminal_had_taken_of_a_cancelled_step_is_stored(self) -> None:
        harm = Harm("workers told to stop", at(5), worker=WORKER)
        for stored, fine in ((10, False), (12, True), (13, True), (14, False)):
            ended = build(
                "pieces", "cancelled", "The worker was stopped.", logs=[log("half", 1, said(7, "half", 1, stored))]
            )
            self.assertEqual(judge_build(ended, {"half": Printed(13, 12)}, [harm], []).passed, fine, stored)

    def test_who_was_told_to_stop_without_a_database_is_lost_by_its_supervisor_or_by_its_lease(self) -> None:
        harm = Harm("workers told to stop", at(5), worker=WORKER)
        reason = f"The worker {WORKER} gave no sign of life for 5 s."
        lapsed = build("pieces", "lost", reason, logs=[log("half", 1, said(7, "half", 1, 12))])
        self.assertFalse(judge_build(lapsed, {"half": Printed(13, 12)}, [harm], [(at(4), at(30))]).untrue)
        self.assertTrue(judge_build(lapsed, {"half": Printed(13, 12)}, [harm], []).untrue)

    def test_a_last_line_that_was_cut_short_with_its_step_is_true(self) -> None:
        harm = Harm("workers told to stop", at(5), worker=WORKER)
        texts = [*said(7, "half", 1, 12), line(7, "half", 13)[:9]]
        ended = build("pieces", "cancelled", "The worker was stopped.", logs=[log("half", 1, texts, open=True)])
        self.assertTrue(judge_build(ended, {"half": Printed(13, 12)}, [harm], []).passed)
        self.assertTrue(judge_build(ended, {"half": Printed(13, 13)}, [harm], []).untrue)

    def test_an_open_line_is_replaced_by_its_number(self) -> None:
        texts = said(7, "half", 1, 25)
        begun = log("half", 1, [*texts[:3], texts[3][:5]], open=True)
        self.assertTrue(self.judge(begun, log("half", 4, texts[3:])).passed)

    def test_landmarks_are_events_like_others(self) -> None:
        group = ("group", {"step": "half", "number": 1, "name": "", "line": 2, "last": None})
        annotation = ("annotation", {"step": "half", "number": 1, "line": 3})
        head, tail = log("half", 1, said(7, "half", 1, 5)), log("half", 6, said(7, "half", 6, 25))
        self.assertTrue(self.judge(head, group, annotation, tail).passed)

    def test_lines_are_missing_only_where_a_cut_says_so(self) -> None:
        head, tail = log("half", 1, said(7, "half", 1, 5)), log("half", 21, said(7, "half", 21, 25))
        cut = ("cut", {"step": "half", "line": 6, "lines": 15, "bytes": 900})
        self.assertTrue(self.judge(head, cut, tail).passed)
        shorter = ("cut", {"step": "half", "line": 6, "lines": 14, "bytes": 900})
        self.assertTrue(self.judge(head, shorter, tail).lost)


@tag("fast")
class ViewerTest(SimpleTestCase):
    ended = build("pieces", "passed", logs=whole())

    def seen(self, *numbers: int, ended: bool = True, build_id: int | None = 7) -> Seen:
        stored = {event.seq: event for event in self.ended.events}
        events = [(n, stored[n].kind, checksum(stored[n].data)) for n in numbers]
        return Seen("a viewer", build_id, events=events, ended=ended)

    def test_the_log_once_and_in_order_passes(self) -> None:
        self.assertTrue(judge_viewer(self.seen(1, 2, 3), self.ended).passed)

    def test_each_way_to_be_wrong_has_its_name(self) -> None:
        self.assertTrue(judge_viewer(self.seen(1, 3), self.ended).lost)
        self.assertTrue(judge_viewer(self.seen(2, 3), self.ended).lost)
        self.assertTrue(judge_viewer(self.seen(1, 2), self.ended).lost)
        self.assertTrue(judge_viewer(self.seen(1, 2, 3, ended=False), self.ended).lost)
        self.assertTrue(judge_viewer(self.seen(1, 2, 2, 3), self.ended).duplicated)
        self.assertTrue(judge_viewer(self.seen(1, 2, 3, 2), self.ended).reordered)

    def test_an_event_that_is_not_stored_so_is_untrue(self) -> None:
        for event in ((2, "log", 1), (2, "step", checksum(self.ended.events[1].data)), (4, "log", 1)):
            seen = self.seen(1, 2, 3)
            seen.events[min(event[0] - 1, 2)] = event
            self.assertTrue(judge_viewer(seen, self.ended).untrue, event)

    def test_its_complaints_count(self) -> None:
        seen = self.seen(1, 2, 3)
        seen.complaints.append("answered 500")
        self.assertFalse(judge_viewer(seen, self.ended).passed)

    def test_what_an_open_stream_brought_late_counts_unless_the_database_was_harmed(self) -> None:
        seen = self.seen(1, 2, 3)
        seen.late.append((2, at(3), at(15)))
        self.assertIn("came 12.0 s after", judge_viewer(seen, self.ended).other[0])
        self.assertTrue(judge_viewer(seen, self.ended, [(at(8), at(14))]).passed)

    def test_whoever_watched_live_may_have_what_a_cut_stands_for(self) -> None:
        first, *_, last = numbered([("build", {}), *whole(), *whole(), ("cut", {}), ("build", {})])
        cut = Stored(4, "cut", json.dumps({"step": "half", "line": 1, "lines": 25, "bytes": 9}))
        ended = replace(self.ended, events=[first, cut, last])
        crc = {event.seq: (event.seq, event.kind, checksum(event.data)) for event in (first, cut, last)}
        for between in ([crc[4]], [(2, "log", 1), crc[4]], [(2, "log", 1), (3, "log", 2), (4, "log", 3)]):
            seen = Seen("a viewer", 7, events=[crc[1], *between, crc[5]], ended=True)
            self.assertTrue(judge_viewer(seen, ended).passed, between)

    def test_a_viewer_of_the_board_has_the_newest_state_of_every_build(self) -> None:
        state = {"id": 7, "status": "passed", "reason": ""}
        good = Seen("a viewer", None, events=[(3, "build", 1), (9, "build", 1)], builds={7: state})
        self.assertTrue(judge_board_viewer(good, 9, [self.ended]).passed)
        self.assertTrue(judge_board_viewer(good, 10, [self.ended]).lost)
        stale = replace(good, builds={7: state | {"status": "running"}})
        self.assertTrue(judge_board_viewer(stale, 9, [self.ended]).untrue)
        back = replace(good, events=[(9, "build", 1), (3, "build", 1), (9, "build", 1)])
        self.assertTrue(judge_board_viewer(back, 9, [self.ended]).reordered)
