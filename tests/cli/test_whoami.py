"""`resolver whoami`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re
import resource
from typing import TYPE_CHECKING

import pytest

from resolver.errors import StoreError
from resolver.store.sql import SqlStore
from tests.databases import World, made_world

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
    assert printed[5] == "tenant:      default_tenant"
    assert printed[6:] == ["in tenant default_tenant (viewer): provider:list, secret:list, secret:show"]
    facts = json.loads(user.prints("whoami", "--format", "json"))
    assert facts["tenant"] == "default_tenant"
    assert facts["tenants"] == {
        "default_tenant": {"role": "viewer", "permissions": ["provider:list", "secret:list", "secret:show"]}
    }


def test_whoami_of_an_admin(admin: Cli) -> None:
    """The same rights in several tenants are printed once, and all of them as one word."""
    admin.prints("tenants", "create", "staging")
    assert admin.prints("whoami").splitlines()[6:] == [
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
    world = made_world("sqlite", tmp_path)
    before_it = sorted(tmp_path.iterdir())
    world.service.status()
    world.service.check_ready()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        with pytest.raises(StoreError, match="can't be written: File too large"):
            world.service.status()
        world.service.check_ready()  # a moment ago there was room
        with pytest.raises(StoreError, match="can't be written: File too large"):
            world.reopened().check_ready()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(tmp_path.iterdir()) == before_it
    world.service.close()


def test_status_sees_a_standby(tmp_path: Path) -> None:
    """A PostgreSQL that is set to be read only stands for one; otherwise it writes, and into no table."""
    world = made_world("postgresql", tmp_path)
    world.service.status()
    world.service.close()
    url = f"{world.url}{'&' if '?' in world.url else '?'}options=-c%20default_transaction_read_only%3Don"
    service = World(url, SqlStore(url), token=world.token).service
    for asked in (service.status, service.check_ready):
        with pytest.raises(StoreError, match="takes no changes: it is a standby") as caught:
            asked()
        assert "name the primary" in caught.value.hint
    service.close()
