"""The database engine of a board on PostgreSQL (`ENGINE`); `base.py` is what Django loads of it."""

from django.conf import settings


def guard() -> None:
    """From now on this process's threads know when the database is away. Does nothing where it is not PostgreSQL."""
    if settings.DATABASES["default"]["ENGINE"] == __name__:
        from . import base

        base.guard()
