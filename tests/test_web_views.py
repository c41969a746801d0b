import html
import json
import re
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client, TestCase, override_settings
from django.urls import reverse
from django.utils import timezone

from builds import beats, events, lifecycle
from builds.events import Chunk, Lease
from builds.models import Board, Build, Project
from builds.states import Status
from builds.web import views

RECIPE = "steps: [{name: compile, run: make}, {name: pack it, run: make dist}]"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "line\u2028separator \u202e right to left",
    "\x1b[31mred \x1b]8;;javascript:alert(1)\x1b\\no link\x1b]8;;\x1b\\ \x1b[999;;;m\x00\x1b",
    "x" * 1_000_000,
]


class PagesCase(TestCase):
    def setUp(self) -> None:
        self.alice = User.objects.create_user("alice", password="a-long-password")
        self.alice.user_permissions.set(
            Permission.objects.filter(content_type__app_label="builds", codename__in=["start_build", "cancel_build"])
        )
        self.stranger = User.objects.create_user("stranger", password="a-long-password")
        self.project = Project.objects.create(name="Lantern", slug="lantern", recipe=RECIPE)
        self.client.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")

    def as_user(self, user: User | None) -> None:
        self.client.logout()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def build(self, *, by: str = "alice") -> Build:
        return lifecycle.enqueue(self.project, by=by)

    def running(self, lines: list[str] | None = None) -> tuple[Build, Lease]:
        build = self.build()
        with self.captureOnCommitCallbacks(execute=True):
            lease = lifecycle.claim("host:1:x", f"token-{build.pk}")
        assert lease is not None and lease.build_id == build.pk
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.begin_step(lease, 0)
        if lines:
            self.append(lease, 1, lines)
        return build, lease

    def append(self, lease: Lease, line: int, lines: list[str]) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            events.append(lease, [Chunk(0, line, lines)])

    def finished(self, status: Status = Status.PASSED, reason: str = "") -> Build:
        build, lease = self.running(["hello"])
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.end_step(lease, 0, status, exit_code=0 if status == Status.PASSED else 2)
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.finish(lease, status, reason)
        build.refresh_from_db()
        return build

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, status)
        return answer.content.decode()


class WhoTest(PagesCase):
    def test_nobody_is_asked_to_sign_in_and_led_back(self) -> None:
        build = self.build()
        self.as_user(None)
        for path in ("/", "/projects/lantern/", f"/builds/{build.pk}/"):
            self.assertRedirects(self.client.get(path), f"/accounts/login/?next={path}")
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/", "/projects/lantern/start/"):
            self.assertRedirects(self.client.post(path), "/accounts/login/?next=/")
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_a_public_board_is_read_and_not_touched(self) -> None:
        build = self.build()
        self.as_user(None)
        for path in ("/", "/projects/lantern/", f"/builds/{build.pk}/"):
            self.assertNotIn('method="post"', self.page(path))
        self.assertEqual(self.client.post(f"/builds/{build.pk}/cancel/").status_code, 302)
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    def test_a_stranger_may_watch_and_gets_no_buttons(self) -> None:
        build, _ = self.running(["hello"])
        self.as_user(self.stranger)
        self.assertIn("hello", self.page(f"/builds/{build.pk}/"))
        self.assertNotIn("/cancel/", self.page(f"/builds/{build.pk}/"))
        self.assertNotIn("/start/", self.page("/projects/lantern/"))

    def test_a_stranger_who_posts_is_told_no_and_nothing_happens(self) -> None:
        build = self.build()
        self.as_user(self.stranger)
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/", "/projects/lantern/start/"):
            with self.assertLogs("django.request"):
                answer = self.client.post(path)
            self.assertContains(answer, "needs the permission", status_code=403)
        self.assertEqual(Build.objects.get().status, Status.QUEUED)

    def test_what_one_may_not_see_is_not_there(self) -> None:
        build = self.build()
        self.project.groups.add(Group.objects.create(name="insiders"))
        for path in ("/projects/lantern/", f"/builds/{build.pk}/", "/builds/999/", "/builds/99999999999999999999999/"):
            self.assertIn("Nothing is here", self.page(path, 404))
        for path in (f"/builds/{build.pk}/cancel/", "/projects/lantern/start/"):
            self.assertEqual(self.client.post(path).status_code, 404)
        self.assertNotIn("Lantern", self.page("/"))

    def test_verbs_are_posts(self) -> None:
        build = self.build()
        for path in (f"/builds/{build.pk}/cancel/", f"/builds/{build.pk}/retry/"):
            self.assertEqual(self.client.get(path).status_code, 405)
        builds = Build.objects.count()
        # The address at which a form that was refused stays.
        self.assertRedirects(self.client.get("/projects/lantern/start/"), "/projects/lantern/")
        self.assertEqual(Build.objects.count(), builds)


