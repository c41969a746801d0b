"""What a database that is away makes of a request. `test_live_outage.py` has a real one."""

import sqlite3
from unittest.mock import patch

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError
from django.test import Client, TestCase

from builds.models import Build, Project
from builds.web import outage
from tests import live

AWAY = OperationalError("connection refused at db.internal")
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class OutageTest(TestCase):
    def setUp(self) -> None:
        self.client = Client(raise_request_exception=False)
        self.client.force_login(User.objects.create_superuser("root"))

    def away(self, where: str = "builds.web.door.Caller", error: Exception = AWAY):
        return patch(where, side_effect=error)

    def test_a_page_is_503_loads_itself_again_and_tells_no_secret(self) -> None:
        with self.away():
            answer = self.client.get("/", headers=HTML)
        self.assertEqual((answer.status_code, answer.templates[0].name), (503, "503.html"))
        self.assertContains(answer, "The database is away", status_code=503)
        self.assertRegex(answer.text, r'<meta http-equiv="refresh" content="[4-9]">')
        self.assertIn("no-store", answer["Cache-Control"])
        self.assertIn("default-src 'none'", answer["Content-Security-Policy"])
        self.assertNotIn("db.internal", answer.text)

    def test_the_log_has_no_line_for_each_who_asks(self) -> None:
        worth_a_line = settings.LOGGING["filters"]["worth a line"]["callback"]
        with self.assertLogs("django.request", "ERROR") as said, self.away():
            self.client.get("/", headers=HTML)
        self.assertEqual([worth_a_line(record) for record in said.records], [False])
        with self.assertLogs("django.request", "ERROR") as said, self.away(error=ZeroDivisionError()):
            self.client.get("/", headers=HTML)
        self.assertEqual([worth_a_line(record) for record in said.records], [True])

    def test_programs_get_problem_details(self) -> None:
        for path, accept in (("/events.json", "*/*"), ("/api/v1/projects", "*/*"), ("/", "application/json")):
            with self.subTest(path=path, accept=accept):
                request = self.client.get(path, headers={"accept": accept}).wsgi_request
                answer = outage.unavailable(request)
                self.assertEqual((answer.status_code, answer["Content-Type"]), (503, "application/problem+json"))
                self.assertRegex(answer["Retry-After"], r"\A[4-9]\Z")

    def test_what_fails_outside_of_a_view_is_503_too_and_a_mistake_is_still_500(self) -> None:
        with self.away("django.contrib.sessions.middleware.SessionMiddleware.process_response"):
            self.assertEqual(self.client.get("/", headers=HTML).status_code, 503)
        with self.away(error=ZeroDivisionError()):
            self.assertEqual(self.client.get("/", headers=HTML).status_code, 500)
        for error in (ZeroDivisionError(), IntegrityError("not of an outage")):
            with self.away("builds.access.identify", error=error):
                answer = self.client.get("/api/v1/projects")
            self.assertEqual((answer.status_code, answer["Content-Type"]), (500, "application/problem+json"))
            self.assertEqual(answer.json()["detail"], outage.MISTAKE)

    def test_a_missing_table_is_a_mistake_and_a_locked_database_is_an_outage(self) -> None:
        missing, locked = OperationalError("no such table: builds_build"), OperationalError("database is locked")
        for error, name in ((missing, "SQLITE_ERROR"), (locked, "SQLITE_BUSY")):
            error.__cause__ = sqlite3.OperationalError(str(error))
            error.__cause__.sqlite_errorname = name  # type: ignore[attr-defined]
        self.assertFalse(outage._is_outage(missing))
        with self.assertLogs("builds.web.outage"):
            self.assertTrue(outage._is_outage(locked))

    def test_a_form_can_be_sent_again_and_starts_one_build(self) -> None:
        project = live.project()
        form = {"ref": '"><script>main', "request_key": "once & for all", "csrfmiddlewaretoken": "t"}
        path = f"/projects/{project.slug}/start/"
        with self.away():
            answer = self.client.post(path, form, headers=HTML)
        self.assertEqual(answer.status_code, 503)
        self.assertNotContains(answer, "http-equiv", status_code=503)
        self.assertContains(
            answer, '<input type="hidden" name="request_key" value="once &amp; for all">', status_code=503
        )
        self.assertContains(answer, 'value="&quot;&gt;&lt;script&gt;main"', status_code=503)
        self.assertEqual(Build.objects.count(), 0)
        first = self.client.post(path, form)
        with self.away("builds.web.views.redirect"):  # it was stored, and the answer was lost
            self.assertEqual(self.client.post(path, form, headers=HTML).status_code, 503)
        self.assertEqual(self.client.post(path, form)["Location"], first["Location"])
        self.assertEqual(Build.objects.count(), 1)

    def test_a_password_is_not_sent_back(self) -> None:
        with self.away("django.contrib.auth.views.LoginView.post"):
            answer = Client(raise_request_exception=False).post(
                "/accounts/login/", {"username": "root", "password": "my secret"}, headers=HTML
            )
        self.assertEqual(answer.status_code, 503)
        self.assertNotIn("my secret", answer.text)
        self.assertNotContains(answer, "Send again", status_code=503)

    def test_what_is_too_much_to_be_sent_back_is_not(self) -> None:
        project = Project.objects.create(slug="big", name="big", recipe=live.RECIPE)
        with self.away():
            answer = self.client.post(
                f"/projects/{project.slug}/start/", {"ref": "x" * 20_000, "request_key": "k"}, headers=HTML
            )
        self.assertNotContains(answer, "Send again", status_code=503)
