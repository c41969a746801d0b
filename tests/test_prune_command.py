"""`manage.py prune` as someone types it, and as a supervisor runs it."""

import json
import signal
from io import StringIO
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import SimpleTestCase, TestCase, override_settings

from builds import blocks, retention
from builds.management.commands import startbuild
from builds.models import Build

from . import live
from .oldlogs import hurried, long_log, over, rows
from .support.board import Board
from .support.processes import eventually


def prune(*args: str) -> str:
    out = StringIO()
    with mock.patch("signal.signal"):
        call_command("prune", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


@hurried
@override_settings(BUILDBOARD_KEEP_LEAST=0)
class PruneTests(TestCase):
    def setUp(self) -> None:
        self.old, self.young, self.new = (over(long_log(2), days=days) for days in (91, 2, 0))

    def test_it_says_what_it_did_and_a_second_time_that_nothing_was_due(self) -> None:
        self.assertRegex(
            prune(), r"^Compacted 1 build, pruned 1: 406 lines, \d+\.\d kB of text; \d+ rows deleted, in \d+\.\d s\.\n$"
        )
        self.assertEqual(rows(self.old), (1, 0))
        self.assertEqual(rows(self.young)[0], 1)
        self.assertEqual(rows(self.new)[0], 7)
        self.assertEqual(prune(), "Nothing was due.\n")

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self) -> None:
        before = [rows(number) for number in (self.old, self.young, self.new)]
        said = prune("--dry-run")
        self.assertEqual(
            said.splitlines(),
            [
                f"Would prune build {self.old} of hello, 90 days after it ended: 7 events.",
                f"Would compact build {self.young} of hello: 7 events.",
                "1 build would be compacted and 1 pruned; nothing was done.",
            ],
        )
        self.assertEqual([rows(number) for number in (self.old, self.young, self.new)], before)
        prune("--compact-only")
        self.assertRegex(prune("--dry-run").splitlines()[0], r"90 days after it ended: 203 lines, \d+\.\d kB\.$")
        Build.objects.update(log_rest=True, kept=True)
        self.assertIn(f"Would finish with build {self.old} of hello", prune("--dry-run"))
        Build.objects.update(log_rest=False)
        self.assertEqual(prune("--dry-run"), "Nothing is due.\n")

    def test_one_project_alone_and_compacting_alone(self) -> None:
        other = over(long_log(2), slug="other", days=91, passed=False)
        self.assertIn("Compacted 2 builds, pruned 0", prune("--project", "hello", "--compact-only"))
        self.assertEqual(rows(other), (7, 0))
        self.assertIn("Compacted 0 builds, pruned 1", prune("--project", "hello"))
        self.assertIn("Compacted 0 builds, pruned 1", prune("--project=other"))

    def test_what_is_not_over_is_left_alone(self) -> None:
        waiting = live.queued("busy").pk
        Build.objects.filter(pk=waiting).update(created_at="2001-01-01T00:00:00Z")
        self.assertEqual(prune("--project", "busy"), "Nothing was due.\n")

    def test_an_unknown_project_is_refused_by_name(self) -> None:
        with self.assertRaisesMessage(CommandError, "There is no project 'nothing'. Projects: hello."):
            prune("--project", "nothing")

    def test_those_that_cannot_be_compacted_are_named_and_tried_again_when_asked(self) -> None:
        store = blocks.store
        with (
            mock.patch.object(blocks, "store", lambda b, n, draft: store(b, n, draft._replace(body=b"x"))),
            self.assertLogs("builds.retention.verbs", "ERROR"),
        ):
            said = prune("--compact-only", "--project", "hello")
        self.assertIn(f"Not compacted, and left as they were: {self.old}, {self.young}.", said)
        self.assertEqual(prune("--compact-only"), "Nothing was due.\n")
        self.assertIn("Compacted 2 builds", prune("--compact-only", "--again"))

    def test_a_database_that_is_away_is_said_in_a_sentence(self) -> None:
        with (
            mock.patch.object(retention, "run", side_effect=OperationalError("away")),
            self.assertRaisesMessage(CommandError, "The database refused: away. What was done stays done"),
        ):
            prune()

    def test_who_follows_a_log_that_is_compacted_meanwhile_is_told_so_and_learns_the_end(self) -> None:
        build_id = over(long_log(1_010, 1))
        command = startbuild.Command(stderr=StringIO())
        pages = command._pages(build_id)
        self.assertEqual(len(next(pages)), 1_000)
        retention.compact(build_id, retention.Pace())
        [last] = next(pages)
        self.assertEqual(json.loads(last.data)["status"], "passed")
        self.assertIn("compacted or pruned meanwhile", command.stderr.getvalue())

    def test_it_leaves_the_board_to_who_prunes_it_already(self) -> None:
        with mock.patch.object(retention, "run", return_value=retention.Tally(busy=True)):
            self.assertIn("left to that one", prune())


class ProcessTests(SimpleTestCase):
    databases = {"default"}

    def test_ctrl_c_ends_it_between_two_batches_and_the_next_one_goes_on(self) -> None:
        with Board(BUILDBOARD_COMPACT_HOURS="0") as board:
            board.project("hello", "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]")
            with board.database():
                builds = [over(long_log(40)) for _ in range(8)]
                process = board.spawn("prune")
                eventually(lambda: Build.objects.exclude(compacted_at=None).exists(), 20, process.output)
                process.signal(signal.SIGINT)
                self.assertEqual(process.wait(10), 130)
                self.assertRegex(process.output(), r"Stopped: \d+ builds? not come to\. Run it again to go on\.")
                left = Build.objects.filter(compacted_at=None).count()
                self.assertGreater(left, 0)
                again = board.manage("prune", check=True)
                self.assertRegex(again.stdout, rf"^Compacted {left} builds?")
                self.assertEqual([rows(build)[0] for build in builds], [1] * 8)
