"""Who writes the database but lacks the root key: rows edited, planted, swapped, taken away, put back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from resolver.core.account_changes import NewToken, UserChange
from resolver.core.approvals import ApprovalGrant, ApprovalRequest, Bundle, BundledBlueprint
from resolver.core.events import EventKind
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.providers import NewProvider
from resolver.core.rows import RowFault
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest
from resolver.core.webhooks import NewWebhook
from resolver.errors import AuthenticationError, ResolverError, RootKeyError, StoreError, TamperedRowError
from resolver.store import tables as t
from resolver.store.aggregates import BY_KIND, UNDECIDED
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, World, database, executing
from tests.service.test_fail_closed import ATTEMPTS, Closed
from tests.service.uses import DIGESTS, key_use
from tests.trusting import jwt, trusting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from resolver.core.rows import RowFinding
    from resolver.service import Service

Row = dict[str, Any]


class Attacked:
    """A store with something of each kind, and someone who writes its database past all constraints."""

    def __init__(self, url: str) -> None:
        self.world = world = World(url, SqlStore(url))
        self.member = world.user("member", TenantRole.USER, TenantRole.VIEWER)
        self.token = world.service.tokens.create(
            self.member, NewToken(permissions=frozenset({Permission.SECRET_USE}), expires_at="2031-01-01")
        ).token
        trusting(world)
        self.workload = world.service.trusts.exchange(jwt(world))
        self.admin_token = world.service.tokens.create(world.admin, NewToken()).token
        self.session = world.service.sessions.open(token=self.admin_token).secret
        nowhere = {"url": "http://127.0.0.1:9", "token": "t", "path": "x", "mount": "kv"}
        world.service.providers.create(world.admin, "home", "p", NewProvider("vault", nowhere))
        hook = NewWebhook(url="http://127.0.0.1:9/x", events=[EventKind.TENANT_CREATED])
        world.service.webhooks.create(world.admin, "hook", hook)
        world.service.tenants.create(world.admin, "told")
        world.service.delivery.round()
        world.secret("k", "first")
        world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second")))
        world.service.secrets.create(
            world.admin,
            "home",
            "kept",
            NewSecret(provider="p", provider_options={"path": "x"}),
        )
        world.secret("far", "away", tenant="away")
        world.secret("private", "mine", visibility=Visibility.PRIVATE, hidden=True)
        world.service.secrets.create(
            world.admin, "home", "guarded", NewSecret(value=SecretValue("guarded"), protected=True)
        )
        bundle = Bundle(blueprints=[BundledBlueprint("b.yaml", "a: {get_secret: guarded}\n")])
        identified = world.service.gate.authenticate_token
        asked = world.service.approvals.request(self.member, "home", ApprovalRequest(bundle))
        person = world.service.gate.authenticate_password("admin", "admin password")
        world.service.approvals.grant(person, "home", asked.id, ApprovalGrant(3, comment="for once"))
        world.service.approvals.request(
            identified(self.workload.token), "home", ApprovalRequest(bundle, reason="mine")
        )
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.engine = create_engine(parsed)
        with self.connection() as connection:
            if connection.dialect.name == "postgresql":
                drop = """
                    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
                    FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
                """
                for statement in connection.execute(text(drop)).scalars().all():
                    connection.exec_driver_sql(statement)

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of the attacker, committed at the end."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                for pragma in ("foreign_keys = OFF", "ignore_check_constraints = ON"):
                    connection.exec_driver_sql(f"PRAGMA {pragma}")
                connection.commit()
            else:
                connection.exec_driver_sql("SET session_replication_role = replica")
            yield connection
            connection.commit()

    def rows(self, table: Table) -> list[Row]:
        """All rows as they are stored."""
        names = ", ".join(f'"{column.name}"' for column in table.c)
        with self.connection() as connection:
            found = connection.exec_driver_sql(f"SELECT {names} FROM {table.name}")
            return [dict(row) for row in found.mappings()]

    def put(self, table: Table, rows: list[Row]) -> None:
        """Have these be all rows of a table."""
        names = [column.name for column in table.c]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(f":{name}" for name in names)
        with self.connection() as connection:
            connection.exec_driver_sql(f"DELETE FROM {table.name}")
            if rows:
                connection.execute(text(f"INSERT INTO {table.name} ({columns}) VALUES ({values})"), rows)

    @contextlib.contextmanager
    def having(self, table: Table, rows: list[Row]) -> Iterator[Service]:
        """A new process on the store while a table has other rows."""
        before = self.rows(table)
        self.put(table, rows)
        service = self.world.reopened()
        try:
            yield service
        finally:
            self.put(table, before)

    def is_found(self) -> bool:
        """Whether the trail tells of rows that are not read any more, under their id or in their tenant."""
        trail = self.world.reopened().trail
        try:
            return any(trail.verify(self.world.admin, chain).rows for chain in ("", "home", "away"))
        except (AuthenticationError, RootKeyError, TamperedRowError):  # the administrator's own token, a key
            return True

    def told_of(self, row_id: str) -> list[dict[str, Any]]:
        """The records that tell that a row was refused."""
        records = self.world.service.trail.records(self.world.admin)
        told = [json.loads(record.body) for record in records if record.action == "row:tampered"]
        return [fields for fields in told if fields["object"] == row_id]

    def refusals(self, service: Service) -> list[ResolverError]:
        """What is refused of all that reads rows that decide."""
        found: list[ResolverError] = []
        admin, member = self.world.admin, self.member

        def keep_the_admin() -> None:
            with service._store.write() as session:  # noqa: SLF001 - as a change of users does first
                session.hold_admins()

        def look_for_events() -> None:
            with service._store.managed.read() as session:  # noqa: SLF001 - as a server does
                for stored in session.webhooks():
                    session.next_event(stored.id)
                for source in ("expiry", *session.all_audit_chains()):
                    session.event_source(source)

        for attempt in (
            lambda: service.gate.authenticate_token(self.admin_token),
            lambda: service.gate.authenticate_token(self.token),
            lambda: service.gate.authenticate_token(self.workload.token),
            lambda: service.trusts.list(admin),
            lambda: service.sessions.authenticate(self.session),
            lambda: service.gate.authenticate_password("admin", "admin password"),
            lambda: service.use.use(admin, "home", [key_use("k"), key_use("kept")], DIGESTS),
            lambda: service.use.use(member, "home", [key_use("k")], DIGESTS),
            lambda: service.secrets.list(admin, "home"),
            lambda: service.secrets.list(admin, "", all_tenants=True),
            *(
                partial(service.secrets.history, admin, tenant, key)
                for tenant, key in (("home", "k"), ("home", "kept"), ("home", "private"), ("away", "far"))
            ),
            lambda: service.providers.get(admin, "home", "p"),
            lambda: service.providers.options_of(admin, "home", "kept"),
            lambda: service.users.list(admin),
            lambda: service.tenants.list(admin),
            lambda: service.tenants.get(admin, "home"),
            lambda: service.tokens.list(admin),
            lambda: service.approvals.list(admin, "home"),
            lambda: service.approvals.list(admin, "away"),
            lambda: service.keys.status(admin),
            look_for_events,
            keep_the_admin,
        ):
            try:
                attempt()
            except ResolverError as error:
                found.append(error)
        return found


@pytest.fixture(scope="module", params=DIALECTS)
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One on each database; each test puts back what it changed."""
    made = Attacked(database(request.param, tmp_path_factory.mktemp("attacked")))
    yield made
    made.engine.dispose()
    made.world.service.close()


