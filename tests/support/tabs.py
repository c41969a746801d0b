"""Tabs of one window of a real Chromium, of which one is visible.

Playwright tells each of its pages that it is in front (`Emulation.setFocusEmulationEnabled`), and nothing takes that
back. So these tabs are in the browser's default context, which Playwright leaves alone, and are spoken to over its
connection: `document.visibilityState`, `visibilitychange` and slow timers are Chromium's own.
"""

import json
import time
from typing import TYPE_CHECKING, Any

from .processes import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Window:
    def __init__(self, browser: "Browser") -> None:
        self.session = browser.new_browser_cdp_session()
        self.tabs: list[Tab] = []

    def cookie(self, name: str, value: str) -> None:
        cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
        self.session.send("Storage.setCookies", {"cookies": [cookie]})

    def open(self, url: str) -> "Tab":
        """A new tab, in front."""
        tab = Tab(self, url)
        self.tabs.append(tab)
        return tab

    def close(self) -> None:
        self.session.send("Storage.clearCookies")
        for tab in self.tabs:
            self.session.send("Target.closeTarget", {"targetId": tab.id})
        self.session.detach()


class Tab:
    def __init__(self, window: Window, url: str) -> None:
        self.window = window
        self._numbers = 0
        self._answers: dict[int, Any] = {}
        self.id = self._send("Target.createTarget", url=url)["targetId"]
        self._attached = self._send("Target.attachToTarget", targetId=self.id, flatten=False)["sessionId"]
        window.session.on("Target.receivedMessageFromTarget", self._hear)

    def show(self) -> None:
        """Bring it to the front; the one that was there is hidden."""
        self._send("Target.activateTarget", targetId=self.id)
        eventually(lambda: self.evaluate("document.visibilityState") == "visible", 10, "the tab stays hidden")

    def evaluate(self, expression: str) -> Any:
        answer = eventually(
            lambda: self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True),
            20,
            "it does not load",
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Of the first element; empty: there is none."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")

    def command(self, method: str, **params: Any) -> Any:
        """Its result; None: the page is not there yet."""
        self._numbers += 1
        number = self._numbers
        message = json.dumps({"id": number, "method": method, "params": params})
        self._send("Target.sendMessageToTarget", sessionId=self._attached, message=message)
        deadline = time.monotonic() + 10
        while number not in self._answers:
            if time.monotonic() > deadline:
                raise AssertionError(f"the tab does not answer {method}")
            self._send("Browser.getVersion")  # whatever has come meanwhile is heard
        answer = self._answers.pop(number)
        if "execution context" in answer.get("error", {}).get("message", ""):
            return None
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _send(self, method: str, **params: Any) -> Any:
        return self.window.session.send(method, params)

    def _hear(self, event: dict[str, Any]) -> None:
        if event["sessionId"] == self._attached:
            message = json.loads(event["message"])
            if "id" in message:
                self._answers[message["id"]] = message
