"""Using secrets: one SELECT, one decryption for each secret, and a record before anything is decrypted."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from msgspec.structs import replace
from sqlalchemy import insert

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.provenance import Provenance
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import (
    DecryptionError,
    MisplacedTokenError,
    NotPermittedError,
    ResolverError,
    RootKeyError,
    StoreError,
    TamperedRowError,
    TokenError,
)
from resolver.service.decryption import value_place
from resolver.store import tables as t
from resolver.store.sql import SqlSession
from tests.databases import raw_connection
from tests.service.uses import DIGESTS, key_use
from tests.told import told

if TYPE_CHECKING:
    from resolver.core.results import UseAnswer
    from tests.databases import World


def use(world: World, *keys: str) -> UseAnswer:
    """Ask for keys as the administrator."""
    return world.service.use.use(world.admin, "home", [key_use(key) for key in keys], DIGESTS)


def records(world: World, tenant: str = "home") -> list[dict[str, Any]]:
    """The fields of a tenant's records."""
    return told(world.service.trail.records(world.admin, tenant))


class Decryptions:
    """Counts what Fernet decrypts, and can make it fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        decrypt = Fernet.decrypt

        def counting(fernet: Fernet, token: bytes | str, ttl: int | None = None) -> bytes:
            self.count += 1
            return decrypt(fernet, token, ttl)

        patch.setattr(Fernet, "decrypt", counting)


@pytest.fixture
def thousand(world: World) -> list[str]:
    """A thousand keys of secrets, stored past the service: a record for each would take long."""
    made = world.secret("k")
    with world.store.read() as session:
        stored = session.active_data_key(made.tenant.id)
    assert stored is not None
    data_key = world.ring.open_data_key(stored)
    secrets = [replace(made, id=str(uuid.uuid4()), key=f"k{number}") for number in range(1000)]
    tables: dict[Any, list[dict[str, Any]]] = {
        t.key_scope: [{"key": secret.key, "scope": "tenant"} for secret in secrets],
        t.secret: [
            {
                "id": secret.id,
                "tenant_id": secret.tenant.id,
                "key": secret.key,
                "scope": "tenant",
                "visibility": "tenant",
                "hidden": False,
                "owner_id": secret.owner.id,
                "version": 1,
                "created_at": "",
                "updated_at": "",
            }
            for secret in secrets
        ],
        t.secret_version: [
            {
                "secret_id": secret.id,
                "version": 1,
                "data_key_id": data_key.id,
                "token": data_key.seal(value_place(secret, data_key.id), SecretValue(f"of {secret.key}")),
                "created_at": "",
                "created_by": secret.owner.id,
            }
            for secret in secrets
        ],
    }
    with raw_connection(world.url) as connection:
        for table, rows in tables.items():
            connection.execute(insert(table), rows)
    world.vouch("secret", "secret version")
    return [secret.key for secret in secrets]


@pytest.mark.two_databases
def test_a_thousand_keys_take_the_statements_of_one(
    world: World, thousand: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All keys of a round come in one SELECT, whose size another one tells; each is decrypted once."""
    use(world, "k0")  # opens the data key
    decryptions = Decryptions(monkeypatch)
    counts = []
    for keys in (["k0"], thousand, [*thousand, *thousand[:500]]):
        decryptions.count = 0
        with world.statements() as statements:
            answer = use(world, *keys)
        assert {key: used.value.reveal() for key, used in answer.secrets.items()} == {
            key: f"of {key}" for key in keys
        }
        assert decryptions.count == len(set(keys))
        asked = sum("FROM secret " in statement for statement in statements)
        assert asked == (1 if len(keys) == 1 else 2)
        counts.append(len(statements) - asked)
    assert counts[0] == counts[1] == counts[2]


