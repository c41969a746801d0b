"""What is wrong with a recipe, and where; and how more than one error is told at a time."""

import contextlib
from collections.abc import Iterator

MAX_PROBLEMS = 100
"""So many are told of one recipe; who has more mends these first."""


class RecipeError(ValueError):
    """What is wrong, and where: `line` counts from 1, and is None where no line is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line
        self.all: list[RecipeError] = [self]
        """Of a recipe that was read whole: everything that is wrong with it, by lines, this among it."""


class Unknown(RecipeError):
    """A key that is misspelt: often why another is missing."""


class Enough(Exception):
    """MAX_PROBLEMS are found: nothing more is looked at."""


class Problems:
    """Collects what is refused, so that reading goes on behind it."""

    def __init__(self) -> None:
        self.found: list[RecipeError] = []

    def add(self, error: RecipeError) -> None:
        if any(str(error) == str(known) for known in self.found):
            return  # of something that several places share by an alias
        self.found.append(error)
        if len(self.found) >= MAX_PROBLEMS:
            raise Enough

    def say(self, message: str, line: int | None = None) -> None:
        self.add(RecipeError(message, line))

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """What is refused in it is collected; what comes behind it goes on."""
        try:
            yield
        except RecipeError as error:
            self.add(error)

    def in_order(self) -> list[RecipeError]:
        """By their lines; of one line, as they were found."""
        return sorted(self.found, key=lambda error: error.line or 0)
