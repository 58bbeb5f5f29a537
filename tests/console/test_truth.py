"""Nothing on a page is stale or untrue: what others changed, what expired, the time, what was copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret, SecretChange
from tests.console.conftest import PASSWORD, dialog, discard, row, said, value_of

if TYPE_CHECKING:
    from tests.console.conftest import Console

IN_SIX_MINUTES = "2030-01-01T00:06:00.000Z"


def test_a_secret_that_others_changed(console: Console) -> None:
    """After 409 and 404 the list is read again, the dialog says what changed, and trying again works."""
    service, admin = console.world.service, console.world.admin
    for key in ("smtp", "queue"):
        console.world.secret(key, "one")
    page = console.open("una")
    page.get_by_role("button", name="Edit smtp").click()
    page.get_by_label("Rotate after days").fill("9")
    change = SecretChange(value=SecretValue("two"), description="of the mail server")
    service.secrets.update(admin, "home", "smtp", change)
    page.get_by_role("button", name="Save").click()
    expect(dialog(page)).to_contain_text("Secret 'smtp' has version 2, not 1.")
    expect(dialog(page)).to_contain_text(
        "Meanwhile somebody changed it: version 2 in place of 1, description of the mail server in place of"
    )
    expect(row(page, "smtp").locator("[data-label=Version]")).to_have_text("2")
    page.get_by_role("button", name="Save").click()
    said(page, "Secret smtp updated, version 2")
    secret, _ = service.secrets.show(admin, "home", "smtp")
    assert (secret.rotate_after, secret.description) == (9, "of the mail server"), (
        "nothing of others was undone"
    )
    page.get_by_role("button", name="History of smtp").click()
    page.get_by_role("button", name="Back to version 1").click()
    service.secrets.update(admin, "home", "smtp", SecretChange(value=SecretValue("three")))
    page.get_by_role("button", name="Go back").click()
    dialog(page).get_by_text("Meanwhile version 3 was made, after version 2.").wait_for()
    page.get_by_role("button", name="Go back").click()
    said(page, "has the value of version 1 again, as version 4")
    page.get_by_role("button", name="Close").click()
    assert value_of(console.world, "smtp") == "one"
    page.get_by_role("button", name="Delete queue").click()
    service.secrets.delete(admin, "home", "queue")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog(page).get_by_text("Meanwhile queue was deleted, or you may not know of it any more.").wait_for()
    expect(row(page, "queue")).to_have_count(0)


def test_a_box_that_others_turned(console: Console) -> None:
    """Hiding what somebody changed meanwhile says so, and works when it is tried again."""
    console.world.secret("smtp")
    page = console.open("manny")
    box = page.get_by_role("checkbox", name="Hide the value of smtp")
    box.wait_for()
    value = SecretChange(value=SecretValue("two"))
    console.world.service.secrets.update(console.world.admin, "home", "smtp", value)
    box.click()
    dialog(page).get_by_text("Meanwhile somebody changed it: version 2 in place of 1.").wait_for()
    page.get_by_role("button", name="Close").click()
    box.click()
    said(page, "The value of smtp is hidden")


def test_a_user_who_owns_secrets(console: Console) -> None:
    """Deleting asks for the password after five minutes, then who gets what is owned; no word of commands."""
    world = console.world
    world.service.secrets.create(world.caller("una"), "home", "hers", NewSecret(value=SecretValue("v")))
    page = console.open("admin", "home/users")
    page.get_by_role("button", name="Delete una").click()
    world.clock.now = IN_SIX_MINUTES
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_label("Your password").fill("admin password")
    page.get_by_role("button", name="Confirm").click()
    alert = dialog(page).get_by_role("alert")
    expect(alert).to_contain_text("User 'una' owns 1 secret")
    assert "--" not in alert.inner_text()
    dialog(page).get_by_label("Give all of it to").fill("cora")
    page.get_by_role("button", name="Delete", exact=True).click()
    said(page, "User una deleted; cora owns what was theirs")
    assert world.service.secrets.show(world.admin, "home", "hers")[0].owner.name == "cora"
    page.get_by_role("button", name="Deactivate opal").click()
    world.service.users.delete(world.admin, "opal")
    page.get_by_role("button", name="Deactivate", exact=True).click()
    dialog(page).get_by_text("The list of users was read again.").wait_for()
    expect(row(page, "opal")).to_have_count(0)


def test_an_export_asks_again(console: Console) -> None:
    """A session left open gives no file of all values; with the password it goes on where it was."""
    console.world.secret("smtp")
    page = console.open("una")
    page.get_by_role("button", name="Export").click()
    console.world.clock.now = IN_SIX_MINUTES
    for label in ("Passphrase", "Passphrase again"):
        dialog(page).get_by_label(label, exact=True).fill("correct horse")
    page.get_by_role("button", name="Export").last.click()
    page.get_by_label("Your password").fill(PASSWORD)
    with page.expect_download():
        page.get_by_role("button", name="Confirm").click()


def test_one_time_zone(console: Console) -> None:
    """UTC on each page, whatever the machine's zone is, and said there: in tables, filters and fields."""
    console.world.secret("smtp")
    page = console.open("admin", "home/audit", timezone_id="America/New_York")
    expect(page.get_by_role("contentinfo")).to_have_text("All times and days are UTC.")
    numbers = page.locator("tbody td[data-label=Number]")
    expect(page.locator("tbody time").first).to_have_text("2030-01-01 00:00")
    page.get_by_label("From (UTC)").fill("2030-01-01")
    page.get_by_role("button", name="Filter").click()
    expect(numbers).to_have_text(["1"])
    page.get_by_role("link", name="Secrets").click()
    page.get_by_role("button", name="Edit smtp").click()
    page.get_by_label("Expires (UTC)").fill("2031-05-06T07:08")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("expires 2031-05-06 07:08").wait_for()
    expires_at = console.world.service.secrets.show(console.world.admin, "home", "smtp")[0].expires_at
    assert expires_at == "2031-05-06T07:08:00.000Z"


