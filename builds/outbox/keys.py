"""Names of messages: unique for ever and everywhere, so that whoever gets one twice knows it again."""

import secrets

from ..models import Board, Target

_TEST = "test"


def of_status(world: str, target: Target, build_id: int, status: str) -> str:
    """The same for the same news: a second row is refused by the database. Without dots, which the signature of a
    webhook separates with."""
    return f"{world}-{target.pk}-{build_id}-{status}"


def of_test(target: Target) -> str:
    """Each test is another message."""
    return f"{world()}-{target.pk}-{_TEST}-{secrets.token_hex(8)}"


def world() -> str:
    """A build that a restored board starts has perhaps a number that another had: the world tells them apart."""
    return Board.get().world
