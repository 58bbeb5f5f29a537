"""Every page at every width, large text included, in light, in the dark, in forced colours and on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret
from resolver.resolution import BlueprintText, resolve
from tests.console.conftest import dialog
from tests.console.test_quality import settle
from tests.trusting import trusting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.console.conftest import Console

WIDTHS = (360, 640, 768, 1024, 1090, 1279, 1280, 1440, 1920)
"""Of windows, in pixels; 640 is what 1,280 is at 200 percent."""

LONG = "k" + "abcdefghij" * 20
TENANT = "a-tenant-whose-name-is-as-long-as-people-make-them-when-they-put-all-in"
PLACES = (
    "overview",
    "secrets",
    f"secrets/{LONG}",
    "check",
    "approvals",
    "uses",
    f"uses/{LONG}",
    "audit",
    "trusts",
    "tenants",
    "tenants/home",
    "users",
    "account",
    "access/una",
)

OUT_OF_SIGHT = """() => {
    const wide = document.documentElement.clientWidth;
    const seen = [...document.querySelectorAll("button, a, input, select, textarea, td, h1, h2, p, code")]
        .filter((one) => one.checkVisibility() && !one.closest(".unseen, .skip, .sideways"));
    return seen
        .filter((one) => {
            const box = one.getBoundingClientRect();
            const frame = one.closest("dialog, .card")?.getBoundingClientRect() ?? {left: 0, right: wide};
            return box.width > 0 && (box.right > Math.min(frame.right, wide) + 1 || box.left < frame.left - 1
                || (one.matches("td, h1, h2, p, code, label, button") && one.scrollWidth > one.clientWidth + 1
                    && getComputedStyle(one).display !== "inline"));
        })
        .map((one) => one.outerHTML.slice(0, 120));
}"""
"""What reaches out of its card, its dialog or the window, or does not show all of its text."""


@pytest.fixture(scope="module")
def shared(shared: Console) -> Iterator[Console]:
    """With long names on every page, and enough rows for a screen."""
    world = shared.world
    for number in range(12):
        world.secret(f"key_{number:02}")
    long = NewSecret(value=SecretValue("v" * 3000), description="what it is for " * 20)
    world.service.secrets.create(world.caller("cora"), "home", LONG, long)
    world.secret("everywhere", visibility=Visibility.GLOBAL)
    world.service.tenants.create(world.admin, TENANT)
    blueprint = b"a: { get_secret: " + LONG.encode() + b" }\n"
    resolve(world.service, world.admin, "home", [BlueprintText("b" * 200, blueprint, None)])
    trusting(world, LONG)
    return shared


def fits(page: Page, what: str) -> None:
    """At every width nothing is out of sight, nothing scrolls sideways, the header is one line."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(requestAnimationFrame)")
        assert page.evaluate(OUT_OF_SIGHT) == [], (what, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (what, width)
        sideways = "[...document.querySelectorAll('.flush')].some((one) => one.scrollWidth > one.clientWidth)"
        assert not page.evaluate(sideways), (what, width)
        header = page.locator("header").bounding_box()
        assert header is not None
        assert header["height"] <= 60, (what, width)


@pytest.mark.slow
def test_every_page_fits_every_width(shared: Console) -> None:
    """Also with keys of 200 characters: whole, from start to end."""
    page = shared.open("admin")
    for place in PLACES:
        settle(page, place)
        if place == "check":
            page.get_by_label("Blueprint", exact=True).fill(
                f"a: {{ get_secret: {LONG} }}\nb: {{ get_secret: x }}\n"
            )
            page.get_by_role("button", name="Check", exact=True).click()
            page.locator(".summary").wait_for()
        if place == "audit":
            page.locator("tbody tr").first.wait_for()
        fits(page, place)


@pytest.mark.slow
def test_every_dialog_fits(shared: Console) -> None:
    """One reads what one deletes."""
    page = shared.open("admin")
    settle(page, "secrets")
    for label in ("Show the value of", "Edit", "History of", "Change the owner of", "Delete"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("button", name=f"{label} {LONG}", exact=True).click()
        expect(dialog(page).locator("h2")).to_contain_text(LONG)
        page.wait_for_load_state("networkidle")
        for width in (360, 1024):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate(OUT_OF_SIGHT) == [], (label, width)
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")


def test_rows_and_their_menu_on_small_screens(shared: Console) -> None:
    """Many rows on a screen; what can be done is in a menu behind one button, by pointer and by keyboard."""
    page = shared.open("admin")
    settle(page, "secrets")
    for width, height, most in ((1024, 768, 66), (360, 740, 120)):
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("tbody tr", has_text="key_03").bounding_box()
        assert box is not None
        assert box["height"] <= most
    more = page.get_by_role("button", name="Actions for key_03")
    assert page.get_by_role("button", name="Edit key_03").count() == 0
    more.focus()
    page.keyboard.press("Enter")
    expect(more).to_have_attribute("aria-expanded", "true")  # the browser tells of it a little later
    page.wait_for_function("document.activeElement.textContent === 'Show'")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.title === 'Actions for key_03'")
    more.click()
    menu = page.get_by_role("group", name="Actions for key_03")
    assert menu.get_by_role("button").all_inner_texts() == [
        "Show",
        "Edit",
        "History",
        "Change owner",
        "Delete",
    ]
    menu.get_by_role("button", name="History of key_03").click()
    dialog(page).get_by_text("current").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    page.wait_for_function("document.activeElement.title === 'Actions for key_03'")
    page.get_by_role("button", name="Secrets", exact=True).click()
    page.get_by_role("navigation").get_by_text("admin sys_admin").wait_for()
    page.get_by_role("link", name="Users").click()
    page.get_by_role("heading", name="Users").wait_for()
    page.get_by_role("button", name="Users", exact=True).wait_for()


def test_forced_colours_and_paper(shared: Console) -> None:
    """Legends are drawn like what they explain, in every colour; paper has a table and nothing to press."""
    page = shared.open("admin", "home/uses", forced_colors="active")
    page.locator("svg.chart").first.wait_for()
    fills = page.evaluate(
        """() => ["bar-shape", "refused"].map((kind) =>
            getComputedStyle(document.querySelector(`svg.key-of .${kind}`)).fill)"""
    )
    assert len(set(fills)) == 2
    bar = "getComputedStyle(document.querySelector('svg.chart .bar-shape')).fill"
    assert page.evaluate(bar) == fills[0]
    settle(page, "secrets")
    page.emulate_media(media="print", forced_colors="none")
    seen: dict[str, Any] = {
        name: page.locator(name).first.is_visible() for name in ("header", ".menu", ".pages", "table", "h1")
    }
    assert seen == {"header": False, ".menu": False, ".pages": False, "table": True, "h1": True}


def test_buttons_that_repeat_have_their_row_in_their_name(shared: Console) -> None:
    """No two buttons or links of a page are called the same."""
    page = shared.open("admin")
    for place in ("secrets", "audit", "trusts", "tenants", "tenants/home", "users", "account"):
        settle(page, place)
        if place == "audit":
            page.locator("tbody tr").first.wait_for()
        names = page.evaluate(
            """() => [...document.querySelectorAll("main button, main a")]
                .filter((one) => one.checkVisibility())
                .map((one) => one.getAttribute("aria-label") ?? one.textContent)"""
        )
        assert sorted(set(names)) == sorted(names), place
