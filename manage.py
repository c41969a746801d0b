#!/usr/bin/env python
"""Entry point of every command: see `manage.py help`."""

import gc
import os
import sys
from importlib import import_module


def main() -> None:
    gc.set_threshold(20_000, 20, 50)  # a start makes objects to keep: looking for garbage among them takes long
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "buildboard.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as missing:
        raise SystemExit(
            "Django is not installed for this Python. `make run` makes an environment in .venv/; "
            "with it, use .venv/bin/python manage.py …"
        ) from missing
    try:
        import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    except ImproperlyConfigured as refusal:  # a wrong variable: the sentence says it all
        raise SystemExit(f"manage.py: {refusal}") from None
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
