"""Opens a page from disk in a real Chromium without a network, and says what went wrong there.

The browser is driven through the DevTools protocol over a pair of pipes (file descriptors 3 and 4, messages
that end in a zero byte), which needs neither a port nor a library.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

SECONDS = 60
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_BROKEN_IMAGES = """
Promise.all(Array.from(document.images, image => image.decode().then(
  () => image.naturalWidth ? null : "no width", error => String(error)
).then(fault => fault && `broken image: ${fault}: ${image.alt || image.src.slice(0, 80)}`)))
  .then(faults => faults.filter(Boolean))
"""

_MISFITS = """
(() => {
  const width = document.documentElement.clientWidth, found = [];
  const name = element => `${element.tagName.toLowerCase()}.${element.getAttribute("class") || ""} ` +
    `"${element.textContent.trim().slice(0, 40)}"`;
  const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  if (document.documentElement.scrollWidth > width)
    found.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  for (const element of document.body.querySelectorAll("*")) {
    let box = element.parentElement;
    while (box && !scrolls(box)) box = box.parentElement;
    const style = getComputedStyle(element);
    const {left, right} = element.getBoundingClientRect();
    if (!box && (right > width + 1 || left < -1)) found.push(`sticks out: ${name(element)}`);
    const texts = Array.from(element.childNodes).filter(node => node.nodeType === 3 && node.data.trim());
    if (texts.length && parseFloat(style.fontSize) < 14 && style.display !== "none")
      found.push(`small type, ${style.fontSize}: ${name(element)}`);
  }
  return found;
})()
"""


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def problems(chromium: str, page: pathlib.Path, profile: pathlib.Path) -> list[str]:
    """Everything wrong with a page: script errors, console errors, broken images, whatever it wants to load.

    Args:
        chromium: Path of the browser.
        page: HTML file.
        profile: Empty folder for the browser.
    """
    with opened(chromium, page, profile) as (browser, session):
        answer = browser.evaluate(_BROKEN_IMAGES, session)
        found = [fault for event in browser.events if (fault := fault_of(event, page.as_uri()))]
        return found + answer


def misfits(browser: _Browser, session: str, widths: Sequence[int]) -> list[str]:
    """What of an opened page does not fit windows of some widths in pixels, or is too small to read."""
    found = []
    for width in widths:
        window = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.call("Emulation.setDeviceMetricsOverride", session, **window)
        found += [f"at {width}: {misfit}" for misfit in browser.evaluate(_MISFITS, session)]
    return found


@contextlib.contextmanager
def opened(chromium: str, page: pathlib.Path, profile: pathlib.Path) -> Iterator[tuple[_Browser, str]]:
    """A browser that has loaded a page without a network, and its session with the page."""
    with _started(chromium, profile) as browser:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            browser.call(f"{domain}.enable", session)
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        browser.call("Network.emulateNetworkConditions", session, **offline)
        browser.call("Page.navigate", session, url=page.as_uri())
        browser.wait_for("Page.loadEventFired")
        yield browser, session


def fault_of(event: dict[str, Any], address: str) -> str | None:
    """What an event complains of; None if it does not complain."""
    values = event["params"]
    match event["method"]:
        case "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            return f"script error: {details.get('exception', {}).get('description') or details['text']}"
        case "Runtime.consoleAPICalled" if values["type"] in ("error", "warning", "assert"):
            return f"console {values['type']}: {[argument.get('value') for argument in values['args']]}"
        case "Log.entryAdded" if values["entry"]["level"] in ("error", "warning"):
            return f"log {values['entry']['level']}: {values['entry']['text']}"
        case "Network.requestWillBeSent":
            url = values["request"]["url"]
            return None if url == address or url.startswith(("data:", "blob:")) else f"loads {url}"
    return None


class _Browser:
    """The two pipes to a browser, and the events that have come through them."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._received = b""
        self._calls = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def evaluate(self, expression: str, session: str) -> list[str]:
        options = {"awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", session, expression=expression, **options)
        return answer["result"].get("value", [f"not evaluated: {answer}"])

    def wait_for(self, method: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not any(event["method"] == method for event in self.events):
            self._receive(deadline)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._reading], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no answer from the browser in {SECONDS} s")
            received = os.read(self._reading, 1 << 16)
            if not received:
                raise ConnectionError("the browser ended")
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        decoded = json.loads(message)
        if "method" in decoded:
            self.events.append(decoded)
        return decoded


@contextlib.contextmanager
def _started(chromium: str, profile: pathlib.Path) -> Iterator[_Browser]:
    """A browser in a process group of its own, which is gone afterwards."""
    commands, ours = os.pipe()
    answers, theirs = os.pipe()
    # The shell moves the pipes to where the browser looks for them.
    moved = f'exec "$0" "$@" 3<&{commands} 4>&{theirs}'
    process = subprocess.Popen(
        ["bash", "-c", moved, chromium, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(commands, theirs),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(commands)
    os.close(theirs)
    try:
        yield _Browser(answers, ours)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
        os.close(answers)
