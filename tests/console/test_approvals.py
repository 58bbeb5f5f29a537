"""Approvals on their pages: asked for, looked at in place, granted by another person, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.approvals import (
    Approval,
    ApprovalRequest,
    ApprovalState,
    Bundle,
    BundledBlueprint,
    BundledInput,
)
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from tests.console.conftest import dialog, said

if TYPE_CHECKING:
    from tests.console.conftest import Console
    from tests.databases import World

TEXT = """\
tosca_definitions_version: cloudify_dsl_1_3
imports:
- types/own.yaml
inputs:
  zone: {}
node_templates:
  db:
    type: shop.nodes.Database
    properties:
      zone: { get_input: zone }
      password: { get_secret: guarded }
      user: { get_secret: user }
"""
BUNDLE = Bundle(
    blueprints=[
        BundledBlueprint("shop.yaml", TEXT, {"types/own.yaml": "node_types: {shop.nodes.Database: {}}\n"})
    ],
    inputs={"zone": BundledInput("<b>north</b>")},
)


def asked(world: World, reason: str = "release 7") -> Approval:
    """A request of somebody who may use secrets."""
    guarded = NewSecret(value=SecretValue("the protected value"), protected=True)
    world.service.secrets.create(world.admin, "home", "guarded", guarded)
    world.secret("user")
    asker = world.user("asker", TenantRole.OPERATIONS)
    return world.service.approvals.request(asker, "home", ApprovalRequest(BUNDLE, reason=reason))


def test_what_is_asked_is_seen_in_place_and_granted(console: Console) -> None:
    """The calls are marked in the text, inputs are text, and a grant is asked of the server."""
    world = console.world
    request = asked(world)
    page = console.open("admin", "home/approvals")
    page.get_by_role("link", name="guarded").click()
    expect(page.get_by_text("1 of 2 calls ask for a protected secret: line 11.")).to_be_visible()
    mark = page.locator("mark.warn")
    expect(mark).to_have_count(1)
    assert (mark.text_content() or "").startswith("{ get_secret: guarded }")
    expect(page.get_by_text('"<b>north</b>"')).to_be_visible()
    page.get_by_label("File").select_option(label="types/own.yaml (imported)")
    expect(page.get_by_label("The blueprint with its calls marked")).to_contain_text("node_types")
    page.get_by_role("button", name="Grant").click()
    dialog(page).get_by_label("Runs").fill("2")
    dialog(page).get_by_label("Within").select_option("4h")
    dialog(page).get_by_label("Comment").fill("go")
    dialog(page).get_by_role("button", name="Grant").click()
    said(page, "Granted")
    expect(page.get_by_text("2 of 2")).to_be_visible()
    found = world.service.approvals.get(world.admin, "home", request.id)
    assert (found.state, found.uses, found.decided_by, found.comment) == (
        ApprovalState.GRANTED,
        2,
        "admin",
        "go",
    )
    page.get_by_role("button", name="End it").click()
    dialog(page).get_by_role("button", name="End it").click()
    said(page, "Ended")
    assert world.service.approvals.get(world.admin, "home", request.id).state is ApprovalState.DENIED
    assert console.faults == []


def test_who_asked_is_offered_no_grant(console: Console) -> None:
    """And who may not decide sees no requests of others; a protected value is not offered to be shown."""
    world = console.world
    world.user("ulla", TenantRole.USER)
    asked(world)
    mine = world.service.approvals.request(world.admin, "home", ApprovalRequest(unprotect="guarded"))
    page = console.open("admin", f"home/approvals/{mine.id}")
    expect(page.get_by_text("Somebody else has to grant what you asked for.")).to_be_visible()
    assert page.get_by_role("button", name="Grant").count() == 0
    page.get_by_role("button", name="Withdraw").click()
    dialog(page).get_by_role("button", name="Withdraw").click()
    said(page, "Ended")
    page.goto(f"{console.live.url}/console/#/home/secrets")
    page.get_by_role("link", name="guarded", exact=True).wait_for()
    assert page.get_by_role("button", name="Show the value of guarded").count() == 0
    expect(page.locator(".tag.warn", has_text="protected")).to_be_visible()
