"""Who may ask the API what, and that no body is a server error."""

import json
import re
import unittest.mock

from django.db import DataError, OperationalError
from django.test import Client, override_settings, tag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from builds import access, lifecycle
from builds.models import ApiToken, Build

from .asking import ApiCase
from .support import ROOT


@tag("fast")
class DoorTests(ApiCase):
    def test_nobody_and_bad_tokens_get_401_with_the_way_in(self) -> None:
        self.assertEqual(self.assert_problem(self.ask("GET", "/projects", token=None), 401)["title"], "Unauthorized")
        for header in ("Bearer", "Bearer wrong", "Basic eDp5", "Bearer \udcff", "Bearer " + "x" * 5000):
            answer = self.client.get("/api/v1/builds", headers={"Authorization": header})
            self.assert_problem(answer, 401)
            self.assertEqual(answer["WWW-Authenticate"], "Bearer")

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_on_a_public_board_anyone_reads_what_is_open_and_changes_nothing(self) -> None:
        lifecycle.enqueue(self.secret, by="alice")
        build = lifecycle.enqueue(self.open, by="alice")
        self.assertEqual([item["id"] for item in self.ask("GET", "/builds", token=None).json()["items"]], [build.pk])
        for path in ("/projects/open/builds", f"/builds/{build.pk}/cancel", f"/builds/{build.pk}/retry"):
            self.assert_problem(self.ask("POST", path, token=None), 401)
        self.assert_problem(self.ask("GET", "/builds", token="wrong"), 401)
        for kept in ("secrets", "targets", "messages"):
            self.assert_problem(self.ask("GET", f"/projects/open/{kept}", token=None), 401, "Sign in")

    def test_a_session_reads_and_changes_only_with_its_csrf_token(self) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(self.alice)
        self.assertEqual(browser.get("/api/v1/projects").status_code, 200)
        path = "/api/v1/projects/open/builds"
        self.assert_problem(browser.post(path, "{}", "application/json"), 403, "CSRF")
        self.assert_problem(browser.post(path, {"csrfmiddlewaretoken": "x"}), 403, "CSRF")
        browser.cookies["csrftoken"] = "c" * 32
        answer = browser.post(path, "{}", "application/json", headers={"X-CSRFToken": "c" * 32})
        self.assertEqual(answer.status_code, 201, answer.content)
        self.assertEqual(Build.objects.get().started_by, "alice")

    def test_a_token_needs_no_csrf_and_is_good_for_its_scopes_alone(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        paths = {
            "read": ("GET", "/builds"),
            "start": ("POST", "/projects/open/builds"),
            "cancel": ("POST", f"/builds/{build.pk}/cancel"),
        }
        self.client = Client(enforce_csrf_checks=True)
        for scope in paths:
            token = access.new_token(self.alice, scopes=(scope,))
            for wanted, (method, path) in paths.items():
                answer = self.ask(method, path, token=token)
                if wanted == scope:
                    self.assertIn(answer.status_code, (200, 201), answer.content)
                else:
                    self.assert_problem(answer, 403, wanted)

    def test_the_use_of_a_token_is_noted(self) -> None:
        self.ask("GET", "/projects")
        self.assertIsNotNone(ApiToken.objects.get(name="ci").last_used_at)

    def test_other_methods_heads_and_unknown_addresses(self) -> None:
        answer = self.ask("DELETE", "/projects")
        self.assert_problem(answer, 405, "DELETE", "GET")
        self.assertEqual(answer["Allow"], "GET, HEAD, OPTIONS, POST")
        self.assertEqual(self.ask("HEAD", "/projects").status_code, 200)
        answer = self.ask("OPTIONS", "/projects/open/builds")
        self.assertEqual((answer.status_code, answer["Allow"]), (204, "OPTIONS, POST"))
        for path in ("/", "/nothing", "/builds/-1", "/builds/x", "/projects/a%00b", "/projects/open/builds/"):
            with self.subTest(path):
                self.assert_problem(self.ask("GET", path), 404)

    def test_the_document_is_for_readers_and_names_every_path(self) -> None:
        self.assert_problem(self.client.get("/api/v1/openapi.json"), 401)
        document = self.ask("GET", "/openapi.json").json()
        there = {f"{method.upper()} {path}" for path, on in document["paths"].items() for method in on}
        told = re.findall(
            r"`((?:GET|POST|PUT|PATCH|DELETE) /api/v1/[^`?]+)(?:\?[^`]*)?`", (ROOT / "docs/api.md").read_text()
        )
        self.assertEqual(
            {re.sub(r"{\w+}", "<>", one) for one in there},
            {re.sub(r"<\w+>", "<>", one) for one in told},
            "what docs/api.md tells, and what there is",
        )
        self.assertIn("bearer", json.dumps(document["components"]["securitySchemes"]))

    def test_a_database_that_is_away_is_a_503(self) -> None:
        with unittest.mock.patch("builds.access.identify", side_effect=OperationalError("away")):
            answer = self.ask("GET", "/projects")
        self.assert_problem(answer, 503, "database")
        self.assertEqual(answer["Retry-After"], "5")

    def test_what_no_database_keeps_is_not_asked_for_again(self) -> None:
        with unittest.mock.patch("builds.lifecycle.enqueue", side_effect=DataError("NUL")):
            answer = self.ask("POST", "/projects/open/builds")
        self.assert_problem(answer, 422, "none that the database keeps")
        self.assertNotIn("Retry-After", answer)


@tag("fast")
class FuzzTests(ApiCase, HypothesisTestCase):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(
            st.binary(max_size=200),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=6,
            ).map(lambda value: json.dumps(value).encode()),
            st.fixed_dictionaries({}, optional={"ref": st.text(), "inputs": st.dictionaries(st.text(), st.text())}).map(
                lambda value: json.dumps(value).encode()
            ),
        )
    )
    def test_no_body_is_a_server_error(self, body: bytes) -> None:
        answer = self.ask("POST", "/projects/open/builds", body)
        self.assertIn(answer.status_code, (201, 400, 422), answer.content)
        if answer.status_code != 201:
            self.assert_problem(answer, answer.status_code)
