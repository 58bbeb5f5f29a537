"""Who writes the database has it answer with other rows than it was asked for, genuine ones, or with none.

Views, rules and indexes can do that. What is found is compared with what was asked for, so that no change is
made to another row, and nothing is said to be done that was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.account_changes import NewPassword, UserChange
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.providers import NewProvider, ProviderChange
from resolver.core.rows import RowFault
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import ConflictError, TamperedRowError
from resolver.store import tables as t
from resolver.store.aggregates import BY_KIND
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, ROOT_KEY, World, database
from tests.service.test_tampering_rows import Attacked, answering, rewriting
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolver.service import Service

OTHER_ROOT_KEY = "b3RoZXIgcm9vdCBrZXkgZm9yIHRoZSB0ZXN0cyBvbmw="

NOWHERE = {"url": "http://127.0.0.1:9", "token": "t", "path": "x", "mount": "kv"}


@pytest.fixture(scope="module", params=DIALECTS)
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One on each database, with a user, a secret and a provider of the attacker's own."""
    made = Attacked(database(request.param, tmp_path_factory.mktemp("answers")))
    world = made.world
    mallory = world.user("mallory", TenantRole.USER)
    world.user("bob", TenantRole.VIEWER)
    world.service.secrets.create(
        mallory,
        "home",
        "own",
        NewSecret(value=SecretValue("mine"), visibility=Visibility.PRIVATE, hidden=True),
    )
    world.service.providers.create(world.admin, "home", "other", NewProvider("vault", NOWHERE))
    yield made
    made.engine.dispose()
    made.world.service.close()


def locking(
    attacked: Attacked, table: str, asked: str, instead: str
) -> contextlib.AbstractContextManager[None]:
    """Have the database look for another row where one is locked that was found, before it is changed."""

    def rewrite(query: tuple[str, Any]) -> tuple[str, Any]:
        statement, parameters = query
        locks = statement.startswith("SELECT") and f"FROM {table} " in statement and "JOIN" not in statement
        if not locks or t.ROW_MAC not in statement or "ORDER BY" not in statement:
            return query
        if isinstance(parameters, dict):
            return statement, {
                name: instead if value == asked else value for name, value in parameters.items()
            }
        return statement, tuple(instead if value == asked else value for value in parameters)

    return rewriting(attacked, rewrite)


def ids(attacked: Attacked) -> dict[str, str]:
    """The ids of users, tenants, secrets and providers, by name."""
    tables = (t.user_account, t.tenant, t.secret, t.secrets_provider)
    return {row.get("name", row.get("key")): row["id"] for table in tables for row in attacked.rows(table)}


def decided(attacked: Attacked) -> list[list[dict[str, Any]]]:
    """All rows that decide, but for when they were used."""
    tables = [aggregate.table for aggregate in BY_KIND.values()]
    return [
        [{name: value for name, value in row.items() if "last_" not in name} for row in attacked.rows(table)]
        for table in (*tables, t.membership)
    ]


Attempt = tuple[str, str, str, "Callable[[Service, World], object]"]

