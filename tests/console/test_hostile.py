"""Whatever somebody could get onto a page stays text: nothing of it is run, nothing becomes markup."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from resolver.core.account_changes import NewToken
from resolver.core.model import SecretValue
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret
from resolver.errors import InvalidRequestError
from resolver.resolution import BlueprintText, resolve
from tests.console.conftest import dialog, discard, row
from tests.peer import answer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

    from tests.console.conftest import Console

ATTACKS = (
    "<img src=x onerror=\"window.pwned='img'\">",
    "<script>window.pwned='script'</script>",
    '"><svg onload="window.pwned=\'svg\'">',
    "javascript:window.pwned='link'",
    "</mark></pre><iframe srcdoc=\"<script>parent.pwned='frame'</script>\"></iframe>",
    "{{constructor.constructor('window.pwned=1')()}}",
)
ATTACK = "".join(ATTACKS)
SHORT = ATTACKS[0]


def unharmed(page: Page) -> None:
    """Nothing was run, and nothing that would have been is there."""
    assert page.evaluate("window.pwned === undefined")
    assert (
        page.locator(
            "img, iframe, script:not([src]), object, embed, [onerror], [onload], a[href^=javascript]"
        ).count()
        == 0
    )


def test_texts_of_secrets(console: Console) -> None:
    """Values, titles of schemas, and keys in the address."""
    world = console.world
    schema = json.dumps({"title": ATTACK, "description": ATTACK, "type": "string"})
    world.service.secrets.create(
        world.admin, "home", "shaped", NewSecret(value=SecretValue(json.dumps(ATTACK)), schema=schema)
    )
    page = console.open("una")
    page.get_by_role("button", name="Show the value of shaped").click()
    expect(dialog(page).locator("pre")).to_have_text(json.dumps(ATTACK))
    unharmed(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit shaped").click()
    dialog(page).get_by_text("The value must keep to a JSON Schema").click()
    expect(dialog(page).locator("pre")).to_contain_text("window.pwned='img'")
    unharmed(page)
    page.get_by_label("New value").fill("[]")
    page.get_by_role("button", name="Save").click()
    dialog(page).get_by_role("alert").wait_for()
    unharmed(page)
    discard(page)
    for place in ("home/secrets", "home/check", "home/uses"):
        page.goto(f"{console.live.url}/console/#/{place}/{SHORT}")
        page.locator("h1").wait_for()
        unharmed(page)
    page.goto(f"{console.live.url}/console/#/home/secrets?create={SHORT}")
    expect(page.get_by_label("Key")).to_have_value(SHORT)
    page.get_by_label("Value", exact=True).fill("v")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog(page).get_by_role("alert").wait_for()
    unharmed(page)


def test_texts_of_blueprints(console: Console) -> None:
    """Text, keys, paths, inputs, imports and the file's name, on the check page."""
    quoted = json.dumps(ATTACK)
    text = f"imports: [{quoted}]\ninputs: {{ {quoted}: {{}} }}\n"
    text += f"{quoted}: {{ get_secret: {quoted} }}\n# {ATTACK}\n"
    page = console.open("una", "home/check")
    name = SHORT.replace("/", "")
    page.get_by_label("Or a file").set_input_files(
        [{"name": name, "mimeType": "text/yaml", "buffer": text.encode()}]
    )
    page.locator(".summary").wait_for()
    expect(page.locator("pre.text")).to_contain_text(f"# {ATTACK}")
    unharmed(page)
    broken = f"a: [{ATTACK}\nb: }}"
    page.get_by_label("Blueprint", exact=True).fill(broken)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()
    unharmed(page)


def test_texts_of_records_tokens_and_files(console: Console) -> None:
    """Names of blueprints in the trail and its picture, descriptions, key patterns, entries of an import."""
    world = console.world
    world.secret("smtp")
    resolve(world.service, world.admin, "home", [BlueprintText(ATTACK, b"a: { get_secret: smtp }", None)])
    world.service.tokens.create(
        world.admin, NewToken(username="manny", description=ATTACK[:250], keys=(SHORT,))
    )
    page = console.open("manny", "home/uses")
    page.locator("svg.dots").wait_for()
    unharmed(page)
    page.goto(f"{console.live.url}/console/#/home/uses/smtp")
    row(page, ATTACK[:299] + "…" if len(ATTACK) > 300 else ATTACK).wait_for()
    unharmed(page)
    page.goto(f"{console.live.url}/console/#/home/audit")
    page.get_by_role("button", name="Details").first.click()
    expect(dialog(page).locator("pre")).to_contain_text("window.pwned='img'")
    unharmed(page)
    page.keyboard.press("Escape")
    page.goto(f"{console.live.url}/console/#/home/account")
    page.get_by_text(ATTACK[:250], exact=True).wait_for()
    page.get_by_text(f"keys {SHORT}").wait_for()
    unharmed(page)
    page.goto(f"{console.live.url}/console/#/home/secrets")
    page.get_by_role("button", name="Import").click()
    entry = {"key": SHORT, "value": "v", "tenant_name": SHORT, "visibility": SHORT, SHORT: SHORT}
    dialog(page).get_by_label("File").set_input_files(
        [{"name": "x.json", "mimeType": "application/json", "buffer": json.dumps([entry]).encode()}]
    )
    dialog(page).get_by_role("button", name="Import").click()
    page.get_by_text("Could not be stored").wait_for()
    unharmed(page)


