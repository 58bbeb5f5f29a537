"""Drives Firefox by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), which it speaks itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

FIREFOX = Path("/usr/bin/firefox-esr")

PATIENCE = 120.0
"""Seconds that a test waits for a page, on a busy machine too."""

_SETTINGS = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.prefs.recommended": True,
    "signon.rememberSignons": True,  # as people have it
}


class Firefox:
    """One window of a running Firefox.

    Args:
        socket: the connection.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        """What the browser told: requests, and what pages complained of."""
        self.ask("session.new", capabilities={})
        self._window = self.ask("browsingContext.getTree")["contexts"][0]["context"]
        self.ask("session.subscribe", events=["network.beforeRequestSent", "log.entryAdded"])

    def ask(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON data
        """Send a command; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(PATIENCE))
            if told.get("id") == number:
                assert told["type"] == "success", told
                return told["result"]
            self.events.append(told)

    def open(self, url: str) -> None:
        """Load a page."""
        self.ask("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - JSON data
        """What an expression comes to in the page, a promise's result too, as JSON data."""
        found = self.ask(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((found) => JSON.stringify(found ?? null))",
            target={"context": self._window},
            awaitPromise=True,
        )
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, (expression, self.evaluate("document.body.innerText"))
            time.sleep(0.05)

    def element(self, expression: str) -> dict[str, Any]:
        """The element that an expression comes to, once there is one, scrolled into sight."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.ask(
                "script.evaluate", expression=expression, target={"context": self._window}, awaitPromise=False
            )
            if found["result"]["type"] == "node":
                self.evaluate(f"({expression}).scrollIntoView({{ block: 'nearest' }})")
                return {"sharedId": found["result"]["sharedId"]}
            assert time.monotonic() < deadline, (expression, self.evaluate("document.body.innerText"))
            time.sleep(0.05)

    def press(self, name: str) -> None:
        """Click on the last button of a name that can be seen."""
        self._click(
            f"""[...document.querySelectorAll("button")].filter((one) => one.checkVisibility()
            && !one.disabled && (one.ariaLabel ?? one.textContent) === {json.dumps(name)}).at(-1)"""
        )

    def type(self, label: str, text: str) -> None:
        """Click on the field of a label, and press the keys of a text."""
        self._click(
            f"""[...document.querySelectorAll("label")].filter((one) => one.checkVisibility()
            && one.textContent === {json.dumps(label)}).at(-1)?.control"""
        )
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": keys})

    def _click(self, expression: str) -> None:
        origin = {"type": "element", "element": self.element(expression)}
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._act({"type": "pointer", "id": "pointer", "actions": moves})

    def _act(self, source: dict[str, Any]) -> None:
        self.ask("input.performActions", context=self._window, actions=[source])


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Firefox]:
    """A Firefox that keeps what it keeps in a folder; at the end it is closed as by hand."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _SETTINGS.items()]
    folder.mkdir()
    (folder / "user.js").write_text("".join(lines), encoding="utf-8")
    log = folder.with_suffix(".log")
    command = [FIREFOX, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", folder]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # the browser of the distribution, without a shell
            [*command, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        ) as process,
    ):
        try:
            with connect(f"{_address(log, process)}/session", proxy=None, max_size=None) as socket:
                browser = Firefox(socket)
                yield browser
                browser.ask("browser.close")
            process.wait(PATIENCE)
        finally:
            process.kill()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where a browser that was just started listens, when it says so."""
    deadline = time.monotonic() + PATIENCE
    while True:
        text = log.read_text(encoding="utf-8", errors="replace")
        _, found, rest = text.partition("WebDriver BiDi listening on ")
        if found and "\n" in rest:
            return rest.partition("\n")[0].strip()
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
