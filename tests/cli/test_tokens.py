"""`resolver tokens`: access tokens are made, shown and revoked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

NOT_PERMITTED = "  hint: `resolver whoami` shows what this user and token may do\n"


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, times as TIME."""
    return [re.split(r"  +", TIME.sub("TIME", line)) for line in table.splitlines()]


def test_tokens(admin: Cli) -> None:
    """A token is printed alone with --quiet, listed without its secret part, and ended by its id."""
    note = "note: keep it now, it is not shown again; `resolver tokens revoke` ends it\n"
    loud = admin.prints("tokens", "create", note=note)
    quiet = admin.prints(
        *("tokens", "create", "--quiet", "--description", "for the shop", "--expires", "2999-01-01"),
        *("--tenant", "default_tenant", "--key", "shop_*", "--permission", "secret:use"),
    )
    for token in (loud, quiet):
        assert re.fullmatch(r"ctok-[A-Za-z0-9]{10}-[A-Za-z0-9]{40}\n", token)
    ids = [token.split("-")[1] for token in (loud, quiet)]
    listed = admin.prints("tokens", "list")
    narrowed = "permissions: secret:use; tenants: default_tenant; keys: shop_*"
    assert [row[1:] for row in cells(listed)] == [
        ["USER", "CREATED", "EXPIRES", "LAST USED", "NARROWED TO", "DESCRIPTION"],
        ["admin", "TIME", "-", "TIME", "-", "made by init"],
        ["admin", "TIME", "-", "-", "-", "-"],
        ["admin", "TIME", "TIME", "-", narrowed, "for the shop"],
    ]
    assert [row[0] for row in cells(listed)[2:]] == ids
    assert quiet.split("-")[2].strip() not in listed
    holder = admin.with_token(loud.strip())
    assert holder.prints("whoami").startswith("user:        admin\n")
    assert admin.prints("tokens", "revoke", ids[0]) == f"Token `{ids[0]}` revoked\n"
    assert holder.refuses("whoami")[0] == 4


def test_a_token_is_replaced(admin: Cli) -> None:
    """`rotate` prints the successor, bound to the same networks; the old one says what replaced it."""
    made = admin.prints("tokens", "create", "--quiet", "--from", "127.0.0.0/8", "--from", "10.0.0.1")
    public = made.split("-")[1]
    note = f"note: keep it now, it is not shown again; `{public}` ends after the overlap\n"
    newer = admin.prints("tokens", "rotate", public, "--overlap", "1h", note=note)
    assert re.fullmatch(r"ctok-[A-Za-z0-9]{10}-[A-Za-z0-9]{40}\n", newer)
    old, new = (
        json.loads(admin.prints("tokens", "get", token.split("-")[1], "--format", "json"))
        for token in (made, newer)
    )
    assert (old["replaced_by"], new["replaced_by"], new["expires_at"]) == (new["id"], None, None)
    assert old["narrowed"] == new["narrowed"] == "from: 10.0.0.1/32, 127.0.0.0/8"
    holder = admin.with_token(newer.strip())
    assert "narrowed_to_networks:" in holder.prints("whoami")
    assert holder.refuses("tokens", "rotate", new["id"])[0] == 4
    assert admin.refuses("tokens", "create", "--from", "10.0.0.1/8") == (
        2,
        (
            "error: '10.0.0.1/8' is no network\n"
            "  hint: write one like 10.0.0.0/8 or 2001:db8::/32, or an address\n"
        ),
    )
    bound = admin.prints("tokens", "create", "--quiet", "--from", "10.0.0.0/8").strip()
    unknown = f"ctok-{'a' * 10}-{'b' * 40}"
    assert admin.with_token(bound).refuses("whoami") == admin.with_token(unknown).refuses("whoami")


def test_unused_tokens_are_listed(admin: Cli) -> None:
    """`--unused` with a time leaves out what was used or made since then."""
    admin.prints("tokens", "create", "--quiet")
    assert json.loads(admin.prints("tokens", "list", "--unused", "90d", "--format", "json")) == []
    (idle,) = json.loads(admin.prints("tokens", "list", "--unused", "2999-01-01", "--format", "json"))[1:]
    assert idle["last_used_at"] is None


def test_tokens_refused(admin: Cli) -> None:
    """Past expiries, unknown ids and tokens of others are refused; a narrowed token makes none."""
    assert admin.refuses("tokens", "create", "--expires", "2020-01-01") == (
        2,
        "error: the expiry has passed already\n  hint: write a time that is ahead, in UTC\n",
    )
    assert admin.refuses("tokens", "revoke", "a" * 10) == (5, f"error: token '{'a' * 10}' does not exist\n")
    user = admin.as_user("eve")
    assert user.refuses("tokens", "create", "--user", "admin") == (
        4,
        f"error: user 'eve' is not permitted to manage tokens of others\n{NOT_PERMITTED}",
    )
    own = json.loads(admin.prints("tokens", "list", "--format", "json"))[0]["id"]
    assert user.refuses("tokens", "revoke", own) == (5, f"error: token '{own}' does not exist\n")
    narrow = admin.prints("tokens", "create", "--quiet", "--key", "shop_*").strip()
    assert admin.with_token(narrow).refuses("tokens", "create") == (
        4,
        "error: a narrowed token can't make a token\n  hint: use a token of this user that is not narrowed\n",
    )


def fields(printed: str) -> dict[str, str]:
    """What `get` prints, with TIME for each time."""
    lines = (line.partition(":") for line in TIME.sub("TIME", printed).splitlines())
    return {name: value.strip() for name, _, value in lines}


def test_tokens_are_shown_and_end(admin: Cli) -> None:
    """`tokens get` shows all but the token, `delete` is `revoke`; a distance is an expiry."""
    token = admin.prints("tokens", "create", "--quiet", "--expires", "90d", "--key", "shop_*").strip()
    token_id = token.split("-")[1]
    printed = admin.prints("tokens", "get", token_id)
    assert fields(printed) == {
        "id": token_id,
        "user": "admin",
        "created_at": "TIME",
        "expires_at": "TIME",
        "last_used_at": "-",
        "narrowed": "keys: shop_*",
        "description": "-",
    }
    assert token.split("-")[2] not in printed
    assert admin.prints("tokens", "delete", token_id) == f"Token `{token_id}` revoked\n"


def test_a_token_for_a_tenant_that_gives_nothing_is_warned_of(admin: Cli) -> None:
    """Whoever makes a token for a tenant hears when it gives nothing there."""
    note = "note: keep it now, it is not shown again; `resolver tokens revoke` ends it\n"
    end = ": as it is, the token gives nothing there\n"
    admin.prints("tokens", "create", "--tenant", "default_tenant", note=note)
    admin.prints(
        *("tokens", "create", "--tenant", "prd"), note=f"warning: tenant 'prd' does not exist{end}{note}"
    )
    user = admin.as_user("eve")
    told = [
        user.prints(
            "tokens",
            "create",
            "--tenant",
            name,
            note=f"warning: tenant {name!r} has no role for user 'eve'{end}{note}",
        )
        for name in ("default_tenant", "prd")  # one that exists and one that does not
    ]
    assert len(told) == 2
    admin.prints("tenants", "add-user", "eve", "-t", "default_tenant", "-r", "viewer")
    admin.prints("tokens", "create", "--user", "eve", "--tenant", "default_tenant", note=note)
