from django.test import SimpleTestCase, tag

from builds.inputs import Input
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

    def test_a_key_is_never_one_of_the_boards_own(self) -> None:
        form = RetryForm({"request_key": "schedule:1:1700000000"})
        self.assertTrue(form.is_valid())
        self.assertEqual(form.key(), "form:schedule:1:1700000000")

    def test_a_key_that_is_too_long_is_refused(self) -> None:
        self.assertFalse(RetryForm({"request_key": "x" * 51}).is_valid())


@tag("fast")
class InputsTest(SimpleTestCase):
    INPUTS = (
        Input("target", "choice", None, ("staging", "production"), "where to"),
        Input("jobs", "number", 4),
        Input("verbose", "boolean", True),
        Input("note", "text", ""),
    )

    def form(self, **given: str) -> StartForm:
        return StartForm({f"input-{name}": value for name, value in given.items()}, inputs=self.INPUTS)

    def test_each_input_is_a_field_of_its_kind_with_its_default(self) -> None:
        made = "".join(str(field) for field in StartForm(inputs=self.INPUTS).parameters)
        self.assertIn('<option value="production">', made)
        self.assertIn("choose …", made)
        self.assertIn('value="4"', made)
        self.assertRegex(made, r'type="checkbox"[^>]* checked')

    def test_what_is_filled_in_comes_out_typed(self) -> None:
        form = self.form(target="production", jobs="8", note="a <b>")
        self.assertTrue(form.is_valid(), form.errors)
        self.assertEqual(form.values(), {"target": "production", "jobs": 8, "verbose": False, "note": "a <b>"})

    def test_what_is_left_empty_is_the_default_and_a_text_may_be_emptied(self) -> None:
        text = Input("text", "text", "x")
        form = StartForm({"input-jobs": "", "input-text": ""}, inputs=(*self.INPUTS[1:], text))
        self.assertTrue(form.is_valid(), form.errors)
        self.assertEqual(form.values(), {"jobs": 4, "verbose": False, "note": "", "text": ""})
        form = StartForm({"input-version": ""}, inputs=[Input("version")])
        self.assertEqual(form.errors["input-version"], ["A value is needed."])

    def test_a_default_of_several_lines_is_a_field_of_several_lines(self) -> None:
        own = [Input("note", "text", "\na <b>\nb")]
        made = str(StartForm(inputs=own)["input-note"])
        self.assertInHTML(
            '<textarea name="input-note" cols="40" rows="4" id="id_input-note">\n\na &lt;b&gt;\nb</textarea>', made
        )
        form = StartForm({"input-note": "\r\na <b>\r\nb"}, inputs=own)
        self.assertTrue(form.is_valid())
        self.assertEqual(form.values(), {"note": "\na <b>\nb"})

    def test_what_does_not_fit_is_said_at_its_field(self) -> None:
        form = self.form(target="", jobs="many")
        self.assertFalse(form.is_valid())
        self.assertEqual(form.errors["input-target"], ["A value is needed."])
        self.assertEqual(form.errors["input-jobs"], ["Expected a number, such as 4 or 0.5, not 'many'."])
