"""`resolver tenants`: tenants and their members, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

NOT_PERMITTED = "  hint: `resolver whoami` shows what this user and token may do\n"


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, times as TIME."""
    return [re.split(r"  +", TIME.sub("TIME", line)) for line in table.splitlines()]


def test_tenants(admin: Cli) -> None:
    """Tenants are made and listed: all to a sys_admin, the own ones to others."""
    assert admin.prints("tenants", "create", "shop") == "Tenant `shop` created\n"
    assert cells(admin.prints("tenants", "list")) == [
        ["NAME", "YOUR ROLE", "MEMBERS"],
        ["default_tenant", "-", "0"],
        ["shop", "-", "0"],
    ]
    user = admin.as_user("eve", "shop", role="operations")
    assert cells(user.prints("tenants", "list"))[1:] == [["shop", "operations", "1"]]
    assert json.loads(user.prints("tenants", "list", "--format", "json")) == [
        {"name": "shop", "role": "operations", "members": 1}
    ]


def test_tenants_refused(admin: Cli) -> None:
    """A taken or malformed name is refused, and so is everyone but a sys_admin."""
    assert admin.refuses("tenants", "create", "default_tenant") == (
        8,
        "error: tenant 'default_tenant' already exists\n",
    )
    assert admin.refuses("tenants", "create", "7") == (
        2,
        "error: the tenant name must begin with a letter\n",
    )
    manager = admin.as_user("eve", role="manager")
    assert manager.refuses("tenants", "create", "shop") == (
        4,
        f"error: user 'eve' is not permitted to manage tenants\n{NOT_PERMITTED}",
    )


def test_members(admin: Cli) -> None:
    """A role is given, changed and taken away, at once."""
    user = admin.as_user("eve")
    added = admin.prints("tenants", "add-user", "eve", "-t", "default_tenant")
    assert added == "User `eve` is user in tenant `default_tenant`\n"
    user.prints("secrets", "create", "test", "-s", "value")
    changed = admin.prints("tenants", "add-user", "eve", "-t", "default_tenant", "-r", "viewer")
    assert changed == "User `eve` is viewer in tenant `default_tenant`\n"
    assert user.refuses("secrets", "delete", "test", "--yes")[0] == 4
    removed = admin.prints("tenants", "remove-user", "eve", "-t", "default_tenant")
    assert removed == "User `eve` removed from tenant `default_tenant`\n"
    assert user.refuses("secrets", "list")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add-user", "nobody", "-t", "default_tenant"), "user 'nobody' does not exist"),
        (("add-user", "admin", "-t", "nowhere"), "tenant 'nowhere' does not exist"),
        (
            ("remove-user", "admin", "-t", "default_tenant"),
            "user 'admin' is not a member of tenant 'default_tenant'",
        ),
    ],
    ids=["unknown user", "unknown tenant", "no member"],
)
def test_members_refused(admin: Cli, arguments: tuple[str, ...], message: str) -> None:
    """Whoever manages members is told what does not exist."""
    assert admin.refuses("tenants", *arguments) == (5, f"error: {message}\n")


BACKUPS = (
    "note: backups, snapshots, replicas and archived logs made before still hold keys and values, which the "
    "root key opens; delete them, or rotate the root key and destroy the old one\n"
)


def test_a_tenant_ends(admin: Cli) -> None:
    """A tenant that holds something is deleted with --purge; its trail is read by its id."""
    admin.prints("tenants", "create", "prod")
    admin.prints("users", "create", "eve")
    admin.prints("tenants", "add-user", "eve", "-t", "prod", "-r", "manager")
    assert admin.prints("tenants", "get", "prod") == (
        "name:      prod\nyour role: -\nmembers:   1\neve: manager\n"
    )
    admin.prints("secrets", "create", "k", "-s", "value", "-t", "prod")
    assert admin.refuses("tenants", "delete", "prod", "--yes") == (
        8,
        "error: tenant 'prod' holds 1 secret: secret prod/k\n  hint: --purge deletes them with the tenant\n",
    )
    printed = admin.prints("tenants", "delete", "prod", "--yes", "--purge", note=BACKUPS)
    assert printed == "Tenant `prod` deleted with 1 secret, its data keys destroyed\n"
    last = json.loads(
        admin.prints("audit", "list", "--system", "--action", "tenant:delete", "--format", "json")
    )[-1]
    trail = json.loads(admin.prints("audit", "list", "-t", last["tenant_id"], "--format", "json"))
    assert [record["action"] for record in trail] == ["secret:create", "secret:delete"]
