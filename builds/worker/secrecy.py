"""The secrets of one build in its worker: handed to the steps that name them, and kept out of all that is stored."""

from buildboard.terminal.masks import Masks

from .. import safe
from ..recipe import Recipe, StepRecipe
from .storing import Storing


class Secrecy:
    """`masks` are those of all its steps: what one of them has written, another may print."""

    def __init__(self, build_id: int, store: Storing) -> None:
        self._build_id = build_id
        self._store = store
        self.masks = Masks()

    def learn(self, plan: Recipe) -> None:
        """Mask all that its steps name, before the first of them prints anything: an earlier build may have left it in
        a cache."""
        names = {name for step in plan.steps for name in step.secrets.values()}
        if names:
            for value in self._store(safe.to_mask, self._build_id, names):
                self.masks.add(value)

    def give(self, step: StepRecipe) -> dict[str, str]:
        """Variables of its environment, as they are at this moment. `safe.Withheld`."""
        if not step.secrets:
            return {}
        given = self._store(safe.given, self._build_id, step.secrets)
        for value in given.values():
            self.masks.add(value)
        return given
