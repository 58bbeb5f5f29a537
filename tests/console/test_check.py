"""The blueprint check: each call marked in place, nothing stored, no value told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.model import Visibility
from tests.console.conftest import dialog, said

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.console.conftest import Console

BLUEPRINT = """\
inputs:
  which: { type: string }
# remark-of-nobody-else 🗝
plain: { get_secret: db_password }
path: { get_secret: [db_config, host] }
missing: { get_secret: smtp_pasword }   # behind
block:
  get_secret: smtp
late: { get_secret: { get_attribute: [vm, key] } }
nested: { get_secret: { get_secret: db_password } }
named: { get_secret: { get_input: which } }
wrong: { get_secret: [one] }
private: { get_secret: of_another }
"""

MARKS = {
    "{ get_secret: db_password }": "exists and may be used",
    "{ get_secret: [db_config, host] }": "exists and may be used",
    "{ get_secret: smtp_pasword }": "not found",
    "get_secret: smtp": "exists and may be used",
    "{ get_secret: { get_attribute: [vm, key] } }": "depends on run time",
    "{ get_secret: { get_input: which } }": "can't be resolved",
    "{ get_secret: [one] }": "can't be resolved",
    "{ get_secret: of_another }": "not found",
}


def check(page: Page, text: str) -> None:
    """Paste a text, and wait for its result."""
    page.get_by_label("Blueprint", exact=True).fill(text)
    page.get_by_role("button", name="Check", exact=True).click()
    page.locator(".summary").wait_for()


def fill(console: Console) -> None:
    """Secrets that the blueprint asks for."""
    for key in ("db_password", "db_config", "smtp"):
        console.world.secret(key, f"value of {key}")
    console.world.secret("of_another", visibility=Visibility.PRIVATE)


def test_each_call_is_marked_in_place(console: Console) -> None:
    """Marks are around the calls and nothing else, the list tells the same, a missing secret can be made."""
    fill(console)
    page = console.open("una", "home/check")
    check(page, BLUEPRINT)
    assert (
        page.locator("pre.text").evaluate(
            """(pre) => [...pre.querySelectorAll(".line")].map((line) => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll(".unseen").forEach((words) => words.remove());
            return copy.textContent;
        }).join("")"""
        )
        == BLUEPRINT + "\n"
    )
    marks = page.locator("pre.text mark").evaluate_all(
        "(marks) => marks.map((mark) => [mark.firstChild.textContent, mark.title.replace(/^[^ ]+: /, '')])"
    )
    told = {text: words for text, words in marks if "nested" not in text}
    for text, words in MARKS.items():
        assert told[text] == words
    assert told["{ get_secret: "] == "depends on a secret's value"
    items = page.get_by_role("list", name="Calls").get_by_role("listitem")
    assert items.count() == 10
    expect(items.filter(has_text="named")).to_contain_text("Input 'which' has no value.")
    expect(items.filter(has_text="db_config host")).to_contain_text("version 1, tenant")
    assert "value of" not in page.content()
    page.get_by_role("link", name="Create smtp_pasword").click()
    expect(page.locator("dialog").get_by_label("Key")).to_have_value("smtp_pasword")
    page.get_by_label("Value", exact=True).fill("v")
    page.get_by_role("button", name="Create", exact=True).click()
    said(page, "Secret smtp_pasword created")
    page.get_by_role("link", name="Blueprint check").click()
    page.locator("pre.text mark", has_text="{ get_secret: smtp_pasword } (exists and may be used)").wait_for()


def test_roles_and_inputs(console: Console) -> None:
    """A viewer may not use what is there and may not make what is missing; inputs name keys."""
    fill(console)
    page = console.open("vic", "home/check")
    page.get_by_text("Inputs", exact=True).click()
    page.get_by_label("Inputs as YAML or JSON").fill("which: smtp")
    check(page, BLUEPRINT)
    items = page.get_by_role("list", name="Calls").get_by_role("listitem")
    expect(items.filter(has_text="node_templates")).to_have_count(0)
    expect(items.filter(has_text="not permitted").first).to_contain_text("db_password")
    expect(items.filter(has_text="named")).to_contain_text("smtp")
    assert page.get_by_role("link", name="Create").count() == 0
    page.get_by_label("Inputs as YAML or JSON").fill("- a secret-input")
    page.get_by_role("button", name="Check", exact=True).click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The inputs are not a mapping of names to values.")
    assert "secret-input" not in alert.inner_text()


def test_files_and_texts_that_are_none(console: Console, tmp_path: Path) -> None:
    """A file is checked as it is chosen; what is wrong with a text is told with its line."""
    fill(console)
    page = console.open("una", "home/check")
    chosen = {
        "name": "shop.yaml",
        "mimeType": "text/yaml",
        "buffer": b"\xef\xbb\xbfa: { get_secret: smtp }\r\nb: 1\r\n",
    }
    page.get_by_label("Or a file").set_input_files([chosen])
    page.locator("pre.text mark", has_text="{ get_secret: smtp }").wait_for()
    check(page, "a: [1, 2\nb: }")
    expect(page.get_by_role("alert")).to_contain_text("Line 2")
    check(page, "a: 1")
    expect(page.locator(".summary")).to_have_text("No get_secret calls.")
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".summary").count() == 0
    for name, content, words in (
        ("large", b"#" * (8 * 1024 * 1024 + 1), "The file is over 8 MiB: a blueprint has at most that."),
        ("other", b"a: \xff", "The file can't be read as UTF-8 text."),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        page.get_by_label("Or a file").set_input_files(path)
        expect(page.get_by_role("alert")).to_have_text(words)
    page.get_by_label("Blueprint", exact=True).fill("a: typed")
    page.get_by_role("link", name="Secrets").click()
    page.get_by_role("link", name="Blueprint check").click()
    expect(page.get_by_label("Blueprint", exact=True)).to_have_value("a: typed")


def test_nothing_of_it_is_stored(console: Console, tmp_path: Path) -> None:
    """Neither text nor inputs reach the database; checking is no use, and leaves no record."""
    fill(console)
    before = console.world.execute("SELECT COUNT(*) FROM audit_record WHERE action = 'secret:use'")
    page = console.open("una", "home/check")
    page.get_by_text("Inputs", exact=True).click()
    page.get_by_label("Inputs as YAML or JSON").fill("which: input-of-nobody-else")
    check(page, BLUEPRINT)
    assert console.world.execute("SELECT COUNT(*) FROM audit_record WHERE action = 'secret:use'") == before
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"db_password" in stored
    for words in (b"remark-of-nobody-else", b"input-of-nobody-else", b"smtp_pasword"):
        assert words not in stored
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert dialog(page).count() == 0
