"""YAML text → `Recipe`, with errors that name the line. Pure, but that its bounds are settings. docs/recipes.md tells
what each key means; read the files in this order.

    errors.py      what is wrong, and where; more than one at a time
    globs.py       patterns with wildcards
    condition.py   the language of `if`
    shapes.py      what has been read: Recipe, StepRecipe, Cache, Triggers
    nodes.py       YAML → nodes that know their lines
    parts.py       variables, times, patterns, caches, triggers
    parameters.py  `inputs`
    matrix.py      one step written, many made
    steps.py       `steps`, as they are written
    needs.py       names become positions; circles are refused
    reading.py     the whole: parse, problems
    schema.py      the same rules as a JSON Schema, for editors
"""

from .condition import Condition, Facts
from .errors import RecipeError
from .nodes import MAX_TEXT
from .parts import MAX_ENV, MAX_IMAGE, duration
from .reading import gives, parse, problems
from .shapes import DEFAULT_SECONDS, Cache, Recipe, StepRecipe, Triggers
from .steps import MAX_NAME, SHELLS

__all__ = [
    "DEFAULT_SECONDS",
    "MAX_ENV",
    "MAX_IMAGE",
    "MAX_NAME",
    "MAX_TEXT",
    "SHELLS",
    "Cache",
    "Condition",
    "Facts",
    "Recipe",
    "RecipeError",
    "StepRecipe",
    "Triggers",
    "duration",
    "gives",
    "parse",
    "problems",
]
