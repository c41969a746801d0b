"""What became of a log, in a sentence."""

from django.test import TestCase

from builds import retention
from builds.events import Chunk
from builds.models import Build
from builds.retention import Pace

from .oldlogs import hurried, over


@hurried
class WordsTests(TestCase):
    def test_sizes_in_words(self) -> None:
        for number, said in (
            (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1_000, "1.0 kB"), (999_949, "999.9 kB"),
            (999_950, "1.0 MB"), (1_234_567, "1.2 MB"), (5 * 10**9, "5.0 GB"), (10**16, "10000.0 TB"),
        ):  # fmt: skip
            self.assertEqual(retention.size(number), said)

    def test_what_became_of_a_log(self) -> None:
        build_id = over([Chunk(0, 1, ["one"])])
        self.assertEqual(retention.became(Build.objects.get(pk=build_id)), "")
        retention.compact(build_id, Pace())
        said = retention.became(Build.objects.get(pk=build_id))
        self.assertRegex(
            said, r"^Its log was compacted on .*: 1 line, 4 bytes, in 1 block that take\w* \d+ bytes; of its events"
        )
        Build.objects.filter(pk=build_id).update(compacted_at=None, log_note="not compacted: line 1 differs")
        self.assertEqual(retention.became(Build.objects.get(pk=build_id)), "Its log was not compacted: line 1 differs.")
