"""Signing in by an OpenID provider in a browser: the whole trip, to a provider from the package index."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from playwright.sync_api import expect

from resolver.core.times import utc_now
from tests.console.conftest import consoles, dialog, row
from tests.people import let_in_by, provider_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.console.conftest import Console
    from tests.databases import World

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def _mock() -> Iterator[str]:
    """A provider that lets in everybody who names themselves; its issuer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses parts of Authlib that have others by now
        import oidc_provider_mock  # noqa: PLC0415 - takes long to load

        claims = {"preferred_username": "dora", "groups": ["devs"]}
        people = [oidc_provider_mock.User(sub="dora-1", claims=claims)]
        with oidc_provider_mock.run_server_in_thread(require_nonce=True, user_claims=people) as server:
            yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def console(browser: Browser, tmp_path: Path) -> Iterator[Console]:
    """A console whose users may sign in by the provider."""
    (tmp_path / "secret").write_text("of the client")

    def prepare(world: World) -> None:
        let_in_by(world, provider_of(issuer, client_secret_file=str(tmp_path / "secret")))

    with _mock() as issuer, consoles(browser, tmp_path, prepare) as made:
        sign_in = made.world.service.sign_in
        here = replace(made.world.rules.sign_in, public_url=made.live.url)
        sign_in._login_rules = here  # noqa: SLF001 - known now only
        made.world.clock.now = utc_now()
        yield made


def _agree(page: Page) -> None:
    page.get_by_role("button", name="dora-1").click()


def test_the_whole_trip(console: Console) -> None:
    """From the button to the provider and back; nothing of it stays in the address."""
    console.world.secret("db_password")
    page = console.context().new_page()
    page.goto(f"{console.live.url}/console/#/home/secrets")
    page.get_by_role("button", name="Sign in with Example").click()
    _agree(page)
    page.get_by_text("db_password", exact=True).wait_for()
    assert page.url == f"{console.live.url}/console/#/home/secrets"
    names = {cookie["name"]: cookie for cookie in page.context.cookies(console.live.url)}
    assert names.keys() == {"resolver-session"}
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with Example").wait_for()
    assert console.world.execute("SELECT * FROM console_session") == []
    users = console.open("admin", "home/users")
    (provider,) = console.world.rules.sign_in.issuers
    expect(row(users, "dora").locator("[data-label='Signs in by']")).to_have_text(provider)
    expect(row(users, "dora").get_by_title("As dora-1")).to_have_text(provider)
    expect(row(users, "stranger").locator("[data-label='Signs in by']")).to_have_text("\N{EN DASH}")


def test_showing_who_one_is_again(console: Console) -> None:
    """What needs it asks for a sign-in in a window beside the page, and is done after that."""
    page = console.context().new_page()
    page.goto(f"{console.live.url}/console/")
    page.get_by_role("button", name="Sign in with Example").click()
    _agree(page)
    page.get_by_role("heading", name="Overview", exact=True).wait_for()
    console.world.execute("UPDATE console_session SET confirmed_at = NULL")
    console.world.vouch()
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Create token").click()
    dialog(page).get_by_label("What it is for").fill("made after a sign-in")
    dialog(page).get_by_role("button", name="Create", exact=True).click()
    ask = page.get_by_role("dialog", name="Confirm that it is you")
    with page.context.expect_page() as beside:
        ask.get_by_role("button", name="Sign in with Example").click()
    _agree(beside.value)
    page.get_by_role("dialog", name="Your new token").wait_for()
    assert len(console.world.execute("SELECT * FROM access_token WHERE description LIKE 'made after%'")) == 1


def test_a_refusal_is_shown_on_the_page(console: Console) -> None:
    """Someone without a role, and one who says no."""
    page = console.context().new_page()
    page.goto(f"{console.live.url}/console/")
    page.get_by_role("button", name="Sign in with Example").click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_text("The sign-in was refused.").wait_for()
    assert "?" not in page.url
    page.get_by_role("button", name="Sign in with Example").click()
    page.get_by_placeholder("sub").fill("nobody")
    page.get_by_role("button", name="Authorize").click()
    page.get_by_text("The sign-in was refused.").wait_for()
    assert console.world.execute("SELECT * FROM console_session") == []
