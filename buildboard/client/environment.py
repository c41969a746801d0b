"""Where the board is and who asks: options and variables, else the file that `buildboard login` has written."""

import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .talk import CouldNot

VARIABLES = ("BUILDBOARD_URL", "BUILDBOARD_TOKEN", "BUILDBOARD_CA", "BUILDBOARD_PROJECT")
"""All that it reads of the board's own prefix."""
PROJECT_FILE = ".buildboard.toml"


@dataclass(frozen=True)
class Login:
    url: str
    token: str
    ca: str = ""
    """A file with the certificates to trust besides the system's; empty: the system's alone."""


def login_file() -> Path:
    """$XDG_CONFIG_HOME/buildboard/login.json, by default in ~/.config."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".config") / "buildboard" / "login.json"


def login(ca: str = "") -> Login:
    """BUILDBOARD_URL, BUILDBOARD_TOKEN and BUILDBOARD_CA win over what `login` has kept, but a token that was kept for
    one board is never sent to another. `CouldNot`: there is none."""
    url, token = os.environ.get("BUILDBOARD_URL", ""), os.environ.get("BUILDBOARD_TOKEN", "")
    ca = ca or os.environ.get("BUILDBOARD_CA", "")
    kept = None if url and token else _kept()
    if kept is not None and not (url and url.rstrip("/") != kept.url):
        url, token, ca = url or kept.url, token or kept.token, ca or kept.ca
    if not url:
        raise CouldNot("No board is known. Log in: buildboard login; or set BUILDBOARD_URL and BUILDBOARD_TOKEN.")
    if not token:
        raise CouldNot(f"There is no token for {url}. Log in: buildboard login; or set BUILDBOARD_TOKEN.")
    return Login(url.rstrip("/"), token, ca)


def keep(found: Login) -> Path:
    """Written whole or not at all, and for nobody else to read."""
    path = login_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, name = tempfile.mkstemp(prefix=".login.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(file, "w") as out:
            json.dump({"url": found.url, "token": found.token, "ca": found.ca}, out, indent=1)
            out.write("\n")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def forget() -> bool:
    """Whether there was something to forget."""
    try:
        login_file().unlink()
    except FileNotFoundError:
        return False
    return True


def project(start: Path | None = None) -> str:
    """BUILDBOARD_PROJECT, else `project` in the nearest .buildboard.toml from this folder upwards; empty: neither. The
    file names no board: whoever writes it could else have the token sent to them."""
    named = os.environ.get("BUILDBOARD_PROJECT", "")
    if named:
        return named
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        path = folder / PROJECT_FILE
        try:
            found = tomllib.loads(path.read_text()).get("project")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CouldNot(f"{path} cannot be read: {error}.") from error
        if not isinstance(found, str) or not found:
            raise CouldNot(f'{path}: expected a line such as project = "hello".')
        return found
    return ""


def wants_no_colour() -> bool:
    """https://no-color.org"""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def of_a_program() -> Mapping[str, str]:
    """The environment of a command that is run here: this one's, without the token."""
    return {name: value for name, value in os.environ.items() if name != "BUILDBOARD_TOKEN"}


def _kept() -> Login | None:
    path = login_file()
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise CouldNot(f"{path} has a token, and others may read it. Say: chmod 600 {path}")
        found = json.loads(path.read_text())
        return Login(str(found["url"]), str(found["token"]), str(found.get("ca", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CouldNot(f"{path} cannot be read ({error}). Log in again: buildboard login") from error
