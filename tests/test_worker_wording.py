"""What is said of a build, in words."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.worker.outwards.wording import MOST_LINE, description, note

from . import news

BOARD = "https://board.example"


@tag("fast")
class WordingTest(SimpleTestCase):
    def test_titles(self) -> None:
        for status, change, title in (
            ("queued", "", "· Hello World: build 42 is queued"),
            ("running", "", "› Hello World: build 42 runs"),
            ("passed", "", "✓ Hello World: build 42 passed"),
            ("passed", "fixed", "✓ Hello World: build 42 passed again; build 41 had failed"),
            ("failed", "", "✗ Hello World: build 42 failed"),
            ("failed", "broken", "✗ Hello World: build 42 failed; build 41 had passed"),
            ("lost", "broken", "? Hello World: build 42 was lost; build 41 had passed"),
            ("cancelled", "", "– Hello World: build 42 was cancelled"),
        ):
            self.assertEqual(note(news.payload(status, change), BOARD).title, title)

    def test_lines(self) -> None:
        said = note(news.payload("failed"), BOARD)
        self.assertEqual(
            said.lines,
            (
                "main · 6dcb09b5b5 Mend <the> thing · by Octo & Cat",
                "failed in test",
                "took 2 min 3 s · started by alice",
            ),
        )
        self.assertEqual(said.link, "https://board.example/builds/42/")
        self.assertEqual(note(news.payload("failed"), "").link, "")
        bare = news.payload("cancelled", branch="", commit="", commit_title="", commit_author="", started_by="")
        self.assertEqual(note(bare, "").lines, ("Cancelled by alice.", "took 2 min 3 s"))
        request = news.payload("passed", pull_request=7, finished_at="2026-12-01T13:02:03.000Z")
        self.assertEqual(
            note(request, "").lines,
            (
                "pull request 7 into main · 6dcb09b5b5 Mend <the> thing · by Octo & Cat",
                "took 3 h 2 min · started by alice",
            ),
        )

    def test_many_failed_steps_are_counted(self) -> None:
        many = news.payload("failed") | {"failed_steps": [f"step {number}" for number in range(10)]}
        self.assertEqual(note(many, "").lines[1], "failed in step 0, step 1, step 2, step 3, step 4 and 5 more")

    def test_a_test_says_that_it_is_one(self) -> None:
        said = note(news.claimed("mail", "test").payload, BOARD)
        self.assertEqual((said.title, said.link), ("Hello World: a test", f"{BOARD}/projects/hello-world/"))

    def test_the_status_of_a_commit_is_one_short_line(self) -> None:
        for status, change, line in (
            ("running", "", "Build 42 runs"),
            ("passed", "", "Build 42 passed after 2 min 3 s"),
            ("failed", "broken", "Build 42 failed in test; build 41 had passed"),
            ("lost", "", "Build 42 was lost: The worker host:1:x died (signal SIGKILL)."),
        ):
            self.assertEqual(description(news.payload(status, change), 140), line)
        long = description(news.payload("lost", reason="r" * 500), 140)
        self.assertEqual((len(long), long[-1]), (140, "…"))

    @settings(deadline=None)
    @given(st.text(max_size=600))
    def test_names_and_titles_are_anybodys(self, text: str) -> None:
        content = news.payload(
            "failed", commit_title=text, commit_author=text, branch=text, started_by=text, reason=text
        )
        content["project"]["name"] = text
        content["failed_steps"] = [text]
        said = note(content, BOARD)
        for line in (said.title, *said.lines, description(content, 140)):
            self.assertTrue(line.isprintable(), repr(line))
        self.assertTrue(all(len(line) <= MOST_LINE for line in said.lines))
