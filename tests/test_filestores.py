"""Where artifacts are: what the setting says, and an S3-compatible service."""

import importlib.util
import os
from pathlib import Path
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.test import SimpleTestCase, override_settings, tag

from buildboard import filestores
from builds import filestore

from .support import missing
from .support.s3 import S3

HERE = Path("/data/artifacts")


@tag("fast")
class SettingTest(SimpleTestCase):
    def test_a_folder_by_default_or_as_it_is_given(self) -> None:
        self.assertEqual(filestores.storage("", HERE)["OPTIONS"]["location"], "/data/artifacts")
        self.assertEqual(filestores.storage("/mnt/files", HERE)["OPTIONS"]["location"], "/mnt/files")

    def test_anything_else_is_refused_by_name_and_no_secret_is_shown(self) -> None:
        for wrong in ("files", "ftp://x/y", "s3://", "s3:///x", "s3://b?x=1", "s3://b#x", "http://x"):
            with (
                self.subTest(wrong),
                self.assertRaisesRegex(ImproperlyConfigured, "^BUILDBOARD_STORAGE='.*an absolute"),
            ):
                filestores.storage(wrong, HERE)
        with self.assertRaises(ImproperlyConfigured) as refused:
            filestores.storage("s3://key:secret@bucket", HERE)
        self.assertNotIn("secret", str(refused.exception))

    def test_without_its_packages_s3_says_what_to_install(self) -> None:
        with (
            mock.patch("importlib.util.find_spec", return_value=None),
            self.assertRaisesRegex(ImproperlyConfigured, "pip install -r requirements/s3.txt"),
        ):
            filestores.storage("s3://bucket", HERE)

    def test_a_bucket_has_a_prefix_and_the_options_that_are_given(self) -> None:
        with mock.patch("importlib.util.find_spec"):
            made = filestores.storage("s3://bucket/a/b/", HERE, region_name="", access_key="k")
        self.assertEqual(made["OPTIONS"], {"bucket_name": "bucket", "location": "a/b", "access_key": "k"})


class S3Test(SimpleTestCase):
    def setUp(self) -> None:
        if not importlib.util.find_spec("storages") or not importlib.util.find_spec("boto3"):
            missing("requirements/s3.txt")
        self.service = S3()
        self.enterContext(self.service)
        entry = filestores.storage(
            "s3://bucket/board", HERE,
            endpoint_url=self.service.url, region_name="here", access_key="key", secret_key="secret",
        )  # fmt: skip
        self.enterContext(override_settings(STORAGES={"artifacts": entry}))

    def test_it_stores_reads_from_any_place_and_deletes(self) -> None:
        for size in (0, 10, 300_000, 9_000_000):  # the last one in several parts
            content = os.urandom(size)
            name = filestore.new_name()
            with self.subTest(size):
                filestore.save(name, ContentFile(content))
                self.assertEqual(self.service.objects[f"bucket/board/{name}"], content)
                self.assertEqual(b"".join(filestore.read(name, 0, size)), content)
                self.assertEqual(b"".join(filestore.read(name, 4, max(size - 4, 0))), content[4:])
                filestore.delete(name)
                filestore.delete(name)
                self.assertEqual(self.service.objects, {})
                with self.assertRaises(filestore.Missing):
                    next(filestore.read(name))

    def test_a_refusal_is_a_sentence_without_the_secret(self) -> None:
        self.service.status = 403
        with self.assertRaises(filestore.Failed) as failed:
            filestore.save(filestore.new_name(), ContentFile(b"x"))
        self.assertRegex(str(failed.exception), r"^The storage failed: .+\.$")
        self.assertNotIn("secret", str(failed.exception))
