"""Paths that belong to the whole site."""

from django.test import SimpleTestCase, tag


@tag("fast")
class SiteTest(SimpleTestCase):
    def test_a_browser_that_asks_for_the_usual_icon_gets_the_boards(self) -> None:
        response = self.client.get("/favicon.ico")
        self.assertEqual(response.status_code, 302)
        self.assertRegex(response["Location"], r"^/static/builds/icons/board.*\.svg$")
