"""`manage.py recipeschema`: the JSON Schema of recipes on stdout, as the board publishes it."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from builds.recipe.schema import schema


class Command(BaseCommand):
    help = "Print the JSON Schema of recipes (draft 2020-12), for editors. The board has it at /recipe.schema.json."
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        self.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False))
