"""A real browser, driven over its debugging protocol: what it draws, what it complains of, what it asks for."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

PATH = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(PATH is None, reason="no Chromium on this machine: the page is not looked at")
PATIENCE_S = 60.0


class Page:
    """The one page of a browser. `complaints` is what its console said, `requests` every address that it asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []
        self._number = 0
        self._socket = socket
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, path: Path, *, width: int = 1200, dark: bool = False, paper: bool = False) -> None:
        """Show a file in a window of so many pixels; `paper` shows it as it is printed."""
        self.complaints, self.requests = [], []
        self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=[scheme])
        self._events.clear()
        self._ask("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in self._events:
            self._take(json.loads(self._socket.recv(timeout=PATIENCE_S)))

    def resize(self, width: int) -> None:
        """Make the window so many pixels wide."""
        metrics = {"width": width, "height": 2 * width if width < 600 else 900, "deviceScaleFactor": 1}
        self._ask("Emulation.setDeviceMetricsOverride", mobile=width < 600, **metrics)

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG, also what is below the window: for somebody who wants to see it."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self) -> bytes:
        """The page as printed on A4."""
        answer = self._ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        return base64.b64decode(answer["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return dict(message["result"])
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        method, content = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(content["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str([argument.get("value") for argument in content["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(content["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(content["entry"]["text"])


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """A browser without a window, whose profile lies in `folder`."""
    assert PATH is not None
    process = subprocess.Popen(
        [
            PATH,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = _address(process, folder / "DevToolsActivePort")
        with connect(address, max_size=None, open_timeout=PATIENCE_S, proxy=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    """The address of the page, as soon as the browser has told its port."""
    deadline = time.monotonic() + PATIENCE_S
    while not (file.exists() and file.read_text().count("\n")):
        assert process.poll() is None and time.monotonic() < deadline, "the browser does not start"
        time.sleep(0.02)
    port = int(file.read_text().splitlines()[0])
    while True:
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
            pages = [target for target in json.load(answer) if target["type"] == "page"]
        if pages:
            return str(pages[0]["webSocketDebuggerUrl"])
        assert time.monotonic() < deadline, "the browser has no page"
        time.sleep(0.02)
