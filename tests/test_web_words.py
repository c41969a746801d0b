from typing import Any

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.states import BUILD_STATUSES, STEP_STATUSES
from builds.web import words

from .node import twins

seconds = st.floats(min_value=-5, max_value=4e6, allow_nan=False)


def build(
    status: str, steps: list[tuple[str, str]], *, cancelling: bool = False, reason: str = "", cancelled_by: str = ""
) -> dict[str, Any]:
    return {
        "status": status,
        "cancel_requested": cancelling,
        "reason": reason,
        "cancelled_by": cancelled_by,
        "steps": [_step(name, at, one, len(steps)) for at, (name, one) in enumerate(steps)],
    }


def _step(name: str, at: int, status: str = "pending", beside: int = 0) -> dict[str, Any]:
    """Of many that stand beside each other, each has its own needs, attempts and allowance: always the same ones."""
    odd = beside > 3 and at % 2
    return {
        "name": name,
        "status": status,
        "reason": "Exit code 1." if status == "failed" else "",
        "needs": list(range(at)) if odd else [at - 1] if at else [],
        "attempt": 2 if odd else 1,
        "attempts": 3,
        "finished_at": None if status in ("pending", "running") else f"2026-12-01T10:00:0{(7 * at + 3) % 5}.000Z",
        "allow_failure": beside > 4 and at == 4,
        "image": "" if beside < 2 else "debian:12" if beside < 5 or at % 2 else "alpine:3",
    }


names = st.one_of(st.text(max_size=9), st.sampled_from(["t (a=1)", "t (a=2)", "t (a=(\n), b=c)", "u (a=1)", "t (a)"]))
builds = st.builds(
    build,
    st.sampled_from([str(status) for status in BUILD_STATUSES]),
    st.lists(st.tuples(names, st.sampled_from([str(status) for status in STEP_STATUSES])), max_size=5),
    cancelling=st.booleans(),
    reason=st.sampled_from(["", "Cancelled by alice.", "Cancelled by bob.", "Step a: exit code 1."]),
    cancelled_by=st.sampled_from(["", "alice"]),
)


