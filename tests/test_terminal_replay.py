"""A log as a terminal shows it: every line once and whole, however it came in chunks."""

import json
from typing import Any

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.terminal.replay import Header, Replay, Said


def log(line: int, text: str, *, step: str = "compile", is_open: bool = False) -> tuple[str, dict[str, Any]]:
    return "log", {"step": step, "line": line, "text": text, "at": "", **({"open": True} if is_open else {})}


def step(status: str, name: str = "compile", exit_code: int | None = None, reason: str = "") -> tuple[str, dict]:
    return "step", {"name": name, "status": status, "exit_code": exit_code, "reason": reason}


def build(status: str, reason: str = "") -> tuple[str, dict[str, Any]]:
    return "build", {"status": status, "reason": reason}


def shown(*facts: tuple[str, dict[str, Any]], colours: bool = False) -> list[Said]:
    replay = Replay(colours=colours)
    return [said for kind, data in facts for said in replay.feed(kind, json.dumps(data))]


@tag("fast")
class ReplayTests(SimpleTestCase):
    def test_steps_have_headers_and_results(self) -> None:
        self.assertEqual(
            shown(step("running"), log(1, "one\ntwo"), step("failed", exit_code=2), build("failed", "It said no.")),
            [Header("── compile"), "one", "two", Header("── compile failed, exit code 2")],
        )

    def test_an_open_line_is_withheld_until_it_is_whole(self) -> None:
        opened = (step("running"), log(1, "10 %", is_open=True), log(1, "20 %", is_open=True))
        self.assertEqual(shown(*opened), [Header("── compile")])
        self.assertEqual(shown(*opened, log(1, "100 %\ndone"))[1:], ["100 %", "done"])
        self.assertEqual(shown(*opened, step("passed", exit_code=0))[1:], ["20 %", Header("── compile passed")])
        self.assertEqual(shown(*opened, build("lost"))[1:], ["20 %"])

    def test_an_open_line_that_is_not_replaced_comes_before_the_next_one(self) -> None:
        self.assertEqual(shown(step("running"), log(1, "a", is_open=True), log(2, "b"))[1:], ["a", "b"])

    def test_a_line_of_an_earlier_step_says_whose_it_is(self) -> None:
        said = shown(step("running", "a"), step("passed", "a"), step("running", "b"), log(1, "late", step="a"))
        self.assertEqual(said[-2:], [Header("── a, once more"), "late"])

    def test_colours_are_for_terminals(self) -> None:
        line = log(1, "\x1b[1;31mred\x1b[0m \x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\")
        self.assertEqual(shown(step("running"), line)[1:], ["red link"])
        self.assertIn("\x1b[1;31m", str(shown(step("running"), line, colours=True)[1]))

    def test_what_is_unknown_or_cut_is_no_error(self) -> None:
        self.assertEqual(shown(("weather", {"sky": "blue"})), [])
        self.assertEqual(shown(("annotation", {"step": "compile", "line": 5, "message": "x"})), [], "its line says it")
        cut = ("cut", {"step": "compile", "line": 5, "lines": 900, "bytes": 1})
        self.assertEqual(shown(cut), [Header("── 900 lines of compile left out")])
        self.assertEqual(shown(cut, cut), shown(cut))

    def test_an_exit_code_is_said_once(self) -> None:
        for reason, said in (
            ("Exit code 2.", "── compile failed, exit code 2"),
            ("", "── compile failed, exit code 2"),
            ("It wrote too much.", "── compile failed, exit code 2: It wrote too much."),
        ):
            self.assertEqual(shown(step("failed", exit_code=2, reason=reason)), [Header(said)])

    def test_a_cut_of_lines_that_were_printed_before_says_only_what_is_new(self) -> None:
        lines = log(1, "\n".join(["x"] * 9))
        cut = ("cut", {"step": "compile", "line": 5, "lines": 6, "bytes": 1, "reason": "It was long."})
        self.assertEqual(shown(step("running"), lines, cut)[-1], Header("── 1 line of compile left out: It was long."))

    @given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=12))
    def test_every_line_is_printed_once_in_order_for_every_way_of_chunking(
        self, chunks: list[tuple[int, bool, bool]]
    ) -> None:
        """Of each chunk: how many lines it has, whether its last one is open, whether it comes twice."""
        lines = [f"line {number}" for number in range(1, sum(size for size, _, _ in chunks) + 2)]
        facts = [step("running")]
        next_line = 1
        for size, is_open, twice in chunks:
            texts = lines[next_line - 1 : next_line - 1 + size]
            texts[-1] = texts[-1][: 3 if is_open else None]
            facts += [log(next_line, "\n".join(texts), is_open=is_open)] * (2 if twice else 1)
            next_line += size - is_open
        facts += [log(next_line, "\n".join(lines[next_line - 1 :])), step("passed", exit_code=0)]
        self.assertEqual([said for said in shown(*facts) if isinstance(said, str)], lines)
