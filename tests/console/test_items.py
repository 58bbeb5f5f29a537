"""Everything that the page of secrets offers, done in the browser by each who is offered it.

What is offered to whom, and that the server refuses the rest, is in `test_roles`; what only a sys_admin
does is in `test_secrets`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret, SecretChange
from tests.console.conftest import dialog, records, row, said, value_of
from tests.console.test_signing_in import sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Console
    from tests.databases import World

COLUMNS = ["Key", "Visibility", "Hidden", "Tenant", "Owner", "Created", "Updated", "Version", "Actions"]

CREATOR, MANAGER, USER, OPERATIONS, VIEWER = "cora", "manny", "una", "opal", "vic"


def begin(console: Console, name: str) -> Page:
    """Three secrets of the creator, and a page on which somebody signed in."""
    secrets, cora = console.world.service.secrets, console.world.caller(CREATOR)
    secrets.create(cora, "home", "plain", NewSecret(value=SecretValue("plain one")))
    secrets.update(cora, "home", "plain", SecretChange(value=SecretValue("plain two")))
    secrets.create(cora, "home", "unread", NewSecret(value=SecretValue("hidden value"), hidden=True))
    secrets.create(
        cora, "home", "own", NewSecret(value=SecretValue("private value"), visibility=Visibility.PRIVATE)
    )
    page = console.context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    sign_in(page, console, name)
    page.get_by_role("link", name="Secrets", exact=True).click()
    row(page, "plain").wait_for()
    return page


def keys(page: Page) -> list[str]:
    """The keys of the table, from top to bottom."""
    return page.locator("td.key").all_inner_texts()


def looks(page: Page, known: list[str]) -> None:
    """The choice of the tenant, the columns, the search, the order and the pages."""
    assert page.get_by_label("Tenant", exact=True).locator("option").all_inner_texts() == ["home"]
    assert page.locator("thead th").all_text_contents() == COLUMNS
    assert keys(page) == known
    cells = row(page, "plain").locator("td").all_inner_texts()
    assert [text.strip() for text in (*cells[:2], *cells[3:5], cells[7])] == [
        "plain",
        "tenant",
        "home",
        "cora",
        "2",
    ]
    assert cells[5:7] == ["2030-01-01 00:00"] * 2
    page.get_by_role("button", name="Key", exact=True).click()
    expect(page.locator("td.key").first).to_have_text(known[-1])
    assert keys(page) == known[::-1]
    page.get_by_label("Search").fill("LAI")
    page.get_by_text("1 to 1 of 1").wait_for()
    assert keys(page) == ["plain"]
    page.get_by_label("Search").fill("")
    page.get_by_text(f"1 to {len(known)} of {len(known)}").wait_for()


def opens(page: Page, world: World, name: str, key: str, value: str) -> None:
    """The eye: asked for, recorded, copied, masked."""
    page.get_by_role("button", name=f"Show the value of {key}").click()
    expect(page.locator("pre.value")).to_have_text(value)
    record = records(world, "secret:show")[-1]
    assert (record["caller"], record["key"], record["decision"]) == (name, key, "allowed")
    page.get_by_role("button", name=f"Copy the value of {key}").click()
    said(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == value
    page.get_by_role("button", name="Mask").click()
    page.get_by_text("Masked.").wait_for()
    assert value not in page.content()
    page.get_by_role("button", name="Close").click()


def creates(page: Page, world: World, name: str) -> None:
    """A private and hidden value out of a file, with a schema."""
    page.get_by_role("button", name="Create secret").click()
    page.get_by_label("Key", exact=True).fill("made")
    content = b'{"port": 1}\n'
    page.get_by_label("Or a file").set_input_files(
        [{"name": "value.json", "mimeType": "application/json", "buffer": content}]
    )
    dialog(page).get_by_label("Visibility").select_option("private")
    dialog(page).get_by_label("Hide the value", exact=True).check()
    page.get_by_text("JSON Schema, expiry").click()
    page.get_by_label("JSON Schema", exact=True).fill('{"type": "object"}')
    dialog(page).get_by_role("button", name="Create", exact=True).click()
    said(page, "Secret made created")
    secret = world.service.secrets.show(world.admin, "home", "made")[0]
    assert (secret.owner.name, secret.visibility, secret.hidden) == (name, Visibility.PRIVATE, True)
    assert secret.schema is not None
    assert value_of(world, "made").encode() == content


def changes(page: Page, world: World, name: str) -> None:
    """A new value, and back to the first one."""
    page.get_by_role("button", name="Edit plain").click()
    page.get_by_label("New value").fill("plain three")
    page.get_by_role("button", name="Save").click()
    said(page, "Secret plain updated, version 3")
    assert value_of(world, "plain") == "plain three"
    page.get_by_role("button", name="History of plain").click()
    page.get_by_role("button", name="Back to version 1").click()
    page.get_by_role("button", name="Go back").click()
    said(page, "has the value of version 1 again, as version 4")
    page.get_by_role("dialog", name="History").get_by_text(name, exact=True).first.wait_for()
    page.get_by_role("button", name="Close").click()
    assert value_of(world, "plain") == "plain one"


def moves(page: Page, world: World, count: int) -> None:
    """Out, away, and in again."""
    page.get_by_role("button", name="Export").click()
    dialog(page).get_by_label("Passphrase", exact=True).fill("correct horse")
    dialog(page).get_by_label("Passphrase again").fill("correct horse")
    with page.expect_download() as download:
        dialog(page).get_by_role("button", name="Export").click()
    said(page, f"{count} secrets exported")
    content = download.value.path().read_bytes()
    assert json.loads(content)["format"] == "blueprint-resolver secrets/1"
    world.service.secrets.delete(world.admin, "home", "plain")
    page.get_by_role("button", name="Import").click()
    dialog(page).get_by_label("File").set_input_files(
        [{"name": "x.json", "mimeType": "application/json", "buffer": content}]
    )
    dialog(page).get_by_label("Passphrase").fill("correct horse")
    dialog(page).get_by_role("button", name="Import").click()
    dialog(page).get_by_text("1 secret stored.").wait_for()
    page.get_by_role("button", name="Close").click()
    assert value_of(world, "plain") == "plain one"


def removes(page: Page, world: World) -> None:
    """After a confirmation; then the table has the focus."""
    before = world.service.secrets.list(world.admin, "home").total
    page.get_by_role("button", name="Delete plain").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    said(page, "Secret plain deleted")
    row(page, "plain").wait_for(state="detached")
    assert page.evaluate("document.activeElement.querySelector('table') !== null")
    assert world.service.secrets.list(world.admin, "home").total == before - 1


@pytest.mark.parametrize("name", [CREATOR, MANAGER])
def test_who_administers_hidden_secrets(console: Console, name: str) -> None:
    """The creator of secrets, and a manager of their tenant, do everything but what is a sys_admin's."""
    world = console.world
    page = begin(console, name)
    looks(page, ["own", "plain", "unread"])
    opens(page, world, name, "plain", "plain two")
    opens(page, world, name, "unread", "hidden value")
    creates(page, world, name)
    changes(page, world, name)
    moves(page, world, 4)
    box = page.get_by_role("checkbox", name="Hide the value of unread")
    box.click()
    page.get_by_role("button", name="Stop hiding").click()
    said(page, "The value of unread is not hidden any more")
    box.click()
    said(page, "The value of unread is hidden")
    assert world.service.secrets.show(world.admin, "home", "unread")[0].hidden
    page.get_by_role("button", name="Visibility of own: private. Widen it").click()
    dialog(page).get_by_text("This can't be taken back").wait_for()
    page.get_by_role("button", name="Widen", exact=True).click()
    said(page, "Secret own is tenant now")
    assert world.service.secrets.show(world.admin, "home", "own")[0].visibility is Visibility.TENANT
    removes(page, world)


