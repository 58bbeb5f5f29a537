"""The console in a real browser: one for all tests, with a context of its own, nothing kept, for each."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from resolver.core.account_changes import NewPassword
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from tests.databases import World, made_world
from tests.rest.conftest import Live, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright._impl._api_structures import SetCookieParam
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright

CHROMIUM = Path("/usr/bin/chromium")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container has little shared memory
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PASSWORD = "a password of the tests"
PATIENCE = 120_000
"""Milliseconds that a test waits for a page, on a busy machine too."""

SESSION = "/api/v1/resolver/session"

ROLES = {
    "manny": TenantRole.MANAGER,
    "cora": TenantRole.USER,  # creates what is looked at
    "una": TenantRole.USER,
    "opal": TenantRole.OPERATIONS,
    "vic": TenantRole.VIEWER,
    "stranger": None,
}


@dataclass
class Console:
    """A server, and pages of its console for its users.

    Args:
        live: the server.
        make: makes a context of the browser.
    """

    live: Live
    make: Callable[..., BrowserContext]
    faults: list[str] = field(default_factory=list)
    """What pages complained of: errors of scripts, and what the policy kept out."""

    @property
    def world(self) -> World:
        """The store behind the server."""
        return self.live.world

    def context(self, name: str = "", **options: Any) -> BrowserContext:  # noqa: ANN401 - the browser's options
        """A context of the browser, signed in as a user unless there is no name."""
        context = self.make(**options)
        if name:
            context.add_cookies([self.cookie(name)])
        context.on("page", self.watch)
        return context

    def cookie(self, name: str) -> SetCookieParam:
        """The cookie of a new session of a user, as the server sets it."""
        password = "admin password" if name == "admin" else PASSWORD
        answer = self.live.http.post(SESSION, json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        secret = answer.cookies["resolver-session"]
        self.live.http.cookies.clear()
        return {
            "name": "resolver-session",
            "value": secret,
            "url": self.live.url,
            "httpOnly": True,
            "sameSite": "Strict",
        }

    def watch(self, page: Page) -> None:
        """Note what a page complains of."""
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        is_refusal = message.text.startswith("Failed to load resource")  # so a browser tells of each answer
        if message.type in {"error", "warning"} and not is_refusal:
            self.faults.append(message.text)

    def open(self, name: str, place: str = "home/secrets", **options: Any) -> Page:  # noqa: ANN401 - as above
        """A page that a user looks at."""
        page = self.context(name, **options).new_page()
        page.goto(f"{self.live.url}/console/#/{place}")
        page.locator("h1").first.wait_for()
        return page


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; without a browser the tests are skipped."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests."""
    expect.set_options(timeout=PATIENCE)
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@contextlib.contextmanager
def consoles(
    browser: Browser | None, folder: Path, prepare: Callable[[World], None] = lambda _: None
) -> Iterator[Console]:
    """A console on a store of its own; no page may have complained. Without a browser, its server alone.

    Args:
        browser: the browser.
        folder: where the store is.
        prepare: changes the world before the server starts.
    """
    world = made_world("sqlite", folder)
    prepare(world)
    for name, role in ROLES.items():
        world.user(name, role)
        world.service.users.set_password(world.admin, name, NewPassword(SecretValue(PASSWORD)))
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:  # noqa: ANN401 - the browser's options
        assert browser is not None
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context

    with serving(world) as live:
        console = Console(live, make)
        try:
            yield console
        finally:
            for context in contexts:
                context.close()
    assert console.faults == []


@pytest.fixture
def console(browser: Browser, tmp_path: Path) -> Iterator[Console]:
    """A console on a store of its own."""
    with consoles(browser, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One for all tests of a module that change nothing that another one looks at."""
    with consoles(browser, tmp_path_factory.mktemp("shared")) as made:
        yield made


def row(page: Page, key: str) -> Locator:
    """The row of a table that is about a key."""
    return page.locator("tbody tr").filter(has=page.get_by_text(key, exact=True))


def dialog(page: Page) -> Locator:
    """The dialog in front."""
    return page.get_by_role("dialog").last


def discard(page: Page) -> None:
    """Close the dialog in front by the Escape key, and lose what was typed, which is asked about."""
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close and lose it").click()
    page.get_by_role("dialog").first.wait_for(state="detached")


def said(page: Page, words: str) -> None:
    """Wait until the page tells that something was done."""
    page.locator(".said", has_text=words).last.wait_for()


def value_of(world: World, key: str, tenant: str = "home") -> str:
    """What the store holds, as the administrator is shown it."""
    value = world.service.secrets.show(world.admin, tenant, key)[1]
    assert value is not None
    return value.reveal()


def records(world: World, action: str, tenant: str = "home") -> list[Any]:
    """The audit records of one action, oldest first."""
    from resolver.core.audit import AuditQuery, fields_of  # noqa: PLC0415 - used here alone

    return [
        fields_of(one) for one in world.service.trail.stream(world.admin, tenant, AuditQuery(action=action))
    ]
