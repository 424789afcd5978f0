"""A headless Chromium, driven by its own protocol through a pipe: pages as a reader gets them.

    with Browser(find_chromium()) as browser:
        page = browser.open(file.as_uri(), width=400, dark=True)
        page.evaluate("document.title")

It is started anew for each `with`, with a profile of its own, and asks no host for anything.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).parents[1]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

AXE = ROOT / "build/browser/node_modules/axe-core/axe.min.js"

HEIGHT = 900
"""Pixels of the window."""

SECONDS = 20
"""Of waiting for a page."""

SCROLL = """(async () => {
    for (let place = 0; place < document.body.scrollHeight; place += innerHeight / 2) {
        scrollTo(0, place);
        await new Promise(done => setTimeout(done, 30));
    }
    scrollTo(0, 0);
})()"""

MOUSE = """{
    const ask = matchMedia;
    globalThis.matchMedia = query => query === "(hover)" ? {matches: true} : ask(query);
}"""
"""A headless browser has none, and the site's theme lets code take the focus only where one is."""

SERIOUS = ("serious", "critical")

BROWSER, OPTIONS = "T2K_CHROMIUM", (
    "--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu",
    "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_chromium() -> str:
    """Return the browser of this machine; the test is skipped where there is none."""
    found = os.environ.get(BROWSER) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"NO BROWSER: no page was looked at. Install chromium, or set {BROWSER}.")
    return found


def read_axe() -> str:
    """Return axe-core's source; the test is skipped where it is not installed."""
    file = Path(os.environ.get("T2K_AXE", AXE))
    if not file.is_file():
        pytest.skip("NO AXE: no page was judged. `make browser` installs axe-core, or set T2K_AXE.")
    return file.read_text(encoding="utf-8")


@dataclass
class Tab:
    """One page that is open."""

    browser: Browser
    session: str
    requests: list[str] = field(default_factory=list)
    """The addresses that it has asked for, its own first."""
    messages: list[str] = field(default_factory=list)
    """What it has logged: errors, and what its policy refused."""

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Return what a method of the protocol gives for this page."""
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, code: str) -> Any:
        """Return the value of an expression of JavaScript, or what its promise gives."""
        done = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_until(self, code: str) -> None:
        """Return when an expression of JavaScript is true; asked for at most SECONDS."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(code):
            assert time.monotonic() < end, code
            time.sleep(0.05)

    def scroll_through(self) -> None:
        """Show all of it, part by part, as a reader does."""
        self.evaluate(SCROLL)

    def find_faults(self, axe: str) -> list[str]:
        """Return the serious faults that axe-core finds, each with the first place."""
        self.evaluate(f"{axe};0")
        found = self.evaluate("axe.run(document).then(result => JSON.stringify(result.violations))")
        faults = []
        for rule in json.loads(found):
            if rule["impact"] in SERIOUS:
                places = [node["html"][:200] for node in rule["nodes"]]
                faults.append(f"{rule['id']}: {rule['help']}: {len(places)}, {places[0]}")
        return faults

    def photograph(self, file: Path, *, whole: bool = True) -> None:
        """Write what it shows as a PNG."""
        shown = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shown["data"]))


class Browser:
    """A process of Chromium; see the head of this file."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.numbers = itertools.count(1)
        self.tabs: dict[str, Tab] = {}

    def __enter__(self) -> Self:
        self.profile = tempfile.mkdtemp()
        read_ours, write_theirs = os.pipe()
        read_theirs, write_ours = os.pipe()

        def place_pipes() -> None:
            # The protocol is spoken on 3 and 4, which either end may have now.
            ends = [os.dup(os.dup(os.dup(end))) for end in (read_theirs, write_theirs)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = [self.program, *OPTIONS, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place_pipes,  # noqa: PLW1509 - it makes no Python object but numbers
        )
        os.close(read_theirs)
        os.close(write_theirs)
        self.reading, self.writing = os.fdopen(read_ours, "rb"), os.fdopen(write_ours, "wb")
        self.rest = b""
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reading.close()
        self.writing.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method: str, session: str = "", **parameters: Any) -> Mapping[str, Any]:
        """Return the answer to a call; what the pages tell meanwhile is kept with them."""
        number = next(self.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.writing.write(json.dumps(message).encode() + b"\0")
        self.writing.flush()
        while True:
            told = self._read()
            if told.get("id") == number:
                assert "error" not in told, told
                result: Mapping[str, Any] = told["result"]
                return result

    def open(self, address: str, *, width: int, dark: bool = False) -> Tab:
        """Open a page in a window of this width, for a reader who likes it dark or light."""
        # A reader who has never been there: the site remembers what was light.
        context = self.call("Target.createBrowserContext")["browserContextId"]
        opened = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        target = opened["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self.tabs[session] = Tab(self, session)
        for domain in ("Page", "Network", "Runtime", "Log"):
            tab.call(f"{domain}.enable")
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=HEIGHT, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme])
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=MOUSE)
        tab.call("Page.navigate", url=address)
        tab.wait_until("location.href !== 'about:blank' && document.readyState === 'complete'")
        return tab

    def close(self, tab: Tab) -> None:
        """Close a page."""
        tab.call("Page.close")
        del self.tabs[tab.session]

    def _read(self) -> Mapping[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.reading], [], [], SECONDS)
            assert ready, "the browser does not answer"
            more = os.read(self.reading.fileno(), 2**20)
            assert more, "the browser has ended"
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        told: Mapping[str, Any] = json.loads(message)
        tab = self.tabs.get(told.get("sessionId", ""))
        if tab is not None:
            _keep(tab, told)
        return told


def _keep(tab: Tab, told: Mapping[str, Any]) -> None:
    if told.get("method") == "Network.requestWillBeSent":
        tab.requests.append(told["params"]["request"]["url"])
    elif told.get("method") == "Log.entryAdded":
        tab.messages.append(told["params"]["entry"]["text"])
    elif told.get("method") == "Runtime.exceptionThrown":
        tab.messages.append(str(told["params"]["exceptionDetails"]))
