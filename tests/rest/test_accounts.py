"""`/tenants`, `/users` and `/tokens` as Cloudify's client knows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword
from resolver.core.model import SecretValue
from resolver.core.permissions import SystemRole, TenantRole
from tests.rest.conftest import SECRETS, basic

if TYPE_CHECKING:
    from tests.rest.conftest import Live

API = "/api/v3.1"
FORBIDDEN = (403, "forbidden_error")


def test_a_tenants_life(each: Live) -> None:
    """Made, listed, given members, deleted once it is empty."""
    admin = each.client()
    made = admin.does("POST", f"{API}/tenants/prod", {"rabbitmq_password": ""}, status=201)
    assert (made["name"], made["users"], made["groups"]) == ("prod", 0, 0)
    assert admin.refused("POST", f"{API}/tenants/prod", {})[:2] == (409, "conflict_error")
    for name in ("users", "user-groups", "1a"):
        assert admin.refused("POST", f"{API}/tenants/{name}", {})[0] in (400, 405)
    each.user("eve")
    member = {"username": "eve", "tenant_name": "prod", "role": "viewer"}
    assert admin.does("PUT", f"{API}/tenants/users", member)["users"] == 1
    assert admin.refused("PUT", f"{API}/tenants/users", member)[:2] == (409, "conflict_error")
    admin.does("PATCH", f"{API}/tenants/users", member | {"role": "manager"})
    shown = admin.gets(f"{API}/tenants/prod?_get_data=True")
    assert shown["users"] == {"eve": {"tenant-role": "manager", "roles": ["manager"]}}
    assert shown["user_roles"] == {"direct": {"eve": "manager"}, "groups": {}}
    assert admin.refused("PATCH", f"{API}/tenants/users", member | {"role": "king"})[:2] == (
        400,
        "bad_parameters_error",
    )
    listed = admin.gets(f"{API}/tenants?_sort=-name&_size=1&_search=O")
    assert ([item["name"] for item in listed["items"]], listed["metadata"]["pagination"]["total"]) == (
        ["prod"],
        2,
    )
    ended = {"username": "eve", "tenant_name": "prod"}
    admin.does("DELETE", f"{API}/tenants/users", ended, status=204)
    assert admin.refused("DELETE", f"{API}/tenants/users", ended)[:2] == (404, "not_found_error")
    assert admin.refused("PATCH", f"{API}/tenants/users", member)[:2] == (404, "not_found_error")
    each.world.secret("one", tenant="prod")
    assert admin.refused("DELETE", f"{API}/tenants/prod")[:2] == (409, "conflict_error")
    each.world.service.secrets.delete(each.world.admin, "prod", "one")
    admin.does("DELETE", f"{API}/tenants/prod", status=204)
    assert admin.refused("GET", f"{API}/tenants/prod")[:2] == (404, "not_found_error")


def test_a_users_life(each: Live) -> None:
    """Made, changed, shut out and let in again, deleted; the password is nowhere."""
    admin = each.client()
    body = {"username": "eve", "password": "eve's password", "role": "default"}
    made = admin.does("PUT", f"{API}/users", body, status=201)
    assert (made["username"], made["role"], made["active"], made["password_hash"]) == (
        "eve",
        "default",
        True,
        None,
    )
    assert admin.refused("PUT", f"{API}/users", body)[:2] == (409, "conflict_error")
    assert admin.refused("PUT", f"{API}/users", body | {"username": "u", "password": "elevenchars"})[:2] == (
        400,
        "bad_parameters_error",
    )
    assert admin.does("POST", f"{API}/users/eve", {"role": "sys_admin"})["role"] == "sys_admin"
    admin.does("POST", f"{API}/users/eve", {"role": "default"})
    assert admin.does("POST", f"{API}/users/active/eve", {"action": "deactivate"})["active"] is False
    assert admin.does("POST", f"{API}/users/active/eve", {"action": "activate"})["active"] is True
    admin.does("POST", f"{API}/users/unlock/eve")
    admin.does("POST", f"{API}/users/eve", {"password": "another one of hers"})
    assert each.world.service.gate.authenticate_password("eve", "another one of hers").username == "eve"
    assert admin.refused("POST", f"{API}/users/eve", {})[:2] == (400, "bad_parameters_error")
    assert [item["username"] for item in admin.gets(f"{API}/users?_sort=username")["items"]] == [
        "admin",
        "eve",
    ]
    assert admin.gets(f"{API}/users/eve?_get_data=true")["tenants"] == {}
    admin.does("DELETE", f"{API}/users/eve", status=204)
    assert admin.refused("GET", f"{API}/users/eve")[:2] == (404, "not_found_error")


@pytest.mark.parametrize(
    ("path", "body", "name", "value"),
    [
        ("/users/active/eve", {"action": "deactivate"}, "active", False),
        ("/users/eve", {"role": "default"}, "role", "default"),
        ("/users/eve", {"password": "another one of hers"}, "username", "eve"),
        ("/users/unlock/eve", None, "is_locked", False),
    ],
)
def test_who_changes_oneself_is_told_what_became_of_it(
    live: Live, path: str, body: object, name: str, value: object
) -> None:
    """The change ended the rights that it was asked with; the answer is still that it is made."""
    eve = live.user("eve", system_role=SystemRole.SYS_ADMIN)
    with_password = {"Authorization": basic("eve", "eve's password")}
    live.world.service.users.set_password(live.world.admin, "eve", NewPassword(SecretValue("eve's password")))
    answer = live.http.post(f"{API}{path}", json=body, headers=with_password)
    assert (answer.status_code, answer.json()[name]) == (200, value)
    if name in ("active", "role"):
        assert eve.refused("GET", f"{API}/users")[0] == (401 if name == "active" else 403)


def test_the_last_sys_admin_is_not_deactivated_by_oneself(live: Live) -> None:
    """It is refused, and nothing is changed."""
    admin = live.client()
    assert admin.refused("POST", f"{API}/users/active/admin", {"action": "deactivate"})[0] == 409
    assert admin.refused("POST", f"{API}/users/admin", {"role": "default"})[0] == 409
    assert admin.gets(f"{API}/user")["active"] is True


def test_a_narrowed_token_is_told_what_it_made(live: Live) -> None:
    """It may make tenants and not look into them."""
    maker = live.client(permissions=frozenset({"tenant:manage"}))
    assert maker.does("POST", f"{API}/tenants/prod", {}, status=201)["name"] == "prod"
    assert maker.refused("GET", f"{API}/tenants/prod")[:2] == FORBIDDEN


def test_what_others_may_of_users_and_tenants(live: Live) -> None:
    """One sees oneself and one's own tenants; all else is refused alike, whether it exists or not."""
    eve = live.user("eve", TenantRole.MANAGER)
    assert eve.gets(f"{API}/user")["username"] == "eve"
    assert [item["name"] for item in eve.gets(f"{API}/tenants")["items"]] == ["home"]
    eve.does("POST", f"{API}/users/eve", {"password": "her own choice"})
    for method, path, body in (
        ("GET", "/users", None),
        ("GET", "/users/admin", None),
        ("GET", "/users/nobody", None),
        ("PUT", "/users", {"username": "x", "password": "long enough, really"}),
        ("POST", "/users/admin", {"password": "long enough, really"}),
        ("POST", "/users/nobody", {"password": "long enough, really"}),
        ("POST", "/users/eve", {"role": "sys_admin"}),
        ("POST", "/users/active/admin", {"action": "deactivate"}),
        ("POST", "/users/unlock/admin", None),
        ("DELETE", "/users/admin", None),
        ("POST", "/tenants/x", {}),
        ("DELETE", "/tenants/home", None),
        ("GET", "/tenants/away", None),
        ("GET", "/tenants/none", None),
        ("PUT", "/tenants/users", {"username": "eve", "tenant_name": "away", "role": "manager"}),
        ("PUT", "/tenants/users", {"username": "eve", "tenant_name": "home", "role": "manager"}),
        ("PATCH", "/tenants/users", {"username": "x", "tenant_name": "none", "role": "manager"}),
        ("DELETE", "/tenants/users", {"username": "eve", "tenant_name": "home"}),
    ):
        refused = eve.refused(method, f"{API}{path}", body)
        assert refused[:2] == FORBIDDEN or (path == "/tenants/users" and refused[0] == 409), (path, refused)