def test_records_before_the_chain_is_verified(console: Console) -> None:
    """The list does not wait for it: it is checked when somebody asks, and says how much it is."""
    console.world.secret("smtp")
    page = console.context("manny").new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/audit/verify" in request.url else None)
    page.goto(f"{console.live.url}/console/#/home/audit")
    page.locator("tbody tr").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert asked == []
    held: list[Any] = []
    page.route("**/audit/verify*", lambda route: held.append(route))  # noqa: PLW0108 - no built-in is taken
    page.get_by_role("button", name="Verify the chain").click()
    page.get_by_role("progressbar", name="Verifying the chain").wait_for()
    page.get_by_text("Verifying 1 record…").wait_for()
    held[0].continue_()
    page.get_by_text("Chain whole: 1 record").wait_for()
    assert len(asked) == 1


def test_expired_and_due_in_a_check(console: Console) -> None:
    """A secret that has expired is marked as that, as `resolve --check` has it, and one that is due."""
    world = console.world
    world.secret("old")
    world.secret("due")
    at = "2030-01-01T00:00:00.000Z"
    world.service.secrets.update(world.admin, "home", "old", SecretChange(expires_at=at))
    world.service.secrets.update(world.admin, "home", "due", SecretChange(rotate_after=1))
    world.clock.now = "2030-01-03T00:00:00.000Z"
    page = console.open("una", "home/check")
    page.get_by_label("Blueprint", exact=True).fill("a: { get_secret: old }\nb: { get_secret: due }\n")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".summary")).to_have_text("2 calls: 1 expired, 1 due for a new value.")
    calls = page.get_by_role("list", name="Calls").get_by_role("listitem")
    expect(calls.nth(0)).to_contain_text("expired, and still used")
    expect(calls.nth(1)).to_contain_text("a new value is due")
    page.locator("mark.warn", has_text="{ get_secret: old }").wait_for()


