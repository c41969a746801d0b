"""Search over the whole log of a build, as JSON, a slice at a time.

`?q=TEXT&regex=0|1&case=0|1&from=CURSOR&limit=N&positions=0|1` → `{"matches": [{"step", "line", "spans"}…], "lines",
"unfinished": [the same…], "next", "more", "head", "final"}`. `lines`: how many lines matched in this slice, each
counted once, when it is whole; `unfinished`: those that match as they stand, open, in the whole log, in each answer
that has come to its end. `next`: what `from` is then, null where nothing will come any more; `more`: there is more
already. `"reset": true`: that cursor leads nowhere any more, begin again. `pruned_at`: the log is gone, since when.
"""

import json
import re
from typing import Any

from django.http import HttpRequest, HttpResponse

from .. import events, search
from ..models import Build, iso
from . import opening
from .opening import refuse
from .reading import read_in_bulk

_LIMIT = re.compile(r"[0-9]{1,4}\Z")


@opening.answered
async def slices(request: HttpRequest, build_id: int) -> HttpResponse:
    await opening.open_build(request, build_id)
    body = await read_in_bulk(_slice, request, build_id)
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _slice(request: HttpRequest, build_id: int) -> str:
    """The answer's body. On a reader; its time is bounded, so that all who search and all who download take turns."""
    regex, case = opening.flag(request, "regex"), opening.flag(request, "case")
    positions = opening.flag(request, "positions", "1")
    limit = request.GET.get("limit", str(search.MAX_MATCHES))
    if not _LIMIT.match(limit) or not 1 <= int(limit) <= search.MAX_MATCHES:
        raise refuse(400, f"limit: expected a number from 1 to {search.MAX_MATCHES:,}, not {limit[:40]!r}.")
    cursor = request.GET.get("from")
    try:
        pattern = search.compile(request.GET.get("q", ""), regex, case)
        found = search.look(build_id, pattern, cursor, int(limit), positions=positions)
        names = events.step_names(build_id)
    except search.BadQuery as error:
        raise refuse(400, str(error)) from error
    except search.BadCursor:
        raise refuse(400, f"from: expected the `next` of an earlier answer, not {(cursor or '')[:40]!r}.") from None
    except Build.DoesNotExist:  # deleted since it was opened
        raise opening.no_build(build_id) from None
    rest = {
        "lines": found.lines,
        "next": found.cursor,
        "more": found.more,
        "head": found.head,
        "final": found.final,
        **({"reset": True} if found.is_void else {}),
        **({"pruned_at": iso(found.pruned_at)} if found.pruned_at else {}),
    }
    matches, unfinished = (_as_json(some, names) for some in (found.matches, found.unfinished))
    return f'{{"matches":{matches},"unfinished":{unfinished},{json.dumps(rest)[1:]}'


def _as_json(matches: list[search.Match], names: list[str]) -> str:
    """One by one: a thousand with a hundred spans each, at once, would hold up every other thread for 100 ms."""
    return f"[{','.join(json.dumps(_data(match, names)) for match in matches)}]"


def _data(match: search.Match, names: list[str]) -> dict[str, Any]:
    return {"step": names[match.step], "line": match.line, "spans": match.spans}
