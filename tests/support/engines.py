"""The two other engines that people read pages with, as Debian has them: Firefox, and WebKit, which is Safari's.

Both speak the commands of WebDriver (https://www.w3.org/TR/webdriver2/): WebKit over HTTP, Firefox over a socket of its
own, Marionette (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html), whose translation to HTTP
(geckodriver) neither Debian nor PyPI has.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from . import missing
from .browser import SCREENSHOTS
from .processes import Process, eventually, free_port

SECONDS = 60
"""That a command may take."""
_PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
_MINI = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"


class Engine:
    """A browser with one window. `close` ends it."""

    name = ""

    def open(self, url: str) -> None:
        """And wait until it is loaded."""
        self._ask("Navigate", "POST", "url", {"url": url})

    def run(self, script: str, *args: object) -> Any:
        """What `script`, the body of an asynchronous function, returns. `AssertionError` with what it throws."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...args) => {{ {script} }})(...[...arguments].slice(0, -1))"
            ".then((value) => done({value}), (error) => done({error: String(error)}));"
        )
        found = self._ask("ExecuteAsyncScript", "POST", "execute/async", {"script": wrapped, "args": list(args)})
        if found is None:
            raise AssertionError(f"{self.name}: the page was left while the script ran")
        if "error" in found:
            raise AssertionError(f"{self.name}: {found['error']}")
        return found.get("value")

    def sees(self, condition: str, seconds: float = 30) -> None:
        """Until the expression `condition` holds on the page; one that is just being left, or made, has it not yet."""

        def holds() -> bool:
            with contextlib.suppress(AssertionError):
                return bool(self.run(f"return Boolean({condition})"))
            return False

        eventually(holds, seconds, lambda: f"{self.name}: not {condition}:\n{self._text()}")

    def _text(self) -> str:
        try:
            return str(self.run("return document.body.innerText.slice(0, 3000)"))
        except AssertionError as error:
            return str(error)

    def cookie(self, name: str, value: str) -> None:
        """For the page that is open."""
        self._ask("AddCookie", "POST", "cookie", {"cookie": {"name": name, "value": value, "path": "/"}})

    def size(self, width: int, height: int) -> None:
        self._ask("SetWindowRect", "POST", "window/rect", {"width": width, "height": height})

    def screenshot(self, name: str) -> Path:
        """Into var/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(self._ask("TakeScreenshot", "GET", "screenshot", {"full": False})))
        return path

    def close(self) -> None:
        raise NotImplementedError

    def _ask(self, command: str, method: str, path: str, parameters: Mapping[str, object]) -> Any:
        """`command`: by its name among WebDriver's; `method`, `path`: the same over HTTP."""
        raise NotImplementedError


class Firefox(Engine):
    name = "Firefox"

    def __init__(self) -> None:
        program = shutil.which("firefox-esr") or shutil.which("firefox") or missing("Firefox (Debian's firefox-esr)")
        self._profile = Path(tempfile.mkdtemp(prefix="bb-firefox-"))
        port = free_port()
        preferences = _PREFERENCES | {"marionette.port": port}
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in preferences.items()]
        (self._profile / "user.js").write_text("".join(lines))
        command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(self._profile)]
        self._process = Process(command, env=_environment(self._profile))
        self._count = 0
        eventually(lambda: self._connect(port), 60, lambda: f"Firefox did not start:\n{self._process.output()}")
        self._heard = self._socket.makefile("rb")
        self._read()  # who it is
        self._ask("NewSession", "POST", "", {"timeouts": {"script": SECONDS * 1000}})

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
        self._process.kill()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _connect(self, port: int) -> bool:
        with contextlib.suppress(OSError):
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
            return True
        return False

    def _ask(self, command: str, method: str, path: str, parameters: Mapping[str, object]) -> Any:
        self._count += 1
        sent = json.dumps([0, self._count, f"WebDriver:{command}", parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(sent), sent))
        _, number, error, value = self._read()
        assert number == self._count, (number, self._count)
        if error:
            raise AssertionError(f"Firefox: {command}: {error['error']}: {error['message']}")
        return value.get("value") if isinstance(value, dict) and "value" in value else value

    def _read(self) -> Any:
        """A message: its length, a colon, JSON."""
        length = b""
        while not length.endswith(b":"):
            byte = self._heard.read(1)
            assert byte, "Firefox has hung up"
            length += byte
        return json.loads(self._heard.read(int(length[:-1])))


class WebKit(Engine):
    name = "WebKit"

    def __init__(self) -> None:
        driver = shutil.which("WebKitWebDriver") or missing("WebKit's driver (Debian's webkit2gtk-driver)")
        screen = shutil.which("Xvfb") or missing("Xvfb (Debian's xvfb)")
        mini = next(Path("/").glob(_MINI[1:]), None) or missing("WebKit's MiniBrowser (Debian's webkit2gtk-driver)")
        self._home = Path(tempfile.mkdtemp(prefix="bb-webkit-"))
        self._screen = Process([screen, "-displayfd", "1", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"])
        # Numbers that are taken are complained of first.
        display = eventually(
            lambda: re.search(r"^(\d+)$", self._screen.output(), re.MULTILINE), 30, lambda: self._screen.output()
        )
        self._port = free_port()
        # As root its own sandbox cannot be made.
        own = {"DISPLAY": f":{display[1]}", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "NO_AT_BRIDGE": "1"}
        self._driver = Process([driver, f"--port={self._port}"], env=_environment(self._home) | own)
        self._session = ""
        options = {"webkitgtk:browserOptions": {"binary": str(mini), "args": ["--automation"]}}
        wanted = {"capabilities": {"alwaysMatch": options | {"timeouts": {"script": SECONDS * 1000}}}}
        eventually(self._listens, 30, lambda: f"WebKit's driver did not start:\n{self._driver.output()}")
        self._session = self._ask("NewSession", "POST", "", wanted)["sessionId"]

    def close(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self._ask("DeleteSession", "DELETE", "", {})
        for process in (self._driver, self._screen):
            process.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            return True
        return False

    def _ask(self, command: str, method: str, path: str, parameters: Mapping[str, object]) -> Any:
        where = "/".join(part for part in ("/session", self._session, path) if part)
        connection = HTTPConnection("127.0.0.1", self._port, timeout=SECONDS + 10)
        with contextlib.closing(connection):
            body = json.dumps(parameters) if method == "POST" else None
            connection.request(method, where, body, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value and "message" in value:
            raise AssertionError(f"WebKit: {command}: {value['error']}: {value['message']}")
        return value


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return kept | {"HOME": str(home), "TMPDIR": str(home), "XDG_RUNTIME_DIR": str(home)}
