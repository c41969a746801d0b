"""The outbox: messages about builds to those outside who want to know. Written here, sent by `worker/`.

    rules.py       which news a target wants: words and branch patterns. Pure
    pace.py        when a message that could not be sent is tried again. Pure
    places.py      where a forge has the API of a repository. Pure
    targets.py     targets as they are made and changed: each checked by what its kind needs
    keys.py        names of messages
    facts.py       what was so when a message was written
    tell.py        writes messages, in the transaction of what they tell of
    claims.py      who sends which message next, and what became of it

A status and the messages that tell of it are one transaction: a crash loses none, and writes none twice. Sending is at
least once: a sender that dies between the answer and its note of it leaves a message that is sent again, under the same
key. What is sent is made from the row alone, so it says what was so then, however late it comes.
"""

from .claims import Claimed, claim, forget, give_up, is_due, postpone, retry, sent, void
from .pace import seconds_until_next
from .places import NoPlace, place_of
from .rules import CHANGES, NEWS, RuleError, joined_branches
from .tell import tell, test

__all__ = [
    "CHANGES",
    "Claimed",
    "NEWS",
    "NoPlace",
    "RuleError",
    "claim",
    "forget",
    "give_up",
    "is_due",
    "joined_branches",
    "place_of",
    "postpone",
    "retry",
    "seconds_until_next",
    "sent",
    "tell",
    "test",
    "void",
]
