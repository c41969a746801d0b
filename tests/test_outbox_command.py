"""`manage.py outbox`: what is stuck, and another try at it."""

from io import StringIO

from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import TestCase, tag

from builds import lifecycle, outbox
from builds.models import Outgoing, Project

from .test_outbox_targets import make


@tag("fast")
class OutboxCommandTest(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="P", slug="p", recipe="steps: [{name: a, run: b}]")
        make(self.project, "slack", name="team", tells="queued")
        for _ in range(3):
            lifecycle.enqueue(self.project, by="alice")
        outbox.give_up(outbox.claim("a", 60), "HTTP 404 Not Found: no_service", 404)  # type: ignore[arg-type]
        outbox.postpone(outbox.claim("b", 60), 3600, "HTTP 500 Internal Server Error.", 500)  # type: ignore[arg-type]
        self.failed, self.waits = (Outgoing.objects.get(state="failed"), Outgoing.objects.get(code=500))

    def told(self, *options: str) -> str:
        out = StringIO()
        call_command("outbox", *options, stdout=out)
        return out.getvalue()

    def test_what_is_stuck_is_listed(self) -> None:
        lines = self.told().splitlines()
        self.assertEqual(
            lines[0], f"{self.failed.key}  p, team: given up after 1 attempt: HTTP 404 Not Found: no_service"
        )
        self.assertRegex(lines[1], rf"^{self.waits.key}  p, team: waits after 1 attempt, next at \S+ \S+ UTC: HTTP 500")
        self.assertEqual(lines[2:], ["2 wait, 1 were given up, 0 were sent."])

    def test_one_is_tried_again_or_all(self) -> None:
        self.assertEqual(self.told("--retry", self.failed.key), "1 will be tried again at once.\n")
        self.failed.refresh_from_db()
        self.assertEqual((self.failed.state, self.failed.attempts), ("waiting", 0))
        self.assertEqual(self.told("--retry-all"), "1 will be tried again at once.\n")
        claimed = outbox.claim("c", 60)
        assert claimed is not None
        self.assertIn("is on its way", self.told("--retry", claimed.key))

    def test_what_does_not_exist_is_said(self) -> None:
        with self.assertRaisesRegex(CommandError, "There is no message 'x'"):
            self.told("--retry", "x")
        with self.assertRaisesRegex(CommandError, "There is no project 'q'"):
            self.told("--project", "q")
        Project.objects.create(name="Q", slug="q", recipe="steps: [{name: a, run: b}]")
        self.assertEqual(self.told("--project", "q"), "0 wait, 0 were given up, 0 were sent.\n")
