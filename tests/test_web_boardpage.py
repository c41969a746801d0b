"""The board's page as the server writes it, and what its history costs."""

from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.utils import timezone

from builds import beats, lifecycle
from builds.events import Lease
from builds.models import Build, Project
from builds.states import Status
from builds.web import views

from .pages import RECIPE, PagesCase, Within


class BoardTest(PagesCase):
    def test_a_long_queue_is_shown_from_its_front_and_says_how_much_more_there_is(self) -> None:
        Build.objects.bulk_create(Build(project=self.project, recipe=RECIPE) for _ in range(103))
        for path, said in (("/", "and 3 more behind them"), ("/projects/lantern/", "and 3 more that wait")):
            text = self.page(path)
            self.assertIn(said, text)
            self.assertEqual(text.count('class="row wait" data-key'), 100)
        self.assertIn('Queue <span class="count">103</span>', self.page("/"))

    def test_the_line_of_workers_says_who_drains_and_who_takes_nothing(self) -> None:
        beats.beat("a")
        self.assertIn("0 of 1 worker busy</span>", self.page("/"))
        beats.beat("b", draining=True)
        beats.beat("c", note="Less than 200 MB are free.")
        text = self.page("/")
        self.assertIn("0 of 3 workers busy, 1 draining, ", text)
        self.assertIn('title="Less than 200 MB are free.">1 takes no builds</span>', text)

    def test_it_shows_what_runs_what_waits_and_what_was(self) -> None:
        done = self.finished(Status.FAILED, "compile: exit code 2")
        running, _ = self.running()
        waiting = self.build()
        text = self.page("/")
        for build in (done, running, waiting):
            self.assertIn(f'data-key="build-{build.pk}"', text)
        self.assertIn("compile · step 1 of 2", text)
        self.assertIn("1st · no worker is running", text)
        self.assertIn("compile: exit code 2", text)
        self.assertIn("its one finished build did not pass", text)

    def test_a_build_that_ends_while_it_is_read_is_shown_once(self) -> None:
        """Where it is missing for a moment its row is gone, and with it the focus of whoever stood on it."""
        for name, path in [(name, path) for name in ("_queue", "_history") for path in ("/", "/projects/lantern/")]:
            build, lease = self.running(["hello"])
            actual = getattr(views, name)

            def meanwhile(*args: Any, lease: Lease = lease, actual: Any = actual) -> Any:
                lifecycle.finish(lease, Status.FAILED, "It said no.")
                return actual(*args)

            with mock.patch.object(views, name, meanwhile):
                self.assertEqual(self.page(path).count(f'data-key="build-{build.pk}"'), 1, (name, path))

    def test_the_history_is_paged_by_number(self) -> None:
        with mock.patch.object(views, "PAGE", 2):
            numbers = [self.finished().pk for _ in range(5)]
            first = self.page("/")
            self.assertIn(f"?before={numbers[3]}", first)
            second = self.page(f"/?before={numbers[3]}")
            self.assertIn(f'data-key="build-{numbers[2]}"', second)
            self.assertNotIn(f'data-key="build-{numbers[3]}"', second)
            self.assertNotIn("Older", self.page(f"/?before={numbers[1]}"))
            for wrong in ("x", "-1", "9" * 40, "٣"):
                self.assertEqual(self.client.get("/", {"before": wrong}).status_code, 200)

    def test_an_empty_board_says_so(self) -> None:
        Project.objects.all().delete()
        self.assertIn("No projects", self.page("/"))

    def test_the_number_of_queries_does_not_grow_with_builds(self) -> None:
        self.finished()
        self.page("/")
        with self.assertNumQueries(Within(25)):
            self.page("/")
        for _ in range(6):
            self.finished()
        with self.assertNumQueries(Within(25)):
            self.page("/")


class HistoryTest(TestCase):
    """A board does not read its history: counted in the instructions of SQLite's machine, not by a clock."""

    ADDRESSES = (
        "/",
        "/?project=p",
        "/?branch=main",
        "/?who=bob",
        "/?status=failed",
        "/?status=passed&status=failed&status=lost",
        "/?project=p&status=passed&status=failed",
        "/?when=30d",
        "/?from=2031-01-01&to=2031-01-02",
        "/projects/p/",
    )

    def setUp(self) -> None:
        self.project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: x}]")
        alice = User.objects.create_user("alice")
        self.client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    def grow(self, count: int) -> None:
        now = timezone.now()
        over: dict[str, Any] = {"started_at": now, "finished_at": now, "worker": "w"} | {
            "ref": "main",
            "started_by": "bob",
        }
        Build.objects.bulk_create(
            Build(project=self.project, recipe="x", status="passed" if at % 5 else "failed", **over)
            for at in range(count)
        )

    def work(self, address: str) -> int:
        steps = 0

        def more() -> None:
            nonlocal steps
            steps += 1

        connection.connection.set_progress_handler(more, 100)
        try:
            self.assertEqual(self.client.get(address).status_code, 200)
        finally:
            connection.connection.set_progress_handler(None, 0)
        return steps

    def test_pages_cost_the_same_with_a_history_ten_times_as_long(self) -> None:
        self.grow(400)
        lifecycle.enqueue(self.project, by="bob", ref="main")
        before = [(self.work(address), self.work(address))[1] for address in self.ADDRESSES]
        self.grow(3_600)
        for address, steps in zip(self.ADDRESSES, before, strict=True):
            with self.subTest(address):
                self.assertLess(self.work(address), 1.3 * steps + 20)