def test_nothing_is_decrypted_when_the_record_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing audit write leaves everything closed: a StoreError, and no decryption of a value."""
    world.secret("k", "the value")
    fresh = world.reopened()
    assert fresh.use.use(world.admin, "home", [key_use("k")], DIGESTS).secrets

    def failing(*_arguments: object, **_more: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(SqlSession, "append_audit", failing)
    decryptions = Decryptions(monkeypatch)
    for attempt in (
        lambda: fresh.use.use(world.admin, "home", [key_use("k")], DIGESTS),
        lambda: fresh.secrets.show(world.admin, "home", "k"),
    ):
        with pytest.raises(StoreError, match=r"^the disk is full$"):
            attempt()
    assert decryptions.count == 0


def test_a_use_that_fails_to_decrypt_was_recorded_before(world: World) -> None:
    """A damaged token: the use is on record, the failure in a record of its own, and no value leaves."""
    world.secret("good", "the good value")
    world.secret("k", "the value")
    world.execute(
        "UPDATE secret_version SET token = replace(token, substr(token, 30, 4), 'AAAA') "
        "WHERE secret_id = (SELECT id FROM secret WHERE key = 'k')"
    )
    with pytest.raises(DecryptionError) as caught:
        use(world, "good", "k")
    assert caught.value.message == "secret 'k' of tenant 'home': a stored value does not decrypt"
    found = [(entry["action"], entry["key"], entry["reason"]) for entry in records(world)[-3:]]
    assert found == [
        ("secret:use", "good", "allowed"),
        ("secret:use", "k", "allowed"),
        ("secret:unreadable", "k", "DecryptionError"),
    ]
    assert use(world, "good").secrets["good"].value.reveal() == "the good value"


SWAP = """
    UPDATE secret_version SET token = (SELECT token FROM secret_version v JOIN secret s ON s.id = v.secret_id
                                       WHERE s.key = '{source}' AND v.version = {version})
    WHERE secret_id = (SELECT id FROM secret WHERE key = 'k') AND version = 2
"""

MOVES: dict[str, list[str]] = {
    "from another secret": [SWAP.format(source="other", version=1)],
    "from another tenant": [SWAP.format(source="foreign", version=1)],
    "from an older version": [SWAP.format(source="k", version=1)],
    "renamed": [
        "UPDATE secret SET key = 'unused' WHERE key = 'other2'",
        "UPDATE secret SET key = 'other2' WHERE key = 'k'",
        "UPDATE secret SET key = 'k' WHERE key = 'unused'",
    ],
    "to another tenant": [
        "UPDATE secret SET tenant_id = (SELECT tenant_id FROM secret WHERE key = 'foreign') WHERE key = 'k'"
    ],
}


@pytest.mark.parametrize("move", MOVES)
def test_a_token_that_was_moved_is_refused_and_recorded(world: World, move: str) -> None:
    """A token of another secret, tenant, version or name is not used; an audit record of its own says so."""
    for key in ("k", "other", "other2", "unused"):
        world.secret(key, f"first value of {key}")
    world.secret("foreign", "foreign value", tenant="away")
    world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second value")))
    world.service.secrets.update(
        world.admin, "home", "other2", SecretChange(value=SecretValue("second value"))
    )
    if move == "renamed":
        world.service.secrets.delete(world.admin, "home", "unused")
        world.execute("INSERT INTO key_scope VALUES ('unused', 'tenant')")
    for statement in MOVES[move]:
        world.execute(statement)
    world.vouch("secret")  # what a token is bound to holds by itself, too
    tenant = "away" if move == "to another tenant" else "home"
    for minute, attempt in enumerate(
        (
            lambda: world.service.use.use(world.admin, tenant, [key_use("k")], DIGESTS),
            lambda: world.service.secrets.show(world.admin, tenant, "k"),
        )
    ):
        world.clock.now = f"2030-01-01T00:0{minute}:00.000Z"  # it is recorded once a minute
        with pytest.raises(TokenError) as caught:
            attempt()
        # Another tenant's value has another data key, so there it does not even decrypt.
        foreign = move == "from another tenant"
        assert type(caught.value) is (DecryptionError if foreign else MisplacedTokenError)
        assert "value of" not in caught.value.message
        last = records(world, tenant)[-1]
        assert (last["action"], last["reason"]) == ("secret:unreadable", type(caught.value).__name__)
    if tenant == "home":
        assert use(world, "other").secrets["other"].value.reveal() == "first value of other"


def test_data_keys_that_were_swapped_are_refused_and_recorded(world: World) -> None:
    """A data key that was wrapped for another tenant is not used; an audit record of its own says so."""
    world.secret("k")
    fresh = world.reopened()
    assert fresh.use.use(world.admin, "home", [key_use("k")], DIGESTS).secrets
    world.execute(
        "UPDATE data_key SET wrapped = (SELECT d.wrapped FROM data_key d JOIN tenant t ON t.id = d.tenant_id "
        "WHERE t.name = 'away') WHERE tenant_id = (SELECT id FROM tenant WHERE name = 'home')"
    )
    fresh = world.reopened()
    with pytest.raises(TamperedRowError):
        fresh.use.use(world.admin, "home", [key_use("k")], DIGESTS)
    world.vouch("data key")
    with pytest.raises(MisplacedTokenError):
        fresh.use.use(world.admin, "home", [key_use("k")], DIGESTS)
    found = [(entry["action"], entry["reason"]) for entry in records(world)[-2:]]
    assert found == [("secret:use", "allowed"), ("data_key:unreadable", "MisplacedTokenError")]


def test_a_lacking_root_key_is_named(world: World) -> None:
    """A ring without the key that wraps names the id it needs, and nothing is used."""
    world.secret("k")
    other = RootKey.generate()
    (needed,), (at_hand,) = world.ring.root_key_ids, KeyRing([RootKey(other, "x")]).root_key_ids
    with pytest.raises(RootKeyError) as caught:
        world.reopened(other).use.use(world.admin, "home", [key_use("k")], DIGESTS)
    assert caught.value.message == f"root key {needed} is needed and not at hand (at hand: {at_hand})"


def test_all_or_nothing(world: World) -> None:
    """One key that may not be had keeps all values back; each key has a record with its own decision."""
    world.secret("k")
    world.secret("mine", visibility=Visibility.PRIVATE)
    user = world.user("u", home=TenantRole.USER)
    answer = world.service.use.use(user, "home", [key_use(key) for key in ("k", "mine", "no")], DIGESTS)
    assert answer.secrets == {}
    assert set(answer.refusals) == {"mine", "no"}
    found = {entry["key"]: (entry["decision"], entry["reason"]) for entry in records(world)[-3:]}
    assert found == {
        "k": ("allowed", "allowed"),
        "mine": ("refused", "not_visible"),
        "no": ("refused", "does_not_exist"),
    }


def test_a_key_out_of_a_secret_is_not_recorded(world: World) -> None:
    """A key that came out of a secret's value is told by where it came from, whether it exists or not."""
    world.secret("k")
    provenance = Provenance(secrets=frozenset({"pointer"}), used=frozenset({"pointer"}))
    uses = [key_use("k", provenance), key_use("absent_key", provenance)]
    world.service.use.use(world.admin, "home", uses, DIGESTS)
    for entry in records(world)[-2:]:
        assert entry["key"] == "<from secret pointer>"
        assert "secret_id" not in entry
        assert "absent_key" not in str(entry)


