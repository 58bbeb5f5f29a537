"""The main trip of the console in Firefox, and what that browser keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from tests.console.conftest import PASSWORD, consoles, value_of
from tests.console.firefox import FIREFOX, started
from tests.console.test_leaks import ASKED, HIDDEN, OLD, STORED, TYPED, kept_by

if TYPE_CHECKING:
    from pathlib import Path

VALUES = (STORED, HIDDEN, OLD, ASKED, TYPED)

PAGE = "document.documentElement.outerHTML"
KEPT = """(async () => [document.cookie, localStorage.length, sessionStorage.length,
    (await indexedDB.databases()).length, (await caches.keys()).length])()"""


@pytest.mark.slow
def test_the_main_trip(tmp_path: Path) -> None:
    """Sign in, list, reveal, edit, sign out; what was not asked for is in no page, and nothing is kept."""
    if not FIREFOX.exists():
        pytest.skip(f"there is no browser at {FIREFOX}: apt-get install firefox-esr")
    with consoles(None, tmp_path) as console, started(tmp_path / "profile") as browser:
        world = console.world
        world.secret("stored", STORED)
        world.secret("hidden", HIDDEN, hidden=True)
        world.secret("asked", ASKED)
        world.secret("older", OLD)
        world.service.secrets.update(world.admin, "home", "older", SecretChange(value=SecretValue(OLD + OLD)))
        browser.open(f"{console.live.url}/console/#/home/secrets")
        browser.type("User name", "una")
        browser.type("Password", PASSWORD)
        browser.press("Sign in")
        browser.until("document.querySelectorAll('tbody tr').length === 4")
        page = browser.evaluate(PAGE)
        assert not any(value in page for value in VALUES)

        browser.press("Show the value of asked")
        browser.until(f"document.querySelector('pre.value')?.textContent === '{ASKED}'")
        browser.press("Close")
        browser.until("!document.querySelector('dialog')")
        assert ASKED not in browser.evaluate(PAGE)

        browser.press("Edit asked")
        browser.type("New value", TYPED)
        browser.press("Save")
        browser.until("document.querySelector('.said').textContent.includes('version 2')")
        assert value_of(world, "asked") == TYPED
        assert browser.evaluate(KEPT) == ["", 0, 0, 0, 0]

        browser.press("Sign out")
        browser.until("document.querySelector('[name=username]') !== null")
        page = browser.evaluate(PAGE)
        assert not any(value in page for value in VALUES)
        assert browser.evaluate(KEPT) == ["", 0, 0, 0, 0]
    told = [event["params"] for event in browser.events]
    addresses = [one["request"]["url"] for one in told if "request" in one]
    assert any(address.endswith("/secrets/asked") for address in addresses)
    assert not any(value in address for address in addresses for value in VALUES)
    assert [one["text"] for one in told if one.get("level") in {"error", "warn"}] == []
    assert kept_by(tmp_path / "profile", *VALUES, PASSWORD) == []
    assert kept_by(tmp_path / "profile", "Talks to the server"), "the search finds what is in the cache"
