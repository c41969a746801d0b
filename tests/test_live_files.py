"""Artifacts as downloads: whole, in parts, as an archive; for those who may see the build; never run by a browser."""

import asyncio
import io
import json
import os
import threading
import zipfile
from unittest import mock
from urllib.parse import quote

from django.contrib.auth.models import Group, User
from django.test import AsyncClient, Client, SimpleTestCase, TransactionTestCase, override_settings, tag
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from builds import artifacts, filestore
from builds.access import new_token
from builds.live import files
from builds.live.files import Stored, zipped
from builds.live.logs import CutShort
from builds.models import Build, Project

from . import live
from .stored import OwnStorage, store

HTML = b"<script>alert(document.cookie)</script>"


class FilesCase(OwnStorage, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.headers = {"authorization": f"Bearer {new_token(User.objects.create_user('alice'))}"}
        self.lease = live.running()
        self.build_id = self.lease.build_id

    def store(self, path: str, content: bytes) -> str:
        return store(self.lease, path, content)

    def get(self, path: str, method: str = "get", **headers: str):
        async def ask():
            answer = await getattr(AsyncClient(), method)(path, headers=self.headers | headers)
            if method == "head":
                return answer, answer.getvalue()
            body = b"".join([part async for part in answer]) if answer.streaming else answer.content
            return answer, body

        return asyncio.run(ask())

    def path(self, path: str) -> str:
        return f"/builds/{self.build_id}/artifacts/{path}"


class DownloadTest(FilesCase):
    def test_a_file_is_a_download_that_no_browser_runs(self) -> None:
        self.store("site/index.html", HTML)
        answer, body = self.get(self.path("site/index.html"))
        self.assertEqual((answer.status_code, body), (200, HTML))
        self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(answer["Content-Disposition"], 'attachment; filename="index.html"')
        self.assertEqual(answer["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer["Content-Security-Policy"], "default-src 'none'; sandbox")
        self.assertEqual(answer["Cross-Origin-Resource-Policy"], "same-origin")
        self.assertEqual(answer["Content-Length"], str(len(HTML)))
        self.assertEqual(answer["Accept-Ranges"], "bytes")

    def test_a_name_cannot_break_out_of_its_header(self) -> None:
        name = 'a"; filename=x.html \\.txt'
        self.store(name, b"x")
        answer, _ = self.get(self.path(quote(name)))
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer["Content-Disposition"], 'attachment; filename="a\\"; filename=x.html \\\\.txt"')

    def test_whoever_has_it_already_is_told_so(self) -> None:
        self.store("a", b"abc")
        answer, _ = self.get(self.path("a"))
        tag = answer["ETag"]
        self.assertEqual(tag, f'"{artifacts.find(self.build_id, "a").sha256}"')
        for known in (tag, f'W/{tag}, "x"', "*"):
            answer, body = self.get(self.path("a"), **{"if-none-match": known})
            self.assertEqual((answer.status_code, body, answer["ETag"]), (304, b"", tag))

    def test_parts(self) -> None:
        content = os.urandom(filestore.CHUNK_BYTES + 100)
        self.store("a", content)
        size = len(content)
        for asked, start, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=5-9", 5, 10),
            (f"bytes={size - 3}-", size - 3, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=-{size + 9}", 0, size),
            (f"bytes=10-{size + 99}", 10, size),
        ):
            with self.subTest(asked):
                answer, body = self.get(self.path("a"), range=asked)
                self.assertEqual((answer.status_code, body), (206, content[start:end]))
                self.assertEqual(answer["Content-Range"], f"bytes {start}-{end - 1}/{size}")
                self.assertEqual(answer["Content-Length"], str(end - start))
        for asked in (f"bytes={size}-", "bytes=-0", "bytes=9-5"):
            answer, _ = self.get(self.path("a"), range=asked)
            self.assertEqual((answer.status_code, answer["Content-Range"]), (416, f"bytes */{size}"), asked)
        for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=" + "9" * 30 + "-"):
            answer, body = self.get(self.path("a"), range=asked)
            self.assertEqual((answer.status_code, len(body)), (200, size), asked)
        answer, body = self.get(self.path("a"), range="bytes=0-1", **{"if-range": '"another"'})
        self.assertEqual((answer.status_code, len(body)), (200, size))

    def test_head_and_other_methods(self) -> None:
        self.store("a", b"abc")
        answer, body = self.get(self.path("a"), "head")
        self.assertEqual((answer.status_code, body, answer["Content-Length"]), (200, b"", "3"))
        answer, _ = self.get(self.path("a"), "post")
        self.assertEqual((answer.status_code, answer["Allow"]), (405, "GET, HEAD"))

    def test_an_empty_file(self) -> None:
        self.store("a", b"")
        answer, body = self.get(self.path("a"))
        self.assertEqual((answer.status_code, body, answer["Content-Length"]), (200, b"", "0"))

    def test_for_those_who_may_see_the_build_and_no_path_leads_anywhere_else(self) -> None:
        self.store("a", b"abc")
        for wrong in ("b", "../../secret-key", "..%2f..%2fsecret-key", "%2e%2e/a", "a%00", "a/"):
            self.assertEqual(self.get(self.path(wrong))[0].status_code, 404, wrong)
        Project.objects.get().groups.add(Group.objects.create(name="others"))
        self.assertEqual(self.get(self.path("a"))[0].status_code, 404)
        self.assertEqual(self.get(f"/builds/{self.build_id}/artifacts.zip")[0].status_code, 404)
        self.headers = {}
        self.assertEqual(self.get(self.path("a"))[0].status_code, 401)
        Project.objects.get().groups.clear()
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertEqual(self.get(self.path("a"))[0].status_code, 200)

    def test_a_file_that_the_storage_has_lost(self) -> None:
        name = self.store("a", b"abc")
        (self.files / name).unlink()
        answer, body = self.get(self.path("a"))
        self.assertEqual((answer.status_code, json.loads(body)["detail"]), (410, "The storage has no such file."))
        with mock.patch.object(filestore, "read", side_effect=lambda *_: iter(self.failing())):
            self.assertEqual(self.get(self.path("a"))[0].status_code, 503)

    def failing(self, *parts: bytes):
        yield from parts
        raise filestore.Failed("The storage failed: no.")

    def test_a_storage_that_fails_meanwhile_aborts_the_answer(self) -> None:
        self.store("a", b"abc")
        with (
            mock.patch.object(filestore, "read", side_effect=lambda *_: iter(self.failing(b"ab"))),
            self.assertRaises(CutShort),
        ):
            self.get(self.path("a"))

    def test_a_storage_that_hangs_holds_up_nobody_but_readers_of_files(self) -> None:
        self.store("a", b"abc")
        go = threading.Event()

        def hang(*_: object):
            go.wait(10)
            yield b"abc"

        async def ask() -> list:
            with (
                mock.patch.object(filestore, "read", side_effect=hang),
                mock.patch.object(files, "FIRST_SECONDS", 0.02),
            ):
                client = AsyncClient()
                waiting = [asyncio.ensure_future(client.get(self.path("a"), headers=self.headers)) for _ in range(9)]
                await asyncio.wait(waiting)
                lines = await client.get(f"/builds/{self.build_id}/log/?step=one", headers=self.headers)
                go.set()
                bodies = [b"".join([part async for part in await one]) for one in waiting]
                return [lines.status_code, bodies]

        self.assertEqual(asyncio.run(ask()), [200, [b"abc"] * 9])
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("file-reader")]
        self.assertLessEqual(len(names), 4)

    def test_a_server_that_cannot_stream_says_so(self) -> None:
        self.store("a", b"abc")
        self.assertEqual(Client().get(self.path("a"), headers=self.headers).status_code, 501)


class ArchiveTest(FilesCase):
    def test_all_of_them_in_one(self) -> None:
        contents = {"dist/a.bin": os.urandom(filestore.CHUNK_BYTES + 9), "é.txt": "ü".encode(), "leer": b""}
        for path, content in contents.items():
            self.store(path, content)
        answer, body = self.get(f"/builds/{self.build_id}/artifacts.zip")
        self.assertEqual(answer["Content-Type"], "application/zip")
        self.assertEqual(answer["Content-Disposition"], f'attachment; filename="build-{self.build_id}-artifacts.zip"')
        with zipfile.ZipFile(io.BytesIO(body)) as made:
            self.assertIsNone(made.testzip())
            self.assertEqual({name: made.read(name) for name in made.namelist()}, contents)
        self.assertEqual(self.get(f"/builds/{self.build_id}/artifacts.zip", "head")[1], b"")

    def test_none_is_no_archive_and_one_that_is_lost_ends_it(self) -> None:
        self.assertEqual(self.get(f"/builds/{self.build_id}/artifacts.zip")[0].status_code, 404)
        name = self.store("a", b"abc")
        self.store("b", b"abc")
        (self.files / name).unlink()
        with self.assertRaises(CutShort):
            self.get(f"/builds/{self.build_id}/artifacts.zip")


@tag("fast")
class ZippedTest(SimpleTestCase):
    @limits(max_examples=30, deadline=None)
    @given(st.dictionaries(st.text("ab/é .\\", min_size=1, max_size=6), st.binary(max_size=20), max_size=4))
    def test_it_is_written_while_it_is_sent(self, contents: dict[str, bytes]) -> None:
        rows = [Stored(path, path, len(content), "", "", 0.0) for path, content in contents.items()]
        with mock.patch.object(filestore, "read", side_effect=lambda name, *_: iter([contents[name]])):
            body = b"".join(zipped(rows))
        with zipfile.ZipFile(io.BytesIO(body)) as made:
            self.assertIsNone(made.testzip())
            self.assertEqual([made.read(one) for one in made.infolist()], list(contents.values()))
            self.assertFalse(any("\\" in name for name in made.namelist()))


class GoneTest(FilesCase):
    def test_of_a_build_that_was_deleted(self) -> None:
        self.store("a", b"abc")
        live.ended(self.lease)
        Build.objects.all().delete()
        self.assertEqual(self.get(self.path("a"))[0].status_code, 404)
