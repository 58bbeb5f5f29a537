"""The audit trail in the database: whole after any work, and whatever is done to it by hand is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken, NewUser
from resolver.core.audit import SYSTEM_CHAIN, AuditQuery, canonical
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from resolver.errors import InvalidRequestError, NotPermittedError, StoreError, TamperedRowError
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from tests.databases import World


@pytest.fixture
def busy(world: World) -> World:
    """A world where six things happened in `home`."""
    for number in range(3):
        world.secret(f"k{number}")
        world.service.secrets.show(world.admin, "home", f"k{number}")
    assert world.service.trail.verify(world.admin, "home").broken is None
    return world


def test_records_of_a_time(busy: World) -> None:
    """Times are read in every form that commands take; what is no time is refused, not found empty."""

    def found(**times: str) -> int:
        return len(list(busy.service.trail.stream(busy.admin, "home", AuditQuery(**times))))

    busy.clock.now = "2030-01-02T12:00:00.000Z"
    busy.secret("later")
    assert found(since="2030-01-01", until="2030-01-02T12:00") == 6
    assert found(since="12h") == found(since="2030-01-02T14:00:00+02:00") == 1
    assert found(until="12h") == 6
    for times in ({"since": "yesterday"}, {"until": "2030-13-01"}):
        with pytest.raises(InvalidRequestError, match=r"^the (start|end) is malformed$"):
            found(**times)
    with pytest.raises(NotPermittedError):
        busy.service.trail.stream(busy.user("eve"), "home", AuditQuery(since="yesterday"))


CHAIN = "chain_id = (SELECT id FROM tenant WHERE name = 'home')"
HEAD = "id = (SELECT id FROM tenant WHERE name = 'home')"

DEEDS = {
    "a body": f"UPDATE audit_record SET body = replace(body, 'k1', 'k9') WHERE {CHAIN} AND number = 3",
    "a time": f"UPDATE audit_record SET at = '2029' WHERE {CHAIN} AND number = 3",
    "an action": f"UPDATE audit_record SET action = 'secret:list' WHERE {CHAIN} AND number = 3",
    "a hash": f"UPDATE audit_record SET hash = 'x' WHERE {CHAIN} AND number = 3",
    "a deletion": f"DELETE FROM audit_record WHERE {CHAIN} AND number = 3",
    "a cut": f"DELETE FROM audit_record WHERE {CHAIN} AND number > 2",
    "an addition": (
        "INSERT INTO audit_record SELECT chain_id, 7, at, action, body, hash FROM audit_record "
        f"WHERE {CHAIN} AND number = 6"
    ),
    "the head's number": f"UPDATE audit_chain SET number = 7 WHERE {HEAD}",
    "the head's hash": f"UPDATE audit_chain SET hash = 'x' WHERE {HEAD}",
    "the head's mac": f"UPDATE audit_chain SET mac = 'x' WHERE {HEAD}",
    "the head's mac, by no hexadecimal number": f"UPDATE audit_chain SET mac = 'ü' WHERE {HEAD}",
    "the head's key": f"UPDATE audit_chain SET mac_key_id = NULL WHERE {HEAD}",
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_is_done_to_the_trail_by_hand_is_found(busy: World, deed: str) -> None:
    """One record or head that was changed, removed or added breaks the chain; other chains stay whole."""
    statement = DEEDS[deed]
    if busy.url.startswith("postgresql"):
        statement = statement.replace(
            "replace(body, 'k1', 'k9')", "convert_to(replace(convert_from(body, 'UTF8'), 'k1', 'k9'), 'UTF8')"
        )
    else:
        statement = statement.replace(
            "replace(body, 'k1', 'k9')", "CAST(replace(CAST(body AS TEXT), 'k1', 'k9') AS BLOB)"
        )
    busy.execute(statement)
    found = busy.service.trail.verify(busy.admin, "home")
    assert found.broken is not None
    assert 3 <= found.broken <= found.head.number + 1
    assert busy.service.trail.verify(busy.admin).broken is None


def test_any_text_is_recorded(world: World) -> None:
    """Many records at once, of different lengths, come back as they were made."""
    texts = ["", "{a,b}", 'NULL "\\', "%s %(body)b", "\t\x1b[31m\r\n", "é😀", "\0", "\ud800", "x" * 100_000]
    made = [world.service.trail.entry(world.admin, None, "test", text=text) for text in texts * 50]
    before = world.service.trail.head(world.admin).number
    world.service.trail.commit(SYSTEM_CHAIN, made)
    found = world.service.trail.records(world.admin)[before:]
    assert [record.body for record in found] == [canonical(entry) for entry in made]
    assert {(record.at, record.action) for record in found} == {(world.clock.now, "test")}
    assert world.service.trail.verify(world.admin).broken is None


def test_a_record_reads_the_key_of_its_mac_once(busy: World) -> None:
    """The one that the head has its MAC from is as a rule the one for the next."""
    record = busy.service.trail.entry(busy.admin, None, "test")
    with busy.statements() as seen:
        busy.service.trail.commit(SYSTEM_CHAIN, [record])
    assert len([statement for statement in seen if " data_key" in statement]) == 1


@pytest.mark.parametrize("column", ["number", "hash", "mac"])
def test_a_head_that_holds_bytes_is_found(embedded: World, column: str) -> None:
    """SQLite keeps what it is given, whatever a column is for. Neither number nor text, it fits nothing."""
    embedded.secret("k")
    embedded.execute(f"UPDATE audit_chain SET {column} = CAST('x' AS BLOB) WHERE {HEAD}")
    assert embedded.service.trail.verify(embedded.admin, "home").broken is not None
    with pytest.raises(StoreError, match=r"^the audit trail's head was changed by hand"):
        embedded.secret("more")


def test_a_record_beyond_all_numbers_is_found(embedded: World) -> None:
    """SQLite keeps larger ones than any record has; the others are listed as ever."""
    embedded.secret("k")
    embedded.execute(
        "INSERT INTO audit_record SELECT chain_id, 9223372036854775807, at, action, body, hash"
        f" FROM audit_record WHERE {CHAIN}"
    )
    assert embedded.service.trail.verify(embedded.admin, "home").broken == 2
    assert [record.number for record in embedded.service.trail.records(embedded.admin, "home")] == [1]


def cut_back(world: World, **head: str) -> None:
    """Cut the chain after its third record, and set the head to it, as far as the database can."""
    world.execute(f"DELETE FROM audit_record WHERE {CHAIN} AND number > 3")
    fields = {"number": "3", "hash": f"(SELECT hash FROM audit_record WHERE {CHAIN} AND number = 3)"} | head
    changes = ", ".join(f"{name} = {value}" for name, value in fields.items())
    world.execute(f"UPDATE audit_chain SET {changes} WHERE {HEAD}")


TENANT_KEY = "(SELECT d.id FROM data_key d JOIN tenant t ON t.id = d.tenant_id WHERE t.name = 'home')"


@pytest.mark.parametrize(
    "head", [{}, {"mac": "''"}, {"mac_key_id": "NULL"}, {"mac_key_id": TENANT_KEY}], ids=str
)
def test_a_trail_that_was_cut_back_is_never_signed_again(busy: World, head: dict[str, str]) -> None:
    """A head that fits the cut chain lacks its MAC: nothing is appended, so nothing makes it genuine."""
    cut_back(busy, **head)
    assert busy.service.trail.verify(busy.admin, "home").broken == 3
    for attempt in (
        lambda: busy.service.secrets.show(busy.admin, "home", "k1"),
        lambda: busy.service.secrets.create(busy.admin, "home", "new", NewSecret(value=SecretValue("value"))),
        lambda: busy.service.use.use(busy.admin, "home", [key_use("k1")], DIGESTS),
    ):
        with pytest.raises(StoreError, match=r"^the audit trail's head was changed by hand") as caught:
            attempt()
        assert "audit verify" in caught.value.hint
    assert busy.service.trail.verify(busy.admin, "home").broken == 3
    assert "new" not in {secret.key for secret in busy.service.secrets.list(busy.admin, "home").items}
    busy.secret("other", tenant="away")  # other chains go on


def test_an_older_copy_differs_from_a_head_kept_elsewhere(busy: World) -> None:
    """An older state of chain and head verifies by itself, and a head that was kept tells it apart."""
    older = busy.execute(f"SELECT number, hash, mac FROM audit_chain WHERE {HEAD}")[0]
    busy.secret("late")
    kept = busy.service.trail.head(busy.admin, "home")
    for table in ("audit_record", "audit_run", "audit_use"):
        busy.execute(f"DELETE FROM {table} WHERE {CHAIN} AND number > {older[0]}")
    busy.execute(
        f"UPDATE audit_chain SET number = :number, hash = :hash, mac = :mac WHERE {HEAD}",
        number=older[0],
        hash=older[1],
        mac=older[2],
    )
    seen = busy.service.trail.verify(busy.admin, "home")
    assert seen.kept_differs.startswith("it ends at record 6 and ended at 7 before: ")
    fresh = busy.reopened()  # a process that saw nothing before
    assert fresh.trail.verify(busy.admin, "home").kept_differs == ""
    assert fresh.trail.verify(busy.admin, "home").rows  # that were made or used after it
    found = fresh.trail.verify(busy.admin, "home", kept)
    assert (found.broken, found.whole) == (None, False)
    assert found.kept_differs == (
        "it ends at record 6 and the kept head at 7: it was cut, or the database is an older copy"
    )
    with pytest.raises(TamperedRowError, match="it ends at record 6 and ended at 7 before"):
        busy.secret("another")
    new = NewSecret(value=SecretValue("value"))
    fresh.secrets.create(busy.admin, "home", "another", new)  # as long as it was, and another one
    found = fresh.trail.verify(busy.admin, "home", kept)
    assert found.kept_differs == (
        "its record 7 is another one than the kept head's: "
        "it was rewritten, or an older copy was restored and went on"
    )
    now = fresh.trail.head(busy.admin, "home")
    assert fresh.trail.verify(busy.admin, "home", now).kept_differs == ""
    fresh.secrets.create(busy.admin, "home", "one-more", new)
    assert fresh.trail.verify(busy.admin, "home", now).kept_differs == ""


def test_who_may_read_which_trail(busy: World) -> None:
    """A manager reads the own tenant's trail and no other, a sys_admin all, a user none."""
    manager, user = busy.user("m", home=TenantRole.MANAGER), busy.user("u", home=TenantRole.USER)
    assert len(busy.service.trail.records(manager, "home")) == 6
    assert busy.service.trail.records(busy.admin)
    for caller, tenant in ((manager, "away"), (manager, ""), (user, "home"), (user, "")):
        with pytest.raises(NotPermittedError):
            busy.service.trail.records(caller, tenant)
        with pytest.raises(NotPermittedError):
            busy.service.trail.verify(caller, tenant)


