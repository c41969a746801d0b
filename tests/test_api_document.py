"""The OpenAPI document against real answers: each is as its operation says, also where it is a no."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from django.contrib.auth.models import Permission
from django.test import tag
from pydantic import TypeAdapter, ValidationError

from builds import access, lifecycle
from builds.models import Build
from builds.web import problems, schemas

from .asking import ApiCase


def every(body: type[schemas.Given]) -> Iterator[type[schemas.Given]]:
    """Those that are made of it, and of these; not what only answers."""
    for one in body.__subclasses__():
        if one.model_config.get("extra") == "forbid":
            yield from (one, *every(one))


@tag("fast")
class DocumentTests(ApiCase):
    def setUp(self) -> None:
        self.document = self.ask("GET", "/openapi.json").json()

    def check(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Ask, and hold the answer against the document."""
        from jsonschema import Draft202012Validator, FormatChecker

        answer = self.ask(method, path, body, **options)
        operation = self.operation(method, path)
        described = operation["responses"].get(str(answer.status_code))
        self.assertIsNotNone(described, f"{method} {path}: {answer.status_code} is not described")
        [(kind, content)] = described["content"].items()
        self.assertEqual(answer["Content-Type"].partition(";")[0], kind, f"{method} {path}")
        schema = content["schema"] | {"components": self.document["components"]}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer.json())
        return answer

    def operation(self, method: str, path: str) -> dict[str, Any]:
        for pattern, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), f"/api/v1{path.partition('?')[0]}"):
                return operations[method.lower()]
        raise AssertionError(f"{path} is not described")

    def test_a_flag_of_a_body_is_true_or_false_and_no_word(self) -> None:
        found = {
            (body, name)
            for body in every(schemas.Given)
            for name, said in body.model_json_schema()["properties"].items()
            if "boolean" in {one.get("type") for one in (said, *said.get("anyOf", ()))}
        }
        self.assertGreater(len(found), 9)
        for body, name in found:
            field = body.model_fields[name]
            adapter = TypeAdapter(Annotated[field.annotation, name, *field.metadata])
            for word in ("yes", "off", 0, 1.0):
                with self.subTest(body=body.__name__, name=name, word=word):
                    with self.assertRaises(ValidationError) as caught:
                        adapter.validate_python(word)
                    self.assertEqual(problems.expected(caught.exception.errors()[0]), "expected true or false")

    def test_answers_are_as_the_document_says(self) -> None:
        build = self.check("POST", "/projects/open/builds", {"ref": "main"}).json()["id"]
        for path in ("/me", "/projects", "/projects/open", "/projects/open/stats", "/builds", "/builds?limit=1"):
            self.check("GET", path)
        for path in ("", "/annotations", "/difference"):
            self.check("GET", f"/builds/{build}{path}")
        self.check("POST", f"/builds/{build}/keep")
        self.check("DELETE", f"/builds/{build}/keep")
        self.check("POST", f"/builds/{build}/cancel")
        self.check("POST", f"/builds/{build}/retry")
        self.check("GET", "/builds?limit=1")
        run = {"lease": "a" * 32, "steps": ["make"], "where": "laptop"}
        number = self.check("POST", "/projects/open/runs", run).json()["id"]
        self.check("POST", f"/runs/{number}/renew", {"lease": "a" * 32})
        files = [{"step": 0, "path": "a", "size": 0, "sha256": "0" * 64}]
        self.check("POST", f"/runs/{number}/artifacts", {"lease": "a" * 32, "files": files})
        self.check("GET", "/projects/open/caches")
        self.alice.user_permissions.add(
            *Permission.objects.filter(codename__in=("add_project", "change_project", "delete_project"))
        )
        self.check("POST", "/projects", {"slug": "new", "recipe": self.open.recipe})
        self.check("PATCH", "/projects/new", {"name": "Newer"})
        self.check("PUT", "/projects/new/hook", {})
        self.check("GET", "/projects/new/hook")
        self.check("POST", "/projects/new/hook/secret")
        self.check("POST", "/projects", {"slug": "a b", "depth": 0})
        self.check("POST", f"/runs/{number}/finish", {"lease": "a" * 32, "head": 1, "status": "passed"})

    def test_refusals_are_as_the_document_says(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice").pk
        lifecycle.cancel(build, by="alice")
        for method, path, body, token, status in (
            ("GET", "/projects", None, None, 401),
            ("GET", "/projects/nowhere", None, "", 404),
            ("GET", "/builds?limit=x", None, "", 422),
            ("GET", "/builds", None, access.new_token(self.alice, scopes=("start",)), 403),
            ("POST", "/projects/open/builds", {"inputs": {"a": 1, "b": 2}}, "", 422),
            ("POST", "/projects/open/builds", b" " * 2**20, "", 413),
            ("POST", f"/builds/{build}/cancel", None, "", 409),
            ("POST", f"/builds/{build}/cancel", None, self.strange_token, 403),
            ("POST", "/runs/1/renew", {"lease": "x"}, "", 422),
        ):
            with self.subTest(method=method, path=path, status=status):
                self.assertEqual(self.check(method, path, body, token=token).status_code, status)

    def test_every_operation_says_that_it_may_refuse(self) -> None:
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                with self.subTest(f"{method} {path}"):
                    self.assertLessEqual({"401", "403", "404", "422", "429", "503"}, set(operation["responses"]))
                    for status, answer in operation["responses"].items():
                        if status >= "400":
                            self.assertEqual(list(answer["content"]), ["application/problem+json"])

    def test_every_wrong_input_is_named_at_once(self) -> None:
        self.open.recipe = "inputs: {a: {type: number}, b: {}, c: {choices: [x, y]}}\nsteps: [{name: say, run: echo}]"
        self.open.save()
        answer = self.check("POST", "/projects/open/builds", {"inputs": {"a": "many", "c": "z", "d": 1}})
        problem = self.assert_problem(answer, 422)
        self.assertEqual([one["at"] for one in problem["errors"]], ["inputs.d", "inputs.a", "inputs.b", "inputs.c"])
        self.assertIn("expected a number", problem["errors"][1]["expected"])
        self.assertIn("expected x or y", problem["detail"])
        self.assertFalse(Build.objects.exists())
