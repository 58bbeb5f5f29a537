"""Lists of people, tokens and providers: sorted, searched and cut in the database as in Python."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.account_changes import NewToken, NewUser, UserChange
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider

if TYPE_CHECKING:
    from tests.rest.conftest import Client, Live

pytestmark = pytest.mark.slow

API = "/api/v3.1"

NAMES = ["ann", "Bob", "bob-2", "b.ob", "Z_ed", "zed", "a~b", "cid", "Ann-x", "I-am"]

UNSORTABLE = {
    "users": {"tenant_roles", "is_locked", "issuer", "subject"},
    "tokens": {"permissions", "tenants", "keys", "networks"},
}
"""Fields that are made up of several rows, or of parts, and those that Cloudify does not have."""

NUMBERS = {"tenants": {"users"}, "users": {"tenants"}}

SEARCHES = ["", "b", "B", "ob", "-", ".", "_", "%", "~", "zed", "i", "none of them", "\0", "\N{KELVIN SIGN}"]


def _fill(live: Live) -> None:
    """Users, tenants, tokens and providers, of whom some have what others lack."""
    world = live.world
    for number, name in enumerate(NAMES):
        world.clock.now = f"2030-01-{28 - number}T00:00:00.000Z"
        tenant = f"of-{name}"
        world.service.tenants.create(world.admin, tenant)
        world.service.users.create(world.admin, name, NewUser(password=SecretValue("a long password")))
        for other in NAMES[: number % 4]:
            world.service.tenants.add_member(world.admin, f"of-{other}", name, TenantRole.USER)
        if number % 3 == 0:
            world.service.users.update(world.admin, name, UserChange(active=False))
        else:
            world.service.gate.authenticate_password(name, "a long password")
        expiry = "2031-01-01 00:00" if number % 2 else None
        world.service.tokens.create(
            world.admin, NewToken(username=name, description=f"é{number % 3}", expires_at=expiry)
        )
        visibility = list(Visibility)[number % 3]
        home = "away" if number % 4 == 0 else "home"
        world.service.providers.create(world.admin, home, name, NewProvider("local", {}, visibility))


def _expected(items: list[dict[str, Any]], group: str, field: str, *, down: bool) -> list[dict[str, Any]]:
    """What is sorted by a field: numbers as such, all else as text; ties stay as they are."""

    def key(item: dict[str, Any]) -> Any:  # noqa: ANN401
        return item[field] if field in NUMBERS.get(group, ()) else str(item[field])

    return sorted(items, key=key, reverse=down)


def _whole(admin: Client, group: str, search: str = "") -> list[dict[str, Any]]:
    found = admin.gets(f"{API}/{group}", params={"_search": search, "_get_all_results": "true"})["items"]
    assert isinstance(found, list)
    return found


GROUPS = {"users": "username", "tenants": "name", "tokens": "id", "secrets-providers": "name"}


def test_lists_are_sorted_and_cut_as_in_python(each: Live) -> None:
    """By each field, up and down, in pages; the total is of all; what differs in no item changes nothing."""
    _fill(each)
    admin = each.client()
    for group in GROUPS:
        whole = _whole(admin, group)
        assert len(whole) >= 7
        for field, down in itertools.product(whole[0], (False, True)):
            query = {"_sort": f"{'-' if down else ''}{field}", "_size": "4", "_offset": "2"}
            if field in UNSORTABLE.get(group, ()):
                assert admin("GET", f"{API}/{group}", params=query).status_code == 400
                continue
            page = admin.gets(f"{API}/{group}", params=query)
            assert page["items"] == _expected(whole, group, field, down=down)[2:6], (group, field)
            assert page["metadata"]["pagination"] == {"total": len(whole), "size": 4, "offset": 2}
        query = {"_sort": ["-created_at", "nothing"]}
        assert admin("GET", f"{API}/{group}", params=query).json()["error_code"] == "bad_parameters_error"


def test_lists_are_searched_as_in_python(each: Live) -> None:
    """A part of the name in any case; no character is a wildcard."""
    _fill(each)
    admin = each.client()
    for group, name in GROUPS.items():
        whole = _whole(admin, group)
        for search in SEARCHES:
            want = [item for item in whole if search.lower() in item[name].lower()]
            assert _whole(admin, group, search) == want, (group, search)
            part = admin.gets(f"{API}/{group}", params={"_search": search, "_size": "1", "_offset": "1"})
            assert part["items"] == want[1:2]
            assert part["metadata"]["pagination"]["total"] == len(want)


def test_what_others_may_not_see_is_not_in_their_pages(each: Live) -> None:
    """One's own tenants and tokens, and providers by their visibility; totals count nothing else."""
    _fill(each)
    eve = each.user("eve", TenantRole.USER)
    each.world.service.providers.create(
        each.world.caller("eve"), "home", "mine", NewProvider("local", {}, Visibility.PRIVATE)
    )
    manager = each.user("man", TenantRole.MANAGER)
    seen: dict[str, list[str]] = {}
    for who, client in (("eve", eve), ("man", manager)):
        for group in ("tenants", "tokens", "secrets-providers"):
            page = client.gets(f"{API}/{group}?_sort=-created_at" if "prov" in group else f"{API}/{group}")
            seen[f"{who} {group}"] = sorted(item[GROUPS[group]] for item in page["items"])
            assert page["metadata"]["pagination"]["total"] == len(page["items"])
        assert client.refused("GET", f"{API}/users?_sort=username")[0] == 403
    assert seen["eve tenants"] == ["home"]
    assert len(seen["eve tokens"]) == 3
    private = {name for number, name in enumerate(NAMES) if number % 3 == 0 and number % 4}
    assert set(seen["man secrets-providers"]) - set(seen["eve secrets-providers"]) == private
    assert "mine" in seen["eve secrets-providers"]
    assert len(_whole(each.client(), "tenants")) == len(NAMES) + 2
    narrowed = each.client("admin", tenants=frozenset({"home", "of-ann", "gone"}))
    assert [item["name"] for item in _whole(narrowed, "tenants")] == ["home", "of-ann"]


@pytest.mark.parametrize("query", ["_size=5&_offset=3", "_size=5&_sort=-{}", "_size=5&_search=O", "_size=5"])
def test_a_page_reads_no_more_than_itself(each: Live, query: str) -> None:
    """Of many, however it is asked for: the rows that are read are the page's, and a few of the caller's."""
    world = each.world
    for number in range(40):
        name = f"of-{number:02}"
        world.service.tenants.create(world.admin, name)
        world.service.users.create(world.admin, name, NewUser())
        world.service.tenants.add_member(world.admin, name, name, TenantRole.USER)
        world.service.providers.create(world.admin, "home", name, NewProvider("local"))
        world.service.tokens.create(world.admin, NewToken(username=name, description="of-"))
    admin = each.client()
    for group, field in GROUPS.items():
        if group == "tokens" and "search" in query:
            continue  # their ids are random
        with world.rows_read() as rows:
            page = admin.gets(f"{API}/{group}?{query.format(field)}")
        assert len(page["items"]) == 5
        assert page["metadata"]["pagination"]["total"] >= 40
        assert len([row for row in rows if any(str(cell).startswith("of-") for cell in row)]) <= 10, group
        assert len(rows) < 30, group
