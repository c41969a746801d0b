"""What a page makes a browser load: scripts and styles, with all that they import, as they travel."""

import gzip
import re
from pathlib import Path

from django.test import SimpleTestCase, tag

from .support import ROOT

STATIC = ROOT / "builds" / "static"
MOST_BYTES = 120_000
"""Of scripts and styles of one page, compressed."""
_NAMED = re.compile(r"""<(?:script|link rel="stylesheet")[^>]*\{% static '([^']+\.(?:js|css))' %\}""")
_IMPORTED = re.compile(r"""(?:^|[\s;])(?:import|export)\b[^;"']*["'](\./[^"']+)["']|@import\s+["']([^"']+)["']""")


def loaded(template: str) -> set[Path]:
    """Files that a page loads which is made by `templates/builds/TEMPLATE.html`."""
    text = "".join((ROOT / "templates" / name).read_text() for name in ("base.html", f"builds/{template}.html"))
    found = {STATIC / name for name in _NAMED.findall(text)}
    todo = list(found)
    while todo:
        path = todo.pop()
        for names in _IMPORTED.findall(path.read_text()):
            imported = (path.parent / next(filter(None, names))).resolve()
            if imported not in found:
                found.add(imported)
                todo.append(imported)
    return found


@tag("fast")
class PageWeightTest(SimpleTestCase):
    def test_no_page_is_heavy(self) -> None:
        for template in ("board", "project", "build"):
            files = loaded(template)
            self.assertGreater(len(files), 8, "its modules are found")
            with self.subTest(template):
                self.assertLessEqual(sum(len(gzip.compress(path.read_bytes(), 6)) for path in files), MOST_BYTES)

    def test_the_board_loads_what_it_needs_and_no_more(self) -> None:
        names = {path.name for path in loaded("board")}
        self.assertLessEqual({"board.js", "merge.js", "keys.js", "stream.js", "tokens.css", "board.css"}, names)
        self.assertFalse({"log.js", "ansi.js", "log.css", "build.js"} & names)
