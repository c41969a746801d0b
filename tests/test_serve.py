"""What a web process does before it serves: how many files it may open."""

import resource
from unittest.mock import patch

from django.test import SimpleTestCase, tag

from buildboard import serve


@tag("fast")
class FilesTest(SimpleTestCase):
    def ask(self, soft: int, hard: int, streams: int) -> tuple[str, list[tuple[int, int]]]:
        """What people are told, and the limits that were set."""
        given: list[tuple[int, int]] = []
        with (
            patch.object(serve.resource, "getrlimit", return_value=(soft, hard)),
            patch.object(serve.resource, "setrlimit", side_effect=lambda _, limits: given.append(limits)),
        ):
            return serve.allow_streams(streams), given

    def test_a_low_limit_is_raised_as_far_as_the_streams_need(self) -> None:
        self.assertEqual(self.ask(1024, 1_048_576, 5_000), ("", [(5_256, 1_048_576)]))
        self.assertEqual(self.ask(1024, resource.RLIM_INFINITY, 5_000), ("", [(5_256, resource.RLIM_INFINITY)]))

    def test_one_that_is_enough_is_left_alone(self) -> None:
        self.assertEqual(self.ask(65_536, 65_536, 5_000), ("", []))
        self.assertEqual(self.ask(resource.RLIM_INFINITY, resource.RLIM_INFINITY, 5_000), ("", []))

    def test_where_it_cannot_be_raised_so_far_that_is_said_with_what_to_do(self) -> None:
        said, given = self.ask(1024, 4096, 5_000)
        self.assertEqual(given, [(4096, 4096)])
        self.assertIn("4096 files, too few for 5000 streams (BUILDBOARD_STREAMS_PER_PROCESS)", said)
        self.assertIn("LimitNOFILE=", said)
