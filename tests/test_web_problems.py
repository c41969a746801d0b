"""Problem details: the shape of every refusal, as bytes that any client can read."""

import json

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.web.problems import Problem, problem


@tag("fast")
class ProblemTests(SimpleTestCase):
    def test_a_problem_names_its_status_and_says_what_is_wrong(self) -> None:
        answer = problem(409, "It is over.", headers={"Retry-After": "5"}, build=42)
        self.assertEqual(answer.status_code, 409)
        self.assertEqual(answer["Content-Type"], "application/problem+json")
        self.assertEqual((answer["Cache-Control"], answer["Retry-After"]), ("no-store", "5"))
        self.assertEqual(
            json.loads(answer.content),
            {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "It is over.", "build": 42},
        )

    def test_a_401_tells_the_way_in_and_nothing_else_does(self) -> None:
        self.assertEqual(Problem(401, "Who is it?").response()["WWW-Authenticate"], "Bearer")
        self.assertNotIn("WWW-Authenticate", Problem(403, "No.").response())

    @given(st.text(st.characters()))
    def test_any_text_is_carried(self, detail: str) -> None:
        self.assertEqual(json.loads(problem(422, detail).content)["detail"], detail)
