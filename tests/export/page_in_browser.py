"""A page in a browser: what it shows, and what a person does with it."""

import contextlib
import time

from tests.report.browser import fault_of, misfits, opened

SECONDS = 60
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34}


@contextlib.contextmanager
def opened_page(chromium, page, profile):
    """A page whose first image is there."""
    with opened(chromium, page, profile) as (browser, session):
        shown = Shown(browser, session, page.as_uri())
        shown.wait_for("performance.getEntriesByName('first image').length > 0")
        shown.first_image_ms = shown.value("performance.getEntriesByName('first image')[0].startTime")
        yield shown


class Shown:
    """The page as it is in the browser."""

    def __init__(self, browser, session, address):
        self._browser, self._session, self._address = browser, session, address

    def value(self, expression):
        """The value of an expression of JavaScript."""
        return self._browser.evaluate(f"({expression})", self._session)

    def do(self, statements):
        """Runs statements and waits for the image that they lead to."""
        self._browser.evaluate(f"{{ {statements} }}; 0", self._session)
        self.wait_for("!drawing.wishes.length")

    def image(self):
        """All numbers of the image that is shown."""
        return self.value("[...state.image]")

    def wait_for(self, condition):
        deadline = time.monotonic() + SECONDS
        while self.value(condition) is not True:
            assert time.monotonic() < deadline, self.faults() or condition
            time.sleep(0.02)

    def input(self, name, value):
        """Puts a value into a field as a person would."""
        events = "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind))"
        self.do(f"const field = element('{name}'); field.value = {value}; {events}")

    def press(self, *keys):
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
                self._browser.call("Input.dispatchKeyEvent", self._session, **event)

    def drag(self, name, right, down):
        """Drags the mouse from the middle of an element."""
        self.do(f"element('{name}').scrollIntoView()")
        middle = "(box => [box.x + box.width / 2, box.y + box.height / 2])"
        box = self.value(f"{middle}(element('{name}').getBoundingClientRect())")
        places = [("mouseMoved", 0), ("mousePressed", 0), ("mouseMoved", 1), ("mouseReleased", 1)]
        for kind, part in places:
            place = {"x": box[0] + part * right, "y": box[1] + part * down}
            buttons = (
                {"button": "left", "buttons": 1, "clickCount": 1} if (kind, part) != ("mouseMoved", 0) else {}
            )
            self._browser.call("Input.dispatchMouseEvent", self._session, type=kind, **place, **buttons)

    def downloads(self, folder, *statements):
        """The files that statements save, in their order."""
        where = {"behavior": "allow", "downloadPath": str(folder)}
        self._browser.call("Browser.setDownloadBehavior", **where)
        files = []
        for statement in statements:
            before = set(folder.iterdir())
            self._browser.evaluate(f"({statement}, 0)", self._session)
            deadline = time.monotonic() + SECONDS
            while not (new := {path for path in folder.iterdir() if path.suffix in (".gz", ".png")} - before):
                assert time.monotonic() < deadline, statement
                time.sleep(0.05)
            # Out of the way of the next one of this name.
            files += [path.rename(folder / f"{len(files)}-{path.name}") for path in new]
        return files

    def misfits(self, widths):
        """What does not fit windows of these widths."""
        return misfits(self._browser, self._session, widths)

    def faults(self):
        """What the page has complained of, or wanted to load."""
        found = [fault_of(event, self._address) for event in self._browser.events]
        return [fault for fault in found if fault]