@tag("fast")
class WordsTest(SimpleTestCase):
    def test_durations_keep_two_figures(self) -> None:
        for length, said in (
            (None, ""),
            (-3, "0 s"),
            (0, "0 s"),
            (28.9, "28 s"),
            (65, "1 m 05 s"),
            (3599, "59 m 59 s"),
            (7380, "2 h 03 m"),
            (3 * 86400 + 4 * 3600, "3 d 4 h"),
        ):
            self.assertEqual(words.duration(length), said)
        self.assertEqual(words.duration(1.19, fine=True), "1.1 s")
        self.assertEqual(words.duration(10.9, fine=True), "10 s")

    def test_the_remaining_time_is_said_as_what_it_is_a_guess(self) -> None:
        self.assertEqual(words.left(16.2), "about 17 s left")
        self.assertEqual(words.left(0.2), "any moment")
        self.assertEqual(words.left(67), "about 70 s left")
        self.assertEqual(words.left(90.1), "about 2 min left")
        self.assertEqual(words.left(600), "about 10 min left")
        self.assertEqual(words.left(None), "")

    def test_once_it_may_be_over_the_last_half_minute_is_not_counted(self) -> None:
        self.assertEqual(words.left(12, 0.2), "any moment")
        self.assertEqual(words.left(12, 3), "about 12 s left")
        self.assertEqual(words.left(300, 0.2), "about 5 min left")

    def test_what_is_usual_is_as_coarse_as_the_guess(self) -> None:
        for low, high, said in (
            (14.2, 21.3, "usually 14–22 s"),
            (31, 71, "usually 30–75 s"),
            (70, 130, "usually 1–3 min"),
            (45, 130, "usually within 3 min"),
            (0.1, 7.2, "usually within 8 s"),
            (0, 0, "usually within 1 s"),
            (120, 120, "usually 2 min"),
            (4000, 9000, "usually 1–3 h"),
            (None, None, ""),
        ):
            self.assertEqual(words.usually(low, high), said)

    def test_a_build_that_takes_long_is_told_beside_how_many(self) -> None:
        said = [words.outlasted(count, of) for count, of in ((9, 10), (8, 10), (10, 10), (5, 5), (4, 5), (2, 2))]
        self.assertEqual(
            said,
            ["longer than 9 of 10 builds", "", "longer than all of the last 10 builds"]
            + ["longer than all of the last 5 builds", "", ""],
        )

    def test_a_whole_time_is_told_beside_the_usual_one(self) -> None:
        self.assertEqual(words.compared(72, 60), "12 s longer than usual")
        self.assertEqual(words.compared(57, 60.5), "3 s shorter than usual")
        self.assertEqual(words.compared(62, 60), "as usual")
        self.assertEqual(words.compared(0.4, 0.1), "as usual")
        self.assertEqual(words.compared(5, None), "")

    def test_a_silence_names_its_step_and_the_line_before_it(self) -> None:
        self.assertEqual(words.silence(42.4, "compile", 1084), "42 s in compile, after line 1,084")
        self.assertEqual(words.silence(6.48, "link", 0), "6.4 s in link, before its first line")

    def test_a_share_is_never_rounded_up(self) -> None:
        self.assertEqual(words.percent(0.9999), "99 %")
        self.assertEqual(words.percent(0.62), "62 %")

    def test_the_phrase_names_the_step_that_matters(self) -> None:
        steps = [("fetch", "passed"), ("compile", "running"), ("link", "pending")]
        self.assertEqual(words.phrase(build("running", steps)), "running compile, step 2 of 3")
        self.assertIn("cancelling", words.phrase(build("running", steps, cancelling=True)))
        self.assertEqual(words.phrase(build("failed", [("a", "passed"), ("b", "failed")])), "failed in b")
        self.assertEqual(words.phrase(build("passed", [("a", "passed")])), "passed")
        beside = [("a", "passed"), ("b", "running"), ("c", "running"), ("d", "running")]
        self.assertEqual(words.phrase(build("running", beside)), "running b and 2 more of 4 steps")
        self.assertEqual(words.current_step(build("running", beside)), "b and 2 more of 4 steps")
        allowed = build("failed", [("a", "failed"), ("b", "failed")])
        allowed["steps"][0]["allow_failure"] = True
        self.assertEqual(words.phrase(allowed), "failed in b")

    def test_the_phrase_names_the_step_that_failed_first_in_time(self) -> None:
        two = build("failed", [("slow", "failed"), ("quick", "failed")])
        two["steps"][0]["finished_at"], two["steps"][1]["finished_at"] = "2026-12-01T10:00:09.000Z", None
        self.assertEqual(words.phrase(two), "failed in slow")
        two["steps"][1]["finished_at"] = "2026-12-01T10:00:02.000Z"
        self.assertEqual(words.phrase(two), "failed in quick")

    def test_a_step_says_what_it_waits_for_and_what_became_of_it(self) -> None:
        def note(at: int, **more: Any) -> str:
            steps = [_step(name, one) for one, name in enumerate("abcdef")]
            steps[at] |= more
            return words.step_note(steps, at)

        self.assertEqual([note(0), note(3)], ["", ""])
        self.assertEqual(note(1, needs=[]), "at once")
        self.assertEqual(note(2, needs=[0]), "after a")
        self.assertEqual(note(5, needs=[0, 1, 2, 3, 4]), "after a, b, c and 2 more")
        self.assertEqual(note(1, attempt=2, attempts=3), "attempt 2 of 3")
        self.assertEqual(note(1, attempts=3), "")
        self.assertEqual(note(1, allow_failure=True), "may fail")
        self.assertEqual(note(1, allow_failure=True, status="failed", needs=[]), "at once · failed, allowed")
        self.assertEqual(words.ending(_step("a", 0, "failed")), "Exit code 1.")
        self.assertEqual(words.ending(_step("a", 4, "failed", 5)), "failed, allowed: Exit code 1.")
        self.assertEqual(note(1, image="debian:12"), "in debian:12")
        why = "It needs a, which failed."
        self.assertEqual(note(1, status="skipped", reason=why, needs=[]), why)

    def test_an_image_that_all_steps_name_is_said_once(self) -> None:
        steps = [_step(name, at) | {"image": "debian:12"} for at, name in enumerate("abc")]
        self.assertEqual((words.image_of_all(steps), words.step_note(steps, 1)), ("debian:12", ""))
        checked_out = [_step("check out", 0), *steps]
        self.assertEqual(words.image_of_all(checked_out), "debian:12")
        self.assertEqual(words.image_of_all(checked_out[:1]), "")
        steps[2]["image"] = "alpine:3"
        self.assertEqual(words.image_of_all(steps), "")
        self.assertEqual([words.step_note(steps, at) for at in (1, 2)], ["in debian:12", "in alpine:3"])
        del steps[2]["image"]  # an event from before there were any
        self.assertEqual([words.step_note(steps, at) for at in (1, 2)], ["in debian:12", ""])

    def test_a_matrix_is_called_by_its_name_where_all_of_it_is_meant(self) -> None:
        names = ["a", "test (os=linux, db=x (y))", "test (os=mac, db=x (y))", "b", "lint (a=1)"]
        steps = [_step(name, at) for at, name in enumerate(names)]
        self.assertEqual([words.matrix_of(name) for name in names], ["", "test", "test", "", "lint"])
        self.assertEqual([words.is_in_matrix(steps, at) for at in range(5)], [False, True, True, False, False])
        for needs, said in (
            ([1, 2], "after test"),
            ([0, 1, 2], "after a, test"),
            ([2], ""),
            ([1], f"after {names[1]}"),
        ):
            steps[3]["needs"] = needs
            self.assertEqual(words.step_note(steps, 3), said)
        steps[1]["needs"] = steps[2]["needs"] = []
        self.assertEqual([words.needs_note(steps, 1), words.step_note(steps, 1)], ["at once", ""])

    def test_a_reason_that_the_head_has_given_is_not_given_again(self) -> None:
        for reason in ("Cancelled by alice.", "Cancelled by alice while it was queued."):
            self.assertEqual(words.verdict(build("cancelled", [], reason=reason, cancelled_by="alice")), "")
        for status, reason in (("cancelled", "The worker was stopped."), ("failed", "Step a: exit code 1.")):
            self.assertEqual(words.verdict(build(status, [], reason=reason)), reason)

    def test_a_steps_part_of_the_log_says_how_much_there_is_or_why_there_is_nothing(self) -> None:
        self.assertEqual(words.output(2, "failed", "Exit code 1."), "2 lines · Exit code 1.")
        silent = [words.output(0, status, "") for status in ("pending", "skipped", "running", "passed")]
        self.assertEqual(silent, ["pending", "skipped", "no output yet", "no output"])

    def test_places_in_a_queue(self) -> None:
        said = [words.ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 101, 111)]
        self.assertEqual(said, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th"])

    def test_a_cut_says_how_much_is_missing_which_lines_and_why(self) -> None:
        self.assertEqual(
            words.cut(2001, 46_000, 3_100_000, "Full."), "46,000 lines left out (2001 to 48000, 3.1 MB): Full."
        )
        self.assertEqual(words.cut(7, 1, 1, ""), "1 line left out (7, 1 byte)")
        self.assertEqual(words.cut(7, 2, 0, "Full."), "2 lines left out (7 to 8): Full.")
        self.assertEqual(words.output(50, "passed", "", 40), "50 lines, 40 left out")
        self.assertEqual([words.stored(50, 40), words.stored(1, 0)], ["10 lines stored, 40 left out", "1 line"])
        self.assertEqual(
            [words.left_out(5_000, 4_000), words.left_out(5, 0)], ["cut: 4,000 of 5,000 lines left out", ""]
        )

    def test_where_steps_ran_is_said_where_it_is_known(self) -> None:
        said = [words.sandbox(name, False) for name in ("", "none", "bubblewrap")]
        self.assertEqual(said, ["", "none: as the worker's user", "bubblewrap, no network"])
        self.assertEqual(words.sandbox("bubblewrap", True), "bubblewrap")

    def test_a_build_that_never_ran_has_no_worker_to_come(self) -> None:
        said = [words.worker("", "queued"), words.worker("", "cancelled"), words.worker("a:1", "cancelled")]
        self.assertEqual(said, ["none yet", "none: it never ran", "a:1"])

    def test_counts(self) -> None:
        self.assertEqual(words.count(1, "line"), "1 line")
        self.assertEqual(words.count(2143, "line"), "2,143 lines")


class TwinTest(SimpleTestCase):
    def test_the_pages_use_the_same_words_as_the_server(self) -> None:
        cases: list[tuple[str, list[Any], Any]] = []

        @settings(max_examples=300, database=None)
        @given(seconds, st.floats(min_value=0, max_value=1), st.integers(min_value=0, max_value=10**9), builds)
        def collect(length: float, share: float, number: int, one: dict[str, Any]) -> None:
            cases.append(("duration", [length], words.duration(length)))
            cases.append(("duration", [length, True], words.duration(length, fine=True)))
            cases.append(("ago", [length], words.ago(length)))
            cases.append(("left", [length], words.left(length)))
            cases.append(("left", [length, share], words.left(length, share)))
            cases.append(("usually", [share * length, length], words.usually(share * length, length)))
            cases.append(("outlasted", [number % 11, 10], words.outlasted(number % 11, 10)))
            cases.append(("compared", [length, number % 999], words.compared(length, number % 999)))
            cases.append(("silence", [length, "a b", number], words.silence(length, "a b", number)))
            cases.append(("percent", [share], words.percent(share)))
            cases.append(("count", [number, "line"], words.count(number, "line")))
            status, reason = one["status"], one["reason"]
            said = [number % 3, status, reason, number % 2_000]
            cases.append(("output", said, words.output(*said)))
            cases.append(("cut", [7, number % 3_000, number, reason], words.cut(7, number % 3_000, number, reason)))
            cases.append(("size", [number], words.size(number)))
            cases.append(("stored", [number, number % 70], words.stored(number, number % 70)))
            cases.append(("leftOut", [number, number % 70], words.left_out(number, number % 70)))
            for kept in (False, True):
                cases.append(("logFact", [7, number % 7, kept], words.log_fact(7, number % 7, kept=kept)))
            cases.append(("worker", [reason, status], words.worker(reason, status)))
            for box in ("", "none", "bubblewrap"):
                for network in (False, True):
                    cases.append(("sandbox", [box, network], words.sandbox(box, network)))
                    cases.append(("recipe", [box, reason, network], words.recipe(box, reason, known=network)))
            cases.append(("imageOfAll", [one["steps"]], words.image_of_all(one["steps"])))
            cases.append(("verdict", [one], words.verdict(one)))
            cases.append(("phrase", [one], words.phrase(one)))
            for at in range(len(one["steps"])):
                cases.append(("stepNote", [one["steps"], at], words.step_note(one["steps"], at)))
                cases.append(("ending", [one["steps"][at]], words.ending(one["steps"][at])))
            cases.append(("currentStep", [one], words.current_step(one)))

        collect()
        answers = twins([(name, given_) for name, given_, _ in cases])
        for (name, given_, said), answer in zip(cases, answers, strict=True):
            self.assertEqual(answer, said, f"{name}({given_})")