class VerbsTest(PagesCase):
    def key(self) -> str:
        found = re.search(r'name="request_key" value="([^"]+)"', self.page("/projects/lantern/"))
        assert found
        return found[1]

    def test_a_second_click_is_the_same_build(self) -> None:
        form = {"ref": "main", "request_key": self.key()}
        first = self.client.post("/projects/lantern/start/", form)
        second = self.client.post("/projects/lantern/start/", form)
        build = Build.objects.get()
        self.assertRedirects(first, build.get_absolute_url())
        self.assertEqual(first.headers["Location"], second.headers["Location"])
        self.assertEqual((build.ref, build.started_by), ("main", "alice"))

    def test_each_page_has_a_key_of_its_own(self) -> None:
        self.assertNotEqual(self.key(), self.key())

    def test_a_refused_start_says_why_and_keeps_what_was_typed(self) -> None:
        answer = self.client.post("/projects/lantern/start/", {"ref": "-x", "request_key": self.key()})
        self.assertContains(answer, "expected a branch, tag or commit", status_code=409)
        self.assertContains(answer, 'value="-x"', status_code=409)
        self.assertEqual(Build.objects.count(), 0)

    def test_a_ref_that_is_too_long_is_named_at_its_field(self) -> None:
        answer = self.client.post("/projects/lantern/start/", {"ref": "x" * 201})
        self.assertContains(answer, "up to 200 characters", status_code=422)

    def test_a_disabled_project_starts_nothing(self) -> None:
        Project.objects.update(enabled=False)
        self.assertIn("This project is disabled", self.page("/projects/lantern/"))
        answer = self.client.post("/projects/lantern/start/", {})
        self.assertContains(answer, "disabled", status_code=409)

    @override_settings(BUILDBOARD_MAX_QUEUED=1)
    def test_a_full_queue_takes_no_more_and_says_so(self) -> None:
        self.build()
        answer = self.client.post("/projects/lantern/start/", {"ref": "main"})
        self.assertContains(answer, "The queue is full (1 builds at most)", status_code=409)
        self.assertContains(answer, 'value="main"', status_code=409)
        self.assertEqual(Build.objects.count(), 1)

    def test_a_broken_recipe_is_named_with_its_line(self) -> None:
        Project.objects.update(recipe="steps:\n  - {name: a}\n")
        self.assertIn("line 2", self.page("/projects/lantern/"))
        self.assertContains(self.client.post("/projects/lantern/start/", {}), "line 2", status_code=409)

    def test_cancel_is_asked_for_once_and_a_finished_build_says_that_it_has_ended(self) -> None:
        build, _ = self.running()
        self.assertRedirects(self.client.post(f"/builds/{build.pk}/cancel/"), build.get_absolute_url())
        self.assertIn("Cancelling", self.page(f"/builds/{build.pk}/"))
        over = Build.objects.get(pk=build.pk)
        self.assertEqual(over.cancelled_by, "alice")
        done = self.finished()
        answer = self.client.post(f"/builds/{done.pk}/cancel/", follow=True)
        self.assertContains(answer, "has already ended: passed")

    def test_a_retry_is_a_new_build_and_both_point_to_each_other(self) -> None:
        old = self.finished(Status.FAILED, "compile failed")
        answer = self.client.post(f"/builds/{old.pk}/retry/", {"request_key": "once"})
        again = self.client.post(f"/builds/{old.pk}/retry/", {"request_key": "once"})
        new = Build.objects.exclude(pk=old.pk).get()
        self.assertEqual((answer.headers["Location"], again.headers["Location"]), (f"/builds/{new.pk}/",) * 2)
        self.assertIn(f"/builds/{old.pk}/", self.page(f"/builds/{new.pk}/"))
        self.assertIn(f'retried as <a href="/builds/{new.pk}/"', self.page(f"/builds/{old.pk}/"))

    def test_a_build_that_is_not_over_cannot_be_retried(self) -> None:
        build = self.build()
        answer = self.client.post(f"/builds/{build.pk}/retry/", follow=True)
        self.assertContains(answer, "only a finished build can be retried")
        self.assertEqual(Build.objects.count(), 1)


