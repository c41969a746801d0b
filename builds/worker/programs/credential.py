"""A helper of git: `credential.py FILE get`, with what git asks about on standard input. Standard library only.

FILE has the scope, the user's name and the secret. It answers for addresses below the scope alone, whatever a server
redirects to, a submodule names or Git LFS is told: to everything else it is as if there were no credential.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from builds.repository import RepositoryError, covers, parse_scope


def main() -> None:
    file, action = sys.argv[1:3]
    asked = dict(line.split("=", 1) for line in sys.stdin.read().splitlines() if "=" in line)
    if action != "get":
        return  # nothing is kept, and nothing forgotten
    given = json.loads(Path(file).read_text())
    try:
        address = parse_scope(f"{asked['protocol']}://{asked['host']}/{asked.get('path', '')}")
        if covers(given["scope"], address):
            sys.stdout.write(f"username={given['username']}\npassword={given['password']}\n")
    except (KeyError, RepositoryError):
        return


if __name__ == "__main__":
    main()
