"""What tests of pages share: who looks, builds to look at, and what is printed to hurt them."""

from django.contrib.auth.models import Permission, User
from django.test import TestCase

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.models import Build, Project
from builds.states import Status

RECIPE = "steps: [{name: compile, run: make}, {name: pack it, run: make dist}]"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "line\u2028separator \u202e right to left",
    "\x1b[31mred \x1b]8;;javascript:alert(1)\x1b\\no link\x1b]8;;\x1b\\ \x1b[999;;;m\x00\x1b",
    "x" * 1_000_000,
]


class PagesCase(TestCase):
    def setUp(self) -> None:
        self.alice = User.objects.create_user("alice", password="a-long-password")
        self.alice.user_permissions.set(
            Permission.objects.filter(content_type__app_label="builds", codename__in=["start_build", "cancel_build"])
        )
        self.stranger = User.objects.create_user("stranger", password="a-long-password")
        self.project = Project.objects.create(name="Lantern", slug="lantern", recipe=RECIPE)
        self.client.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")

    def as_user(self, user: User | None) -> None:
        self.client.logout()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def build(self, *, by: str = "alice") -> Build:
        return lifecycle.enqueue(self.project, by=by)

    def running(self, lines: list[str] | None = None) -> tuple[Build, Lease]:
        build = self.build()
        with self.captureOnCommitCallbacks(execute=True):
            lease = lifecycle.claim("host:1:x", f"token-{build.pk}")
        assert lease is not None and lease.build_id == build.pk
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.begin_step(lease, 0)
        if lines:
            self.append(lease, 1, lines)
        return build, lease

    def append(self, lease: Lease, line: int, lines: list[str]) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            events.append(lease, [Chunk(0, line, lines)])

    def finished(self, status: Status = Status.PASSED, reason: str = "") -> Build:
        build, lease = self.running(["hello"])
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.end_step(lease, 0, status, exit_code=0 if status == Status.PASSED else 2)
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.finish(lease, status, reason)
        build.refresh_from_db()
        return build

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, status)
        return answer.content.decode()


class Within(int):
    """Equal to every number up to itself."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and int(other) <= int(self)

    def __hash__(self) -> int:
        return int(self)
