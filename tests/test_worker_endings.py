"""The sentences that tell people why a build ended."""

from django.test import SimpleTestCase, tag

from builds.states import Status
from builds.worker import endings


@tag("fast")
class EndingTests(SimpleTestCase):
    def test_an_exit_is_told_by_its_code_or_signal(self) -> None:
        self.assertEqual(endings.exited("a", 0), endings.PASSED)
        failed = endings.exited("compile", 2)
        self.assertEqual((failed.status, failed.exit_code), (Status.FAILED, 2))
        self.assertEqual((failed.build_reason, failed.step_reason), ("Step compile: exit code 2.", "Exit code 2."))
        killed = endings.exited("compile", -9)
        self.assertEqual(killed.build_reason, "Step compile was ended by signal 9 (SIGKILL).")
        self.assertEqual(killed.step_reason, "Was ended by signal 9 (SIGKILL).")
        self.assertIn("signal 60 (unknown)", endings.exited("a", -60).build_reason)

    def test_a_timeout_says_which_and_how_long(self) -> None:
        self.assertEqual(endings.step_timeout("compile", 600).build_reason, "Step compile took longer than its 10m.")
        self.assertEqual(endings.build_timeout(5400).build_reason, "The build took longer than its 1h30m.")

    def test_a_step_that_cannot_be_started_says_why(self) -> None:
        ending = endings.not_started("a", OSError(28, "No space left on device"))
        self.assertEqual(ending.build_reason, "Step a could not be started: No space left on device.")

    def test_a_step_that_is_not_given_its_secret_says_why(self) -> None:
        ending = endings.withheld("deploy", Exception("needs the secret A, which this project does not have"))
        self.assertEqual(
            (ending.status, ending.build_reason, ending.step_reason),
            (
                Status.FAILED,
                "Step deploy needs the secret A, which this project does not have.",
                "Needs the secret A, which this project does not have.",
            ),
        )

    def test_durations_are_written_as_in_a_recipe(self) -> None:
        written = [endings.duration(seconds) for seconds in (1, 60, 90, 3600, 3661, 86400)]
        self.assertEqual(written, ["1s", "1m", "1m30s", "1h", "1h1m1s", "24h"])
