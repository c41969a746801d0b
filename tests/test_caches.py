"""What builds leave for later ones: found by key, bounded, and never by the project's builds what a fork has left."""

from unittest import mock

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from builds import caches, filestore
from builds.events import LeaseLost
from builds.models import Build, Cache, Project

from . import live
from .stored import OwnStorage


class CachesTest(OwnStorage, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.lease = live.running()
        self.build = Build.objects.get(pk=self.lease.build_id)

    def keep(self, key: str, size: int = 1, build: Build | None = None) -> str | None:
        build = build or self.build
        name = filestore.new_name()
        if not caches.intend(self.lease, build, key, name, size):
            return None
        filestore.save(name, ContentFile(b"x"))
        return name if caches.settle(build, name, "0" * 64) else None

    def found(self, key: str, *restore_keys: str, build: Build | None = None) -> str | None:
        hit = caches.find(build or self.build, key, restore_keys)
        return hit and hit.key

    def fork(self, number: int | None = 7) -> Build:
        build = Build.objects.get(pk=self.build.pk)
        build.fork, build.pull_request = True, number
        return build

    def test_by_its_key_else_by_the_newest_that_begins_so(self) -> None:
        for key in ("pip-1", "pip-2", "npm-1", "PIP-9"):
            self.keep(key)
        self.assertEqual(self.found("pip-1"), "pip-1")
        self.assertEqual(self.found("pip-3", "pip-"), "pip-2")
        self.assertEqual(self.found("pip-3", "x", "npm-", "pip-"), "npm-1")
        self.assertIsNone(self.found("pip-3", "y"))

    def test_a_key_is_kept_once(self) -> None:
        self.assertIsNotNone(self.keep("a"))
        self.assertIsNone(self.keep("a"))
        one, other = filestore.new_name(), filestore.new_name()
        for name in (one, other):
            caches.intend(self.lease, self.build, "b", name, 1)
        self.assertTrue(caches.settle(self.build, one, "0" * 64))
        self.assertTrue(caches.settle(self.build, one, "0" * 64))
        self.assertFalse(caches.settle(self.build, other, "0" * 64))

    def test_what_is_neither_a_branch_nor_a_tag_leaves_nothing_either(self) -> None:
        """Somebody has started a build of what somebody else has proposed."""
        build = Build.objects.get(pk=self.build.pk)
        for ref in ("refs/pull/7/head", "pull/7/head", "refs/changes/1/1/1"):
            build.ref = ref
            self.assertIsNone(self.keep("evil", build=build))
        self.assertIsNone(self.found("evil"))

    def test_a_fork_finds_what_the_project_has_and_leaves_nothing_to_it(self) -> None:
        self.keep("main")
        fork = self.fork()
        self.assertEqual(self.found("main", build=fork), "main")
        self.assertIsNotNone(self.keep("main", build=fork))
        self.assertIsNotNone(self.keep("evil", build=fork))
        self.assertIsNone(self.found("evil"))
        self.assertIsNone(self.found("x", "ev"))
        self.assertEqual(self.found("evil", build=fork), "evil")
        self.assertIsNone(self.found("evil", build=self.fork(8)))
        self.assertIsNone(self.keep("evil", build=self.fork(None)))

    def test_another_project_has_its_own(self) -> None:
        self.keep("a")
        other = Build.objects.get(pk=live.queued("other").pk)
        self.assertIsNone(self.found("a", build=other))

    def test_what_was_not_used_for_longest_goes_first(self) -> None:
        with override_settings(BUILDBOARD_MAX_PROJECT_CACHE_MB=1):
            for key in ("a", "b", "c"):
                self.keep(key, 400 * 1024)
                self.found("a")
        self.assertEqual([self.found(key) for key in ("a", "b", "c")], ["a", None, "c"])
        self.assertEqual((caches.sweep(), len(self.stored_files())), (1, 2))

    def test_whoever_lost_the_lease_keeps_nothing(self) -> None:
        self.lease.token = "another"
        with self.assertRaises(LeaseLost):
            self.keep("a")

    def test_no_file_is_forgotten(self) -> None:
        self.keep("a")
        name = filestore.new_name()
        caches.intend(self.lease, self.build, "half", name, 1)
        self.assertEqual(caches.sweep(), 0)
        later = timezone.now() + 2 * caches.FORGOTTEN_AFTER
        with mock.patch("django.utils.timezone.now", return_value=later):
            self.assertEqual(caches.sweep(), 1)
        self.build.delete()
        Project.objects.all().delete()
        with (
            mock.patch.object(filestore, "delete", side_effect=filestore.Failed("no")),
            self.assertLogs("builds.filestore", "WARNING"),
        ):
            self.assertEqual(caches.sweep(), 0)
        self.assertEqual((caches.sweep(), self.stored_files(), Cache.objects.count()), (1, [], 0))

    def test_the_database_refuses_what_cannot_be(self) -> None:
        good = {"project_id": self.build.project_id, "key": "k", "size": 1, "name": "n", "build": 1}
        for wrong in ({"state": "lost"}, {"size": -1}, {"key": ""}, {"state": "stored"}):
            with self.subTest(wrong), self.assertRaises(IntegrityError), transaction.atomic():
                Cache.objects.create(**good | wrong)
