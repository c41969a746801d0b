"""Secrets at rest: sealed with the newest key of BUILDBOARD_SECRETS_KEYS, or with one that follows from SECRET_KEY.

Whoever has the database alone cannot read them. A sealed text says nothing but its own length and age.
"""

import re

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

_SEALED = re.compile(r"gAAAA[A-Za-z0-9_-]{90,}={0,2}\Z")
"""A Fernet token: its version, a time, and at least an initial vector, one block and a signature."""


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


def is_sealed(text: str) -> bool:
    """Whether it looks as `seal` makes them; only `unseal` knows whether this board can open it."""
    return _SEALED.match(text) is not None


def is_newest(sealed: str) -> bool:
    """Whether the newest key has sealed it: `reseal` would change nothing but its age."""
    try:
        Fernet(settings.BUILDBOARD_SECRETS_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.BUILDBOARD_SECRETS_KEYS])
