"""Trusts on their page: made, tried with a JWT, changed, turned off, deleted; and the records of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.permissions import TenantRole
from tests.console.conftest import dialog, records, row, said
from tests.console.test_truth import IN_SIX_MINUTES
from tests.issuer import AUDIENCE, key_set
from tests.service.uses import key_use
from tests.trusting import ISSUER, ROBOT, exchanged, jwt, key, trusting

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Console


def fill_new(page: Page, name: str, claim: str) -> None:
    """Fill the dialog that makes a trust, all but whom it acts as."""
    page.get_by_role("button", name="Create trust").first.click()
    front = dialog(page)
    front.get_by_label("Name", exact=True).fill(name)
    front.get_by_label("Kind").select_option("generic")
    front.get_by_label("Issuer", exact=True).fill(ISSUER)
    front.get_by_label("Claims").fill(claim)
    front.get_by_label("Keys", exact=True).fill("k*, db_*")
    front.get_by_text("Audience, keys of the issuer").click()
    front.get_by_label("Audience", exact=True).fill(AUDIENCE)
    front.get_by_label("Key set", exact=True).fill(key_set(key()))


def test_a_trust_from_beginning_to_end(console: Console) -> None:
    """Made for a service user, tried, changed, turned off, deleted; each is asked of the server as it is."""
    world = console.world
    world.user(ROBOT, TenantRole.OPERATIONS)
    page = console.open("admin", "home/trusts")
    page.get_by_role("heading", name="No trusts").wait_for()
    fill_new(page, "shop", "ref=refs/heads/main")
    dialog(page).get_by_label("Acts as").fill(ROBOT)
    dialog(page).get_by_role("button", name="Create").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("one workload's own")
    dialog(page).get_by_label("Claims").fill("sub=somebody\nrun:=x")
    dialog(page).get_by_role("button", name="Create").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("For the claim run:=x write NAME=TEXT")
    dialog(page).get_by_label("Claims").fill("sub=somebody\n/run/attempt:=1")
    dialog(page).get_by_role("button", name="Create").click()
    said(page, "Trust shop created")
    trust = world.service.trusts.get(world.admin, "shop")
    assert [(one.claim, one.value) for one in trust.claims] == [("sub", "somebody"), ("/run/attempt", 1)]
    assert (trust.username, trust.keys, trust.lifetime) == (ROBOT, ("k*", "db_*"), 900)
    assert (trust.permissions, trust.tenants) == ({"secret:use"}, {"home"})

    page.get_by_role("button", name="Test trust shop").click()
    dialog(page).get_by_label("JWT").fill(jwt(world, sub="another"))
    dialog(page).get_by_role("button", name="Test").click()
    expect(dialog(page)).to_contain_text("✗ This does not fit:")
    expect(dialog(page)).to_contain_text("sub")
    dialog(page).get_by_label("JWT").fill(jwt(world, run={"attempt": 1}))
    dialog(page).get_by_role("button", name="Test").click()
    expect(dialog(page)).to_contain_text("✓ The JWT fits.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close and lose it").click()

    page.get_by_role("button", name="Edit trust shop").click()
    dialog(page).get_by_label("Minutes that a token lives").fill("5")
    dialog(page).get_by_role("button", name="Save").click()
    said(page, "Trust shop updated")
    assert records(world, "trust:update", "")[-1]["fields"] == ["lifetime"], "nothing else was sent"
    page.get_by_role("button", name="Turn off trust shop").click()
    dialog(page).get_by_role("button", name="Turn off").click()
    expect(row(page, "shop")).to_contain_text("turned off")
    assert not world.service.trusts.get(world.admin, "shop").enabled
    page.get_by_role("button", name="Delete trust shop").click()
    world.service.trusts.delete(world.admin, "shop")
    dialog(page).get_by_role("button", name="Delete").click()
    dialog(page).get_by_text("The list of trusts was read again.").wait_for()


def test_a_trust_of_ones_own(console: Console) -> None:
    """A user makes them for himself alone, with the password given again, and sees no others."""
    world = console.world
    trusting(world, "of-the-robot")
    page = console.open("una", "home/trusts")
    page.get_by_role("heading", name="No trusts").wait_for()
    fill_new(page, "mine", "sub=somebody")
    assert dialog(page).get_by_label("Acts as").count() == 0
    dialog(page).get_by_role("button", name="Create").click()
    said(page, "Trust mine created")
    assert world.service.trusts.get(world.admin, "mine").username == "una"
    world.clock.now = IN_SIX_MINUTES
    page.get_by_role("button", name="Turn off trust mine").click()
    dialog(page).get_by_role("button", name="Turn off").click()
    dialog(page).get_by_label("Your password").wait_for()
    assert world.service.trusts.get(world.admin, "mine").enabled


def test_records_of_one_run(console: Console) -> None:
    """The audit page is asked by a run, by hand and by what a record names; the address says so."""
    world = console.world
    world.secret("key")
    trusting(world, keys=("key",))
    for number in ("1", "2"):
        caller = exchanged(world, jwt(world, jti=f"run-{number}"))
        world.service.use.use(caller, "home", [key_use("key")], {})
    page = console.open("manny", "home/audit?action=secret:use")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="All records of run run-2 of shop").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("robot, run run-2")
    page.get_by_label("Run", exact=True).fill("jti=run-1")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody")).to_contain_text("robot, run run-1")
    assert page.url.endswith("#/home/audit?run=jti%3Drun-1")
    page.reload()
    expect(page.locator("tbody")).to_contain_text("robot, run run-1")
    expect(page.locator("tbody tr")).to_have_count(1)
    # Where one secret is used is asked by a run, too.
    page.goto(f"{console.live.url}/console/#/home/uses/key")
    uses = page.get_by_role("table", name="Uses of key").locator("tbody tr")
    expect(uses.locator("td").nth(5)).to_have_text("2")
    page.get_by_label("Run", exact=True).fill("run-2")
    page.get_by_role("button", name="Filter").click()
    expect(uses.locator("td").nth(5)).to_have_text("1")
    assert page.url.endswith("#/home/uses/key?run=run-2")
    page.get_by_label("Run", exact=True).fill("run-3")
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("No blueprint asked for it in run run-3 in tenant home").wait_for()
