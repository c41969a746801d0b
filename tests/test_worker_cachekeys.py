"""Keys of caches: what stands in braces, and whatever else may stand there."""

from collections.abc import Sequence

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.worker.cachekeys import BadKey, evaluate

NAMES = {"branch": "main", "inputs.size": "9", "matrix.python": "3.12", "tag": ""}


def checksum(texts: Sequence[str]) -> str:
    return "+".join(texts)


@tag("fast")
class KeysTest(SimpleTestCase):
    def test_what_stands_in_braces(self) -> None:
        for template, key in (
            ("pip-1", "pip-1"),
            ("{{branch}}-{{ inputs.size }}-{{  matrix.python }}", "main-9-3.12"),
            ('pip-{{ checksum("a.txt") }}', "pip-a.txt"),
            ("pip-{{ checksum('a.txt', \"b/**/c\") }}-x", "pip-a.txt+b/**/c-x"),
            ("a{{ tag }}b", "ab"),
        ):
            self.assertEqual(evaluate(template, NAMES, checksum), key)

    def test_what_is_wrong_is_said(self) -> None:
        for template, why in (
            ("{{ secret }}", 'expected checksum\\("FILE"\\) or one of branch, inputs.size'),
            ("{{ checksum() }}", "expected checksum"),
            ("{{ checksum(a) }}", "expected checksum"),
            ("{{ branch", "braces that do not belong together"),
            ("}}", "braces that do not belong together"),
            ("{{ tag }}", "comes to 0 characters"),
            ("x" * 501, "comes to 501 characters"),
        ):
            with self.subTest(template[:30]), self.assertRaisesRegex(BadKey, why):
                evaluate(template, NAMES, checksum)

    def test_a_value_is_a_value_and_no_template(self) -> None:
        with self.assertRaises(BadKey):
            evaluate("{{ branch }}", {"branch": "{{ branch }}"}, checksum)
        self.assertEqual(evaluate("{{ branch }}", {"branch": "a\nb\u202e"}, checksum), "a?b?")

    @given(st.text("{}abc( )\"',.", max_size=30))
    def test_any_text_is_a_key_or_is_refused(self, template: str) -> None:
        try:
            key = evaluate(template, NAMES, checksum)
        except BadKey:
            return
        self.assertTrue(0 < len(key) <= 500 and key.isprintable())
