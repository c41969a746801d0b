"""Artifacts on pages and in the API: listed, looked at where that is safe, and for nobody who may not see the build."""

import html
import json
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from django.contrib.auth.models import Group
from django.test import SimpleTestCase, override_settings

from builds import access, filestore, lifecycle
from builds.artifacts import IMAGES
from builds.models import Artifact, Build
from builds.states import Status
from builds.web import artifacts as pages
from builds.web.artifacts import heading

from .node import twins
from .pages import PagesCase
from .stored import OwnStorage, store

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)
STATIC = Path(pages.__file__).parents[1] / "static/builds/artifacts.js"


class TwinTest(SimpleTestCase):
    def test_the_script_says_the_same(self) -> None:
        numbers = [
            0,
            1,
            2,
            999,
            1_000,
            1_234,
            1_250,
            3_750,
            12_250_000,
            999_949,
            999_950,
            10**6,
            10**9,
            5 * 10**12,
            10**16,
        ]
        ours = [heading(count, number) for count in (1, 2, 12_345) for number in numbers]
        theirs = twins([("files", [count, number]) for count in (1, 2, 12_345) for number in numbers])
        self.assertEqual(theirs, ours)
        script = STATIC.read_text()
        self.assertIn(f"SHOWN = {pages.SHOWN};", script)
        self.assertEqual(pages.IMAGE_BYTES, 20 * 1024 * 1024)
        self.assertIn("IMAGE_BYTES = 20 * 1024 * 1024;", script)
        self.assertTrue(all(kind.startswith("image/") for kind in IMAGES))