def test_an_input_that_names_no_secret_is_not_recorded(world: World) -> None:
    """An input's words are recorded as a key when they name a secret; else they may be a value by mistake."""
    world.secret("k")
    viewer = world.user("v", home=TenantRole.VIEWER)
    provenance = Provenance(inputs=frozenset({"name"}))
    uses = [key_use("k", provenance), key_use("hunter2", provenance), key_use("written")]
    world.service.use.use(world.admin, "home", uses, DIGESTS)
    assert [entry["key"] for entry in records(world)[-3:]] == ["k", "<from input name>", "written"]
    with pytest.raises(NotPermittedError):
        world.service.use.use(viewer, "home", uses[1:2], DIGESTS)
    assert records(world)[-1]["key"] == "<from input name>"


def test_a_check_decrypts_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check tells what would happen without a single decryption, and shows no value."""
    world.secret("k", "the value")
    decryptions = Decryptions(monkeypatch)
    statuses = world.service.use.check(world.admin, "home", ["k", "no"])
    assert decryptions.count == 0
    assert statuses["k"].refusal is None
    assert statuses["no"].refusal is not None
    assert "the value" not in repr(statuses)


def test_answers_show_no_value(world: World) -> None:
    """Reprs of answers and of stored rows show neither a value nor a token."""
    world.secret("k", "the value")
    answer = use(world, "k")
    with world.store.read() as session:
        (row,) = session.secrets_by_keys(_tenant_id(world), ["k"])
    assert "the value" not in repr(answer)
    assert "the value" not in str(answer.secrets["k"].value)
    assert row.token not in repr(row)


def _tenant_id(world: World) -> str:
    return str(world.execute("SELECT id FROM tenant WHERE name = 'home'")[0][0])


def test_every_record_holds_no_value(world: World) -> None:
    """No record of creating, showing, updating, using or deleting holds the value."""
    secrets = world.service.secrets
    secrets.create(world.admin, "home", "k", NewSecret(value=SecretValue("hunter2-first")))
    secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("hunter2-second")))
    secrets.show(world.admin, "home", "k")
    use(world, "k")
    secrets.delete(world.admin, "home", "k")
    with pytest.raises(ResolverError):
        secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("hunter2-third")))
    whole = records(world)
    assert [entry["action"] for entry in whole] == [
        "secret:create",
        *("secret:update", "secret:update"),  # one before the values were compared
        "secret:show",
        "secret:use",
        "secret:delete",
        "secret:update",
    ]
    assert "hunter2" not in str(whole)
