"""Requests that are not taken: a form that is too large, a host that is unknown."""

import http.client
import io
import logging
import re
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.test import Client, RequestFactory, SimpleTestCase, TestCase, override_settings, tag
from django.urls import reverse

from buildboard.logs import without_traceback
from builds.models import Project
from builds.web.errors import bad_request
from tests.support.board import Board

FORM = "application/x-www-form-urlencoded"
RECIPE = "steps: [{name: a, run: 'true'}]"


@tag("fast")
class ErrorsTest(TestCase):
    def setUp(self) -> None:
        self.user = User.objects.create_superuser("admin")
        self.project = Project.objects.create(name="p", slug="p", recipe=RECIPE)
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(self.user)
        self.client.cookies["csrftoken"] = "a" * 32  # without it nobody looks at the form

    @override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=64 * 1024)
    def test_one_byte_more_than_the_bound_is_413_with_a_page(self) -> None:
        url = reverse("start", args=["p"])
        at = "ref=" + "x" * (64 * 1024 - 4)
        self.assertEqual(self.client.post(url, at, content_type=FORM).status_code, 403, "it was read, and has no token")
        answer = self.client.post(url, at + "x", content_type=FORM)
        self.assertContains(answer, "more than 64 KiB", status_code=413)
        self.assertContains(answer, "Nothing was changed", status_code=413)

    def test_a_form_of_before_one_signed_in_anew_leads_back_to_its_page(self) -> None:
        page = "http://testserver/projects/p/"
        for sent, back in ((page, True), ("http://evil.example/projects/p/", False), ("", False)):
            answer = self.client.post(reverse("start", args=["p"]), headers={"referer": sent})
            self.assertContains(answer, "This form is out of date", status_code=403)
            self.assertEqual(f'href="{page}"' in answer.content.decode(), back)
            self.assertNotContains(answer, "evil", status_code=403)

    def test_an_address_that_is_not_the_boards_is_told_with_the_setting(self) -> None:
        answer = self.client.post(reverse("start", args=["p"]), headers={"origin": "https://board.example"})
        self.assertContains(answer, "<code>https://board.example</code>", status_code=403)
        self.assertContains(answer, "CSRF_TRUSTED_ORIGINS", status_code=403)

    def test_any_other_bad_request_is_400(self) -> None:
        answer = bad_request(RequestFactory().get("/"), SuspiciousOperation("odd"))
        self.assertEqual(answer.status_code, 400)

    @override_settings(ALLOWED_HOSTS=["known.example"])
    def test_an_unknown_host_is_told_which_setting_names_them_and_not_what_it_says(self) -> None:
        for path, kind in (("/", "text/plain"), ("/api/v1/builds", "application/problem+json")):
            with self.subTest(path=path), self.assertLogs("django.security.DisallowedHost", "ERROR") as logged:
                answer = self.client.get(path, headers={"host": "other.example"})
                self.assertEqual((answer.status_code, answer["Content-Type"].split(";")[0]), (400, kind))
                self.assertContains(answer, "ALLOWED_HOSTS", status_code=400)
                self.assertNotContains(answer, "example", status_code=400)
                self.assertIsNotNone(logged.records[0].exc_info)
                said = io.StringIO()
                handler = logging.StreamHandler(said)
                handler.addFilter(without_traceback)
                handler.handle(logged.records[0])
                self.assertEqual(said.getvalue().count("\n"), 1, said.getvalue())
                self.assertIn("other.example", said.getvalue())

    def test_the_largest_recipe_fits_into_the_form_however_it_is_encoded(self) -> None:
        """Three bytes for each of its own, and the form's other fields."""
        size = settings.BUILDBOARD_MAX_RECIPE_KB * 1024
        text = RECIPE + "\n#" + "é" * ((size - len(RECIPE) - 2) // 2)
        self.assertLessEqual(size - len(text.encode()), 1)
        client = Client()
        client.force_login(self.user)
        url = reverse("admin:builds_project_change", args=[self.project.pk])
        form = self.form(client, url) | {"recipe": text}
        answer = client.post(url, urlencode(form), content_type=FORM)
        self.assertEqual(answer.status_code, 302, re.findall(r"errorlist.*?</ul>", answer.content.decode())[:3])
        self.project.refresh_from_db()
        self.assertEqual(self.project.recipe, text)
        answer = client.post(
            url, urlencode(form | {"recipe": text + "éé"}), content_type="application/x-www-form-urlencoded"
        )
        self.assertContains(answer, f"the recipe is larger than {settings.BUILDBOARD_MAX_RECIPE_KB} KiB")

    def form(self, client: Client, url: str) -> dict[str, str]:
        fields = client.get(url).context["adminform"].form
        return {field.name: str(field.value()) for field in fields if field.value()}


class ServedTest(SimpleTestCase):
    """Against both servers: with a length, and in chunks without one."""

    databases = {"default"}

    def test_a_body_beyond_the_bound_is_413_however_it_is_sent(self) -> None:
        with Board(BUILDBOARD_MAX_BODY_KB="16", BUILDBOARD_MAX_RECIPE_KB="16") as board:
            board.project("p", RECIPE)
            for server in ("daphne", "uvicorn"):
                web = board.web(server)
                for path, said in (("/api/v1/projects/p/builds", "16 KiB"), ("/accounts/login/", "112 KiB")):
                    for body in (b" " * 300_000, (b" " * 10_000 for _ in range(30))):
                        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
                        headers = {"Authorization": f"Bearer {board.token('alice')}"}
                        headers |= {"Content-Type": FORM, "Cookie": f"csrftoken={'a' * 32}"}
                        connection.request("POST", path, body, headers, encode_chunked=not isinstance(body, bytes))
                        answer = connection.getresponse()
                        with self.subTest(server=server, path=path, chunked=not isinstance(body, bytes)):
                            self.assertEqual(answer.status, 413, web.process.output()[-2000:])
                            self.assertIn(said, answer.read().decode())
                        connection.close()
                self.assertEqual(board.get("/api/v1/projects", port=web.port).status, 200)
