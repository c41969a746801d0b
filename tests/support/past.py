"""A long past: builds that are over, with steps and events, as many as are wanted, by a few statements of plain SQL.

They are copies of one that the ORM has made, so that a new column is in them, too. What differs from build to build is
told here. On SQLite and PostgreSQL, in the database of the default connection.
"""

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from builds.models import Board, Build, Changes, Event, LogBlock, Project, Step

PEOPLE, BRANCHES = 40, 500
STEPS = ("checkout", "compile", "test", "pack")
_ENDS = ("passed",) * 6 + ("failed", "failed", "cancelled", "lost")
"""What becomes of ten builds in a row."""
_LINE = "cc -O2 -Wall -Iinclude -c src/parser/lexer.c -o build/lexer.o"
_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"


def grow(
    projects: Sequence[Project], builds: int, *, stored: int = 0, events: int = 10, kept: int = 10_000
) -> tuple[int, int]:
    """`builds` more builds that are over, in turns of `projects`, the last one now: the numbers of the first and the
    last. The newest `stored` of them, of one day, have their whole log, of `events` events; of those before them, it is
    compacted, and of all but the newest `kept` pruned.
    """
    stored = min(stored, builds)
    first = (Build.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 2
    original = _original(projects[0], first - 1)
    chosen = " ".join(f"WHEN {at} THEN {one.pk}" for at, one in enumerate(projects))
    ends = " ".join(f"WHEN {at} THEN '{status}'" for at, status in enumerate(_ENDS))
    older, old = max(builds - max(kept, stored), 0), builds - stored
    ago = f"(i - {builds}) * {80_000 // max(stored, 1)}"
    began = _moment(f"{ago} - 30")
    branch = f"CASE WHEN i % 5 < 3 THEN 'main' ELSE 'feature-' || ((i / 5) % {BRANCHES}) END"
    columns = {
        "id": f"i + {first - 1}",
        "project_id": f"CASE i % {len(projects)} {chosen} END",
        "status": f"CASE (i / {len(projects)}) % {len(_ENDS)} {ends} END",
        "ref": branch,
        "branch": branch,
        "started_by": f"'person-' || (i % {PEOPLE})",
        "revision": f"{Board.get().revision} + i",
        "created_at": _moment(f"{ago} - 40"),
        "started_at": began,
        "finished_at": _moment(f"{ago} - (i % 20)"),
        "head": str(events),
        "horizon": f"CASE WHEN i <= {old} THEN {events} ELSE 1 END",
        "pruned_at": f"CASE WHEN i <= {older} THEN {began} END",
        "compacted_at": f"CASE WHEN i <= {old} THEN {began} END",
        "log_lines": f"CASE WHEN i <= {old} THEN {events - 1} END",
        "log_bytes": f"CASE WHEN i <= {old} THEN {(events - 1) * len(_LINE)} END",
    }
    _copy(Build, original.pk, builds, columns)
    copies = {"build_id": f"i + {first - 1}"}
    for step in original.steps.all():
        of_build = {"started_at": began, "finished_at": began}
        _copy(Step, step.pk, builds, copies | of_build)
    line, end = original.events.order_by("seq")
    _copy(Event, end.pk, builds, copies | {"seq": str(events), "at": began})
    _copy(Changes, original.pk, builds, copies)
    block = original.blocks.get()
    _copy(LogBlock, block.pk, old - older, {"build_id": f"i + {first - 1 + older}"})
    each = events - 1
    place = f"1 + (i - 1) % {each}"
    of_event = {"build_id": f"{first + old} + (i - 1) / {each}", "seq": place, "line": place, "at": began}
    _copy(Event, line.pk, stored * each, of_event)
    for rows in (original.events, original.blocks, original.steps, Changes.objects.filter(build=original)):
        rows.all().delete()
    Build.objects.filter(pk=original.pk)._raw_delete("default")  # type: ignore[attr-defined]
    Board.objects.update(revision=Board.get().revision + builds)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('builds_build', 'id'), max(id)) FROM builds_build")
    return first, first + builds - 1


def lengthen(build_id: int, events: int) -> None:
    """Put so many more `log` events of one line into the log of a build whose first step runs."""
    build = Build.objects.get(pk=build_id)
    last = Event.objects.filter(build=build_id, kind="log").order_by("-seq").first()
    begin = last.line if last and last.line else 0
    one = Event.objects.create(
        build_id=build_id,
        seq=build.head + 1,
        kind="log",
        at=timezone.now(),
        step=0,
        line=begin + 1,
        lines=1,
        body=_LINE,
    )
    if events > 1:
        _copy(Event, one.pk, events - 1, {"seq": f"i + {build.head + 1}", "line": f"i + {begin + 1}"})
    Build.objects.filter(pk=build_id).update(head=build.head + events)


def analyze() -> None:
    """Let the planner see what there is, as PostgreSQL does by itself. SQLite does not, and no board asks it to."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


# --- Inside ---


def _original(project: Project, number: int) -> Build:
    now = timezone.now()
    over = {"started_at": now, "finished_at": now}
    build = Build.objects.create(
        pk=number, project=project, recipe=project.recipe, status="passed", worker="host:1", **over
    )
    Step.objects.bulk_create(
        Step(build=build, position=at, name=name, status="passed", exit_code=0, expected_seconds=20.0, **over)
        for at, name in enumerate(STEPS)
    )
    Event.objects.create(build=build, seq=1, kind="log", at=now, step=0, line=1, lines=1, body=_LINE)
    Event.objects.create(build=build, seq=2, kind="build", at=now, body="{}")
    Changes.objects.create(build=build, since="c" * 40, count=1, commits=[])
    LogBlock.objects.create(build=build, number=0, step=0, line=1, lines=9, size=9 * len(_LINE), body=b"x" * 200)
    return build


def _copy(model: type, pk: int, count: int, columns: dict[str, str]) -> None:
    """Rows like the one with that key, numbered `i` from 1 on: these `columns` are what the SQL says."""
    if count < 1:
        return
    meta = model._meta  # type: ignore[attr-defined]
    names = [field.column for field in meta.concrete_fields if field.column != "id" or "id" in columns]
    listed = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(columns.get(name, f'one."{name}"') for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({listed}) {_NUMBERS.format(count=count)} "  # noqa: S608 - own names
            f"SELECT {values} FROM n CROSS JOIN (SELECT * FROM {meta.db_table} WHERE {meta.pk.column} = {pk}) AS one"
        )


def _moment(seconds: str) -> str:
    """So many seconds from now."""
    if connection.vendor == "postgresql":
        return f"now() + ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', ({seconds}) || ' seconds')"