def edits(row: Row, name: str, others: list[Row]) -> Iterator[Any]:
    """Other values for one column of a row: of its own kind, of another row, none."""
    value = row[name]
    seen = [value]
    made: list[Any] = [None] if value is not None else ["x" * 8, 1]
    if isinstance(value, str):
        made += [f"{value[:-1]}~" if value else "x", ""]
    elif isinstance(value, bool):
        made.append(not value)
    elif isinstance(value, int):
        made += [1 - value if value in (0, 1) else value - 1]
    made += [other[name] for other in others]
    for one in made:
        if one not in seen:
            seen.append(one)
            yield one


def tampered(errors: list[ResolverError]) -> list[str]:
    """The kinds of rows that were refused."""
    return [error.kind for error in errors if isinstance(error, TamperedRowError)]


def test_an_untouched_store_refuses_nothing(attacked: Attacked) -> None:
    """The attempts below fail for what is changed, and the trail tells of all rows."""
    with attacked.having(t.tenant, attacked.rows(t.tenant)) as service:
        assert attacked.refusals(service) == []
        for chain in ("", "home", "away"):
            assert service.trail.verify(attacked.world.admin, chain).rows == []


OUT_OF_REACH = {"secret_version.secret_id", "webhook_event.webhook_id", "webhook_source.id"}
"""What a version, an event or a source of events belongs to: of nothing that there is, none is ever read."""

