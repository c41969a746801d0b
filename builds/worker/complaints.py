"""What git says when it fails → a sentence that says what was wrong and what to do. Pure; standard library only."""

import re
from collections.abc import Iterator

_KNOWN = (
    # The more telling one first: ssh says "could not read from remote repository" after every failure.
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "The server's host key is another one than before, so nothing was sent to it. Where that is as it should be, "
        "give the credential its new known hosts.",
    ),
    (
        r"No (?:\S+ )?host key is known for|Host key verification failed",
        "The server's host key is not among the credential's known hosts.",
    ),
    (
        r"Permission denied \(",
        "The server refused the key. Add the public half of the project's credential, a deploy key, at the server.",
    ),
    (
        r"Authentication failed for|Invalid username or (?:password|token)|HTTP Basic: Access denied",
        "The server refused the credential's token or password.",
    ),
    (
        "could not read (?:Username|Password) for",
        "The repository needs a password. Give the project a credential that is for its address.",
    ),
    (
        r"[Rr]epository (?:'[^\n]*' )?not found|returned error: 404|does not appear to be a git repository|"
        r"repository [^\n]* does not exist",
        "The repository does not exist there, or its credential may not see it.",
    ),
    ("returned error: 40[13]", "The server refused to let it be read. Give the project a credential that may read it."),
    (r"returned error: (5\d\d)", "The server answered with the error {0}."),
    (r"couldn't find remote ref ([^\n]*)", "The ref {0} is not there."),
    (r"Could not resolve host: ([^\s;]+)|Could not resolve hostname ([^\s:]+)", "There is no host {0}."),
    (
        "Connection refused|Could(?:n't| not) connect to server",
        "Nothing listens there: the connection was refused.",
    ),
    (
        r"Operation too slow|(?:Connection|Operation) timed out|Timeout, server|timed out after",
        "The server did not answer in time.",
    ),
    (
        r"SSL certificate problem: ([^\n]*)|server certificate verification failed\. ?([^\n]*)",
        "The server's certificate is not valid: {0}.",
    ),
    ("transport '([^']*)' not allowed", "Addresses of the kind {0}:// are not taken."),
    ("No space left on device", "The disk is full."),
    ("not our ref|unadvertised object", "The commit is not in the repository, or not any more."),
    ("unable to find remote helper for '([^']*)'", "This worker's git cannot fetch by {0}://."),
)
_BROKEN = re.compile(
    r"object file .* is empty|loose object .* is corrupt|pack has bad object|is corrupt|is far too short|bad object|"
    r"packfile .* (?:does not match|cannot be)|missing (?:blob|tree|commit)|unable to read|unresolved deltas|"
    r"index file .* (?:too small|corrupt)|not a git repository|bad config|could not parse commit|invalid sha1 pointer|"
    r"does not point to a valid object|broken (?:ref|link)|did not send all necessary objects"
)
_PATTERNS = [(re.compile(pattern), sentence) for pattern, sentence in _KNOWN]


def explain(said: str) -> str:
    """The sentence for what git said at its end; where it is nothing that is known, git's own last word."""
    for pattern, sentence in _PATTERNS:
        if found := pattern.search(said):
            return sentence.format(next((part.rstrip(" .") for part in found.groups() if part), ""))
    words = [line for line in _lines(said) if line.startswith(("fatal:", "error:", "ssh:", "remote:"))]
    last = words[-1] if words else next(iter(list(_lines(said))[-1:]), "")
    return f"git said: {last[:300]}" if last else "git said nothing about why."


def is_broken(said: str) -> bool:
    """Whether what this worker keeps of the repository may be damaged; not where the other side is to blame."""
    return _BROKEN.search(said) is not None and not any(pattern.search(said) for pattern, _ in _PATTERNS)


def _lines(said: str) -> Iterator[str]:
    for line in re.split(r"[\r\n]+", said):
        if line.strip():
            yield line.strip()
