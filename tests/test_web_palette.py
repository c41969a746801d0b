from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.web import palette

from .support import ROOT

value = st.integers(0, 255)


@tag("fast")
class PaletteTest(SimpleTestCase):
    def test_the_file_is_what_this_makes(self) -> None:
        path = ROOT / "builds" / "static" / "builds" / "palette.css"
        self.assertEqual(path.read_text(), palette.css(), "write palette.css() into it")

    def test_the_cube_and_the_greys(self) -> None:
        self.assertEqual(palette.colour(16), (0, 0, 0))
        self.assertEqual(palette.colour(196), (255, 0, 0))
        self.assertEqual(palette.colour(231), (255, 255, 255))
        self.assertEqual(palette.colour(232), (8, 8, 8))
        self.assertEqual(palette.colour(255), (238, 238, 238))

    def test_a_colour_of_the_table_is_its_own_nearest(self) -> None:
        for number in range(16, 256):
            found = palette.nearest(*palette.colour(number))
            self.assertEqual(palette.colour(found), palette.colour(number))

    @given(value, value, value)
    def test_nothing_is_nearer_by_much(self, red: int, green: int, blue: int) -> None:
        def apart(number: int) -> int:
            return sum((a - b) ** 2 for a, b in zip(palette.colour(number), (red, green, blue), strict=True))

        best = min(range(16, 256), key=apart)
        self.assertLessEqual(apart(palette.nearest(red, green, blue)), apart(best) + 200)

    def test_every_one_can_be_read_in_both_themes(self) -> None:
        for number in range(16, 256):
            for theme, ground in palette.SURFACES.items():
                shade = palette.readable(palette.colour(number), theme)
                self.assertGreaterEqual(palette.contrast(shade, ground), 4.5)
