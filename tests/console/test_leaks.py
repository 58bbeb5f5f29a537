"""No value that was not asked for is in a page, a script, an answer, an address, or kept by the browser."""

from __future__ import annotations

import base64
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from tests.console.conftest import ARGUMENTS, CHROMIUM, PATIENCE, dialog, said

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page, Playwright, Request, Response

    from tests.console.conftest import Console

STORED = "stored-and-never-asked-for-4711"
HIDDEN = "hidden-from-this-user-4712"
TYPED = "typed-into-the-dialog-4713"
ASKED = "asked-for-with-the-eye-4714"
OLD = "an-earlier-version-4715"
PASSPHRASE = "passphrase-of-the-export-4716"
INPUT = "an-input-of-the-check-4717"

UNSEEN = (STORED, HIDDEN, OLD)
"""What no answer may hold at all."""

EVERYTHING = (*UNSEEN, TYPED, ASKED, PASSPHRASE, INPUT)
"""What no file of the browser may hold."""


@dataclass
class Seen:
    """What went over the wire.

    Args:
        addresses: of all requests.
        headers: of all requests and answers.
        bodies: the answers.
    """

    addresses: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)

    def request(self, request: Request) -> None:
        """Note a request."""
        self.addresses.append(request.url)
        self.headers.append(str(request.headers))

    def response(self, answer: Response) -> None:
        """Note an answer; some have no body."""
        self.headers.append(str(answer.headers))
        if answer.status not in {204, 304, 308}:
            self.bodies[f"{answer.request.method} {answer.url} {len(self.bodies)}"] = answer.body()


def forms(value: str) -> list[bytes]:
    """A value as it is, in UTF-16 as browsers keep text, in base64, and as an address has it."""
    plain = value.encode()
    encoded = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, value.encode("utf-16-le"), *encoded, urllib.parse.quote(value).encode()]


def kept_by(folder: Path, *values: str) -> list[tuple[str, str]]:
    """Which values are in which files of a folder."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found += [(path.name, value) for value in values if any(form in data for form in forms(value))]
    return found


def story(page: Page, seen: Seen) -> None:
    """Everything that handles values, once."""
    page.get_by_role("button", name="Create secret").click()
    page.get_by_label("Key").fill("typed")
    page.get_by_label("Value", exact=True).fill(TYPED)
    page.get_by_role("button", name="Create", exact=True).click()
    said(page, "Secret typed created")
    page.get_by_role("button", name="Edit typed").click()
    page.get_by_label("New value").fill(TYPED + TYPED)
    page.reload()  # with the dialog open: browsers keep what is in forms
    page.get_by_role("button", name="Show the value of asked").click()
    page.locator("pre.value", has_text=ASKED).wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="History of older").click()
    page.get_by_text("current").wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Export").click()
    dialog(page).get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    dialog(page).get_by_label("Passphrase again").fill(PASSPHRASE)
    with page.expect_download() as download:
        dialog(page).get_by_role("button", name="Export").click()
    sealed = download.value.path()
    page.get_by_role("button", name="Import").click()
    dialog(page).get_by_label("File").set_input_files([sealed])
    dialog(page).get_by_label("Passphrase").fill(PASSPHRASE)
    dialog(page).get_by_role("button", name="Import").click()
    dialog(page).get_by_text("Already there").wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Blueprint check").click()
    page.get_by_text("Inputs", exact=True).click()
    page.get_by_label("Inputs as YAML or JSON").fill(f"which: {INPUT}")
    page.get_by_label("Blueprint", exact=True).fill(
        "a: { get_secret: stored }\nb: { get_secret: { get_input: which } }"
    )
    page.get_by_role("button", name="Check", exact=True).click()
    page.locator(".summary").wait_for()
    assert INPUT.encode() not in list(seen.bodies.values())[-1]
    for name in ("Tenants", "Account", "Secrets"):
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
    for value in (*UNSEEN, ASKED, TYPED, PASSPHRASE):
        assert value not in page.content()
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert page.evaluate("indexedDB.databases().then((found) => found.length)") == 0
    assert page.evaluate("caches.keys().then((found) => found.length)") == 0


def test_nothing_keeps_a_value(console: Console, playwright: Playwright, tmp_path: Path) -> None:
    """Of a browser that keeps what it can, after a whole story, every file is searched."""
    world = console.world
    world.secret("stored", STORED)
    world.secret("hidden", HIDDEN, hidden=True)
    world.secret("asked", ASKED)
    world.secret("older", OLD)
    world.service.secrets.update(world.admin, "home", "older", SecretChange(value=SecretValue(OLD + OLD)))
    folder = tmp_path / "browser"
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=CHROMIUM, args=ARGUMENTS, downloads_path=tmp_path / "downloads"
    )
    try:
        context.set_default_timeout(PATIENCE)
        context.add_cookies([console.cookie("una")])
        seen = Seen()
        context.on("request", seen.request)
        context.on("response", seen.response)
        page = context.pages[0]
        page.goto(f"{console.live.url}/console/#/home/secrets")
        story(page, seen)
        during = kept_by(folder, *EVERYTHING)
    finally:
        context.close()
    shown = {place for place, body in seen.bodies.items() if ASKED.encode() in body}
    assert len(shown) == 1, "the eye's answer, and no other"
    assert next(iter(shown)).startswith("GET ")
    for place, body in seen.bodies.items():
        for value in (*UNSEEN, TYPED, PASSPHRASE, INPUT):
            assert not any(form in body for form in forms(value)), place
    for text in (*seen.addresses, *seen.headers):
        for value in EVERYTHING:
            assert value not in urllib.parse.unquote(text)
    assert during == []
    assert kept_by(folder, *EVERYTHING) == []
    assert kept_by(tmp_path / "downloads", *EVERYTHING) == []
    # The search does find what the browser keeps: the console's own files are in its cache.
    assert kept_by(folder, "Where secrets are used, as the audit trail tells") or kept_by(
        folder, "Talks to the server"
    )
