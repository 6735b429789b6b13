"""A page as a reader sees it: opened from the disk in a headless Chromium.

Chromium is driven by the DevTools protocol over a pipe (``--remote-debugging-pipe``), so that
nothing is needed beside it: no driver, no port, no library for WebSockets.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
)
PATIENCE_S = 120
# Keys that are more than the letter they write: their code for `KeyboardEvent.keyCode`.
KEYS = {
    "Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
    "ArrowDown": 40, "PageUp": 33, "PageDown": 34, "Home": 36, "End": 35,
}  # fmt: skip


def chromium() -> str | None:
    """Return the path of a Chromium; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class BrowserError(RuntimeError):
    """What the browser refused, or a script that failed in it."""


class Tab:
    """An open page: what it said, what it asked for, and what can be done to it."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        # What was written to the console, as "level: text": errors of scripts are there too.
        self.messages: list[str] = []
        # The addresses of all that was requested, the page itself first.
        self.requests: list[str] = []
        self.loaded = False

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol, such as ``Page.reload``."""
        return self._browser.call(method, params, self._session)

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """Take an event from the browser."""
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded":
            self.messages.append(f"{params['entry']['level']}: {params['entry']['text']}")
        elif method == "Runtime.exceptionThrown":
            told = params["exceptionDetails"]
            said = told.get("exception", {}).get("description", told["text"])
            self.messages.append(f"error: {said}")
        elif method == "Runtime.consoleAPICalled":
            words = [str(a.get("value", a.get("description"))) for a in params["args"]]
            self.messages.append(f"{params['type']}: {' '.join(words)}")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression; a promise is awaited.

        Raises
        ------
        BrowserError
            If the script throws.
        """
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            told = found["exceptionDetails"]
            raise BrowserError(told.get("exception", {}).get("description", told["text"]))
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE_S) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"not true within {seconds} s: {condition}; {self.messages}")
            time.sleep(0.02)

    def press(self, key: str, shift: bool = False) -> None:
        """Press a key (a name of `KEYS` or a letter) where the focus is."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = KEYS.get(key) or ord(key.upper())
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a point of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def resize(self, width: int, height: int = 900, phone: bool = False) -> None:
        """Set the size of the window, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip

    def screenshot(self, path: str | os.PathLike[str], selector: str | None = None) -> None:
        """Write a PNG of the window, or of one element wherever it is on the page."""
        where: dict[str, Any] = {}
        if selector is not None:
            box = self.evaluate(
                f"(() => {{const b = document.querySelector({json.dumps(selector)})"
                ".getBoundingClientRect(); return {x: b.x + scrollX, y: b.y + scrollY, "
                "width: b.width, height: b.height, scale: 1}; })()"
            )
            where = {"clip": box, "captureBeyondViewport": True}
        shot = self.call("Page.captureScreenshot", format="png", **where)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: str | os.PathLike[str]) -> None:
        """Print the page into a PDF."""
        printed = self.call("Page.printToPDF", printBackground=True)
        Path(path).write_bytes(base64.b64decode(printed["data"]))


class Browser:
    """A running Chromium; see `browser`."""

    def __init__(self, command: list[str]) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4. Other shells know single digits only.
        shell = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest = b""
        self._count = 0
        self._tabs: dict[str, Tab] = {}

    def open(
        self,
        path: str | os.PathLike[str],
        width: int = 1440,
        height: int = 900,
        scripts: bool = True,
    ) -> Tab:
        """Open a page from the disk and wait until it is loaded.

        Parameters
        ----------
        path : path
        width, height : int
            Size of the window, in CSS pixels.
        scripts : bool
            Whether the page may run its scripts; `Tab.evaluate` works in any case.
        """
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        tab = Tab(self, attached["sessionId"])
        self._tabs[attached["sessionId"]] = tab
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        tab.resize(width, height)
        tab.loaded = False
        tab.call("Page.navigate", url=Path(path).resolve().as_uri())
        while not tab.loaded:
            self._dispatch(self._receive())
        return tab

    def call(
        self, method: str, params: dict[str, Any] | None = None, session: str | None = None
    ) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            received = self._receive()
            if received.get("id") != number:
                self._dispatch(received)
            elif "error" in received:
                raise BrowserError(f"{method}: {received['error']['message']}")
            else:
                return received["result"]

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._write)
        os.close(self._read)

    def _dispatch(self, message: dict[str, Any]) -> None:
        tab = self._tabs.get(message.get("sessionId", ""))
        if tab is not None and "method" in message:
            tab.hear(message["method"], message["params"])

    def _receive(self) -> dict[str, Any]:
        """Return the next message; messages end with a zero byte."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], PATIENCE_S)
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise BrowserError("Chromium ended" if ready else "Chromium does not answer")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def violations(tab: Tab) -> list[str]:
    """Return what axe-core has to say against a page: rule, and the first places.

    Its script is where the variable CROSSFC_AXE says (``axe.min.js`` of the npm package axe-core).
    """
    tab.evaluate(Path(os.environ["CROSSFC_AXE"]).read_text(encoding="utf-8") + ";0")
    found = tab.evaluate(
        "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.help + ' at ' + "
        "v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ') + ' of ' + v.nodes.length))"
    )
    return [str(line) for line in found]


def kept(tab: Tab, name: str) -> None:
    """Keep a picture of the window where the variable CROSSFC_ARTEFACTS names a folder."""
    if folder := os.environ.get("CROSSFC_ARTEFACTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        tab.screenshot(Path(folder) / f"{name}.png")


@contextmanager
def browser(*options: str) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it.

    Parameters
    ----------
    *options : str
        Further options of the command line.

    Raises
    ------
    BrowserError
        If there is no Chromium.
    """
    path = chromium()
    if path is None:
        raise BrowserError("there is no Chromium")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        running = Browser(
            [path, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe", *options]
        )
        try:
            yield running
        finally:
            running.close()