def test_a_tokens_life(live: Live) -> None:
    """Shown whole once; it lets in until it is deleted; others do not see it."""
    eve, other = live.user("eve", TenantRole.USER), live.user("other", TenantRole.USER)
    made = eve.does(
        "POST", f"{API}/tokens", {"description": "for a test", "expiration_date": "2031-01-01 10:00"}
    )
    assert re.fullmatch(r"ctok-[A-Za-z0-9]{10}-[A-Za-z0-9]{40}", made["value"])
    assert (made["username"], made["expiration_date"]) == ("eve", "2031-01-01T10:00:00.000Z")
    later = eve.gets(f"{API}/tokens/{made['id']}")
    assert later["value"] == f"ctok-{made['id']}-********"
    assert {item["id"] for item in eve.gets(f"{API}/tokens")["items"]} >= {made["id"]}
    assert made["id"] not in {item["id"] for item in other.gets(f"{API}/tokens")["items"]}
    for method in ("GET", "DELETE"):
        assert other.refused(method, f"{API}/tokens/{made['id']}")[:2] == (404, "not_found_error")
    eve.does("DELETE", f"{API}/tokens/{made['id']}", status=204)
    eve.token = made["value"]
    assert eve.refused("GET", SECRETS)[0] == 401


def test_pages_of_people(live: Live) -> None:
    """Parts of users, tenants and tokens follow one another, each with the whole number; all on request."""
    admin = live.client()
    for name in ("ann", "bob", "cid"):
        live.user(name)
        live.world.service.tenants.create(live.world.admin, f"of-{name}")
    for group, field in (("users", "username"), ("tenants", "name"), ("tokens", "id")):
        whole = admin.gets(f"{API}/{group}")
        names = [item[field] for item in whole["items"]]
        assert len(names) == whole["metadata"]["pagination"]["total"] >= 4
        parts = [admin.gets(f"{API}/{group}?_size=2&_offset={offset}") for offset in range(0, len(names), 2)]
        assert [item[field] for part in parts for item in part["items"]] == names
        assert {part["metadata"]["pagination"]["total"] for part in parts} == {len(names)}
        everything = admin.gets(f"{API}/{group}?_size=1&_get_all_results=True&_include={field}")
        assert everything["items"] == [{field: name} for name in names]
        ordered = admin.gets(f"{API}/{group}?_sort=-{field}&_size=2")["items"]
        assert [item[field] for item in ordered] == sorted(names, reverse=True)[:2]
        with live.world.statements() as statements:
            admin.gets(f"{API}/{group}?_size=2")
        table = {"users": "user_account", "tokens": "access_token"}.get(group)
        assert table is None or any(f"FROM {table}" in one and "LIMIT" in one for one in statements)