ROOTS = {aggregate.table.name: aggregate for aggregate in BY_KIND.values()}


@pytest.mark.parametrize("name", [*ROOTS, "membership"])
@pytest.mark.two_databases(3)
def test_every_edit_of_a_column_is_refused(attacked: Attacked, name: str) -> None:
    """Each column of each row that decides: refused as tampering, or named with a reason why not."""
    table = t.metadata.tables[name]
    before = attacked.rows(table)
    tried = 0
    for at, row in enumerate(before[:2]):
        for column in table.c:
            for value in list(edits(row, column.name, before))[: 1 if at else 2]:
                if (value is None and not column.nullable) or column.name == "number":
                    continue
                rows = [*before[:at], row | {column.name: value}, *before[at + 1 :]]
                try:
                    attacked.put(table, rows)
                    errors = attacked.refusals(attacked.world.reopened())
                    found = bool(tampered(errors)) or attacked.is_found()
                except DBAPIError:  # the database itself refuses it, by type or uniqueness
                    continue
                finally:
                    attacked.put(table, before)
                tried += 1
                if str(column) not in UNDECIDED:
                    assert found or str(column) in OUT_OF_REACH, (str(column), row, value)
    assert tried


PLANTED: dict[str, str] = {
    "a token for the administrator": (
        "INSERT INTO access_token (id, user_id, digest, description, created_at, narrowing)"
        " SELECT 'planted000', id, 'd', '', '2030',"
        ' \'{"permissions": null, "tenants": null, "keys": null}\' FROM user_account WHERE name = \'admin\''
    ),
    "an older version": "UPDATE secret SET version = 1 WHERE key = 'k'",
    "a wider visibility": "UPDATE secret SET visibility = 'tenant' WHERE key = 'private'",
    "no hiding": "UPDATE secret SET hidden = false WHERE key = 'private'",
    "another owner": (
        "UPDATE secret SET owner_id = (SELECT id FROM user_account WHERE name = 'member')"
        " WHERE key = 'private'"
    ),
    "a role": "UPDATE membership SET role = 'manager'",
    "no membership": "DELETE FROM membership WHERE role = 'user'",
    "a membership": (
        "INSERT INTO membership (tenant_id, user_id, role) SELECT tenant.id, user_account.id, 'manager'"
        " FROM tenant, user_account WHERE tenant.name = 'home' AND user_account.name = 'admin'"
    ),
    "a system role": "UPDATE user_account SET system_role = 'sys_admin' WHERE name = 'member'",
    "a password": "UPDATE user_account SET password_hash = 'hash of mine' WHERE name = 'admin'",
    "MACs stripped": "UPDATE user_account SET row_mac = NULL",
    "MACs swapped": (
        "UPDATE user_account SET row_mac = (SELECT row_mac FROM user_account u"
        " WHERE u.name <> user_account.name ORDER BY u.name LIMIT 1)"
    ),
    "not enforced": "UPDATE audit_chain SET enforced = NULL",
    "not enforced, and MACs stripped": (
        "UPDATE user_account SET row_mac = NULL; UPDATE audit_chain SET enforced = false"
    ),
    "no head, and MACs stripped": "UPDATE user_account SET row_mac = NULL; DELETE FROM audit_chain",
}


@pytest.mark.parametrize("attack", PLANTED)
@pytest.mark.two_databases(3)
@pytest.mark.slow
def test_what_got_through_before_is_refused(attacked: Attacked, attack: str) -> None:
    """The attacks that were run with the source in hand, each refused at the next use."""
    tables = t.metadata.sorted_tables
    before = {table: attacked.rows(table) for table in tables}
    with attacked.connection() as connection:
        for statement in PLANTED[attack].split("; "):
            connection.exec_driver_sql(statement)
    try:
        service = attacked.world.reopened()
        errors = attacked.refusals(service)
        with contextlib.suppress(ResolverError):
            service.users.update(attacked.world.admin, "member", UserChange(active=True))
            errors += [] if attack != "not enforced" else [StoreError("")]
        if attack == "not enforced":
            with pytest.raises(StoreError):
                service.users.update(attacked.world.admin, "member", UserChange(active=True))
        else:
            assert tampered(errors), errors
    finally:
        for table in tables:
            attacked.put(table, before[table])


