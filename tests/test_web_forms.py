from django.test import SimpleTestCase, tag

from builds.web.forms import RetryForm, StartForm, new_request_key


@tag("fast")
class FormsTest(SimpleTestCase):
    def test_keys_are_made_once(self) -> None:
        keys = {new_request_key() for _ in range(100)}
        self.assertEqual(len(keys), 100)
        self.assertTrue(all(len(key) <= 64 and key.isascii() for key in keys))

    def test_a_form_without_a_key_has_none(self) -> None:
        form = StartForm({"ref": " main "})
        self.assertTrue(form.is_valid())
        self.assertEqual((form.key(), form.cleaned_data["ref"]), (None, "main"))

    def test_a_key_that_is_too_long_is_refused(self) -> None:
        self.assertFalse(RetryForm({"request_key": "x" * 65}).is_valid())