@pytest.mark.parametrize("text", ["garbage", "+5", "+x days", "2001-01-01 00:00", "+999999 years"])
def test_expiration_dates_that_are_refused(shared: Live, text: str) -> None:
    """Garbage, and a time that has passed, are 400."""
    refused = shared.client().refused("POST", f"{API}/tokens", {"expiration_date": text})
    assert refused[:2] == (400, "bad_parameters_error")


def test_tokens_narrowed_here_are_narrow(live: Live) -> None:
    """What is asked for narrows; a narrowed token makes and lists none, and deletes none but itself."""
    live.world.secret("shop_a")
    admin = live.client()
    body = {"permissions": ["secret:list"], "tenants": ["home"], "keys": ["shop_*"]}
    made = admin.does("POST", f"{API}/tokens", body)
    assert (made["permissions"], made["tenants"], made["keys"]) == tuple(body.values())
    admin.token = made["value"]
    assert admin.gets(SECRETS)["metadata"]["pagination"]["total"] == 1
    assert admin.refused("GET", f"{SECRETS}/shop_a")[:2] == FORBIDDEN
    other = live.world.admin.token_id
    for method, path in (("POST", "/tokens"), ("GET", "/tokens"), ("DELETE", f"/tokens/{other}")):
        assert admin.refused(method, f"{API}{path}", {} if method == "POST" else None)[:2] == FORBIDDEN
    admin.does("DELETE", f"{API}/tokens/{made['id']}", status=204)
    assert admin("GET", SECRETS).status_code == 401
    nothing = live.client("admin", permissions=frozenset())
    assert nothing.refused("GET", SECRETS)[:2] == FORBIDDEN
