"""Where secrets are used, and the audit trail, as those see them who may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from resolver.errors import ResolverError
from resolver.resolution import BlueprintText, resolve
from tests.console.conftest import dialog

if TYPE_CHECKING:
    from tests.console.conftest import Console


def use(console: Console, name: str, key: str, user: str = "", at: str = "2030-01-01T00:00:00.000Z") -> None:
    """Resolve a blueprint that asks for one secret, or be refused."""
    world = console.world
    world.clock.now = at
    caller = world.caller(user) if user else world.admin
    text = BlueprintText(name, b"a: { get_secret: %s }\n" % key.encode(), None)
    try:
        resolve(world.service, caller, "home", [text])
    except ResolverError:
        assert user == "vic"


def test_of_one_secret(console: Console) -> None:
    """Blueprint, digest, version, user and times, refusals as well; others that have no uses say so."""
    world = console.world
    world.secret("smtp", "one")
    world.secret("idle")
    use(console, "shop.yaml", "smtp")
    use(console, "shop.yaml", "smtp", at="2030-01-02T00:00:00.000Z")
    world.service.secrets.update(world.admin, "home", "smtp", SecretChange(value=SecretValue("two")))
    use(console, "<i>queue</i>.yaml", "smtp", "opal", at="2030-01-03T00:00:00.000Z")
    use(console, "shop.yaml", "smtp", "vic", at="2030-01-04T00:00:00.000Z")
    page = console.open("manny")
    page.get_by_role("link", name="Uses of smtp").click()
    page.get_by_role("heading", name="Uses of smtp").wait_for()
    rows = page.get_by_role("table", name="Uses of smtp").locator("tbody tr")
    expect(rows).to_have_count(3)
    told = [[cell.strip() for cell in line.split("\t")] for line in rows.all_inner_texts()]
    assert [(one[0], one[2], one[3], one[5], one[8]) for one in told] == [
        ("shop.yaml", "\N{EN DASH}", "vic", "1", "refused"),
        ("<i>queue</i>.yaml", "2", "opal", "1", "allowed"),
        ("shop.yaml", "1", "admin", "2", "allowed"),
    ]
    assert told[0][1] == told[2][1]
    assert told[2][6:8] == ["2030-01-01 00:00", "2030-01-02 00:00"]
    page.goto(f"{console.live.url}/console/#/home/uses/idle")
    page.get_by_text("No blueprint asked for it in tenant home since 2029-10-06.").wait_for()


def test_of_a_tenant(console: Console) -> None:
    """A picture of secrets against blueprints and one of uses over time, both with their numbers as text."""
    page = console.open("manny", "home/uses")
    page.get_by_text("No uses yet").wait_for()
    for key in ("smtp", "db_password"):
        console.world.secret(key)
        use(console, "shop.yaml", key)
    use(console, "queue.yaml", "smtp", at="2030-01-03T00:00:00.000Z")
    use(console, "queue.yaml", "smtp", "vic", at="2030-01-03T00:00:00.000Z")
    page = console.open("manny", "home/uses")  # the session before has ended
    page.get_by_text("3 allowed, 1 refused, since 2029-10-05.").wait_for()
    titles = page.locator("svg.chart title").evaluate_all(
        "(titles) => titles.map((title) => title.textContent)"
    )
    assert {"2030-01-01: 2 allowed", "2030-01-03: 1 allowed", "2030-01-03: 1 refused"} <= set(titles)
    assert {"shop.yaml used smtp 1 times", "queue.yaml used smtp 1 times"} <= set(titles)
    page.get_by_text("The numbers").click()
    assert page.locator("tbody tr").count() == 3
    page.get_by_role("link", name="db_password").click()
    page.get_by_role("heading", name="Uses of db_password").wait_for()


def test_the_audit_page(console: Console) -> None:
    """Records, newest first; filters; the state of the chain, also when somebody changed it."""
    world = console.world
    world.secret("smtp")
    world.secret("db_password")
    use(console, "shop.yaml", "smtp", "opal", at="2030-01-03T10:00:00.000Z")
    use(console, "shop.yaml", "smtp", "vic", at="2030-01-04T10:00:00.000Z")
    page = console.open("manny", "home/audit")
    page.get_by_role("button", name="Verify the chain").click()
    page.get_by_text("Chain whole: 4 records").wait_for()
    assert page.get_by_label("Trail of").locator("option").all_inner_texts() == ["tenant home"]
    numbers = page.locator("tbody td[data-label=Number]")
    assert numbers.all_inner_texts() == ["4", "3", "2", "1"]
    filters = page.get_by_role("search")
    for label, given, expected in (
        ("By", "OPAL", ["3"]),
        ("Key or name", "db_*", ["2"]),
        ("Action", "secret:cre*", ["2", "1"]),
        ("Decision", "refused", ["4"]),
        ("From (UTC)", "2030-01-04", ["4"]),
        ("To (UTC)", "2030-01-01", ["2", "1"]),
    ):
        control = filters.get_by_label(label, exact=True)
        if label == "Decision":
            control.select_option(given)
        else:
            control.fill(given)
        filters.get_by_role("button", name="Filter").click()
        expect(numbers).to_have_text(expected)
        if label == "Decision":
            control.select_option("")
        else:
            control.fill("")
    filters.get_by_label("By", exact=True).fill("nobody")
    filters.get_by_role("button", name="Filter").click()
    page.get_by_text("Nothing was recorded that matches.").wait_for()
    world.execute(
        "UPDATE audit_record SET at = '2029-01-01T00:00:00.000Z' WHERE number = 2 AND action LIKE 'secret:%'"
    )
    page.get_by_role("button", name="Verify again").click()
    page.get_by_text("Chain broken at record 2").wait_for()


def test_the_systems_trail_and_a_records_details(console: Console) -> None:
    """A sys_admin sees both trails; a record tells all that it holds, the head can be kept."""
    console.world.secret("smtp")
    page = console.open("admin", "home/audit")
    page.get_by_role("button", name="Details").first.click()
    expect(dialog(page).locator("pre")).to_contain_text('"action": "secret:create"')
    page.keyboard.press("Escape")
    page.get_by_label("Trail of").select_option("")
    page.get_by_text("session:open").first.wait_for()
    page.get_by_role("button", name="Verify the chain").click()
    page.get_by_role("button", name="Head").click()
    head = dialog(page).locator("pre").inner_text()
    assert head == "{0.number}:{0.hash}".format(console.world.service.trail.head(console.world.admin))


def test_more_records_than_a_page(console: Console) -> None:
    """Older ones are asked for."""
    for number in range(60):
        console.world.secret(f"key{number}")
    page = console.open("manny", "home/audit")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Older records").click()
    expect(page.locator("tbody tr")).to_have_count(60)
    assert page.get_by_role("button", name="Older records").count() == 0


def test_what_needs_deploying_again(console: Console) -> None:
    """From a secret's history right after its update: which blueprints have the old version."""
    world = console.world
    world.secret("smtp", "one")
    use(console, "<b>shop</b>.yaml", "smtp")
    use(console, "queue.yaml", "smtp")
    world.service.secrets.update(world.admin, "home", "smtp", SecretChange(value=SecretValue("two")))
    use(console, "queue.yaml", "smtp", at="2030-01-02T00:00:00.000Z")
    page = console.open("manny")
    page.get_by_role("button", name="History of smtp").click()
    dialog(page).get_by_role("link", name="Which blueprints have older versions").click()
    page.get_by_role("heading", name="Needs deploying again").wait_for()
    rows = page.get_by_role("table", name="Blueprints to deploy again").locator("tbody tr")
    expect(rows).to_have_count(1)
    (told,) = [[cell.strip() for cell in line.split("\t")] for line in rows.all_inner_texts()]
    assert told[:3] == ["<b>shop</b>.yaml", "smtp", "version 1"]
    assert (told[4], told[6]) == ("version 2", "admin")
    page.get_by_role("link", name="All uses in home").click()
    page.get_by_role("heading", name="Over time").wait_for()
    expect(page.get_by_role("heading", name="Needs deploying again")).to_be_visible()
    use(console, "<b>shop</b>.yaml", "smtp", at="2030-01-02T00:05:00.000Z")
    page.reload()
    page.get_by_role("heading", name="Over time").wait_for()
    expect(page.get_by_role("heading", name="Needs deploying again")).to_have_count(0)
