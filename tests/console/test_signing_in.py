"""Signing in and out, sessions that end, and the choice among one's own tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from resolver.core.account_changes import NewToken
from resolver.core.model import Scope
from resolver.core.permissions import TenantRole
from tests.console.conftest import PASSWORD, dialog, said, value_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Console

LATER = "2030-01-01T00:31:00.000Z"
"""After the idle time-out of a session that was opened when the tests' clock began."""


def sign_in(page: Page, console: Console, name: str, password: str = PASSWORD) -> None:
    """Fill in the form and send it."""
    page.goto(f"{console.live.url}/console/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_sign_in_and_out(console: Console) -> None:
    """A wrong password is told as such; signing out ends the session on the server, and clears the page."""
    console.world.secret("db_password")
    page = console.context().new_page()
    sign_in(page, console, "una", "wrong")
    page.get_by_text("The user name or the password is wrong.").wait_for()
    assert page.get_by_label("User name").input_value() == "una"
    sign_in(page, console, "una")
    page.get_by_role("link", name="All secrets").click()
    page.get_by_text("db_password", exact=True).wait_for()
    assert len(console.world.execute("SELECT * FROM console_session")) == 1
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("resolver-session", True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").wait_for()
    assert console.world.execute("SELECT * FROM console_session") == []
    assert page.context.cookies() == []
    page.go_back()
    page.get_by_label("User name").wait_for()
    assert page.get_by_text("db_password").count() == 0


def test_signing_out_ends_it_in_all_pages(console: Console) -> None:
    """What was copied leaves the clipboard, and other pages of the browser show nothing any more."""
    console.world.secret("db_password", "copied words")
    page = console.open("una", permissions=["clipboard-read", "clipboard-write"])
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_text("db_password", exact=True).wait_for()
    page.bring_to_front()
    page.get_by_role("button", name="Show the value of db_password").click()
    page.get_by_role("button", name="Copy the value of db_password").click()
    said(page, "Copied")
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("navigator.clipboard.readText()") == "copied words"
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") != "copied words"
    other.get_by_label("User name").wait_for()
    assert "db_password" not in other.content()


def test_a_page_that_the_browser_keeps(console: Console) -> None:
    """One leaves: no dialog stays, with what it shows. One comes back: the page begins anew."""
    console.world.secret("db_password", "shown words")
    page = console.open("una")
    page.get_by_role("button", name="Show the value of db_password").click()
    page.locator("pre.value", has_text="shown words").wait_for()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert "shown words" not in page.content()
    page.context.clear_cookies()  # signed out meanwhile
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    page.get_by_label("User name").wait_for()
    assert "db_password" not in page.content()


def test_a_token_opens_a_session_unless_it_is_narrowed(console: Console) -> None:
    """The console says why a narrowed one does not."""
    tokens = console.world.service.tokens
    page = console.context().new_page()
    for scope in (Scope(tenants=frozenset({"home"})), Scope()):
        page.goto(f"{console.live.url}/console/")
        page.get_by_label("Sign in with an access token").check()
        token = tokens.create(console.world.admin, NewToken(username="una", **asdict(scope))).token
        page.get_by_label("Access token", exact=True).fill(token)
        page.get_by_role("button", name="Sign in").click()
        if scope.is_limited:
            page.get_by_text("A narrowed token can't open a console session.").wait_for()
    page.get_by_role("heading", name="Overview", exact=True).wait_for()


def test_a_session_that_ends_loses_nothing(console: Console) -> None:
    """One signs in again in front of what was typed, and the request is made after all."""
    page = console.open("una")
    page.get_by_role("button", name="Create secret").first.click()
    page.get_by_label("Key").fill("kept")
    page.get_by_label("Value", exact=True).fill("typed with care")
    console.world.clock.now = LATER
    page.get_by_role("button", name="Create", exact=True).click()
    again = page.get_by_role("dialog", name="Your session has ended")
    assert again.get_by_label("User name").input_value() == "una"
    again.get_by_label("Password").fill("wrong")
    again.get_by_role("button", name="Sign in").click()
    again.get_by_text("The user name or the password is wrong.").wait_for()
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    said(page, "Secret kept created")
    assert value_of(console.world, "kept") == "typed with care"


def test_whoever_else_signs_in_sees_nothing_of_it(console: Console) -> None:
    """The page begins anew for another person."""
    console.world.secret("seen_by_una")
    page = console.open("una")
    page.get_by_text("seen_by_una").wait_for()
    console.world.clock.now = LATER
    page.get_by_label("Search").fill("x")
    again = dialog(page)
    again.get_by_label("User name").fill("stranger")
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    page.get_by_text("You belong to no tenant yet.").wait_for()
    assert page.get_by_text("seen_by_una").count() == 0


def test_two_pages_of_one_browser(console: Console) -> None:
    """Signing in again in one page leaves the other one working: it fetches the new session's proof."""
    page = console.open("una")
    other = page.context.new_page()
    sign_in_again = f"""async () => {{
        const body = JSON.stringify({{username: "una", password: "{PASSWORD}"}});
        const headers = {{"Content-Type": "application/json"}};
        await fetch("/api/v1/resolver/session", {{method: "POST", headers, body}});
    }}"""
    other.goto(f"{console.live.url}/console/")
    other.evaluate(sign_in_again)
    console.world.secret("made_meanwhile")
    page.get_by_label("Search").fill("made")
    page.get_by_text("made_meanwhile", exact=True).wait_for()
    other.evaluate(sign_in_again)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").wait_for()
    assert console.world.execute("SELECT * FROM console_session") == []


def test_the_choice_among_ones_own_tenants(console: Console) -> None:
    """Only one's own are offered; one that the address names and that is not one's own is not shown."""
    console.world.service.tenants.create(console.world.admin, "foreign")
    console.world.service.tenants.add_member(console.world.admin, "away", "una", TenantRole.VIEWER)
    console.world.secret("at_home")
    console.world.secret("abroad", tenant="away")
    page = console.open("una", "foreign/secrets")
    choice = page.get_by_label("Tenant", exact=True)
    assert choice.locator("option").all_inner_texts() == ["away", "home"]
    assert page.url.endswith("#/away/secrets")
    page.get_by_text("abroad", exact=True).wait_for()
    assert page.get_by_role("button", name="Create secret").count() == 0
    choice.select_option("home")
    page.get_by_text("at_home", exact=True).wait_for()
    assert page.get_by_role("button", name="Create secret").count() == 1
    page.go_back()
    page.get_by_text("abroad", exact=True).wait_for()


def test_no_server(console: Console) -> None:
    """A line that is down is told, what is on the page stays, and trying again works."""
    console.world.secret("one")
    page = console.open("una")
    page.context.set_offline(True)
    page.get_by_label("Search").fill("one")
    page.get_by_text("The server can't be reached.").wait_for()
    assert page.get_by_text("one", exact=True).count() == 1
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("can't be reached").wait_for(state="hidden")
    page.get_by_text("1 to 1 of 1").wait_for()
