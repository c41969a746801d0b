"""`pip-{{ checksum("requirements.txt") }}` → the key of a cache. Pure, but for the files, which a function reads.

What stands in braces is a name (`branch`, `tag`, `ref`, `commit`, `step`, `os`, `arch`, `inputs.NAME`, `matrix.AXIS`)
or `checksum("FILE", …)`: of the contents of files of the workspace, in the order of their paths.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from ..caches import MAX_KEY

_PART = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_CHECKSUM = re.compile(r"checksum\(\s*(\"[^\"]*\"|'[^']*')((?:\s*,\s*(?:\"[^\"]*\"|'[^']*'))*)\s*\)\Z")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")


class BadKey(ValueError):
    """Half a sentence that says what is wrong with it."""


def evaluate(template: str, names: Mapping[str, str], checksum: Callable[[Sequence[str]], str]) -> str:
    """The key. `checksum`: of the files that these patterns mean, in hexadecimal. `BadKey`."""

    def value(found: re.Match[str]) -> str:
        said = found[1]
        call = _CHECKSUM.match(said)
        if call:
            return checksum([one or other for one, other in _QUOTED.findall(said)])
        if said not in names:
            known = ", ".join(sorted(names))
            raise BadKey(f'has {{{{ {said[:80]} }}}}: expected checksum("FILE") or one of {known}')
        return names[said]

    key = _PART.sub(value, template)
    if "{{" in key or "}}" in key:
        raise BadKey("has braces that do not belong together")
    key = "".join(char if char.isprintable() else "?" for char in key).strip()
    if not key or len(key) > MAX_KEY:
        raise BadKey(f"comes to {len(key):,} characters: expected 1 to {MAX_KEY}")
    return key
