import platform

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import labels


@tag("fast")
class LabelsTests(SimpleTestCase):
    def test_labels_are_words_in_order_and_each_once(self) -> None:
        self.assertEqual(labels.parse(" linux gpu,gpu\tx86_64 "), ("gpu", "linux", "x86_64"))
        self.assertEqual(labels.parse(""), ())

    def test_what_is_no_label_is_refused_with_what_was_expected(self) -> None:
        for text in ("GPU", "-gpu", "gpu-", "ä", "a" * 41, "a/b", "\0"):
            with self.subTest(text), self.assertRaisesRegex(labels.LabelError, "is not a label; expected words of"):
                labels.parse(text)
        with self.assertRaisesRegex(labels.LabelError, "at most 16 labels, not 17"):
            labels.parse(" ".join(f"l{number}" for number in range(17)))

    def test_a_worker_fits_that_has_all_that_is_needed(self) -> None:
        self.assertTrue(labels.fits("", ""))
        self.assertTrue(labels.fits("gpu linux", "gpu large linux"))
        self.assertFalse(labels.fits("gpu", "gpus"))
        self.assertFalse(labels.fits("gpu linux", "gpu"))

    def test_every_worker_has_its_system(self) -> None:
        self.assertIn(platform.system().lower(), labels.own())

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            found = labels.parse(text)
        except labels.LabelError:
            return
        self.assertEqual(labels.parse(" ".join(found)), found)
