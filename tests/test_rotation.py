"""A new key for the board: what is stored is sealed anew, what somebody changes meanwhile stays, losses are named."""

import io
import unittest.mock

from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import TestCase, override_settings, tag

from builds import checks, rotation, vault
from builds.models import Project, Secret

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


def keys(*given: str) -> override_settings:
    return override_settings(BUILDBOARD_SECRETS_KEYS=list(given))


@tag("fast")
class RotationTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: a, run: echo}]")

    def secret(self, name: str, value: str = "hunter22") -> Secret:
        return Secret.objects.create(project=self.project, name=name, value=vault.seal(value))

    def rotate(self) -> str:
        out = io.StringIO()
        call_command("rotatesecrets", stdout=out)
        return out.getvalue()

    def test_every_sealed_column_is_found(self) -> None:
        self.assertIn((Secret, "value"), rotation.columns())

    def test_everything_is_sealed_with_the_newest_key(self) -> None:
        with keys(OLD), unittest.mock.patch.object(rotation, "PAGE", 2):
            made = [self.secret(f"S{number}", f"value {number}") for number in range(5)]
        with keys(NEW, OLD), unittest.mock.patch.object(rotation, "PAGE", 2):
            self.secret("NEWEST")
            self.assertIn("secret.value: 5 sealed anew, 1 had the newest key.", self.rotate())
            self.assertIn("secret.value: 0 sealed anew, 6 had the newest key.", self.rotate())
        with keys(NEW):
            for number, secret in enumerate(made):
                secret.refresh_from_db()
                self.assertEqual(vault.unseal(secret.value), f"value {number}")
            self.assertEqual(checks.unreadable_secrets(), [])

    def test_what_somebody_changes_meanwhile_stays(self) -> None:
        with keys(OLD):
            secret = self.secret("S", "before")
        reseal = vault.reseal

        def slowly(sealed: str) -> str:
            """While it is at work, somebody writes another value, with a process that has the former keys."""
            if vault.unseal(sealed) == "before":
                with keys(OLD):
                    Secret.objects.filter(pk=secret.pk).update(value=vault.seal("after"))
            return reseal(sealed)

        with keys(NEW, OLD), unittest.mock.patch.object(vault, "reseal", slowly):
            self.assertIn("1 sealed anew", self.rotate())
        with keys(NEW):
            secret.refresh_from_db()
            self.assertEqual(vault.unseal(secret.value), "after")

    def test_what_is_deleted_meanwhile_stays_deleted(self) -> None:
        with keys(OLD):
            secret = self.secret("S")
        reseal = vault.reseal

        def deleted(sealed: str) -> str:
            Secret.objects.filter(pk=secret.pk).delete()
            return reseal(sealed)

        with keys(NEW, OLD), unittest.mock.patch.object(vault, "reseal", deleted):
            self.assertIn("secret.value: 0 sealed anew, 0 had", self.rotate())

    def test_what_cannot_be_read_is_named_and_left(self) -> None:
        with keys(LOST):
            lost = self.secret("FORGOTTEN")
        with keys(OLD):
            self.secret("KNOWN")
        with keys(NEW, OLD):
            with self.assertRaises(CommandError) as caught:
                self.rotate()
            said = str(caught.exception)
            self.assertIn(f"1 cannot be read, and stay as they are: secret FORGOTTEN (number {lost.pk}). None", said)
            [warning] = checks.unreadable_secrets()
            self.assertEqual(warning.id, "builds.W006")
            self.assertIn("FORGOTTEN", warning.msg)
        with keys(NEW):
            self.assertTrue(vault.unseal(Secret.objects.get(name="KNOWN").value))

    def test_a_board_without_tables_is_no_error_of_the_check(self) -> None:
        with unittest.mock.patch.object(rotation, "unreadable", side_effect=IntegrityError):
            self.assertEqual(checks.unreadable_secrets(), [])


@tag("fast")
class SealedFieldTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: a, run: echo}]")

    def test_what_is_not_sealed_does_not_reach_the_database_and_is_not_said(self) -> None:
        for wrong in ("hunter22", "gAAAAno", "gAAAA" + "x" * 20 + " " * 100):
            with self.subTest(wrong), self.assertRaises(ValueError) as caught:
                Secret.objects.create(project=self.project, name="S", value=wrong)
            self.assertNotIn(wrong, str(caught.exception))
            with self.assertRaises(ValueError):
                Secret.objects.filter(pk=1).update(value=wrong)

    def test_the_database_refuses_what_is_empty_or_twice(self) -> None:
        for fields in ({"name": "S", "value": ""}, {"name": "", "value": vault.seal("v")}):
            with self.assertRaises(IntegrityError), transaction.atomic():
                Secret.objects.create(project=self.project, **fields)
        Secret.objects.create(project=self.project, name="S", value=vault.seal("v"))
        with self.assertRaises(IntegrityError), transaction.atomic():
            Secret.objects.create(project=self.project, name="S", value=vault.seal("v"))
