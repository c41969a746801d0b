"""A number of a row, as it stands in an address or a form."""

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.web.numbers import whole


@tag("fast")
class WholeTest(SimpleTestCase):
    def test_numbers_that_a_column_holds(self) -> None:
        for text, number in (("0", 0), ("42", 42), ("007", 7), ("9" * 18, 10**18 - 1)):
            self.assertEqual(whole(text), number)

    def test_anything_else_is_none(self) -> None:
        for text in (None, "", " 1", "-1", "1.0", "+1", "1_0", "½", "\u0663", "9" * 19, "0x1", "1\0"):
            self.assertIsNone(whole(text), text)

    @given(st.text(max_size=25))
    def test_no_text_is_an_error(self, text: str) -> None:
        found = whole(text)
        self.assertTrue(found is None or 0 <= found < 2**63)
