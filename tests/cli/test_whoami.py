"""`resolver whoami`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re
import resource
from typing import TYPE_CHECKING

import pytest

from resolver.cli.whoami import demand_room
from resolver.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def test_whoami(admin: Cli) -> None:
    """Who, with which token, in which mode, and what is permitted where."""
    user = admin.as_user("eve", role="viewer")
    printed = user.prints("whoami").splitlines()
    assert printed[:2] == ["user:        eve", "system_role: default"]
    assert re.fullmatch(r"token:       [A-Za-z0-9]{10}", printed[2])
    assert printed[3] == "mode:        embedded: this process holds the root key and the database"
    assert printed[4] == f"store:       sqlite:///{admin.home}/data/resolver.db"
    assert printed[5:] == ["in tenant default_tenant (viewer): provider:list, secret:list, secret:show"]
    facts = json.loads(user.prints("whoami", "--format", "json"))
    assert facts["tenants"] == {
        "default_tenant": {"role": "viewer", "permissions": ["provider:list", "secret:list", "secret:show"]}
    }


def test_whoami_of_an_admin(admin: Cli) -> None:
    """The same rights in several tenants are printed once, and all of them as one word."""
    admin.prints("tenants", "create", "staging")
    assert admin.prints("whoami").splitlines()[5:] == [
        "in the whole system: everything",
        "in 2 tenants: everything",
        "  which are: default_tenant, staging",
    ]


def test_whoami_refused(admin: Cli) -> None:
    """Without a valid token there is no answer."""
    code, said = admin.with_token(f"ctok-{'a' * 10}-{'b' * 40}").refuses("whoami")
    assert (code, said.splitlines()[0]) == (4, "error: the access token is not valid")


def test_token_file(admin: Cli, tmp_path: Path) -> None:
    """--token-file goes before RESOLVER_TOKEN and the profile; an empty one is refused."""
    path = tmp_path / "token"
    path.write_text(admin.as_user("eve").env["RESOLVER_TOKEN"] + "\n")
    assert admin.prints("whoami", "--token-file", str(path)).startswith("user:        eve\n")
    path.write_text("\n")
    assert admin.refuses("whoami", "--token-file", str(path)) == (
        4,
        f"error: the token file '{path}' is empty\n",
    )


def test_status_sees_a_full_disk(tmp_path: Path) -> None:
    """A file is written where the database is, and nothing is left; a limit stands for the full disk."""
    demand_room(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        with pytest.raises(StoreError, match="can't be written: File too large"):
            demand_room(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