def test_a_refusal_is_recorded_once(attacked: Attacked) -> None:
    """In the system's trail, with kind and id and a reason of its own."""
    member = attacked.member.user_id
    before = len(attacked.told_of(member))
    rows = attacked.rows(t.membership)
    with attacked.having(t.membership, [row | {"role": "manager"} for row in rows]) as service:
        for _ in range(3):
            with pytest.raises(TamperedRowError) as caught:
                service.use.use(attacked.member, "home", [key_use("k")], DIGESTS)
        assert (caught.value.kind, caught.value.id) == ("user", member)
        assert caught.value.message.startswith(
            f"the database was changed by hand: user {member} is refused, "
        )
    told = attacked.told_of(member)[before:]
    assert [(fields["kind"], fields["decision"], fields["reason"]) for fields in told] == [
        ("user", "refused", "tampered_row")
    ]


def state(attacked: Attacked) -> dict[Table, list[Row]]:
    """All rows but those of the trail."""
    return {
        table: attacked.rows(table)
        for table in t.metadata.sorted_tables
        if table.name not in ("audit_record", "audit_chain")
    }


def set_back(attacked: Attacked, rows: dict[Table, list[Row]]) -> None:
    """Have the tables be as they were."""
    for table, stored in rows.items():
        attacked.put(table, stored)


def demote(attacked: Attacked) -> None:
    """A membership ends."""
    attacked.world.service.tenants.remove_member(attacked.world.admin, "home", "member")


def revoke(attacked: Attacked) -> None:
    """A token is revoked."""
    attacked.world.service.tokens.revoke(attacked.world.admin, attacked.token.split("-")[1])


def hide(attacked: Attacked) -> None:
    """A secret is hidden."""
    attacked.world.service.secrets.update(attacked.world.admin, "home", "k", SecretChange(hidden=True))


def renew(attacked: Attacked) -> None:
    """A secret gets a new value."""
    attacked.world.service.secrets.update(
        attacked.world.admin, "home", "k", SecretChange(value=SecretValue("third"))
    )


def leave(attacked: Attacked) -> None:
    """A user is deactivated, and made an administrator."""
    attacked.world.service.users.update(attacked.world.admin, "member", UserChange(active=False))


