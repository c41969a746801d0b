"""Downloads of the client: whole and right or not at all, cut anywhere, and never outside the folder that was named."""

import hashlib
import json
import os
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.client import artifacts
from buildboard.client.__main__ import main
from buildboard.client.artifacts import matches, place
from buildboard.client.talk import COULD_NOT, CouldNot

from .support.stub import Request, Stub

CONTENT = os.urandom(300_000)


class Store:
    """A board that has artifacts, and cuts connections."""

    def __init__(self, files: dict[str, bytes], *, cuts: list[int] = (), ranges: bool = True) -> None:
        self.files = files
        self.cuts = list(cuts)
        self.ranges = ranges
        self.asked: list[str] = []
        self.wrong: dict[str, Any] = {}

    def __call__(self, request: Request) -> None:
        if request.path.startswith("/api/v1/builds/7/artifacts"):
            items = [
                {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
                 "content_type": "text/plain", "url": f"http://{request.headers['Host']}/files/{index}"} | self.wrong
                for index, (path, data) in enumerate(self.files.items())
            ]  # fmt: skip
            second = "page=2" in request.path
            half = len(items) // 2
            following = None if second or len(items) < 2 else f"http://{request.headers['Host']}{request.path}?page=2"
            page = items if len(items) < 2 else items[half:] if second else items[:half]
            request.answer(200, json.dumps({"items": page, "next": following}).encode())
            return
        data = list(self.files.values())[int(request.path.rpartition("/")[2])]
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        request.send_response(206 if begin else 200)
        request.send_header("Content-Length", str(len(data) - begin))
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        most = self.cuts.pop(0) if self.cuts else len(data)
        request.wfile.write(data[begin : begin + most])
        request.close_connection = True


@tag("fast")
class DownloadTests(SimpleTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        resting = mock.patch.object(artifacts.time, "sleep")
        resting.start()
        self.addCleanup(resting.stop)

    def download(self, store: Store, glob: str = "*") -> int:
        options = Namespace(build=7, download=glob, to=str(self.folder), json=False, ca=None)
        with (
            Stub(store) as stub,
            mock.patch.dict("os.environ", {"BUILDBOARD_URL": stub.url, "BUILDBOARD_TOKEN": "bb_x"}),
            mock.patch.object(artifacts, "tell"),
        ):
            return artifacts.artifacts(options)

    def test_a_transfer_that_is_cut_goes_on_where_it_was(self) -> None:
        for ranges in (True, False):
            with self.subTest(ranges=ranges):
                self.folder = Path(tempfile.mkdtemp())
                store = Store({"dist/a.whl": CONTENT}, cuts=[100_000, 1, 0, 150_000], ranges=ranges)
                self.assertEqual(self.download(store), 0)
                self.assertEqual((self.folder / "dist/a.whl").read_bytes(), CONTENT)
                self.assertEqual(store.asked[1], "bytes=100000-")
                self.assertEqual([path.name for path in (self.folder / "dist").iterdir()], ["a.whl"])

    def test_what_was_left_of_another_build_is_not_gone_on_with(self) -> None:
        for left in (b"of another build", b"x" * len(CONTENT)):
            (self.folder / "a.whl.part").write_bytes(left)
            (self.folder / "a.whl").unlink(missing_ok=True)
            self.assertEqual(self.download(Store({"a.whl": CONTENT})), 0)
            self.assertEqual((self.folder / "a.whl").read_bytes(), CONTENT)
            self.assertEqual([path.name for path in self.folder.iterdir()], ["a.whl"])

    def test_what_is_there_already_is_not_fetched_again(self) -> None:
        self.assertEqual(self.download(Store({"a": b"1", "b": b"2", "c/d": b"3"})), 0)
        store = Store({"a": b"1", "b": b"changed", "c/d": b"3"})
        self.assertEqual(self.download(store), 0)
        self.assertEqual(len(store.asked), 1)
        self.assertEqual((self.folder / "b").read_bytes(), b"changed")

    def test_what_is_not_what_was_kept_is_not_kept_here(self) -> None:
        for wrong in ({"sha256": "0" * 64}, {"size": 3}):
            store = Store({"a": b"12345"})
            store.wrong = wrong
            with self.assertRaises(CouldNot):
                self.download(store)
            self.assertFalse((self.folder / "a").exists())

    def test_paths_that_lead_elsewhere_write_nothing(self) -> None:
        for path in ("../a", "/etc/a", "a/../../b", "a//b", "./a", "a\\b", "C:/a", "", "a\0b"):
            with self.subTest(path), self.assertRaises(CouldNot):
                place(self.folder, path)
        for path in (".git/config", "a/.GIT/hooks/x", ".git./config", "GIT~1/config"):
            with self.subTest(path), self.assertRaisesMessage(CouldNot, "own folder"):
                place(self.folder, path)
        self.assertEqual(place(self.folder, ".github/a.git"), self.folder / ".github/a.git")
        (self.folder / "out").symlink_to("/tmp")
        with self.assertRaisesMessage(CouldNot, "by a link"):
            place(self.folder, "out/a")

    @given(st.text(max_size=30) | st.lists(st.sampled_from(["..", ".", "a", "", "\\"]), max_size=6).map("/".join))
    def test_no_path_leads_out(self, path: str) -> None:
        folder = Path("/nowhere/at/all")
        try:
            found = place(folder, path)
        except CouldNot:
            return
        self.assertTrue(Path(os.path.normpath(found)).is_relative_to(folder))

    def test_programs_are_told_of_the_files_that_are_there(self) -> None:
        store = Store({"a": CONTENT, "b": b"2"}, cuts=[0] * artifacts.ATTEMPTS)
        options = Namespace(build=7, download="*", to=str(self.folder), json=True, ca=None)
        with (
            Stub(store) as stub,
            mock.patch.dict("os.environ", {"BUILDBOARD_URL": stub.url, "BUILDBOARD_TOKEN": "bb_x"}),
            mock.patch.object(artifacts, "tell"),
            mock.patch.object(artifacts.looks, "as_json") as told,
        ):
            self.assertEqual(artifacts.artifacts(options), COULD_NOT)
        self.assertEqual([one["file"] for one in told.call_args.args[0]], [str(self.folder / "b")])

    def test_a_folder_that_cannot_be_written_to_is_told_and_is_no_failed_build(self) -> None:
        (self.folder / "file").write_text("no folder")
        with (
            Stub(Store({"a": b"1"})) as stub,
            mock.patch.dict("os.environ", {"BUILDBOARD_URL": stub.url, "BUILDBOARD_TOKEN": "bb_x"}),
            mock.patch("buildboard.client.__main__.tell") as tell,
        ):
            code = main(["artifacts", "7", "--download", "*", "--to", str(self.folder / "file")])
        self.assertEqual(code, COULD_NOT)
        self.assertRegex(tell.call_args.args[0], r"\Abuildboard: /.*/file.*: (Not a directory|File exists)\.\Z")

    def test_globs(self) -> None:
        for path, glob, expected in (
            ("dist/a.whl", "*.whl", True),
            ("dist/a.whl", "dist/*", True),
            ("dist/a.whl", "a.*", True),
            ("dist/a.whl", "*.tar", False),
        ):
            self.assertEqual(matches(path, glob), expected, glob)
        with self.assertRaisesMessage(CouldNot, "No artifact of build 7 is like '*.tar'"):
            self.download(Store({"a": b""}), "*.tar")
