"""A build's page as the server writes it."""

import html
import json
import re
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.urls import reverse

from builds import lifecycle
from builds.models import Board, Build, Project
from builds.states import Status
from builds.web import views

from .pages import HOSTILE, PagesCase


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