def test_the_clipboard_of_others_is_left_alone(console: Console) -> None:
    """What was copied meanwhile stays; where the browser does not let the page see, it says what it knows."""
    console.world.secret("smtp", "copied here")
    page = console.open("vic", permissions=["clipboard-read", "clipboard-write"])
    page.clock.install()
    for meanwhile, allowed, words in (
        ("copied elsewhere", True, ""),
        ("copied elsewhere", False, "this page can't see it"),
        ("", True, "Clipboard cleared"),
    ):
        page.get_by_role("button", name="Show the value of smtp").click()
        page.get_by_role("button", name="Copy the value of smtp").click()
        said(page, "Copied. It stays on the clipboard until something else is copied")
        if meanwhile:
            page.evaluate("(text) => navigator.clipboard.writeText(text)", meanwhile)
            page.evaluate("dispatchEvent(new Event('blur'))")  # another window had the focus
        if not allowed:
            page.evaluate("navigator.permissions.query = async () => ({state: 'prompt'})")
        page.clock.run_for(31_000)
        if words:
            said(page, words)
        page.get_by_role("button", name="Close").click()
        if not allowed:
            page.evaluate("delete navigator.permissions.query")
        assert page.evaluate("navigator.clipboard.readText()") == meanwhile


def test_a_link_into_a_tenant_of_others(console: Console) -> None:
    """It opens nothing in another tenant, and the page says which one it is of; hints lead to a page."""
    page = console.open("una", "payroll/secrets/db_password")
    page.get_by_text("The address names tenant payroll, in which you have no role").wait_for()
    page.get_by_text("No secrets yet").wait_for()
    assert dialog(page).count() == 0
    assert page.url.endswith("#/home/secrets")
    page.goto(f"{console.live.url}/console/#/home/tenants/payroll")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("not permitted")
    assert "resolver" not in alert.inner_text()
    alert.get_by_role("link", name="See your roles").click()
    page.get_by_role("heading", name="Account").wait_for()


def test_what_can_not_be_seen_in_a_value(console: Console) -> None:
    """A pasted line break, invisible and bidirectional characters are shown, asked about, and taken out."""
    world = console.world
    page = console.open("una")
    for key, answer, stored in (("one", "Store it as it is", "pass\u200bword\n"), ("two", "", "password")):
        page.get_by_role("button", name="Create secret").first.click()
        page.get_by_label("Key").fill(key)
        page.get_by_label("Value", exact=True).fill("pass\u200bword\n")
        notice = dialog(page).get_by_text(
            "It holds a line break at its end; U+200B as character 5 (invisible)."
        )
        notice.wait_for()
        if not answer:
            page.get_by_role("button", name="Take that out").click()
            expect(notice).to_have_count(0)
        page.get_by_role("button", name="Create", exact=True).click()
        if answer:
            dialog(page).get_by_role("button", name="Cancel").click()
            dialog(page).get_by_text("Nothing was stored: look at the value again.").wait_for()
            page.get_by_role("button", name="Create", exact=True).click()
            page.get_by_role("button", name=answer).click()
        said(page, f"Secret {key} created")
        assert value_of(world, key) == stored
    page.get_by_role("button", name="Show the value of one").click()
    dialog(page).get_by_text("U+200B as character 5").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit two").click()
    page.get_by_label("New value").fill("-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    dialog(page).get_by_text("It holds a line break at its end.").wait_for()
    page.get_by_role("button", name="Save").click()  # lines that all end alike are not asked about
    said(page, "Secret two updated, version 2")
    page.get_by_role("button", name="Edit two").click()
    page.get_by_label("New value").fill("left\u202eright")
    dialog(page).get_by_text("U+202E as character 5 (changes the direction of text)").wait_for()
    discard(page)
