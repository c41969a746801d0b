"""Who is asking, as the board knows them: for clients that have just been given a token."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ...models import ALL_SCOPES, Board
from ..door import Door
from . import asking

router = Router(auth=Door(reads=False))


class TokenItem(Schema):
    name: str
    scopes: Annotated[list[str], Field(description=f"of {', '.join(ALL_SCOPES)}")]
    expires_at: Annotated[datetime | None, Field(description="null: never")]


class Me(Schema):
    user: Annotated[str, Field(description="empty: nobody, on a board that is public")]
    token: Annotated[TokenItem | None, Field(description="null for a session")]
    world: Annotated[str, Field(description="of this database; another one once it is restored from a backup")]


@router.get("/me", response=Me)
def me(request: HttpRequest) -> Any:
    """Who you are, and what your token is good for. Any token may ask this."""
    caller = asking.caller(request)
    token = caller.token
    return {
        "user": caller.user.get_username(),
        "token": token and {"name": token.name, "scopes": token.scopes.split(), "expires_at": token.expires_at},
        "world": Board.get().world,
    }
