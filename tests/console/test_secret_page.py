"""A secret's own page: its address lasts, and it has what its reader may know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret, SecretChange
from tests.console.conftest import dialog, said, value_of
from tests.console.test_uses import use

if TYPE_CHECKING:
    from tests.console.conftest import Console


def test_from_the_list_to_a_manager(console: Console) -> None:
    """All of it: facts, the call, versions and the way back, uses, who could read it; the address lasts."""
    world = console.world
    world.secret("smtp", "one")
    use(console, "<b>shop</b>.yaml", "smtp")
    change = SecretChange(value=SecretValue("two"), description="<i>of the mail server</i>")
    world.service.secrets.update(world.admin, "home", "smtp", change)
    page = console.open("manny", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="smtp", exact=True).click()
    page.get_by_role("heading", name="Secret smtp").wait_for()
    assert page.url.endswith("#/home/secrets/smtp")
    page.reload()
    expect(page).to_have_title("smtp \N{EN DASH} Secrets \N{EN DASH} Blueprint resolver")
    page.get_by_text("<i>of the mail server</i>").wait_for()
    page.get_by_text("tenant: known to everyone with a role in its tenant").wait_for()
    for words, copied in (
        ("In a blueprint", "{ get_secret: smtp }"),
        ("On the command line", "resolver secrets get smtp -t home"),
    ):
        page.get_by_role("button", name=f"Copy: {words}").click()
        said(page, "Copied")
        assert page.evaluate("navigator.clipboard.readText()") == copied
    expect(page.get_by_role("table", name="Uses of smtp").locator("tbody tr")).to_contain_text(
        "<b>shop</b>.yaml"
    )
    page.get_by_role("heading", name="Needs deploying again").wait_for()
    readers = page.get_by_role("table", name="Who could read smtp").locator("tbody tr")
    names = set(readers.locator("td[data-label=User]").all_inner_texts())
    assert {"admin", "manny", "cora", "una", "opal", "vic"} <= names
    assert "stranger" not in names
    page.get_by_role("button", name="Back to version 1").click()
    page.get_by_role("button", name="Go back").click()
    said(page, "has the value of version 1 again, as version 3")
    expect(page.get_by_role("table", name="Versions of smtp").locator("tbody tr")).to_have_count(3)
    assert value_of(world, "smtp") == "one"
    page.get_by_role("link", name="Its audit records").click()
    expect(page.get_by_label("Key or name")).to_have_value("smtp")


def test_what_is_done_there_is_seen_there(console: Console) -> None:
    """An edit, also after somebody else's, shows at once; after its end nothing of it is left on the page."""
    world = console.world
    world.secret("smtp", "one")
    page = console.open("una", "home/secrets/smtp")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(dialog(page).locator("pre")).to_have_text("one")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("Rotate after days").fill("9")
    world.service.secrets.update(world.admin, "home", "smtp", SecretChange(value=SecretValue("two")))
    page.get_by_role("button", name="Save").click()
    dialog(page).get_by_text("Meanwhile somebody changed it: version 2 in place of 1.").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("9 days").wait_for()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog(page).get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("There is no secret smtp in tenant home, or you may not know of it.").wait_for()
    expect(page.get_by_role("heading", name="Versions")).to_have_count(0)


def test_what_others_may_not_know(console: Console) -> None:
    """A viewer sees no uses and no readers; a private secret is as good as none; a global one is whole."""
    world = console.world
    create = world.service.secrets.create
    hidden = NewSecret(value=SecretValue("v"), hidden=True)
    create(world.caller("cora"), "home", "hidden", hidden)
    create(
        world.caller("cora"),
        "home",
        "private",
        NewSecret(value=SecretValue("v"), visibility=Visibility.PRIVATE),
    )
    world.secret("no", tenant="away", visibility=Visibility.GLOBAL)
    page = console.open("vic", "home/secrets/hidden")
    page.get_by_role("table", name="Versions of hidden").wait_for()
    for name in ("Who uses it", "Who could read it"):
        expect(page.get_by_role("heading", name=name)).to_have_count(0)
    expect(page.get_by_role("group", name="Actions for hidden").get_by_role("button")).to_have_count(0)
    for key in ("private", "nothing"):
        page.goto(f"{console.live.url}/console/#/home/secrets/{key}")
        page.get_by_text(f"There is no secret {key} in tenant home").wait_for()
    page.goto(f"{console.live.url}/console/#/home/secrets/no")
    page.get_by_text('{ get_secret: "no" }').wait_for()
    page.get_by_text("away", exact=True).wait_for()


def test_what_somebody_could_read(console: Console) -> None:
    """From users, members and a secret's readers, for who may read the trail; by the rules that decide."""
    world = console.world
    for key, hidden in (("plain", False), ("hidden", True)):
        world.service.secrets.create(
            world.caller("cora"), "home", key, NewSecret(value=SecretValue("v"), hidden=hidden)
        )
    page = console.open("manny", "home/tenants/home")
    page.get_by_role("link", name="vic", exact=True).click()
    page.get_by_role("heading", name="Access of vic").wait_for()
    rows = page.get_by_role("table", name="Secrets of tenant home that vic could read").locator("tbody tr")
    expect(rows).to_have_count(1)
    assert rows.locator("td").all_inner_texts() == ["plain", "home", "no", "yes", "viewer"]
    page.get_by_role("link", name="plain", exact=True).click()
    page.get_by_role("table", name="Who could read plain").get_by_role("link", name="una").first.click()
    page.get_by_role("heading", name="Access of una").wait_for()
    expect(rows.first).to_be_hidden()
    cells = page.locator("tbody tr").filter(has=page.get_by_text("hidden", exact=True)).locator("td")
    assert cells.all_inner_texts() == ["hidden", "home", "yes", "no", "user"]
    page.goto(f"{console.live.url}/console/#/home/access/stranger")
    expect(page.get_by_role("alert")).to_contain_text("stranger")
    page = console.open("vic", "home/access/una")  # who may not ask is led elsewhere
    page.get_by_role("heading", name="Overview", exact=True).wait_for()