def test_a_plain_user(console: Console) -> None:
    """Does everything with what is neither hidden nor private, whoever made it."""
    world = console.world
    page = begin(console, USER)
    looks(page, ["plain", "unread"])
    opens(page, world, USER, "plain", "plain two")
    creates(page, world, USER)
    changes(page, world, USER)
    moves(page, world, 2)
    removes(page, world)


@pytest.mark.parametrize("name", [OPERATIONS, VIEWER])
def test_who_only_looks(console: Console, name: str) -> None:
    """Sees the table, a value that is not hidden, and the history."""
    page = begin(console, name)
    looks(page, ["plain", "unread"])
    opens(page, console.world, name, "plain", "plain two")
    page.get_by_role("button", name="History of unread").click()
    dialog(page).get_by_text("current").wait_for()
    assert dialog(page).get_by_role("button").all_inner_texts() == ["Close"]
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").wait_for()


def test_a_stranger(console: Console) -> None:
    """Signs in, and gets to no secret: not by an address either."""
    console.world.secret("plain")
    page = console.context().new_page()
    sign_in(page, console, "stranger")
    page.get_by_text("You belong to no tenant yet.").wait_for()
    for place in ("secrets", "secrets/plain", "check", "uses", "audit", "users"):
        page.goto(f"{console.live.url}/console/#/home/{place}")
        page.wait_for_url("**/console/#/-/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("Account")
    assert "plain" not in page.content()
