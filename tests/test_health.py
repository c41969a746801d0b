"""`/healthz`, `/readyz` and who may read `/metrics`."""

import unittest.mock

from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import SimpleTestCase, TestCase, override_settings, tag

from builds import access, beats
from builds.models import Worker
from builds.web import health

FAR = {"REMOTE_ADDR": "192.0.2.7"}


@tag("fast")
class AliveTests(SimpleTestCase):
    def test_healthz_asks_no_database_and_is_for_everyone(self) -> None:
        answer = self.client.get("/healthz", **FAR)  # a SimpleTestCase refuses every query
        self.assertEqual((answer.status_code, answer.content), (200, b"ok\n"))
        self.assertEqual(self.client.post("/healthz").status_code, 405)
        self.assertEqual(self.client.head("/healthz").status_code, 200)


@tag("fast")
class ReadyTests(TestCase):
    def setUp(self) -> None:
        health._migrated = False
        self.addCleanup(setattr, health, "_migrated", False)

    def test_the_board_is_ready_when_a_worker_is_alive(self) -> None:
        answer = self.client.get("/readyz", **FAR)
        self.assertEqual(answer.status_code, 503)
        self.assertFalse(answer.json()["ready"])
        self.assertIn("workers: none is alive", answer.json()["missing"][0])
        beats.beat("host:1")
        answer = self.client.get("/readyz", **FAR)
        self.assertEqual((answer.status_code, answer.json()), (200, {"ready": True, "workers": 1, "draining": 0}))

    def test_a_silent_worker_and_one_that_drains_do_not_count(self) -> None:
        beats.beat("silent")
        Worker.objects.update(seen_at="2020-01-01T00:00Z")
        beats.beat("draining", draining=True)
        answer = self.client.get("/readyz")
        self.assertEqual((answer.status_code, answer.json()["draining"]), (503, 1))
        self.assertIn("workers: those that live are draining or take no builds just now", answer.json()["missing"][0])

    def test_a_database_that_is_away_is_said_and_its_error_is_not(self) -> None:
        error = OperationalError("connection to server at db.internal failed")
        with unittest.mock.patch("builds.beats.living", side_effect=error):
            answer = self.client.get("/readyz", **FAR)
        self.assertEqual(answer.status_code, 503)
        self.assertIn("database", answer.json()["missing"][0])
        self.assertNotIn("db.internal", answer.content.decode())

    def test_a_migration_that_is_not_applied_is_said(self) -> None:
        beats.beat("host:1")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'builds'")
        answer = self.client.get("/readyz")
        self.assertEqual(answer.status_code, 503)
        self.assertIn("migrations", answer.json()["missing"][0])


@tag("fast")
class WhoReadsMetricsTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = User.objects.create_user("stranger", password="stranger-password")

    def status(self, token: str = "", **more: str) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.get("/metrics", headers=headers, **more).status_code

    def test_this_machine_reads_and_one_behind_a_proxy_on_it_does_not(self) -> None:
        self.assertEqual(self.status(), 200)
        self.assertEqual(self.status(REMOTE_ADDR="::1"), 200)
        for header in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"):
            self.assertEqual(self.status(**{header: "127.0.0.1"}), 401, header)
        self.assertEqual(self.status(REMOTE_ADDR=""), 401)

    def test_from_elsewhere_a_session_or_a_token_that_may_read_is_needed(self) -> None:
        self.assertEqual(self.status(**FAR), 401)
        self.assertEqual(self.status("wrong", **FAR), 401)
        self.assertEqual(self.status(access.new_token(self.user, scopes=("start",)), **FAR), 401)
        self.assertEqual(self.status(access.new_token(self.user, scopes=("read",)), **FAR), 200)
        self.client.force_login(self.user)
        self.assertEqual(self.status(**FAR), 200)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_on_a_public_board_everyone_reads(self) -> None:
        self.assertEqual(self.status(**FAR), 200)
