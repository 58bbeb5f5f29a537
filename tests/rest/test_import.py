"""Imports over HTTP: both ways in check the same, and nobody without the right makes the server compute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.permissions import TenantRole
from resolver.rest.cloudify import transfer
from resolver.service import importing
from resolver.service.import_plan import ImportPlans

if TYPE_CHECKING:
    from tests.rest.conftest import Live

OURS = "/api/v1/resolver/import"
SEALED = "/api/v1/resolver/sealed-import"
THEIRS = "/api/v3.1/secrets/share/import"
VERSION = {"number": 1, "value": "value", "created_at": None, "created_by": None}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"created_at": "2030-01-01\u001b[2J"}, "created_at"),
        ({"updated_at": "\u0000"}, "updated_at"),
        ({"rotate_after": -5}, "rotate_after"),
        ({"versions": [VERSION | {"number": 2}, VERSION]}, "versions"),
        ({"versions": [VERSION | {"number": 2**31 - 1}]}, "versions"),
        ({"versions": [VERSION | {"created_at": "soon\u0000"}]}, "versions"),
        ({"owner": "\u0000"}, ""),
        ({"provider": "a\u0000"}, "provider"),
        ({"tenant": "home\u0000"}, "tenant_name"),
        ({"description": "two\nlines"}, "description"),
    ],
)
def test_our_import_checks_what_a_sealed_file_must_keep(
    each: Live, fields: dict[str, Any], wrong: str
) -> None:
    """A bad field is reported with its entry, on both databases, and the list that follows works."""
    entry = {"key": "k", "tenant": "home", "versions": [VERSION], "whole": True} | fields
    client = each.client()
    done = client.does("POST", OURS, {"tenant": "home", "entries": [entry]})
    assert [*done["errors"].get("0", {"": ""})] == [wrong]
    assert client.gets("/api/v3.1/secrets")["metadata"]["pagination"]["total"] == (not wrong)
    assert client.does("POST", OURS, {"tenant": "home", "entries": [entry], "override": True})
    client.gets("/api/v3.1/secrets")


def test_a_year_of_one_digit_comes_back_as_it_is_stored(each: Live) -> None:
    """Cloudify's import takes a time of the first year, and everyone is given it as a time."""
    entry = {
        "key": "k",
        "value": "value",
        "visibility": "tenant",
        "tenant_name": "home",
        "is_hidden_value": False,
        "encrypted": False,
        "created_at": "0001-01-01",
        "updated_at": "0001-01-01",
    }
    client = each.client()
    done = client.does("POST", THEIRS, {"secrets_list": [entry], "override_collisions": False})
    assert not done["secrets_errors"]
    secret = client.gets("/api/v3.1/secrets/k")
    assert secret["created_at"] == "0001-01-01T00:00:00.000Z"


def test_no_key_is_derived_for_who_may_not_import(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer's passphrase costs nothing; a manager's is worked on, which shows that the test can see it."""
    derived = []

    def read(_entries: object, passphrase: str | None) -> list[Any]:
        derived.append(passphrase)
        return []

    monkeypatch.setattr(transfer, "read_cloudify", read)
    body = {"secrets_list": [], "override_collisions": False, "passphrase": "correct horse"}
    assert live.user("viewer", TenantRole.VIEWER)("POST", THEIRS, body).status_code == 403
    assert not derived
    live.user("manager", TenantRole.MANAGER).does("POST", THEIRS, body)
    assert derived == ["correct horse"]


@pytest.mark.parametrize("way", [OURS, THEIRS, SEALED])
def test_a_server_that_stops_tells_what_is_stored(
    live: Live, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Both end with 503 as JSON, and no work goes on: ours with nothing stored, Cloudify's in part."""
    server = live.app.state.server
    plain, batches = ImportPlans.seal_ahead, []

    def stopped_later(*arguments: Any) -> None:  # noqa: ANN401 - as it takes them
        batches.append(arguments)
        server.is_closing = len(batches) == 2
        plain(*arguments)

    monkeypatch.setattr(ImportPlans, "seal_ahead", stopped_later)
    monkeypatch.setattr(importing, "BATCH", 2)
    theirs = {"visibility": "tenant", "tenant_name": "home", "is_hidden_value": False, "encrypted": False}
    listed = [theirs | {"key": f"k{number}", "value": "v"} for number in range(6)]
    bodies = {
        OURS: {"tenant": "home", "entries": [entry_of(one["key"]) for one in listed]},
        THEIRS: {"secrets_list": listed, "override_collisions": False},
        SEALED: {"text": json.dumps(listed)},
    }
    client = live.client()
    answer = client("POST", way, bodies[way])
    server.is_closing = False
    told = {
        THEIRS: "2 of the first 2 entries are stored, and none of the other 4",
    }.get(way, "nothing of the import is stored")
    assert (answer.status_code, answer.headers["Retry-After"], len(batches)) == (503, "5", 2)
    body = answer.json()
    assert body["message"].startswith(f"the server is stopping: {told}")
    assert (body["kind"], body["error_code"]) == ("Stopped", "service_unavailable_error")
    count = client.gets("/api/v3.1/secrets")["metadata"]["pagination"]["total"]
    assert count == (2 if way == THEIRS else 0)
    assert client("POST", way, bodies[way]).status_code == 200


def entry_of(key: str) -> dict[str, Any]:
    """An entry of our own import."""
    return {"key": key, "tenant": "home", "versions": [VERSION]}
