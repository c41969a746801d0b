from django.test import SimpleTestCase, tag

from builds.source import TRIGGERS, Source, is_commit


@tag("fast")
class SourceTest(SimpleTestCase):
    def test_what_is_not_known_is_empty(self) -> None:
        self.assertEqual(Source(), Source("manual", "", "", "", "", "", None, False))

    def test_only_known_triggers_and_whole_commits(self) -> None:
        for trigger in TRIGGERS:
            Source(trigger)
        for wrong in ("", "Push", "anything"):
            with self.assertRaisesRegex(ValueError, "expected manual, api"):
                Source(wrong)
        for commit in ("a" * 40, "0123456789abcdef" * 4):
            self.assertTrue(is_commit(commit))
            Source(commit=commit)
        for commit in ("abc", "a" * 39, "A" * 40, "a" * 40 + "\n", "--upload-pack=touch x"):
            self.assertFalse(is_commit(commit))
            with self.assertRaisesRegex(ValueError, "expected 40 or 64"):
                Source(commit=commit)