class BuildPageTest(PagesCase):
    def test_the_cursor_is_older_than_the_state(self) -> None:
        """Whatever is written while the page is made comes again over the stream."""
        build, lease = self.running(["first"])
        before = Build.objects.get(pk=build.pk).head
        made = views._build

        def late(*args: Any) -> Build:
            self.append(lease, 2, ["second"])
            return made(*args)

        with mock.patch.object(views, "_build", late):
            text = self.page(f"/builds/{build.pk}/")
        self.assertIn(f'data-cursor="{before}"', text)

    def test_it_is_never_kept_and_carries_what_the_stream_needs(self) -> None:
        build, _ = self.running(["hello"])
        answer = self.client.get(f"/builds/{build.pk}/")
        self.assertIn("no-store", answer.headers["Cache-Control"])
        self.assertIn("script-src 'self'", answer.headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", answer.headers["Content-Security-Policy"])
        for part in (f'data-world="{Board.get().world}"', f'data-events="/builds/{build.pk}/events/"', "data-now="):
            self.assertContains(answer, part)
        data = re.search(r'data-build="([^"]+)"', answer.content.decode())
        assert data
        self.assertEqual(json.loads(html.unescape(data[1]))["id"], build.pk)

    def test_without_script_it_reads_and_works(self) -> None:
        build, _ = self.running(["hello \x1b[31mred\x1b[0m"])
        text = self.page(f"/builds/{build.pk}/")
        self.assertIn('hello <i class="c1">red</i>', text)
        self.assertIn("running compile, step 1 of 2", text)
        self.assertIn(f'action="/builds/{build.pk}/cancel/"', text)
        self.assertRegex(text, r'<meta http-equiv="refresh" content="10;url=\?at=[^"]+#newest">')
        self.assertIn('href="#newest"', text)
        self.assertEqual(text.count('id="newest"'), 1)
        self.assertIn(f'href="/builds/{build.pk}/log.txt"', text)
        self.assertIn('id="1:1"', text)

    def test_whatever_a_step_prints_is_text(self) -> None:
        build, _ = self.running(HOSTILE)
        text = self.page(f"/builds/{build.pk}/")
        self.assertNotIn("<script>alert", text)
        self.assertNotIn("<img src=x", text)
        self.assertNotIn('href="javascript', text)
        self.assertIn("&lt;/script&gt;&lt;script&gt;alert(1)", text)
        self.assertIn("x" * 1_000_000, text)

    def test_a_long_log_begins_with_its_tail_and_says_what_is_before(self) -> None:
        build, lease = self.running([f"line {number}" for number in range(1, 1001)])
        self.append(lease, 1001, ["the newest"])
        text = self.page(f"/builds/{build.pk}/")
        self.assertIn("the newest", text)
        self.assertIn("line 600<", text)
        self.assertNotIn("line 500<", text)
        self.assertIn("501 lines before this", text)

    def test_an_attempt_of_the_boards_own_says_which_and_after_what(self) -> None:
        Project.objects.update(auto_retries=1)
        build, lease = self.running()
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.lose(build.pk, lease.token, "Its worker died.")
        again = build.retries.get()
        self.assertIn(f"Its worker died. Retried as build {again.pk}.", self.page(f"/builds/{build.pk}/"))
        page = self.page(f"/builds/{again.pk}/")
        self.assertIn(f'attempt 2, retry of <a href="/builds/{build.pk}/">build {build.pk}</a>', page)
        self.assertIn("started by <b>Buildboard</b>", page)

    def test_every_status_is_said_in_words(self) -> None:
        for status, reason in (
            (Status.PASSED, ""),
            (Status.FAILED, "compile: exit code 2"),
            (Status.CANCELLED, "Cancelled by alice."),
        ):
            build = self.finished(status, reason)
            text = self.page(f"/builds/{build.pk}/")
            self.assertIn(f'<i class="mark s-{status}">{status}</i>', text)
            self.assertIn(reason, text)
            self.assertNotIn('http-equiv="refresh"', text)
        self.assertIn(
            "<b>1st in the queue:</b> <span>no worker is running</span>", self.page(f"/builds/{self.build().pk}/")
        )

    def test_staff_find_it_in_the_admin_and_others_do_not(self) -> None:
        build = self.build()
        link = reverse("admin:builds_build_change", args=[build.pk])
        self.assertNotIn(link, self.page(f"/builds/{build.pk}/"))
        self.as_user(User.objects.create_superuser("admin", password="a-long-password"))
        self.assertIn(link, self.page(f"/builds/{build.pk}/"))


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
        for name in ("_queue", "_history"):
            build, lease = self.running(["hello"])
            actual = getattr(views, name)

            def meanwhile(*args: Any, lease: Lease = lease, actual: Any = actual) -> Any:
                lifecycle.finish(lease, Status.FAILED, "It said no.")
                return actual(*args)

            with mock.patch.object(views, name, meanwhile):
                self.assertEqual(self.page("/").count(f'data-key="build-{build.pk}"'), 1, name)

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


class Within(int):
    """Equal to every number up to itself."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and int(other) <= int(self)

    def __hash__(self) -> int:
        return int(self)


class SignInTest(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.client.logout()

    def test_a_right_password_leads_on(self) -> None:
        form = {"username": "alice", "password": "a-long-password", "next": "/projects/lantern/"}
        self.assertRedirects(self.client.post("/accounts/login/", form), "/projects/lantern/")

    def test_it_leads_nowhere_else(self) -> None:
        form = {"username": "alice", "password": "a-long-password", "next": "https://elsewhere.example/"}
        self.assertRedirects(self.client.post("/accounts/login/", form), "/")

    def test_a_wrong_password_is_told_without_telling_which_was_wrong(self) -> None:
        answer = self.client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        self.assertContains(answer, "Name and password do not match.")

    def test_ten_wrong_passwords_lock_for_a_while(self) -> None:
        for _ in range(10):
            answer = self.client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        self.assertContains(answer, "Too many wrong passwords", status_code=429)

    def test_signing_out_is_a_post(self) -> None:
        self.as_user(self.alice)
        self.assertEqual(self.client.get("/accounts/logout/").status_code, 405)
        self.assertRedirects(self.client.post("/accounts/logout/"), "/accounts/login/")


class ErrorPagesTest(PagesCase):
    def test_a_mistake_of_the_board_has_a_page_that_needs_no_database(self) -> None:
        self.client.raise_request_exception = False
        with mock.patch.object(views, "_live_board", side_effect=RuntimeError), self.assertLogs("django.request"):
            answer = self.client.get("/")
        self.assertContains(answer, "Something failed here", status_code=500)

    def test_a_form_without_its_token_is_refused(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        self.assertEqual(strict.post("/projects/lantern/start/", {}).status_code, 403)
        self.assertEqual(Build.objects.count(), 0)


class InputsTest(TestCase):
    def setUp(self) -> None:
        user = User.objects.create_user("alice")
        user.user_permissions.add(Permission.objects.get(codename="start_build"))
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        recipe = "inputs: {target: {choices: [moon, mars], help: where to}, loud: {type: boolean, default: true}}\n"
        Project.objects.create(name="p", slug="p", recipe=recipe + "steps: [{name: a, run: x}]")

    def test_the_start_form_has_the_recipes_inputs_and_the_builds_page_says_them(self) -> None:
        page = self.client.get("/projects/p/").content.decode()
        self.assertInHTML('<option value="mars">mars</option>', page)
        self.assertIn("where to", page)
        wrong = self.client.post("/projects/p/start/", {"input-target": "venus"})
        self.assertContains(wrong, "Expected moon or mars, not &#x27;venus&#x27;.", status_code=422)
        self.assertFalse(Build.objects.exists())
        answer = self.client.post("/projects/p/start/", {"input-target": "mars"})
        self.assertEqual(Build.objects.get().inputs, {"target": "mars", "loud": False})
        self.assertContains(self.client.get(answer.url), ">mars</dd>")

    def test_a_value_is_needed_where_there_is_no_default(self) -> None:
        self.assertContains(self.client.post("/projects/p/start/", {}), "A value is needed.", status_code=422)

    def test_more_than_a_build_may_have_is_refused_with_the_number(self) -> None:
        recipe = "inputs: {a: {}, b: {}, c: {}, d: {}, e: {}}\nsteps: [{name: a, run: x}]"
        Project.objects.filter(slug="p").update(recipe=recipe)
        answer = self.client.post("/projects/p/start/", {f"input-{name}": "x" * 2_000 for name in "abcde"})
        said = "Inputs: expected at most 8,192 bytes in all, names and values as JSON and defaults included, "
        self.assertContains(answer, said + "not 10,036.", status_code=409)
        self.assertFalse(Build.objects.exists())
