"""Where a project's source is: what the address of a git repository may be, what a ref, and what a page links to. Pure.

An address comes from people, and git takes much for an address that runs programs or reads files of this machine. So
only what is listed here passes: https, ssh (as an address or as `user@host:path`), and where the board's settings allow
it plain http to some hosts and folders of the machine itself.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from posixpath import normpath
from typing import Literal
from urllib.parse import quote

Scheme = Literal["https", "http", "ssh", "file"]

MAX_ADDRESS = 500
MAX_REF = 200
MAX_PATH = 200
RECIPE_PATH = ".buildboard.yml"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Plain http goes there always: nobody is on the way."""
EXPECTED = "expected an address such as https://host/path, ssh://git@host/path or git@host:path"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_NAME}|\[[0-9A-Fa-f:.]+\])"
_AUTHORITY = re.compile(rf"(?:(?P<user>[^/@]*)@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?\Z")
_SHORT = re.compile(rf"(?:(?P<user>[^/@:]*)@)?(?P<host>{_HOST}):(?P<path>[^/].*|/.+)\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_PORTS = {"https": 443, "http": 80, "ssh": 22}
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)")
_COMMIT_PAGES = (
    (re.compile(r"gitlab"), "/-/commit/"),
    (re.compile(r"github|gitea|forgejo|codeberg"), "/commit/"),
    (re.compile(r"bitbucket"), "/commits/"),
)
"""What a forge's host usually has in its name, and where it shows a commit."""


class RepositoryError(ValueError):
    """What is wrong with an address, a ref or a path, and what was expected: part of a sentence."""


@dataclass(frozen=True)
class Address:
    """Of a repository, as it was typed, and taken apart."""

    text: str
    scheme: Scheme
    host: str
    """In lower case; empty for a folder of this machine."""
    port: int
    """0 for a folder."""
    path: str
    """Without the slash at its beginning, but for a folder."""
    user: str = ""

    @property
    def spelled(self) -> str:
        """In one way, whichever it was typed in, and without a user: by it two addresses are compared."""
        if self.scheme == "file":
            return f"file://{self.path}"
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}/{self.path}"

    @property
    def web(self) -> str:
        """Of its page on a forge, as far as an address tells; empty where there is no host."""
        if self.scheme == "file":
            return ""
        scheme = "https" if self.scheme == "ssh" else self.scheme
        port = f":{self.port}" if self.scheme != "ssh" and self.port != _PORTS[self.scheme] else ""
        return f"{scheme}://{self.host}{port}/{quote(self.path.strip('/').removesuffix('.git'))}"

    def commit_page(self, commit: str) -> str:
        """Of that commit on the forge; empty where the host is none that is known by its name."""
        for known, where in _COMMIT_PAGES:
            if self.web and known.search(self.host):
                return f"{self.web}{where}{commit}"
        return ""


def parse(text: str, *, folders: Collection[str] = (), http_hosts: Collection[str] = ()) -> Address:
    """The address that `text` is. `RepositoryError`: it is none that this board takes.

    `folders`: below them repositories of this machine may be; `http_hosts`: plain http goes there, too.
    """
    _check_text(text)
    found = _SCHEME.match(text)
    if text.startswith("/") or (found and found[1].lower() == "file"):
        return _folder(text, found[2] if found else text, folders)
    if " " in text:
        raise RepositoryError(f"a space cannot be part of it; {EXPECTED}")
    if found is None:
        return _short(text)
    scheme = found[1].lower()
    if scheme not in _PORTS:
        raise RepositoryError(f"addresses that begin with {scheme[:20]}:// are not taken; {EXPECTED}")
    address = _remote(text, scheme, found[2])  # type: ignore[arg-type]
    if scheme == "http" and address.host not in LOOPBACK and address.host not in http_hosts:
        raise RepositoryError(
            f"http:// is not encrypted, and {address.host} is not among BUILDBOARD_HTTP_HOSTS; expected https://"
        )
    return address


def covers(scope: str, address: Address) -> bool:
    """Whether `address` is `scope`, an address or the beginning of some at the border of a folder, or begins so."""
    own = parse_scope(scope)
    if (own.scheme, own.host, own.port) != (address.scheme, address.host, address.port):
        return False
    beginning, path = own.path.strip("/"), address.path.strip("/")
    return (
        not beginning or path.removesuffix(".git") == beginning.removesuffix(".git") or path.startswith(beginning + "/")
    )


