"""The first page, what finds things from anywhere, and the choice of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret, SecretChange
from tests.console.conftest import dialog
from tests.console.test_uses import use

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Console


def table(page: Page, name: str) -> list[str]:
    """The first cells of a table, which are there by the time that it is."""
    found = page.get_by_role("table", name=name)
    found.wait_for()
    return found.locator("tbody tr td:first-child").all_inner_texts()


def test_what_wants_looking_at(console: Console) -> None:
    """For a manager all of it, each part with the way to the list; by the clock of the reader's machine."""
    world = console.world
    world.clock.now = "2026-06-01T00:00:00.000Z"
    create = world.service.secrets.create
    for key, ends in (("gone", "2026-05-01"), ("soon", "2026-06-20"), ("later", "2027-05-01")):
        expires_at = f"{ends}T00:00:00.000Z"
        create(world.admin, "home", key, NewSecret(value=SecretValue("v"), expires_at=expires_at))
    wide = NewSecret(value=SecretValue("v"), visibility=Visibility.GLOBAL)
    create(world.admin, "home", "wide", wide)
    at = "2026-06-01T00:00:00.000Z"
    use(console, "shop.yaml", "later", at=at)
    use(console, "shop.yaml", "later", "vic", at=at)
    use(console, "queue.yaml", "wide", at=at)
    world.service.secrets.update(world.admin, "home", "later", SecretChange(value=SecretValue("w")))
    page = console.context("manny").new_page()
    page.clock.install(time="2026-06-01T00:00:00Z")
    page.goto(f"{console.live.url}/console/")
    page.get_by_role("heading", name="Overview", exact=True).wait_for()
    assert table(page, "Secrets that expire or are due") == ["gone", "soon"]
    assert table(page, "Blueprints to deploy again") == ["shop.yaml"]
    expect(page.get_by_role("table", name="What was refused lately").locator("tbody tr")).to_contain_text(
        "vic"
    )
    page.get_by_role("button", name="Look for them").click()
    assert sorted(table(page, "Secrets that nobody used")) == ["gone", "soon"]
    assert table(page, "Secrets that more may know of than read them") == ["later", "wide"]
    page.get_by_role("link", name="soon").first.click()
    page.get_by_role("heading", name="Secret soon").wait_for()
    page.goto(f"{console.live.url}/console/#/home/secrets?ends=30")
    expect(page.get_by_label("Ends", exact=True)).to_have_value("30")
    expect(page.locator("td.key a")).to_have_text(["gone", "soon"])
    page.get_by_label("Ends", exact=True).select_option("")
    expect(page.locator("td.key a")).to_have_text(["gone", "later", "soon", "wide"])


def test_what_a_viewer_is_told(console: Console) -> None:
    """What expires, as far as one may know of it; nothing of uses, and nothing is asked about them."""
    world = console.world
    at = "2020-01-01T00:00:00.000Z"
    for key, visibility in (("theirs", Visibility.PRIVATE), ("ours", Visibility.TENANT)):
        new = NewSecret(value=SecretValue("v"), visibility=visibility, expires_at=at)
        world.service.secrets.create(world.caller("cora"), "home", key, new)
    asked: list[str] = []
    page = console.context("vic").new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{console.live.url}/console/")
    assert table(page, "Secrets that expire or are due") == ["ours"]
    page.wait_for_load_state("networkidle")
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Expires or is due within 30 days"]
    assert not [url for url in asked if "/audit?" in url or "/audit/" in url]


def test_found_from_anywhere(console: Console) -> None:
    """By Ctrl-K and by a slash, but not while something is typed; pages, actions and secrets, by arrows."""
    for number in range(10):
        console.world.secret(f"smtp_{number}")
    page = console.open("una", "home/tenants")
    page.keyboard.press("Control+k")
    found = dialog(page).get_by_role("list", name="Found").get_by_role("link")
    expect(found.filter(has_text="action")).to_have_text("Create secretaction")
    expect(found.filter(has_text="Tenants")).to_have_count(1)
    dialog(page).get_by_role("searchbox").fill("smtp")
    expect(found.filter(has_text="smtp_")).to_have_count(8)
    expect(found.last).to_contain_text("2 more")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("heading", name="Secret smtp_0").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    dialog(page).get_by_role("searchbox").fill("create")
    expect(found).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Create secret").get_by_label("Key")).to_have_value("")
    page.get_by_label("Key").type("/")
    expect(page.get_by_role("dialog")).to_have_count(1)
    page.keyboard.press("Escape")


def test_colours_are_chosen(console: Console) -> None:
    """For this browser; nothing else is kept in it."""
    page = console.open("vic", "home/account", color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_label("Colours of the console").select_option("dark")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    page.get_by_label("Colours of the console").wait_for()
    assert page.evaluate(background) == dark
    assert page.evaluate("JSON.stringify(localStorage)") == '{"theme":"dark"}'
    page.get_by_label("Colours of the console").select_option("system")
    assert page.evaluate(background) == light
    assert page.evaluate("localStorage.length") == 0