def test_a_record_tells_who_did_what_where(world: World) -> None:
    """A use is told with time, caller, token, tenant, key, version, decision, blueprint and call sites."""
    secret = world.secret("k")
    world.service.use.use(world.admin, "home", [key_use("k")], DIGESTS)
    fields = json.loads(world.service.trail.records(world.admin, "home")[-1].body)
    assert fields == {
        "at": world.clock.now,
        "action": "secret:use",
        "caller": "admin",
        "caller_id": world.admin.user_id,
        "token": world.admin.token_id,
        "tenant": "home",
        "tenant_id": secret.tenant.id,
        "decision": "allowed",
        "reason": "allowed",
        "format": 2,
        "blueprints": [[name, digest] for name, digest in DIGESTS.items()],
        "keys": [
            {
                "key": "k",
                "secret_id": secret.id,
                "secret_tenant": "home",
                "version": 1,
                "decision": "allowed",
                "reason": "allowed",
                "blueprints": [0],
                "calls": [["b.yaml", 3, 5, "a"]],
                "calls_total": 1,
            }
        ],
    }


def test_the_system_s_trail_tells_of_users_and_tokens(world: World) -> None:
    """Tenants, users, memberships, roles, passwords and tokens leave a record each; no token is in one."""
    service = world.service
    service.users.create(world.admin, "u", NewUser(password=SecretValue("a long password")))
    service.tenants.add_member(world.admin, "home", "u", TenantRole.USER)
    service.tenants.remove_member(world.admin, "home", "u")
    service.users.set_password(world.admin, "u", NewPassword(SecretValue("another password")))
    token = service.tokens.create(world.admin, NewToken(username="u")).token
    service.tokens.revoke(world.admin, token.split("-")[1])
    records = world.service.trail.records(world.admin)
    assert [record.action for record in records][-6:] == [
        "user:create",
        "membership:set",
        "membership:remove",
        "user:set_password",
        "token:create",
        "token:revoke",
    ]
    whole = b"".join(record.body for record in records).decode()
    assert token.split("-")[2] not in whole
    assert "password" not in whole.replace("user:set_password", "")
    assert world.service.trail.verify(world.admin).broken is None