def parse_scope(text: str) -> Address:
    """For which addresses a credential is: as `parse`, but its path may be missing: all of that host."""
    _check_text(text)
    found = _SCHEME.match(text)
    if " " in text or (found is None and (text.startswith("/") or ":" not in text)):
        raise RepositoryError("expected the beginning of addresses, such as https://host/team/ or git@host:team/")
    if found is None:
        return _short(text)
    scheme = found[1].lower()
    if scheme not in _PORTS:
        raise RepositoryError(
            f"addresses that begin with {scheme[:20]}:// take no credential; expected https:// or ssh://"
        )
    return _remote(text, scheme, found[2], whole=False)  # type: ignore[arg-type]


def check_ref(ref: str) -> None:
    """`RepositoryError`: git takes it for no name of a branch, a tag or a commit, or for more than that."""
    wrong = ""
    if not ref or len(ref) > MAX_REF or not ref.isprintable():
        wrong = f"expected 1 to {MAX_REF} printable characters"
    elif ref.startswith("-"):
        wrong = "it begins with '-', like an option"
    elif found := _FORBIDDEN_IN_REF.search(ref):
        wrong = f"{found[0]!r} cannot be part of it"
    elif ref.startswith(("/", ".")) or ref.endswith(("/", ".")) or ref == "@":
        wrong = "it cannot be '@', nor begin or end with '/' or '.'"
    if wrong:
        raise RepositoryError(f"not a branch, tag or commit: {wrong}")


def check_path(path: str) -> None:
    """`RepositoryError`: it is no path of a file within a repository."""
    parts = path.split("/")
    if not path or len(path) > MAX_PATH or not path.isprintable() or path != path.strip():
        raise RepositoryError(f"expected the path of a file: 1 to {MAX_PATH} printable characters")
    if path.startswith(("/", "-", ":")) or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise RepositoryError("expected the path of a file within the repository, such as ci/build.yml")


# --- Inside ---


def _check_text(text: str) -> None:
    if not text.strip():
        raise RepositoryError(f"it is empty; {EXPECTED}")
    if len(text) > MAX_ADDRESS or not text.isprintable() or text != text.strip():
        raise RepositoryError(
            f"expected up to {MAX_ADDRESS} printable characters on one line, with no space at the ends"
        )
    if text.startswith("-"):
        raise RepositoryError(f"it begins with '-', like an option; {EXPECTED}")
    if _HELPER.match(text):
        raise RepositoryError(f"helpers of git (name::address) are not taken; {EXPECTED}")


def _folder(text: str, path: str, folders: Collection[str]) -> Address:
    if not path.startswith("/"):
        raise RepositoryError("expected file:///path, without a host")
    if ".." in path.split("/"):
        raise RepositoryError("a path cannot have '..' in it")
    path = normpath("/" + path.lstrip("/"))
    if not any(path.startswith(normpath(folder).rstrip("/") + "/") for folder in folders):
        allowed = f"only below {' and '.join(folders)}" if folders else "and there are none"
        raise RepositoryError(
            f"folders of this machine are read only where BUILDBOARD_LOCAL_REPOSITORIES allows it, {allowed}"
        )
    return Address(text, "file", "", 0, path)


def _short(text: str) -> Address:
    """`user@host:path`, as ssh's own programs write it."""
    found = _SHORT.match(text)
    if found is None:
        raise RepositoryError(EXPECTED)
    _check_user(found["user"])
    path = found["path"].lstrip("/")
    _check_remote_path(path)
    return Address(text, "ssh", found["host"].lower(), _PORTS["ssh"], path, found["user"] or "")


def _remote(text: str, scheme: Scheme, rest: str, *, whole: bool = True) -> Address:
    authority, _, path = rest.partition("/")
    user, at, _ = authority.rpartition("@")
    if at and (scheme != "ssh" or ":" in user):
        raise RepositoryError("a name or a password cannot be part of an address: give the project a credential")
    found = _AUTHORITY.match(authority)
    if found is None:
        raise RepositoryError(f"that is no name of a host; {EXPECTED}")
    _check_user(found["user"])
    port = int(found["port"] or _PORTS[scheme])
    if not 1 <= port <= 65535:
        raise RepositoryError("expected a port from 1 to 65535")
    if whole and not path.strip("/"):
        raise RepositoryError(f"the path of the repository is missing; {EXPECTED}")
    path = path.lstrip("/")
    _check_remote_path(path)
    return Address(text, scheme, found["host"].lower(), port, path, found["user"] or "")


def _check_user(user: str | None) -> None:
    if user is not None and not _USER.match(user):
        raise RepositoryError("expected a user's name before the '@': letters, digits, '.', '-' and '_'")


def _check_remote_path(path: str) -> None:
    if path.startswith("-"):
        raise RepositoryError("a path cannot begin with '-', like an option")
    if ".." in path.split("/") or "?" in path or "#" in path or "\\" in path:
        raise RepositoryError("a path cannot have '..', '?', '#' or '\\' in it")
