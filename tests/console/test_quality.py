"""Usable by keyboard alone, with a screen reader, on a phone, in the dark, and on a slow line."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from resolver.resolution import BlueprintText, resolve
from tests.console.conftest import PASSWORD, dialog, said, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.console.conftest import Console

PLACES = (
    "overview",
    "secrets",
    "secrets/smtp",
    "check",
    "uses",
    "uses/smtp",
    "audit",
    "trusts",
    "tenants",
    "users",
    "account",
    "access/una",
)

BLUEPRINT = (
    "a: { get_secret: smtp }\nb: { get_secret: nothing }\nc: { get_secret: { get_attribute: [a, b] } }\n"
)


@pytest.fixture(scope="module")
def shared(shared: Console) -> Iterator[Console]:
    """With something on every page."""
    world = shared.world
    world.secret("smtp")
    world.secret("a_key_that_is_as_long_as_keys_are_when_people_put_all_they_know_into_them", hidden=True)
    world.service.secrets.update(
        world.admin,
        "home",
        "smtp",
        SecretChange(value=SecretValue("two"), expires_at="2020-01-01T00:00:00.000Z"),
    )
    resolve(world.service, world.admin, "home", [BlueprintText("shop.yaml", BLUEPRINT[:24].encode(), None)])
    return shared


def findings(page: Page, *rules: str) -> list[tuple[str, str, list[Any]]]:
    """What axe finds on a page that is serious; by some of its rules, or by all."""
    if not page.evaluate("'axe' in window"):
        script = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
        page.evaluate(f"() => {{ {script} }}")
    asked: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        asked["runOnly"] = list(rules)
    found = page.evaluate("(asked) => axe.run(asked)", asked)["violations"]
    return [
        (one["id"], one["impact"], [node["html"][:150] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in {"serious", "critical", "moderate"}
    ]


def settle(page: Page, place: str) -> None:
    """Go to a page and wait for all of it."""
    page.goto(page.url.partition("#")[0] + f"#/home/{place}")
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(shared: Console, scheme: str) -> None:
    """On every page and in the dialogs; in the dark only the colours are others."""
    rules = ("color-contrast",) if scheme == "dark" else ()
    page = shared.open("admin", color_scheme=scheme, reduced_motion="reduce")
    for place in PLACES:
        settle(page, place)
        if place == "check":
            page.get_by_label("Blueprint", exact=True).fill(BLUEPRINT)
            page.get_by_role("button", name="Check", exact=True).click()
            page.locator(".summary").wait_for()
        assert findings(page, *rules) == [], place
    settle(page, "secrets")
    openers = ["Create secret", "Show the value of smtp", "History of smtp", "Delete smtp", "Export"]
    openers += ["Edit smtp", "Change the owner of smtp", "Visibility of smtp", "Import"] if not rules else []
    for opener in openers:
        page.get_by_role("button", name=opener).click()
        page.wait_for_load_state("networkidle")
        assert findings(page, *rules) == [], opener
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
    signed_out = shared.context(color_scheme=scheme).new_page()
    signed_out.goto(f"{shared.live.url}/console/")
    signed_out.get_by_label("User name").wait_for()
    assert findings(signed_out, *rules) == []


@pytest.mark.parametrize("width", [360, 768])
def test_no_page_is_wider_than_the_screen(shared: Console, width: int) -> None:
    """Nothing has to be scrolled sideways but what says so; every button is large enough for a finger."""
    page = shared.open("admin")
    page.set_viewport_size({"width": width, "height": 700})
    for place in PLACES:
        settle(page, place)
        if place == "check":
            page.get_by_label("Blueprint", exact=True).fill(BLUEPRINT)
            page.get_by_role("button", name="Check", exact=True).click()
            page.locator(".summary").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        small = page.evaluate(
            """[...document.querySelectorAll("button, select, input, nav a")]
                .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
                .filter(([, box]) => box.width > 0 && (box.height < 24 || box.width < 20))
                .map(([html]) => html)"""
        )
        small = [html for html in small if "checkbox" not in html]
        assert small == [], place
    settle(page, "secrets")
    page.get_by_role("button", name="Create secret").click()
    box = page.locator("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def press(page: Page, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    """What has the focus, in the words of a screen reader."""
    return str(
        page.evaluate(
            """(() => { const at = document.activeElement;
            return at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent; })()"""
        )
    )


def tab_to(page: Page, words: str) -> None:
    """Press the tab key until something has the focus, and see that the focus shows."""
    for _ in range(60):
        press(page, "Tab")
        if focused(page) == words:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    pytest.fail(f"the tab key does not lead to {words!r}")


def test_by_keyboard_alone(console: Console) -> None:
    """Signing in, creating, showing, deleting, and out again; the focus goes back to where it came from."""
    page = console.context().new_page()
    page.goto(f"{console.live.url}/console/#/home/secrets")
    page.get_by_label("User name").wait_for()
    assert focused(page) == "User name"
    page.keyboard.type("una")
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    page.get_by_text("No secrets yet").wait_for()
    press(page, "Tab")
    tab_to(page, "Create secret")
    press(page, "Enter")
    assert focused(page) == "Key"
    page.keyboard.type("typed")
    press(page, "Tab")
    page.keyboard.type("by hand")
    tab_to(page, "Hide the value")
    press(page, "Space")
    tab_to(page, "Create")
    press(page, "Enter")
    said(page, "Secret typed created")
    assert value_of(console.world, "typed") == "by hand"
    page.get_by_role("button", name="Delete typed").wait_for()
    tab_to(page, "Show the value of typed")
    press(page, "Enter")
    page.locator("pre.value", has_text="by hand").wait_for()
    press(page, "Escape")
    page.locator("dialog").wait_for(state="detached")
    assert focused(page) == "Show the value of typed"
    tab_to(page, "Delete typed")
    press(page, "Enter")
    assert focused(page) == "Cancel"
    press(page, "Tab", "Enter")
    page.get_by_text("No secrets yet").wait_for()
    page.reload()
    page.get_by_text("No secrets yet").wait_for()
    press(page, "Tab")
    assert focused(page) == "Skip to content"
    press(page, "Enter", "Tab")
    assert focused(page) == "Search"


def test_on_a_slow_line(console: Console) -> None:
    """What is under way is told, answers that come late don't overwrite newer ones, nothing is sent twice."""
    console.world.secret("one")
    console.world.secret("two")
    page = console.open("una")
    page.get_by_text("one", exact=True).wait_for()
    waiting: list[Any] = []
    page.route("**/secrets?*_search=o&*", lambda route: waiting.append(route))  # noqa: PLW0108 - no built-in is taken
    page.route("**/secrets?*_search=on*", lambda route: route.continue_())
    search = page.get_by_label("Search")
    with page.expect_request("**/secrets?*"):
        search.fill("o")
    page.locator("[aria-busy=true]").wait_for()
    search.fill("one")
    page.get_by_text("1 to 1 of 1").wait_for()
    for late in waiting:
        late.continue_()
    page.wait_for_timeout(200)
    expect(page.locator("tbody tr")).to_have_count(1)
    sent: list[str] = []
    held: list[Any] = []
    page.route("**/secrets/three", lambda route: held.append(route))  # noqa: PLW0108 - as above
    page.on("request", lambda request: sent.append(request.method) if request.method == "PUT" else None)
    page.get_by_role("button", name="Create secret").click()
    page.get_by_label("Key").fill("three")
    page.get_by_label("Value", exact=True).fill("v")
    for _ in range(3):
        page.get_by_label("Key").press("Enter")
    assert dialog(page).get_by_role("button", name="Create", exact=True).is_disabled()
    dialog(page).get_by_text("Working…").wait_for()
    held[0].continue_()
    said(page, "Secret three created")
    assert sent == ["PUT"]
