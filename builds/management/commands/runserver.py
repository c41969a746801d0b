"""`manage.py runserver`: daphne's, which streams; Django's own never delivers an endless response.

Here, and not by daphne's place among the installed apps, so that no other command and no worker loads a server: that
costs each of them 0.4 s and 28 MB.
"""

from buildboard.serve import without_websockets

without_websockets()
from daphne.management.commands.runserver import Command  # noqa: E402 - not before

__all__ = ["Command"]
