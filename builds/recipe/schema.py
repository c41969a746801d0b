"""The rules of a recipe as a JSON Schema (draft 2020-12), for editors. It takes whatever the parser takes; what only a
whole recipe can tell (names that are not there, circles, what a matrix makes), the parser alone refuses."""

from typing import Any

from django.conf import settings

from ..inputs import MAX_CHOICES, MAX_INPUTS, TYPES
from . import globs, matrix, parameters, parts, steps
from .condition import MAX_CONDITION

Schema = dict[str, Any]

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_LINE = r"^[^\s](?:.*[^\s])?$"
_NULL: Schema = {"type": "null"}
_FLAG: Schema = {"enum": [True, False, "true", "false", None]}


def schema() -> Schema:
    """With this board's own bounds."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Buildboard recipe",
        "description": "The steps of a build, and what starts one.",
        **_object(
            {
                "inputs": _said("Typed parameters, given at the start of a build.", _or_null(_inputs())),
                "env": _said("Variables of every step.", _or_null(_variables())),
                "timeout": _said("Of the whole build: seconds, or 1h30m, 45m, 90s.", _timeout()),
                "image": _said("Of the containers of its steps, where none is named there.", _image()),
                "on": _said("Which news from the repository start a build.", _or_null(_on())),
                "steps": _said(
                    "What a build does.",
                    {"type": "array", "minItems": 1, "maxItems": settings.BUILDBOARD_MAX_STEPS, "items": _step()},
                ),
            },
            required=("steps",),
        ),
    }


def _step() -> Schema:
    most = settings.BUILDBOARD_MAX_STEPS
    paths = _or_null(_one_or_more(_path(), parts.MAX_PATTERNS, least=1))
    return _object(
        {
            "name": _said("What it is called, on pages and in `needs`.", _line(steps.MAX_NAME)),
            "run": _said("A script; it ends at the first command that fails.", {**_TEXT, "pattern": r"\S"}),
            "shell": _said("What runs the script.", {"enum": list(steps.SHELLS), "default": "sh"}),
            "image": _said("Of the container that it runs in.", _image()),
            "env": _said("Variables of this step; they win over those of the recipe.", _or_null(_variables())),
            "timeout": _said("Of each attempt: seconds, or 1h30m, 45m, 90s.", _timeout()),
            "needs": _said(
                "Steps that are over before this one begins. Without it: the one above; []: none.",
                _or_null(_one_or_more(_TEXT, most)),
            ),
            "if": _said(
                'When it runs: an expression such as branch == "main", or always().',
                _or_null({**_TEXT, "minLength": 1, "maxLength": MAX_CONDITION}),
            ),
            "matrix": _said("One step for each combination of values.", _or_null(_matrix())),
            "allow_failure": _said("Where it fails the build goes on, and may pass.", _FLAG),
            "retry": _said(
                "So many attempts after the first.",
                {"anyOf": [{"type": "integer", "minimum": 0, "maximum": steps.MAX_RETRY},
                           {"type": "string", "pattern": "^[0-9]{1,9}$"}, _NULL]},
            ),
            "workspace": _said(
                "own: it works in a copy of the shared one, made when it begins.",
                {"enum": list(steps.WORKSPACES), "default": "shared"},
            ),
            "secrets": _said("Secrets of the project: names, or variable: name.", _or_null(_secrets())),
            "cache": _said(
                "Files that it finds as an earlier build has left them.",
                _or_null(_one_or_more(_cache(), parts.MAX_CACHES)),
            ),
            "artifacts": _said("Patterns of files that are kept.", paths),
            "reports": _said("Patterns of test reports in JUnit's XML.", paths),
        },
        required=("name", "run"),
    )  # fmt: skip


def _image() -> Schema:
    return _or_null({"type": "string", "pattern": f"^{parts.IMAGE}$"})


def _matrix() -> Schema:
    value = _line(matrix.MAX_VALUE)
    row = {"type": "object", "minProperties": 1, "additionalProperties": value}
    rows = _one_or_more(row, matrix.MAX_ROWS)
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "include": _said("Combinations more, each with a value for every axis.", rows),
            "exclude": _said("Combinations less, each by some of its values.", rows),
        },
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,29}$"},
        "additionalProperties": {"type": "array", "minItems": 1, "items": value, "uniqueItems": True},
    }


def _inputs() -> Schema:
    choices = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_CHOICES,
        "items": {**_TEXT, "maxLength": parameters.MAX_CHOICE},
    }
    one = _object(
        {
            "type": {"enum": list(TYPES)},
            "default": _said("Without it a build cannot be started without a value.", _or_null(_TEXT)),
            "choices": _said("What may be chosen.", choices),
            "help": _said("One line beside the field.", {**_TEXT, "maxLength": parameters.MAX_HELP}),
        }
    )
    one["allOf"] = [
        {"if": {"required": ["choices"]}, "then": {"properties": {"type": {"const": "choice"}}}},
        {
            "if": {"properties": {"type": {"const": "choice"}}, "required": ["type"]},
            "then": {"required": ["choices"]},
        },
    ]
    return {
        "type": "object",
        "maxProperties": MAX_INPUTS,
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,39}$"},
        "additionalProperties": _or_null(one),
    }


def _on() -> Schema:
    names = {
        "anyOf": [{"enum": [True, False, "true", "false"]}, _one_or_more(_line(globs.MAX_GLOB), parts.MAX_PATTERNS)]
    }
    return _object(
        {
            "branches": _said("Pushes to these branches: true, false, or patterns; ! takes back.", names),
            "tags": _said("Pushes of these tags.", names),
            "pull_requests": _said("Pull requests into these branches.", names),
            "cancel_superseded": _said("A newer push cancels older builds that are still queued.", _FLAG),
        }
    )


def _secrets() -> Schema:
    name = {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]{0,99}$"}
    one = {"allOf": [name, {"not": {"pattern": "^BUILDBOARD_"}}]}
    return {
        "anyOf": [
            _one_or_more(one, parts.MAX_ENV),
            {**_variables(), "additionalProperties": name},
        ]
    }


def _cache() -> Schema:
    key = {"allOf": [_line(parts.MAX_KEY), {"not": {"type": "string", "pattern": parts.SINGLE_BRACES.pattern}}]}
    return _object(
        {
            "key": _said("Of what is kept.", key),
            "paths": _said("Files and folders.", _one_or_more(_path(), parts.MAX_PATTERNS, least=1)),
            "restore_keys": _said(
                "Beginnings of other keys that will do.", _or_null(_one_or_more(key, parts.MAX_PATTERNS))
            ),
        },
        required=("key", "paths"),
    )


def _variables() -> Schema:
    return {
        "type": "object",
        "maxProperties": parts.MAX_ENV,
        "propertyNames": {"pattern": "^(?!BUILDBOARD_)[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": _or_null(_TEXT),
    }


def _timeout() -> Schema:
    return {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": settings.BUILDBOARD_MAX_BUILD_SECONDS},
            {
                "type": "string",
                "pattern": r"^\s*(?=\d)(?:\d{1,7}|(?:\d{1,6}h)?(?:\d{1,6}m)?(?:\d{1,6}s)?)\s*$",
            },
            _NULL,
        ]
    }


def _path() -> Schema:
    """Below the workspace."""
    return {
        **_TEXT,
        "minLength": 1,
        "maxLength": globs.MAX_GLOB,
        "pattern": r"^(?![/~\s])(?!(?:.*/)?\.\.(?:/|$))[^\\]*$",
    }


def _line(most: int) -> Schema:
    return {**_TEXT, "minLength": 1, "maxLength": most, "pattern": _LINE}


def _one_or_more(item: Schema, most: int, least: int = 0) -> Schema:
    return {"anyOf": [item, {"type": "array", "minItems": least, "maxItems": most, "items": item}]}


def _or_null(one: Schema) -> Schema:
    return {"anyOf": [one, _NULL]}


def _said(description: str, one: Schema) -> Schema:
    return {"description": description, **one}


def _object(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
