"""What is offered to whom, and that the server refuses the rest, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret
from tests.console.conftest import PASSWORD, SESSION, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.console.conftest import Console

OWN = "/api/v1/resolver"

KEYS = ("plain", "hidden", "private", "everywhere", "elsewhere")

SHOW, EDIT, HISTORY, USES, OWNER, DELETE = "show", "edit", "history", "uses", "owner", "delete"
WIDEN, HIDE = "widen", "hide"
LABELS = {
    SHOW: "Show the value of {}",
    EDIT: "Edit {}",
    HISTORY: "History of {}",
    USES: "Uses of {}",
    OWNER: "Change the owner of {}",
    DELETE: "Delete {}",
    HIDE: "Hide the value of {}",
}

CHANGES = {SHOW, EDIT, HISTORY, DELETE}
ALL = {*CHANGES, WIDEN, HIDE, USES, OWNER}

OFFERED: dict[str, dict[str, set[str]]] = {
    "cora": {  # made the first three
        "plain": {*CHANGES, HIDE},
        "hidden": {*CHANGES, HIDE},
        "private": {*CHANGES, HIDE, WIDEN},
        "everywhere": {*CHANGES},
        "elsewhere": {SHOW, HISTORY},
    },
    "manny": {
        "plain": {*CHANGES, HIDE, USES},
        "hidden": {*CHANGES, HIDE, USES},
        "private": {*CHANGES, HIDE, USES, WIDEN},
        "everywhere": {*CHANGES, HIDE, USES},
        "elsewhere": {SHOW, HISTORY, USES},
    },
    "una": {"plain": CHANGES, "hidden": {HISTORY}, "everywhere": CHANGES, "elsewhere": {SHOW, HISTORY}},
    "opal": {
        "plain": {SHOW, HISTORY},
        "hidden": {HISTORY},
        "everywhere": {SHOW, HISTORY},
        "elsewhere": {SHOW, HISTORY},
    },
    "vic": {
        "plain": {SHOW, HISTORY},
        "hidden": {HISTORY},
        "everywhere": {SHOW, HISTORY},
        "elsewhere": {SHOW, HISTORY},
    },
    "admin": {
        "plain": ALL,
        "hidden": ALL,
        "private": ALL,
        "everywhere": ALL - {WIDEN},
        "elsewhere": ALL - {WIDEN},
    },
    "stranger": {},
}

NAVIGATION = {
    "cora": ["Overview", "Secrets", "Blueprint check", "Approvals", "Trusts", "Tenants", "Account"],
    "una": ["Overview", "Secrets", "Blueprint check", "Approvals", "Trusts", "Tenants", "Account"],
    "opal": ["Overview", "Secrets", "Blueprint check", "Approvals", "Trusts", "Tenants", "Account"],
    "vic": ["Overview", "Secrets", "Blueprint check", "Trusts", "Tenants", "Account"],
    "manny": [
        "Overview",
        "Secrets",
        "Blueprint check",
        "Approvals",
        "Uses",
        "Audit",
        "Trusts",
        "Tenants",
        "Account",
    ],
    "admin": [
        "Overview",
        "Secrets",
        "Blueprint check",
        "Approvals",
        "Uses",
        "Audit",
        "Trusts",
        "Tenants",
        "Users",
        "Account",
    ],
    "stranger": ["Account"],
}

BUTTONS = {
    "cora": {"Import", "Export", "Create secret"},
    "una": {"Import", "Export", "Create secret"},
    "manny": {"Import", "Export", "Create secret"},
    "admin": {"Import", "Export", "Create secret"},
    "opal": set(),
    "vic": set(),
}


@pytest.fixture(scope="module")
def shared(shared: Console) -> Iterator[Console]:
    """With secrets of several kinds."""
    world = shared.world
    cora = world.caller("cora")
    create = world.service.secrets.create
    create(cora, "home", "plain", NewSecret(value=SecretValue("v1")))
    create(cora, "home", "hidden", NewSecret(value=SecretValue("v2"), hidden=True))
    create(cora, "home", "private", NewSecret(value=SecretValue("v3"), visibility=Visibility.PRIVATE))
    world.secret("everywhere", visibility=Visibility.GLOBAL)
    world.secret("elsewhere", tenant="away", visibility=Visibility.GLOBAL)
    world.secret("elsewhere-alone", tenant="away")
    return shared


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered(shared: Console, name: str) -> None:
    """To each role its own pages, buttons and icons, and no others."""
    page = shared.open(name)
    page.get_by_role("heading", name="Secrets" if OFFERED[name] else "Account", exact=True).wait_for()
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == NAVIGATION[name]
    if not OFFERED[name]:
        assert page.get_by_label("Tenant", exact=True).count() == 0
        page.get_by_text("You belong to no tenant yet.").wait_for()
        return
    row(page, "plain").wait_for()
    shown = {label: page.get_by_role("button", name=label, exact=True).count() for label in BUTTONS["admin"]}
    assert {label for label, count in shown.items() if count} == BUTTONS[name]
    assert (page.get_by_label("All tenants").count() == 1) == (name == "admin")
    found = {}
    for key in KEYS:
        if row(page, key).count():
            labels = {
                kind: page.get_by_label(label.format(key), exact=True) for kind, label in LABELS.items()
            }
            found[key] = {kind for kind, place in labels.items() if place.count()}
            found[key] |= {WIDEN} if page.get_by_label(f"Visibility of {key}:").count() else set()
    assert found == OFFERED[name]


ACTIONS: list[tuple[str, str, str, Any]] = [
    (SHOW, "GET", "", None),
    (EDIT, "PATCH", "", {"rotate_after": 9}),
    (EDIT, "PATCH", "", {"value": "other"}),
    (EDIT, "POST", "/rollback", {"version": 1}),
    (WIDEN, "PATCH", "", {"visibility": "global"}),
    (HIDE, "PATCH", "", {"hidden": True}),
    (HIDE, "PATCH", "", {"hidden": False}),
    (HISTORY, "GET", "/history", None),
    (USES, "GET", "/uses", None),
    (OWNER, "PATCH", "", {"owner": "una"}),
    (DELETE, "DELETE", "", None),
]
"""What stands behind each icon: what is offered, a method, the end of a path, a body."""

AS_THEY_ARE: dict[str, list[Any]] = {"everywhere": [{"visibility": "global"}]}
AS_THEY_ARE |= {key: [*AS_THEY_ARE.get(key, []), {"hidden": key == "hidden"}] for key in KEYS}
"""What would change nothing about a secret, so that it is not refused."""


@pytest.mark.parametrize("name", [name for name in OFFERED if name != "admin"])
def test_what_is_not_offered_is_refused(shared: Console, name: str) -> None:
    """With the very session of the console, and whatever the page hides."""
    http = shared.live.http
    proof = http.post(SESSION, json={"username": name, "password": PASSWORD}).json()["csrf_token"]
    headers = {"X-CSRF-Token": proof, "Tenant": "home"}
    for key in KEYS:
        for kind, method, path, body in ACTIONS:
            if kind in OFFERED[name].get(key, set()) or body in AS_THEY_ARE[key]:
                continue
            answer = http.request(method, f"{OWN}/secrets/{key}{path}", json=body, headers=headers)
            hidden = kind == SHOW and answer.status_code == 200 and answer.json()["value"] is None
            elsewhere = key == "elsewhere" and answer.json().get("error_code") == "illegal_action_error"
            assert answer.status_code in {403, 404} or hidden or elsewhere, (key, kind, answer.text)
    for method, path, body in (
        ("PUT", "/secrets/new", {"value": "v"}),
        ("POST", "/sealed-export", {"passphrase": "long enough"}),
        ("POST", "/sealed-import", {"text": "[]"}),
    ):
        if not BUTTONS.get(name):
            answer = http.request(method, f"{OWN}{path}", json=body, headers=headers)
            assert answer.status_code == 403, (path, answer.text)
    answer = http.put(f"{OWN}/secrets/new", json={"value": "v", "visibility": "global"}, headers=headers)
    assert answer.status_code == 403
    everywhere = http.get(f"{OWN}/secrets?_all_tenants=true", headers=headers)
    assert everywhere.status_code == (200 if OFFERED[name] else 403)
    assert "elsewhere-alone" not in everywhere.text
    assert http.get(f"{OWN}/secrets", headers=headers | {"Tenant": "away"}).status_code == 403
    for path in ("/uses", "/audit?tenant=home", "/audit/verify?tenant=home"):
        if name != "manny":
            assert http.get(f"{OWN}{path}", headers=headers).status_code == 403
    assert http.get(f"{OWN}/audit", headers=headers).status_code == 403
    assert http.get("/api/v3.1/users", headers=headers).status_code == 403
    http.request("DELETE", SESSION, headers=headers)
    http.cookies.clear()


def test_a_hidden_value_is_not_shown_to_others(shared: Console, browser: Browser) -> None:
    """Nor is it in what the server answers to one who asks past the page."""
    assert browser.is_connected()
    page = shared.open("opal")
    row(page, "hidden").wait_for()
    answer = page.evaluate(
        """async () => {
            const session = await (await fetch("/api/v1/resolver/session")).json();
            const headers = {"X-CSRF-Token": session.csrf_token, Tenant: "home"};
            return (await fetch("/api/v1/resolver/secrets/hidden", {headers})).text();
        }"""
    )
    assert '"value":null' in answer
    assert "v2" not in answer
