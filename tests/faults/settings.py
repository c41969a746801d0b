"""The board's own settings, with a channel layer whose wakes can be dropped and doubled (`layer.py`)."""

from buildboard.settings import *  # noqa: F403
from buildboard.settings import BUILDBOARD_DATA, CHANNEL_LAYERS

from .layer import WAKES_FILE

CHANNEL_LAYERS["default"]["BACKEND"] = "tests.faults.layer.UnreliableLayer"
CHANNEL_LAYERS["default"]["CONFIG"]["file"] = str(BUILDBOARD_DATA / WAKES_FILE)  # type: ignore[index]