class ArtifactPagesTest(OwnStorage, PagesCase):
    def setUp(self) -> None:
        super().setUp()
        self.made, self.lease = self.running()

    def store(self, path: str, content: bytes) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            store(self.lease, path, content)

    def page(self, path: str = "", status: int = 200) -> str:
        answer = self.client.get(f"/builds/{self.made.pk}/{path}")
        self.assertEqual(answer.status_code, status)
        return html.unescape(answer.content.decode())

    def test_the_builds_own_page_has_the_first_of_them(self) -> None:
        self.assertIn('id="artifacts" aria-label="Artifacts" data-list="/builds/', self.page())
        self.assertRegex(self.page(), r'id="artifacts"[^>]* hidden>')
        for number in range(21):
            self.store(f"dist/{number:02}.whl", b"\x00" * 1000)
        page = self.page()
        self.assertIn("21 files, 21.0 kB", page)
        self.assertIn('title="dist/19.whl"', page)
        self.assertNotIn('title="dist/20.whl"', page)
        self.assertIn("All of them", page)

    def test_the_list_has_all_of_them_a_page_at_a_time(self) -> None:
        for path in ("a.txt", "b.bin", "c.bin"):
            self.store(path, b"\0" if path != "a.txt" else b"text")
        with mock.patch.object(pages, "PAGE", 2):
            page = self.page("artifacts/")
            self.assertIn(f'href="/builds/{self.made.pk}/preview/a.txt"', page)
            self.assertIn(f'href="/builds/{self.made.pk}/artifacts/b.bin"', page)
            self.assertIn('href="?after=b.bin"', page)
            self.assertNotIn("c.bin", page)
            self.assertIn("c.bin", self.page("artifacts/?after=b.bin"))
        self.assertIn("Nothing further", self.page("artifacts/?after=z"))

    def test_where_there_are_none_it_says_why(self) -> None:
        self.assertIn("The build is not over", self.page("artifacts/"))
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.finish(self.lease, Status.FAILED, "x")
        self.assertIn(
            "under artifacts in the recipe", self.page("artifacts/").replace("<code>", "").replace("</code>", "")
        )

    def test_text_is_shown_escaped_and_bounded(self) -> None:
        self.store("index.html", b"<script>alert(1)</script>\x1b[31mred\n")
        answer = self.client.get(f"/builds/{self.made.pk}/preview/index.html")
        self.assertContains(answer, "&lt;script&gt;alert(1)&lt;/script&gt;red")
        self.assertNotContains(answer, "<script>alert")
        self.assertIn("default-src 'none'", answer["Content-Security-Policy"])
        self.store("long.txt", b"0123456789\n" * 20_000)
        page = self.page("preview/long.txt")
        self.assertTrue(len(page) < 110_000 and "118.9\xa0KB more: download it" in page)
        self.store("empty.txt", b"")
        self.assertIn("It is empty.", self.page("preview/empty.txt"))

    def test_an_image_is_shown_and_what_may_be_active_is_not(self) -> None:
        self.store("shot.png", PNG)
        self.assertIn(f'<img src="/builds/{self.made.pk}/artifacts/shot.png"', self.page("preview/shot.png"))
        self.store("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
        page = self.page("preview/x.svg")
        self.assertNotIn("<img", page)
        self.store("x.pdf", b"%PDF-1.7\x00")
        self.assertIn("It can be downloaded", self.page("preview/x.pdf"))
        Artifact.objects.filter(path="shot.png").update(size=pages.IMAGE_BYTES + 1)
        self.assertNotIn("<img", self.page("preview/shot.png"))

    def test_a_storage_that_fails_is_said_on_the_page(self) -> None:
        self.store("a.txt", b"x")
        with mock.patch.object(filestore, "read", side_effect=filestore.Missing("The storage has no such file.")):
            self.assertIn("The storage has no such file.", self.page("preview/a.txt", 503))

    def test_whoever_may_not_see_the_build_sees_none_of_it(self) -> None:
        self.store("a.txt", b"x")
        self.project.groups.add(Group.objects.create(name="others"))
        for path in ("artifacts/", "preview/a.txt"):
            self.page(path, 404)
        self.as_user(None)
        self.assertEqual(self.client.get(f"/builds/{self.made.pk}/artifacts/").status_code, 302)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_a_public_board_shows_them(self) -> None:
        self.as_user(None)
        self.page("artifacts/")

    def test_hostile_names_do_no_harm(self) -> None:
        name = 'x"><script>alert(1)</script>&?#%.txt'
        self.store(name, b"x")
        for path in ("", "artifacts/"):
            raw = self.client.get(f"/builds/{self.made.pk}/{path}").content.decode()
            self.assertNotIn("<script>alert", raw)
        self.assertEqual(self.client.get(f"/builds/{self.made.pk}/preview/{quote(name)}").status_code, 200)

    def api(self, query: str = "", status: int = 200) -> dict:
        token = access.new_token(self.alice)
        answer = self.client.get(
            f"/api/v1/builds/{self.made.pk}/artifacts{query}", headers={"authorization": f"Bearer {token}"}
        )
        self.assertEqual(answer.status_code, status)
        return json.loads(answer.content)

    def test_the_api_lists_them_a_page_at_a_time(self) -> None:
        for path in ("a b.txt", "c", "d/e"):
            self.store(path, b"x")
        first = self.api("?limit=2")
        self.assertEqual([one["path"] for one in first["items"]], ["a b.txt", "c"])
        self.assertEqual(first["items"][0]["url"], f"http://testserver/builds/{self.made.pk}/artifacts/a%20b.txt")
        second = self.client.get(first["next"]).json()
        self.assertEqual(([one["path"] for one in second["items"]], second["next"]), (["d/e"], None))
        for wrong in ("?limit=0", "?limit=201", "?after=" + "x" * 501):
            self.api(wrong, 422)
        self.project.groups.add(Group.objects.create(name="others"))
        self.api(status=404)

    def test_any_place_to_begin_at_is_answered(self) -> None:
        for after in ("\0", "é", "\ud800", "x" * 5_000, "%", "'"):
            for path, statuses in (
                ("artifacts/", (200,)),
                ("preview/x", (404,)),
                (f"preview/{quote(after[:9], errors='replace')}", (404,)),
            ):
                answer = self.client.get(f"/builds/{self.made.pk}/{path}", {"after": after.encode("utf-8", "replace")})
                self.assertIn(answer.status_code, statuses)

    def test_the_build_tells_how_many_in_its_data(self) -> None:
        self.store("a", b"xyz")
        self.assertEqual(Build.objects.get().data()["artifacts"], {"count": 1, "bytes": 3})
