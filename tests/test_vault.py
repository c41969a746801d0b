from cryptography.fernet import Fernet
from django.test import SimpleTestCase, override_settings, tag

from builds import vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@tag("fast")
class VaultTest(SimpleTestCase):
    def test_what_is_sealed_opens_again_and_never_the_same_twice(self) -> None:
        one, other = vault.seal("grüße\n"), vault.seal("grüße\n")
        self.assertEqual({vault.unseal(one), vault.unseal(other)}, {"grüße\n"})
        self.assertNotEqual(one, other)
        self.assertNotIn("gr", one)

    def test_keys_are_rotated(self) -> None:
        with override_settings(BUILDBOARD_SECRETS_KEYS=[OLD]):
            sealed = vault.seal("token")
        with override_settings(BUILDBOARD_SECRETS_KEYS=[NEW, OLD]):
            self.assertEqual(vault.unseal(sealed), "token")
            again = vault.reseal(sealed)
        with override_settings(BUILDBOARD_SECRETS_KEYS=[NEW]):
            self.assertEqual(vault.unseal(again), "token")
            for verb in (vault.unseal, vault.reseal):
                with self.assertRaisesRegex(vault.Unreadable, "cannot be"):
                    verb(sealed)
                with self.assertRaises(vault.Unreadable):
                    verb("never sealed")
