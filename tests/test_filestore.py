"""Files by random names, in a folder."""

import io
import os
import stat
from unittest import mock

from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.test import tag

from buildboard import filestores
from builds import filestore

from .stored import OwnStorage


@tag("fast")
class FilestoreTest(OwnStorage):
    def save(self, content: bytes) -> str:
        name = filestore.new_name()
        filestore.save(name, ContentFile(content))
        return name

    def test_what_is_stored_is_read_from_any_place_on(self) -> None:
        content = os.urandom(filestore.CHUNK_BYTES + 1000)
        name = self.save(content)
        self.assertEqual(b"".join(filestore.read(name)), content)
        self.assertEqual(b"".join(filestore.read(name, 999, 5)), content[999:1004])
        self.assertEqual(b"".join(filestore.read(name, len(content) - 3)), content[-3:])
        self.assertEqual(b"".join(filestore.read(name, 5, 0)), b"")

    def test_a_file_that_is_shorter_than_it_was_says_so(self) -> None:
        name = self.save(b"abc")
        with self.assertRaisesMessage(filestore.Failed, "The storage has 7 bytes less of it than were stored."):
            list(filestore.read(name, 0, 10))

    def test_a_file_that_is_gone_is_missing_and_deleting_it_again_does_no_harm(self) -> None:
        name = self.save(b"abc")
        filestore.delete(name)
        filestore.delete(name)
        self.assertEqual(self.stored_files(), [])
        with self.assertRaises(filestore.Missing):
            next(filestore.read(name))

    def test_a_name_that_is_taken_keeps_its_file(self) -> None:
        name = self.save(b"abc")
        with self.assertRaises(filestore.Failed):
            filestore.save(name, ContentFile(b"other"))
        self.assertEqual(b"".join(filestore.read(name)), b"abc")
        self.assertEqual(self.stored_files(), [name])

    def test_a_storage_that_fails_says_why(self) -> None:
        full = mock.patch.object(filestores.Folder, "_save", side_effect=OSError(28, "No space left on device"))
        with full, self.assertRaisesMessage(filestore.Failed, "The storage failed: No space left on device."):
            self.save(b"abc")

    def test_what_the_content_itself_raises_is_no_fault_of_the_storage(self) -> None:
        class Broken(File):
            def read(self, *_: object) -> bytes:
                raise filestore.Unread("it grew")

        with self.assertRaisesMessage(filestore.Unread, "it grew"):
            filestore.save(filestore.new_name(), Broken(io.BytesIO(b"abc"), "x"))

    def test_only_the_boards_own_user_reads_it(self) -> None:
        options = filestores.storage("", self.files / "new")["OPTIONS"]
        store = filestores.Folder(**options)
        store.save("ab/cd", ContentFile(b"x"))
        modes = [stat.S_IMODE(os.stat(self.files / "new" / part).st_mode) for part in ("ab", "ab/cd")]
        self.assertEqual(modes, [0o700, 0o600])

    def test_the_board_has_one_storage_by_that_name(self) -> None:
        self.assertIsInstance(storages["artifacts"], filestores.Folder)
