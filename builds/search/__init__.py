"""Search over the whole log of a build, also while it runs. It only reads, and in slices: each is bounded in time, and
ends with a cursor from which the next one goes on.

    pattern.py   a query → what finds it in text of many lines. Pure
    pieces.py    the text of a log, piece by piece: from its events, or from the blocks that they have become
    slices.py    look(): one slice
"""

from .pattern import MAX_QUERY, BadQuery, Pattern, compile
from .slices import MAX_MATCHES, BadCursor, Match, Slice, look

__all__ = ["MAX_MATCHES", "MAX_QUERY", "BadCursor", "BadQuery", "Match", "Pattern", "Slice", "compile", "look"]
