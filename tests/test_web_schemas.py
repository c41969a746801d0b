"""The shapes of the API: what is taken, what is refused, and that the statuses are the product's own."""

from typing import get_args

from django.test import SimpleTestCase, tag
from pydantic import TypeAdapter, ValidationError

from builds.states import BUILD_STATUSES, STEP_STATUSES
from builds.web import schemas


@tag("fast")
class SchemaTests(SimpleTestCase):
    def test_the_document_knows_every_status(self) -> None:
        self.assertEqual(get_args(schemas.BuildStatus), tuple(status.value for status in BUILD_STATUSES))
        self.assertEqual(get_args(schemas.StepStatus), tuple(status.value for status in STEP_STATUSES))

    def test_a_start_needs_nothing_and_takes_nothing_unknown(self) -> None:
        self.assertEqual(schemas.Start().model_dump(), {"ref": "", "inputs": {}})
        with self.assertRaises(ValidationError):
            schemas.Start(branch="main")

    def test_a_start_never_shares_its_inputs_with_another(self) -> None:
        schemas.Start().inputs["a"] = 1
        self.assertEqual(schemas.Start().inputs, {})

    def test_a_slug_is_ascii_and_short(self) -> None:
        slug = TypeAdapter(schemas.Slug)
        self.assertEqual(slug.validate_python("a-B_9"), "a-B_9")
        for text in ("", "a b", "é", "a\0", "a\n", "x" * 101):
            with self.subTest(text), self.assertRaises(ValidationError):
                slug.validate_python(text)