CHANGES = {
    "a membership": (demote, "user", RowFault.OLDER, ""),
    "a token": (revoke, "token", RowFault.PUT_BACK, ""),
    "a user": (leave, "user", RowFault.OLDER, ""),
    "a flag of a secret": (hide, "secret", RowFault.OLDER, "home"),
    "a version of a secret": (renew, "secret", RowFault.OLDER, "home"),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_replay_is_found_and_refused_from_then_on(dialect: str, tmp_path: Path, what: str) -> None:
    """The rows as they were before a change are genuine; the trail tells that they are not the newest."""
    attacked = Attacked(database(dialect, tmp_path))
    change, kind, fault, tenant = CHANGES[what]
    service, admin = attacked.world.service, attacked.world.admin
    before = state(attacked)
    assert service.rows.round() == []
    change(attacked)
    after = state(attacked)
    assert service.rows.round() == []
    set_back(attacked, before)
    # A MAC alone does not tell, nor does a process that starts now: the documents say so.
    assert attacked.refusals(attacked.world.reopened()) == []
    found = service.trail.verify(admin, tenant)
    assert [(row.kind, row.fault) for row in found.rows] == [(kind, fault)]
    assert not found.whole
    fresh = attacked.world.reopened()
    for checked in (service, fresh):
        assert {(row.kind, row.fault) for row in checked.rows.round()} == {(kind, fault)}
        assert kind in tampered(attacked.refusals(checked))
    told = [record for record in service.trail.records(admin) if record.action == "row:tampered"]
    assert [json.loads(record.body)["kind"] for record in told] == [kind, kind]  # by each process once
    set_back(attacked, after)
    assert attacked.world.reopened().rows.round() == []
    attacked.engine.dispose()
    service.close()


def test_what_is_missing_and_what_no_record_tells_of_are_found(attacked: Attacked) -> None:
    """A row that was deleted by hand is named; so are rows that are newer than a trail that was cut."""
    admin = attacked.world.admin
    rows = attacked.rows(t.secret)
    with attacked.having(t.secret, [row for row in rows if row["key"] != "k"]) as service:
        assert [(row.kind, row.fault) for row in service.trail.verify(admin, "home").rows] == [
            ("secret", RowFault.MISSING)
        ]
        assert ("secret", RowFault.MISSING) in {(row.kind, row.fault) for row in service.rows.round()}
    chains, records = attacked.rows(t.audit_chain), attacked.rows(t.audit_record)
    attacked.world.service.tenants.add_member(admin, "away", "member", TenantRole.OPERATIONS)
    newer = {table: attacked.rows(table) for table in (t.audit_chain, t.audit_record)}
    try:
        attacked.put(t.audit_chain, [])
        attacked.put(t.audit_record, records)
        attacked.put(t.audit_chain, chains)
        service = attacked.world.reopened()
        found = service.trail.verify(admin)
        assert (found.broken, [(row.kind, row.fault) for row in found.rows]) == (
            None,
            [("user", RowFault.UNRECORDED)],
        )
        # Who saw the later end refuses the cut one, and records nothing more on it.
        with pytest.raises(TamperedRowError, match="audit trail system is refused, it ends at record"):
            attacked.world.service.users.update(admin, "member", UserChange(active=True))
        assert "before: it was cut" in attacked.world.service.trail.verify(admin).kept_differs
    finally:
        set_back(attacked, newer)


def test_a_provider_that_was_taken_away_is_missed(attacked: Attacked) -> None:
    """A secret that is kept with it is not read as one that is kept here."""
    with (
        attacked.having(t.secrets_provider, []) as service,
        pytest.raises(TamperedRowError, match="it is missing, and other rows name it"),
    ):
        service.secrets.show(attacked.world.admin, "home", "kept")


@pytest.mark.slow
def test_every_request_leaves_rows_that_the_trail_tells_of(tmp_path: Path) -> None:
    """All methods of the service, one after the other: a write that forgot its MAC or its record is found."""
    made = Closed("sqlite", "the write", database("sqlite", tmp_path))
    made.world.execute("DROP TRIGGER refuse")
    service = made.world.service
    done = 0
    for name, attempt in ATTEMPTS.items():
        with made.world.statements() as statements, contextlib.suppress(ResolverError):
            attempt(service, made.admin, made)
            done += 1
        assert [one for one in statements if forgets_the_mac(one)] == [], name
        assert service.rows.round() == [], name
    assert done > len(ATTEMPTS) // 2
    assert service.trail.verify(made.admin).rows == []
    service.close()


def forgets_the_mac(statement: str) -> bool:
    """Whether a statement writes a column of a root that decides, and not the MAC."""
    words = statement.split()
    update = words[0] == "UPDATE"
    if not update and words[:2] != ["INSERT", "INTO"]:
        return False
    table = words[1 if update else 2]
    if table not in ROOTS:
        return False
    part = statement.partition(" SET ")[2].partition(" WHERE ")[0] if update else statement.partition("(")[2]
    columns = [column.name for column in ROOTS[table].table.c if re.search(rf"\b{column.name}\b", part)]
    decides = any(f"{table}.{name}" not in UNDECIDED for name in columns)
    return decides and t.ROW_MAC not in columns


def test_a_forgotten_mac_is_noticed() -> None:
    """As the test above looks at them."""
    assert forgets_the_mac("UPDATE secret SET hidden=? WHERE secret.id = ?")
    assert forgets_the_mac("INSERT INTO tenant (id, name) VALUES (?, ?)")
    assert not forgets_the_mac("UPDATE secret SET hidden=?, row_mac=? WHERE secret.id = ?")
    assert not forgets_the_mac("UPDATE access_token SET last_used_at=? WHERE access_token.id = ?")
    assert not forgets_the_mac("SELECT secret.id FROM secret")


def test_the_watch_goes_round_until_it_is_told_to_stop(attacked: Attacked) -> None:
    """It compares, pauses after each step, and ends with the first pause that says so."""
    theirs = attacked.member.user_id
    others = [row for row in attacked.rows(t.membership) if row["user_id"] != theirs]
    with attacked.having(t.membership, others) as service:
        pauses: list[float] = []

        def wait(seconds: float) -> bool:
            pauses.append(seconds)
            return bool(attacked.told_of(attacked.member.user_id)[before:])

        before = len(attacked.told_of(attacked.member.user_id))
        service.rows.watch(wait)
        assert pauses
        with pytest.raises(TamperedRowError):
            service.use.use(attacked.member, "home", [key_use("k")], DIGESTS)


def test_concurrent_changes_are_no_false_alarm(tmp_path: Path) -> None:
    """Many change and use the same user, token and secret while rows are compared: nothing is refused."""
    world = World(url := database("sqlite", tmp_path), SqlStore(url))
    world.secret("k")
    member = world.user("member", TenantRole.USER)
    alarms: list[ResolverError] = []
    found: list[RowFinding] = []

    def attempt(action: Callable[[], object]) -> None:
        for _ in range(15):
            try:
                action()
            except TamperedRowError as error:
                alarms.append(error)
            except ResolverError:  # refused, or overtaken
                continue

    def change_secret() -> None:
        world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("v")))

    def change_role() -> None:
        world.service.tenants.add_member(world.admin, "home", "member", TenantRole.MANAGER)
        world.service.tenants.remove_member(world.admin, "home", "member")

    def make_and_revoke() -> None:
        made = world.service.tokens.create(world.admin, NewToken()).token
        caller = world.service.gate.authenticate_token(made)
        world.service.tokens.revoke(world.admin, caller.token_id)

    actions: list[Callable[[], object]] = [
        change_secret,
        change_role,
        make_and_revoke,
        lambda: world.service.use.use(member, "home", [key_use("k")], DIGESTS),
        lambda: world.service.use.use(world.admin, "home", [key_use("k")], DIGESTS),
        lambda: found.extend(world.service.rows.round()),
        lambda: found.extend(world.service.trail.verify(world.admin).rows),
    ]
    threads = [threading.Thread(target=attempt, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (alarms, found) == ([], [])
    world.service.close()


def test_a_rotation_stops_at_a_forged_row(attacked: Attacked) -> None:
    """New keys vouch for nothing that the old ones did not: the first row that does not fit ends it."""
    rows = attacked.rows(t.membership)
    with attacked.having(t.membership, [row | {"role": "manager"} for row in rows]) as service:
        before = attacked.rows(t.user_account)
        with pytest.raises(TamperedRowError):
            service.keys.rotate_data(attacked.world.admin, "", lambda _doing, _more: None)
        assert [row["row_mac"] for row in attacked.rows(t.user_account)] == [row["row_mac"] for row in before]
    service = attacked.world.reopened()
    done = service.keys.rotate_data(attacked.world.admin, "", lambda _doing, _more: None)
    assert done.unreadable == []
    assert attacked.refusals(service) == []
    assert service.rows.round() == []


Query = tuple[str, Any]


@contextlib.contextmanager
def rewriting(attacked: Attacked, rewrite: Callable[[Query], Query]) -> Iterator[None]:
    """Have the database answer other queries than it was asked, as views in place of tables can."""
    with executing(attacked.world.store, lambda *query: rewrite(query)):
        yield


def answering(
    attacked: Attacked, table: str, asked: str, instead: str
) -> contextlib.AbstractContextManager[None]:
    """Have it look for another row."""

    def rewrite(query: Query) -> Query:
        statement, parameters = query
        if not statement.startswith("SELECT") or not re.search(rf"(FROM|JOIN) {table}\b", statement):
            return query
        swap = {asked: instead}
        if isinstance(parameters, dict):
            return statement, {name: swap.get(value, value) for name, value in parameters.items()}
        return statement, tuple(swap.get(value, value) for value in parameters)

    return rewriting(attacked, rewrite)


def test_a_genuine_row_in_place_of_another_is_refused(attacked: Attacked) -> None:
    """A database that answers with an administrator's user, token or session makes nobody one."""
    world = attacked.world
    member, admin = attacked.member, world.admin
    theirs = world.service.sessions.open(token=world.service.tokens.create(member, NewToken()).token).secret
    digests = [hashlib.sha256(secret.encode()).hexdigest() for secret in (theirs, attacked.session)]
    narrow = world.service.gate.authenticate_token(attacked.token)
    by_password = replace(member, token_id="")
    fresh = world.reopened()
    for attempt in (
        lambda: fresh.users.whoami(narrow),
        lambda: fresh.gate.authenticate_token(attacked.token),
    ):
        with (
            rewriting(attacked, lambda query: (query[0].replace(*_THEIRS), query[1])),
            pytest.raises(TamperedRowError, match="another row"),
        ):
            attempt()
    for table, asked, instead, attempt in (
        ("user_account", member.user_id, admin.user_id, lambda: fresh.users.whoami(by_password)),
        ("access_token", narrow.token_id, member.token_id, lambda: fresh.users.whoami(narrow)),
        ("console_session", *digests, lambda: fresh.sessions.authenticate(theirs)),
    ):
        with (
            answering(attacked, table, asked, instead),
            pytest.raises(TamperedRowError, match="another row"),
        ):
            attempt()


_THEIRS = ("user_account.id = access_token.user_id", "user_account.name = 'admin'")


def test_another_chain_s_head_does_not_say_that_rows_are_believed(attacked: Attacked) -> None:
    """Only the system's head says whether MACs are asked for, whichever row the database answers with."""
    chain = next(row["id"] for row in attacked.rows(t.tenant) if row["name"] == "home")
    rows = attacked.rows(t.membership)
    with (
        attacked.having(t.membership, [row | {"role": "manager"} for row in rows]) as service,
        answering(attacked, "audit_chain", "system", chain),
        pytest.raises(TamperedRowError, match="its MAC does not fit"),
    ):
        service.users.whoami(attacked.member)


@pytest.mark.parametrize(
    ("asked", "instead"),
    [("home", "away"), ("member", "admin"), ("only", "k")],
    ids=["tenant", "owner", "keys"],
)
def test_an_export_has_nothing_that_was_not_asked_for(attacked: Attacked, asked: str, instead: str) -> None:
    """What leaves with its value is judged by its own row, whichever rows the database says are in reach."""
    world = attacked.world
    world.service.tenants.add_member(world.admin, "home", "member", TenantRole.USER)
    scope = Scope(keys=(asked,)) if asked == "only" else Scope()
    member = world.caller("member", scope)
    rows = [*attacked.rows(t.tenant), *attacked.rows(t.user_account)]
    ids = {row["name"]: row["id"] for row in rows}
    service, wanted = world.reopened(), ExportRequest("home")
    assert service.transfer.export(member, wanted).left_out == (asked != "only")  # the protected one
    with (
        answering(attacked, "secret", ids.get(asked, asked), ids.get(instead, instead)),
        pytest.raises(TamperedRowError, match="it was not asked for"),
    ):
        service.transfer.export(member, wanted)


def test_the_destination_of_another_provider_is_not_asked(attacked: Attacked) -> None:
    """A secret is kept with the provider that its row names, whichever a query joins with it."""
    world = attacked.world
    service = world.reopened()
    at = {"url": "http://127.0.0.1:9", "token": "t", "path": "x", "mount": "kv"}
    service.providers.create(world.admin, "home", "other", NewProvider("vault", at))
    joined = "secret.provider_id = secrets_provider.id"
    with (
        rewriting(
            attacked, lambda query: (query[0].replace(joined, "secrets_provider.name = 'other'"), query[1])
        ),
        pytest.raises(TamperedRowError, match="another row"),
    ):
        service.secrets.show(world.admin, "home", "kept")
    service.providers.delete(world.admin, "home", "other")


def test_a_trail_that_was_taken_away_is_missed(attacked: Attacked) -> None:
    """A server that has read it knows that there was one, though nothing is left that it could tell of."""
    world = attacked.world
    service = world.reopened()
    service.tenants.create(world.admin, "empty")
    world.secret("gone", tenant="empty")
    service.secrets.delete(world.admin, "empty", "gone")
    assert service.rows.round() == []
    chain = next(row["id"] for row in attacked.rows(t.tenant) if row["name"] == "empty")
    taken: dict[Table, list[Row]] = {}
    for table in (t.audit_use, t.audit_run, t.audit_record, t.audit_chain):
        name = "id" if table is t.audit_chain else "chain_id"
        rows = attacked.rows(table)
        taken[table] = [row for row in rows if row[name] == chain]
        attacked.put(table, [row for row in rows if row[name] != chain])
    with pytest.raises(TamperedRowError, match=f"audit trail {chain} was cut"):
        service.rows.round()
    for table, rows in taken.items():
        attacked.put(table, [*attacked.rows(table), *rows])
    assert service.rows.round() == []
    service.tenants.delete(world.admin, "empty")