CHANGES: dict[str, Attempt] = {
    "a system role": (
        "user_account",
        "bob",
        "mallory",
        lambda service, world: service.users.update(
            world.admin, "bob", UserChange(system_role=SystemRole.SYS_ADMIN)
        ),
    ),
    "a membership": (
        "user_account",
        "bob",
        "mallory",
        lambda service, world: service.tenants.add_member(world.admin, "home", "bob", TenantRole.MANAGER),
    ),
    "a password": (
        "user_account",
        "bob",
        "admin",
        lambda service, world: service.users.set_password(
            world.admin, "bob", NewPassword(SecretValue("known to bob"))
        ),
    ),
    "hiding and visibility": (
        "secret",
        "own",
        "private",
        lambda service, world: service.secrets.update(
            world.caller("mallory"),
            "home",
            "own",
            SecretChange(hidden=False, visibility=Visibility.TENANT),
        ),
    ),
    "an owner": (
        "secret",
        "own",
        "private",
        lambda service, world: service.secrets.update(
            world.admin, "home", "own", SecretChange(owner="mallory")
        ),
    ),
    "a version": (
        "secret",
        "own",
        "private",
        lambda service, world: service.secrets.update(
            world.caller("mallory"), "home", "own", SecretChange(value=SecretValue("new"))
        ),
    ),
    "all that somebody owns": (
        "secret",
        "mallory",
        "admin",
        lambda service, world: service.users.delete(world.admin, "mallory", reassign_to="bob"),
    ),
    "a provider's credentials": (
        "secrets_provider",
        "p",
        "other",
        lambda service, world: service.providers.update(
            world.admin, "home", "p", ProviderChange(parameters={"token": "a-better-one"})
        ),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_no_change_is_made_to_another_row(attacked: Attacked, what: str) -> None:
    """A role, an owner, a password that is given to one is given to nobody else, nor is that unhidden."""
    table, asked, instead, attempt = CHANGES[what]
    named = ids(attacked)
    world, before = attacked.world, None
    world.caller("mallory")  # makes a token
    service = world.reopened()
    with locking(attacked, table, named[asked], named[instead]):
        before = [rows for rows in decided(attacked) if rows and "digest" not in rows[0]]
        # Of the attacker's secrets and the administrator's, both are found or only those that were not meant.
        with pytest.raises((TamperedRowError, ConflictError), match=r"another row|someone else"):
            attempt(service, world)
    assert [rows for rows in decided(attacked) if rows and "digest" not in rows[0]] == before
    assert world.reopened().rows.round() == []


def test_the_changes_are_made_otherwise(tmp_path: Path) -> None:
    """The attempts above fail for what the database answers."""
    made = Attacked(database("sqlite", tmp_path))
    mallory = made.world.user("mallory", TenantRole.USER)
    made.world.user("bob", TenantRole.VIEWER)
    own = NewSecret(value=SecretValue("mine"), visibility=Visibility.PRIVATE, hidden=True)
    made.world.service.secrets.create(mallory, "home", "own", own)
    for _, _, _, attempt in CHANGES.values():
        attempt(made.world.service, made.world)
    made.engine.dispose()
    made.world.service.close()


ENDS: dict[str, tuple[str, str, Callable[[Service, Attacked], object]]] = {
    "a revocation": (
        "access_token",
        "token",
        lambda service, attacked: service.tokens.revoke(attacked.world.admin, attacked.token.split("-")[1]),
    ),
    "a deactivation": (
        "user_account",
        "bob",
        lambda service, attacked: service.users.update(attacked.world.admin, "bob", UserChange(active=False)),
    ),
    "the end of a membership": (
        "user_account",
        "bob",
        lambda service, attacked: service.tenants.remove_member(attacked.world.admin, "home", "bob"),
    ),
    "a new password": (
        "user_account",
        "bob",
        lambda service, attacked: service.users.set_password(
            attacked.world.admin, "bob", NewPassword(SecretValue("another new one"))
        ),
    ),
    "the end of a user": (
        "user_account",
        "bob",
        lambda service, attacked: service.users.delete(attacked.world.admin, "bob"),
    ),
    "the end of a provider": (
        "secrets_provider",
        "other",
        lambda service, attacked: service.providers.delete(attacked.world.admin, "home", "other"),
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_nothing_is_said_to_be_done_that_was_not(attacked: Attacked, what: str) -> None:
    """A token that the database does not find where it is to be revoked: whoever revokes it is told so."""
    table, asked, attempt = ENDS[what]
    world = attacked.world
    named = ids(attacked) | {"token": attacked.token.split("-")[1]}
    with (
        locking(attacked, table, named[asked], "nothing"),
        pytest.raises(ConflictError, match=r"was changed or deleted by someone else"),
    ):
        attempt(world.service, attacked)
    assert world.reopened().rows.round() == []


def test_no_other_tenant_provider_or_key_is_taken(attacked: Attacked) -> None:
    """A value is stored in the tenant, credentials are given to the provider, that was named, or nowhere."""
    world, named = attacked.world, ids(attacked)
    service, admin = world.reopened(), world.admin
    value = NewSecret(value=SecretValue("v"))
    for table, asked, instead, attempt in (
        ("tenant", "home", "away", lambda: service.secrets.create(admin, "home", "new", value)),
        (
            "tenant",
            "home",
            "away",
            lambda: service.tenants.add_member(admin, "home", "mallory", TenantRole.MANAGER),
        ),
        (
            "data_key",
            named["home"],
            named["away"],
            lambda: service.secrets.create(admin, "home", "new", value),
        ),
        (
            "secrets_provider",
            "p",
            "other",
            lambda: service.providers.update(
                admin, "home", "p", ProviderChange(parameters={"token": "a-better-one"})
            ),
        ),
    ):
        with (
            answering(attacked, table, asked, instead),
            pytest.raises(TamperedRowError, match="another row"),
        ):
            attempt()
    with (
        rewriting(
            attacked, lambda query: (query[0].replace("tenant.id = secret.tenant_id", _AWAY), query[1])
        ),
        pytest.raises(TamperedRowError, match="another row"),
    ):
        service.use.use(admin, "home", [key_use("k")], DIGESTS)


_AWAY = "tenant.name = 'away'"


def test_a_root_key_that_wraps_no_more_is_not_wrapped_with(tmp_path: Path) -> None:
    """Its row is genuine, and it may have been rotated because others know it."""
    url = database("sqlite", tmp_path)
    old, new = RootKey(ROOT_KEY, "the tests"), RootKey(OTHER_ROOT_KEY, "the tests")
    world = World(url, SqlStore(url), ring=KeyRing([old, new]))
    world.service.keys.rotate_root(world.admin, new.id, lambda _doing, _more: None)
    attacked = Attacked.__new__(Attacked)
    attacked.world = world
    wraps = "WHERE root_key.wraps"
    with (
        rewriting(attacked, lambda query: (query[0].replace(wraps, "WHERE NOT root_key.wraps"), query[1])),
        pytest.raises(TamperedRowError, match="another row"),
    ):
        world.service.tenants.create(world.admin, "late")
    world.service.close()


def test_a_secret_whose_provider_is_left_out_is_none_of_here(attacked: Attacked) -> None:
    """It is not read as the empty value that this store has of it, nor exported as one."""
    world = attacked.world
    kept = ids(attacked)["kept"]
    service = world.reopened()

    def without(value: Any) -> Any:  # noqa: ANN401 - ids as a list, or as JSON
        return value.replace(kept, "") if isinstance(value, str) else [one for one in value if one != kept]

    def rewrite(query: tuple[str, Any]) -> tuple[str, Any]:
        statement, parameters = query
        if "FROM secrets_provider JOIN" not in statement:
            return query
        return statement, {name: without(value) for name, value in parameters.items()}

    for attempt in (
        lambda: service.secrets.show(world.admin, "home", "kept"),
        lambda: service.use.use(world.admin, "home", [key_use("kept")], DIGESTS),
        lambda: service.transfer.export(world.admin, ExportRequest("home")),
    ):
        with (
            rewriting(attacked, rewrite),
            pytest.raises(ConflictError, match="was changed or deleted by someone else"),
        ):
            attempt()
    joined = "secrets_provider.id = secret.provider_id"
    with (
        rewriting(attacked, lambda query: (query[0].replace(joined, "1 = 2"), query[1])),
        pytest.raises(TamperedRowError, match="it is missing, and other rows name it"),
    ):
        service.transfer.export(world.admin, ExportRequest("home"))


JUNK: dict[str, str] = {
    "a MAC that is none": "UPDATE user_account SET row_mac = X'00FF' WHERE name = 'bob'",
    "a role that is none": "UPDATE user_account SET system_role = 'king' WHERE name = 'bob'",
    "a role in a tenant that is none": "UPDATE membership SET role = 'king' WHERE user_id ="
    " (SELECT id FROM user_account WHERE name = 'bob')",
    "a chain of its own": "INSERT INTO audit_chain (id, number, hash, mac) VALUES ('chain', 1, 'h', 'm')",
    "a chain without a name": "INSERT INTO audit_chain (id, number, hash, mac) VALUES (X'00FF', 1, 'h', 'm')",
}


@pytest.mark.parametrize("what", JUNK)
def test_what_cannot_be_read_hides_no_replay(what: str, tmp_path: Path) -> None:
    """A row or a chain that holds what no resolver writes ends no check: the others are compared."""
    attacked = Attacked(database("sqlite", tmp_path))
    world = attacked.world
    world.user("bob", TenantRole.VIEWER)
    service = world.reopened()
    assert service.rows.round() == []
    tokens = attacked.rows(t.access_token)
    service.tokens.revoke(world.admin, attacked.token.split("-")[1])
    attacked.put(t.access_token, tokens)
    with attacked.connection() as connection:
        connection.exec_driver_sql(JUNK[what])
    assert service.gate.authenticate_token(attacked.token).username == "member"
    service.rows.watch(lambda _seconds: bool(attacked.told_of(attacked.token.split("-")[1])))
    with pytest.raises(TamperedRowError, match="token"):
        service.gate.authenticate_token(attacked.token)
    fresh = world.reopened()
    faults = {(row.kind, row.fault) for row in fresh.trail.verify(world.admin).rows}
    assert ("token", RowFault.PUT_BACK) in faults
    assert ("user", RowFault.FORGED) in faults or "chain" in what
    attacked.engine.dispose()
    world.service.close()
