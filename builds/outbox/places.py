"""Where a forge has the API of a repository. Pure: addresses only, nothing is asked."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..models import Target

_API = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}
"""Below the address of an own server. github.com has its API on a host of its own."""
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+)(:\d+)?/(\S+)\Z")
_SHORT = re.compile(r"(?:[^/@:\s]+@)?([^/@:\s]+):(?!//)/?(\S+)\Z")
_PART = re.compile(r"[A-Za-z0-9_.~-]+\Z")


class NoPlace(ValueError):
    """Where the status of a commit would go is not known: a sentence that says what is missing."""


@dataclass(frozen=True)
class Place:
    api: str
    name: str
    """Owner and repository; of GitLab there may be groups within groups."""
    repository: str
    """The address of the repository's own part of the API."""


def place_of(target: Target) -> Place:
    """Of a forge's target, by its own settings, else by its project's repository. `NoPlace`."""
    host, path = _taken_apart(target.project.repository)
    name = (target.place or path).strip("/").removesuffix(".git")
    parts = name.split("/")
    deep = target.kind == "gitlab"
    if len(parts) < 2 or (len(parts) > 2 and not deep) or not all(_is_part(part) for part in parts):
        raise NoPlace(f"Which repository is meant is not known: expected owner/name, not {name[:100]!r}.")
    api = _api(target, host)
    if deep:
        return Place(api, name, f"{api}/projects/{quote(name, safe='')}")
    return Place(api, name, f"{api}/repos/{'/'.join(quote(part, safe='') for part in parts)}")


def _api(target: Target, host: str) -> str:
    if target.address:
        own = target.address.rstrip("/")
        bare = urlsplit(own).path == "" and urlsplit(own).hostname != "api.github.com"
        return own + _API[target.kind] if bare else own
    if not host:
        raise NoPlace("Nothing says where the forge's API is: the project has no repository with a host in it.")
    if target.kind == "github" and host == "github.com":
        return "https://api.github.com"
    return f"https://{host}{_API[target.kind]}"


def _taken_apart(repository: str) -> tuple[str, str]:
    """Host (with a port, where it is of the web) and path; both empty where it is none of a server."""
    text = repository.strip()
    if found := _URL.match(text):
        port = found[2] if found[2] and text.startswith("https://") else ""
        return found[1].lower() + port, found[3]
    if "://" not in text and (found := _SHORT.match(text)):
        return found[1].lower(), found[2]
    return "", ""


def _is_part(text: str) -> bool:
    return text not in (".", "..") and _PART.match(text) is not None
