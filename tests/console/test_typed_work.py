"""What was typed or is shown once is not lost without a question; waiting shows, and sessions end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.console.conftest import PASSWORD, dialog, row, said, value_of

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

    from tests.console.conftest import Console


def test_typed_work_is_asked_about(console: Console) -> None:
    """On Escape, twice, on Back and on loading the page again; nothing is asked where nothing was typed."""
    page = console.open("una")
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Secrets").click()
    create = page.get_by_role("button", name="Create secret").first
    create.click()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    create.click()
    page.get_by_label("Key").fill("typed")
    for _ in range(3):
        page.keyboard.press("Escape")
        page.get_by_role("dialog", name="Close and lose it?").wait_for()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(1)
    page.go_back()
    page.get_by_role("dialog", name="Close and lose it?").wait_for()
    page.get_by_role("button", name="Cancel").last.click()
    assert page.url.endswith("#/home/secrets")
    assert page.get_by_label("Key").input_value() == "typed"
    asked: list[str] = []

    def stay(shown: Dialog) -> None:
        asked.append(shown.type)
        shown.dismiss()

    page.on("dialog", stay)
    page.evaluate("location.reload()")
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert page.get_by_label("Key").input_value() == "typed"
    page.go_back()
    page.get_by_role("button", name="Close and lose it").click()
    page.get_by_role("heading", name="Account").wait_for()
    assert page.locator("dialog").count() == 0


def test_a_new_token_stays_until_it_is_closed(console: Console) -> None:
    """The Escape key and Back ask first, for it is shown once; revoking names what is revoked."""
    page = console.open("una")
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Create token").click()
    page.get_by_label("What it is for").fill("the pipeline")
    page.get_by_role("button", name="Create", exact=True).click()
    new = page.get_by_role("dialog", name="Your new token")
    token = new.locator("pre").inner_text()
    for leave in (lambda: page.keyboard.press("Escape"), page.go_back):
        leave()
        page.get_by_role("dialog", name="Close and lose it?").get_by_text("is not shown again").wait_for()
        page.get_by_role("button", name="Cancel").click()
        assert new.locator("pre").inner_text() == token
    new.get_by_role("button", name="Close").click()
    page.get_by_role("button", name=f"Revoke token {token[:15]}").click()
    for words in (
        "Revoke “the pipeline” of una?",
        token[:15],
        "nothing: it may do all that the user may",
        "never",
    ):
        expect(dialog(page)).to_contain_text(words)


def test_rows_that_wait_can_not_be_clicked(console: Console) -> None:
    """From the first letter of a search until its rows are there, the old ones are out of reach."""
    for key in ("one", "two"):
        console.world.secret(key)
    page = console.open("una")
    row(page, "two").wait_for()
    held: list[Any] = []
    page.route("**/secrets?*_search=one*", lambda route: held.append(route))  # noqa: PLW0108 - no built-in is taken
    page.get_by_label("Search").fill("one")
    assert page.locator(".card[inert]").count() == 1
    page.get_by_text("Loading…").wait_for()
    held[0].continue_()
    page.get_by_text("1 to 1 of 1").wait_for()
    assert page.locator("[inert]").count() == 0
    assert page.get_by_text("Loading…").count() == 0


@pytest.mark.slow
def test_many_tenants_have_a_search_and_pages(console: Console) -> None:
    """121 of them are 25 rows; the focus stays on what turns the pages."""
    service, admin = console.world.service, console.world.admin
    for number in range(119):
        service.tenants.create(admin, f"t{number:03}")
    page = console.open("admin", "home/tenants")
    page.get_by_text("1 to 25 of 121").wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") < 2000
    following = page.get_by_role("button", name="Next")
    for first in (26, 51, 76, 101):
        following.focus()
        page.keyboard.press("Enter")
        page.get_by_text(f"{first} to {min(first + 24, 121)} of 121").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Next"
    page.keyboard.press("Enter")  # there are no more
    page.get_by_text("101 to 121 of 121").wait_for()
    page.get_by_label("Search").fill("T11")
    page.get_by_text("1 to 9 of 9").wait_for()


def with_a_clock(console: Console) -> Page:
    """The secrets of a user, of which there is one, on a page whose time the test lets pass."""
    console.world.secret("db_password")
    page = console.context("una").new_page()
    page.clock.install()
    page.goto(f"{console.live.url}/console/#/home/secrets")
    row(page, "db_password").wait_for()
    return page


def test_an_idle_session_ends_on_the_screen(console: Console) -> None:
    """Two minutes before it is warned of; then no key is on the page, and nobody is signed in."""
    page = with_a_clock(console)
    warning = page.get_by_role("dialog", name="You are signed out in two minutes")
    page.clock.run_for(26 * 60_000)
    assert warning.count() == 0
    page.clock.run_for(80_000)
    page.get_by_role("button", name="Stay signed in").click()
    warning.wait_for(state="detached")
    page.clock.run_for(26 * 60_000)
    assert warning.count() == 0
    page.clock.run_for(80_000)
    warning.wait_for()
    page.clock.run_for(125_000)
    page.get_by_label("User name").wait_for()
    assert "db_password" not in page.content()
    assert console.world.execute("SELECT * FROM console_session") == []


def test_typed_work_waits_unseen_for_who_typed_it(console: Console) -> None:
    """The session's end hides a dialog with something typed, and the same person gets it back."""
    page = with_a_clock(console)
    page.get_by_role("button", name="Create secret").click()
    page.get_by_label("Key").fill("typed")
    page.get_by_label("Value", exact=True).fill("with care")
    page.clock.run_for(30 * 60_000)
    again = page.get_by_role("dialog", name="Your session has ended")
    again.wait_for()
    assert page.get_by_label("Key", exact=True).is_hidden()
    assert "db_password" not in page.content()
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Create", exact=True).click()
    said(page, "Secret typed created")
    assert value_of(console.world, "typed") == "with care"
    row(page, "db_password").wait_for()


@pytest.mark.slow
def test_five_thousand_calls_are_drawn_in_parts(console: Console) -> None:
    """What the page draws is bounded, however many calls there are; each line can be gone to."""
    console.world.secret("smtp")
    page = console.open("una", "home/check")
    text = "".join(f"k{number}: {{ get_secret: smtp }}\n" for number in range(5000))
    blueprint = {"name": "many.yaml", "mimeType": "text/yaml", "buffer": text.encode()}
    page.get_by_label("Or a file").set_input_files([blueprint])  # it is checked as it is chosen
    expect(page.locator(".summary")).to_have_text("5000 calls: 5000 may be used.")
    calls = page.get_by_role("list", name="Calls").get_by_role("listitem")
    assert calls.count() == 100
    assert page.locator("pre.text .line").count() == 1000
    assert page.evaluate("document.querySelectorAll('main *').length") < 10_000
    page.get_by_role("button", name="Show 100 more").click()
    assert calls.count() == 200
    page.get_by_role("button", name="Lines after").click()
    page.get_by_text("Lines 1001 to 2000 of 5001").wait_for()
    page.locator("#line-2000 mark").wait_for()
    calls.last.get_by_role("link", name="line 200").click()
    page.locator("#line-200.hit").wait_for()
    page.get_by_role("button", name="Clear").click()
    assert calls.count() == 0


def test_a_script_that_does_not_come(console: Console) -> None:
    """The page says so; it would say that it loads for ever."""
    page = console.context().new_page()
    page.route("**/listing.js", lambda route: route.abort())
    page.goto(f"{console.live.url}/console/")
    page.get_by_text("The console did not load: a script is missing").wait_for()
    console.faults.clear()
