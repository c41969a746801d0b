"""Words in a commit's message by which its author asks for no build."""

import re

WORDS = ("[skip ci]", "[ci skip]", "[no ci]", "[skip buildboard]")
_WORDS = re.compile("|".join(re.escape(word) for word in WORDS), re.IGNORECASE)
_TRAILER = re.compile(r"skip-checks:[ \t]*true[ \t]*\Z", re.IGNORECASE)


def why_skipped(message: str) -> str:
    """A sentence; empty where nothing asks for that. The trailer counts in the last paragraph, as Git has it."""
    found = _WORDS.search(message)
    if found:
        return f"Its message says {found[0]}."
    for line in message.rstrip().rpartition("\n\n")[2].split("\n"):
        if _TRAILER.match(line.strip()):
            return "Its message ends with skip-checks: true."
    return ""