def test_names_can_not_be_markup(console: Console) -> None:
    """Users, tenants and providers follow the rule for keys; what breaks it is told back as text."""
    with pytest.raises(InvalidRequestError):
        console.world.service.providers.create(console.world.admin, "home", SHORT, NewProvider("local"))
    page = console.open("admin", "home/tenants")
    page.get_by_role("button", name="Create tenant").click()
    page.get_by_label("Name").fill(SHORT)
    page.get_by_role("button", name="Create", exact=True).click()
    dialog(page).get_by_role("alert").wait_for()
    unharmed(page)
    discard(page)
    page.get_by_role("button", name="Add member").first.click()
    page.get_by_label("User name").fill(SHORT)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("window.pwned")
    unharmed(page)


def test_the_policy_would_stop_what_got_through(console: Console) -> None:
    """A script, markup or style within the page, and anything from elsewhere, is not taken."""
    page = console.open("una")
    taken, faults = page.evaluate(
        """async () => {
            const seen = [];
            const note = (event) => seen.push(event.effectiveDirective);
            document.addEventListener("securitypolicyviolation", note);
            const script = document.createElement("script");
            script.append("window.pwned = 1");
            const taken = [
                () => (script.textContent = "window.pwned = 2"),
                () => (script.src = "https://elsewhere.example/x.js"),
                () => (document.body.innerHTML = "<b>bold</b>"),
                () => document.body.insertAdjacentHTML("beforeend", "<b>bold</b>"),
                () => setTimeout("window.pwned = 3"),
                () => trustedTypes.createPolicy("mine", {}),
            ].map((set) => {
                try { set(); return String(set); } catch { return null; }
            }).filter(Boolean);
            const image = document.createElement("img");
            image.src = "https://elsewhere.example/x.png";
            const frame = document.createElement("iframe");
            frame.src = "https://elsewhere.example/";
            document.body.append(script, image, frame);
            document.body.setAttribute("style", "color: red");
            await fetch("https://elsewhere.example/").catch(() => {});
            await new Promise((done) => setTimeout(done, 100));
            return [taken, seen.filter((name) => !name.includes("trusted-types")).sort()];
        }"""
    )
    assert taken == []
    assert faults == ["connect-src", "frame-src", "img-src", "style-src-attr"]
    assert page.locator("b").count() == 0
    assert page.evaluate("window.pwned === undefined")
    console.faults.clear()  # the browser told of each


def test_a_page_of_another_site(console: Console) -> None:
    """In the browser of one who is signed in: requests, frames and windows get it nothing."""
    console.world.secret("db_password")
    page = console.open("admin")
    other = page.context.new_page()
    seen: list[Response] = []
    # The same host, so that the browser does send the cookie.
    with serving(lambda _: answer(200, b"<p>evil</p>", **{"Content-Type": "text/html"})) as elsewhere:
        other.goto(f"{elsewhere.url}/")
        other.on("response", lambda came: seen.append(came))  # noqa: PLW0108 - no built-in is taken
        other.evaluate(
            """async (url) => {
                const own = `${url}/api/v1/resolver`;
                const more = {mode: "no-cors", credentials: "include"};
                await fetch(`${own}/session`, more);
                await fetch(`${own}/secrets/db_password`, more);
                const body = new Blob(['{"passphrase": "long enough"}'], {type: "text/plain"});
                await fetch(`${own}/sealed-export`, {...more, method: "POST", body});
            }""",
            console.live.url,
        )
        assert [came.status for came in seen] == [403] * 3  # without the cookie it would be 401
        is_cut_off = other.evaluate(
            """async (url) => {
                const frame = document.createElement("iframe");
                frame.src = `${url}/console/`;
                document.body.append(frame);
                await new Promise((done) => frame.addEventListener("load", done));
                const opened = open(`${url}/console/`);
                for (let waited = 0; !opened.closed && waited < 200; waited++)
                    await new Promise((done) => setTimeout(done, 100));
                return opened.closed;
            }""",
            console.live.url,
        )
        assert is_cut_off, "what it opened is out of its reach"
        assert other.frames[1].url.startswith("chrome-error:")
    console.faults.clear()  # the browser told of the frame
