"""Tenants, members, users, tokens and passwords, for those who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from resolver.core.permissions import Permission
from resolver.errors import AuthenticationError
from tests.console.conftest import PASSWORD, dialog, row, said

if TYPE_CHECKING:
    from tests.console.conftest import Console


def test_tenants_and_members(console: Console) -> None:
    """Made, filled, changed, emptied and deleted; one that holds secrets is not deleted."""
    service, admin = console.world.service, console.world.admin
    console.world.secret("kept", tenant="away")
    page = console.open("admin", "home/tenants")
    page.get_by_role("button", name="Create tenant").click()
    page.get_by_label("Name").fill("bad name")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog(page).get_by_role("alert").wait_for()
    page.get_by_label("Name").fill("shop")
    page.get_by_role("button", name="Create", exact=True).click()
    row(page, "shop").get_by_role("link", name="shop").click()
    page.get_by_role("heading", name="Tenant shop").wait_for()
    page.get_by_role("button", name="Add member").click()
    page.get_by_label("User name").fill("stranger")
    dialog(page).get_by_label("Role").select_option("operations")
    page.get_by_role("button", name="Add", exact=True).click()
    said(page, "stranger is operations in shop now")
    page.get_by_role("button", name="Change role of stranger in shop").click()
    dialog(page).get_by_label("Role").select_option("viewer")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "stranger").locator("[data-label=Role]")).to_have_text("viewer")
    assert service.tenants.get(admin, "shop").roles == {"stranger": "viewer"}
    page.get_by_role("button", name="Remove stranger from shop").click()
    dialog(page).get_by_role("button", name="Remove").click()
    page.get_by_text("No members.").wait_for()
    page.get_by_role("link", name="All tenants").click()
    page.get_by_role("button", name="Delete tenant shop").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    row(page, "shop").wait_for(state="detached")
    page.get_by_role("button", name="Delete tenant away").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("Tenant 'away' holds 1 secret")


def test_what_members_see_of_their_tenants(shared: Console) -> None:
    """A manager sees who belongs to it, others how many; nobody but a sys_admin is offered a change."""
    manager = shared.open("manny", "home/tenants/home")
    row(manager, "opal").wait_for()
    viewer = shared.open("vic", "home/tenants/home")
    viewer.get_by_text("5 members.").wait_for()
    assert "opal" not in viewer.content()
    for page in (manager, viewer):
        page.get_by_role("link", name="All tenants").click()
        page.get_by_role("heading", name="Tenants", exact=True).wait_for()
        assert page.locator("tbody tr").count() == 1
        buttons = set(page.locator("main").get_by_role("button").all_inner_texts())
        assert buttons == {"Tenant", "Members", "Previous", "Next"}


def test_users(console: Console) -> None:
    """Made, given a role and a password, deactivated, activated, deleted."""
    gate = console.world.service.gate
    page = console.open("admin", "home/users")
    page.get_by_role("button", name="Create user").click()
    page.get_by_label("User name").fill("eve")
    page.get_by_label("Password", exact=True).fill("eve's password")
    page.get_by_label("Password again").fill("another")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog(page).get_by_text("The two passwords differ.").wait_for()
    page.get_by_label("Password again").fill("eve's password")
    page.get_by_role("button", name="Create", exact=True).click()
    said(page, "User eve created")
    assert gate.authenticate_password("eve", "eve's password").username == "eve"
    page.get_by_label("Search").fill("EV")
    expect(page.locator("tbody tr")).to_have_count(1)
    eve = row(page, "eve")
    eve.get_by_role("button", name="Role").click()
    dialog(page).get_by_label("System role").select_option("sys_admin")
    page.get_by_role("button", name="Save").click()
    expect(eve).to_contain_text("sys_admin")
    eve.get_by_role("button", name="Deactivate").click()
    dialog(page).get_by_role("button", name="Deactivate").click()
    expect(eve).to_contain_text("deactivated")
    with pytest.raises(AuthenticationError):
        gate.authenticate_password("eve", "eve's password")
    page.context.set_offline(True)
    eve.get_by_role("button", name="Activate").click()
    page.get_by_role("dialog", name="That did not work").get_by_text("can't be reached").wait_for()
    page.get_by_role("button", name="Close").click()
    page.context.set_offline(False)
    eve.get_by_role("button", name="Activate").click()
    eve.get_by_role("button", name="Deactivate").wait_for()
    eve.get_by_role("button", name="Password").click()
    page.get_by_label("Password", exact=True).fill("a new password")
    page.get_by_label("Password again").fill("a new password")
    page.get_by_role("button", name="Set password").click()
    said(page, "Password of eve set")
    assert gate.authenticate_password("eve", "a new password").username == "eve"
    eve.get_by_role("button", name="Delete").click()
    dialog(page).get_by_role("button", name="Delete").click()
    page.get_by_text("Nothing here matches.").wait_for()


def test_own_tokens(console: Console) -> None:
    """One is shown whole once, is narrowed as was asked, and ends when it is revoked."""
    gate = console.world.service.gate
    page = console.open("una", "home/account")
    assert page.get_by_text("Access tokens of all users").count() == 0
    page.get_by_role("button", name="Create token").click()
    page.get_by_label("What it is for").fill("the <b>pipeline</b>")
    dialog(page).get_by_role("checkbox", name="secret:use").check()
    dialog(page).get_by_role("checkbox", name="secret:list").check()
    dialog(page).get_by_role("checkbox", name="home").check()
    page.get_by_label("Keys").fill("shop_*, db")
    page.get_by_label("Expires").fill("2031-01-01T00:00")
    page.get_by_role("button", name="Create", exact=True).click()
    new = page.get_by_role("dialog", name="Your new token")
    token = new.locator("pre").inner_text()
    new.get_by_role("button", name="Close").click()
    caller = gate.authenticate_token(token)
    assert caller.username == "una"
    assert caller.scope.permissions == {Permission.SECRET_USE, Permission.SECRET_LIST}
    assert (caller.scope.tenants, caller.scope.keys) == ({"home"}, ("shop_*", "db"))
    line = page.locator("tbody tr", has_text="the <b>pipeline</b>")
    expect(line).to_contain_text("secret:list, secret:use; tenants home; keys shop_*, db")
    expect(line).to_contain_text("2031-01-01 00:00")
    assert token not in page.content()
    line.get_by_role("button", name="Revoke").click()
    expect(dialog(page)).to_contain_text("Revoke “the <b>pipeline</b>” of una?")
    dialog(page).get_by_role("button", name="Revoke").click()
    line.wait_for(state="detached")
    with pytest.raises(AuthenticationError):
        gate.authenticate_token(token)


def test_tokens_of_others(console: Console) -> None:
    """A sys_admin makes one for another user, and sees and revokes all."""
    page = console.open("admin", "home/account")
    page.get_by_role("button", name="Create token").click()
    page.get_by_label("For user").fill("opal")
    page.get_by_role("button", name="Create", exact=True).click()
    token = page.get_by_role("dialog", name="Your new token").locator("pre").inner_text()
    assert console.world.service.gate.authenticate_token(token).username == "opal"


def test_the_own_password(console: Console) -> None:
    """Changed by oneself: all sessions end, and the new one signs in."""
    page = console.open("opal", "home/account")
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("New password", exact=True).fill("a newer password")
    page.get_by_label("New password again").fill("a newer password")
    dialog(page).get_by_role("button", name="Change password").click()
    page.get_by_label("User name").fill("opal")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The user name or the password is wrong.").wait_for()
    page.get_by_label("Password").fill("a newer password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Account").wait_for()
