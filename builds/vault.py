"""Secrets at rest: sealed with the newest key of BUILDBOARD_SECRETS_KEYS, or with one that follows from SECRET_KEY.

Whoever has the database alone cannot read them. A sealed text says nothing but its own length and age.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """None of the keys that this process has opens it: a sentence that says so, without the secret."""


def seal(secret: str) -> str:
    """As it may be stored."""
    return _keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. `Unreadable`."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "A secret cannot be read: none of this board's keys (BUILDBOARD_SECRETS_KEYS, SECRET_KEY and its "
            "fallbacks) has sealed it."
        ) from None


def reseal(sealed: str) -> str:
    """The same secret, sealed with the newest key. `Unreadable`."""
    try:
        return _keys().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable("A secret cannot be read, so it cannot be sealed anew.") from None


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.BUILDBOARD_SECRETS_KEYS])
