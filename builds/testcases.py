"""The tests of builds, as the reports of their steps say; and which of them cannot make up their mind.

The only reader and writer of `TestReport` and `TestCase`. A worker clears what an earlier attempt of the step has left
(`begin`), stores cases (`add`) and tells what it comes to (`tell`), each fenced by its lease.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet, Sum

from . import events
from .events import Fact, Lease
from .junit import Case
from .models import Build, TestCase, TestReport

LATELY = 20
"""Of so many builds of its project, the newest ones with tests, is told how a test went."""
MOST_UNSTEADY = 2_000
"""Failures of late that are looked at."""
BAD = ("failed", "error")


class Counts(NamedTuple):
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def plus(self, status: str, count: int = 1, seconds: float | None = None) -> "Counts":
        which = "failed" if status in BAD else status
        return self._replace(**{which: getattr(self, which) + count}, seconds=self.seconds + (seconds or 0.0))


class Past(NamedTuple):
    """How a test went of late, this build included."""

    failed: int
    ran: int
    """In so many builds; those in which it was skipped do not count."""
    flaky: bool
    """It both passed and failed on one commit, or changed its mind again and again."""


def key(step: str, case: Case) -> int:
    digest = hashlib.sha256("\0".join((step, case.suite, case.classname, case.name)).encode("utf-8", "replace"))
    return int.from_bytes(digest.digest()[:8], signed=True)


# --- By the worker that holds the lease ---


def begin(lease: Lease, step: int) -> None:
    """Of the step at `step` nothing is known any more. `LeaseLost`."""
    with transaction.atomic():
        events.hold(lease)
        TestCase.objects.filter(build_id=lease.build_id, step=step).delete()
        TestReport.objects.filter(build_id=lease.build_id, step=step).delete()


def add(lease: Lease, step: int, name: str, first: int, cases: Sequence[Case]) -> None:
    """Cases of the step, which is called `name`, from number `first` on. `LeaseLost`. May be called again after an
    error, with the same."""
    with transaction.atomic():
        events.hold(lease)
        if TestCase.objects.filter(build_id=lease.build_id, step=step, number__gte=first).exists():
            return  # it had landed
        rows = [
            TestCase(build_id=lease.build_id, step=step, number=number, key=key(name, case), **case._asdict())
            for number, case in enumerate(cases, start=first)
        ]
        TestCase.objects.bulk_create(rows, batch_size=100)


def tell(lease: Lease, step: int, counts: Counts) -> None:
    """What the tests of the step come to: with an event, and onto the build's row. `LeaseLost`."""
    with transaction.atomic():
        if not events.reserve(lease, 1):
            return
        TestReport.objects.create(build_id=lease.build_id, step=step, **counts._asdict())
        total = TestReport.objects.filter(build_id=lease.build_id).aggregate(
            passed=Sum("passed"), failed=Sum("failed"), skipped=Sum("skipped")
        )
        Build.objects.filter(pk=lease.build_id).update(**{f"tests_{name}": count for name, count in total.items()})
        name = events.step_names(lease.build_id)[step]
        events.put(lease.build_id, lease.head, [Fact("tests", {"step": name} | counts._asdict() | {"total": total})])


# --- Read ---


def cases(build_id: int, statuses: Collection[str] = ()) -> QuerySet[TestCase]:
    """Of a build, in the order of its reports. `statuses`: of these alone."""
    found = TestCase.objects.filter(build_id=build_id).order_by("step", "number")
    return found.filter(status__in=statuses) if statuses else found


def failed(build_id: int) -> QuerySet[TestCase]:
    return cases(build_id, BAD)


def is_of_several(build_id: int) -> bool:
    """More than one step of the build has reported tests."""
    return TestReport.objects.filter(build_id=build_id)[:2].count() > 1


def pasts(build: Build) -> dict[int, Past]:
    """By key, of each test that failed of late: how it went in the newest `LATELY` builds up to this one."""
    recent = Build.objects.filter(project_id=build.project_id, pk__lte=build.pk, finished_at__isnull=False)
    told = (recent | Build.objects.filter(pk=build.pk)).filter(test_reports__isnull=False).distinct().order_by("-pk")
    builds = {pk: (commit, ref) for pk, commit, ref in told.values_list("pk", "commit", "ref")[:LATELY]}
    bad = TestCase.objects.filter(build_id__in=builds, status__in=BAD).values_list("key", flat=True)
    keys = set(bad[:MOST_UNSTEADY])
    if not keys:
        return {}
    rows = TestCase.objects.filter(build_id__in=builds, key__in=keys).exclude(status="skipped").order_by("build_id")
    went: dict[int, dict[int, bool]] = defaultdict(dict)
    for one, build_id, status in rows.values_list("key", "build_id", "status"):
        went[one][build_id] = went[one].get(build_id, False) or status in BAD
    return {one: _past(of_builds, builds, build.ref) for one, of_builds in went.items()}


def _past(went: Mapping[int, bool], builds: Mapping[int, tuple[str, str]], ref: str) -> Past:
    """`went`: by build, in their order, whether it failed there. `builds`: the commit and the ref of each."""
    of_commit: dict[str, set[bool]] = defaultdict(set)
    for build_id, bad in went.items():
        if builds[build_id][0]:
            of_commit[builds[build_id][0]].add(bad)
    of_ref = [bad for build_id, bad in went.items() if builds[build_id][1] == ref]
    turns = sum(before != after for before, after in zip(of_ref, of_ref[1:], strict=False))
    flaky = any(len(results) == 2 for results in of_commit.values()) or turns > 1
    return Past(sum(went.values()), len(went), flaky)


def data(case: TestCase, names: Sequence[str], past: Past | None) -> dict[str, Any]:
    """What the API gives. `names`: of the build's steps, by position."""
    return {
        "step": names[case.step],
        "suite": case.suite,
        "class": case.classname,
        "name": case.name,
        "status": case.status,
        "seconds": case.seconds,
        "message": case.message,
        "text": case.text,
        "file": case.file,
        "line": case.line,
        "failed_lately": past.failed if past else 0,
        "flaky": bool(past and past.flaky),
    }


# --- Deleted ---


def delete(build_id: int, most: int) -> int:
    """So many cases of a build whose log is pruned; how many they were. Their counts stay."""
    some = list(TestCase.objects.filter(build_id=build_id).values_list("pk", flat=True)[:most])
    return TestCase.objects.filter(pk__in=some).delete()[0] if some else 0
