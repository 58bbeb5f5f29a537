"""What a use of secrets asks the database, through its driver alone: SQLAlchemy takes long to load.

The statements are in `compiled.py`, and written in `statements.py`. Transactions that do more have them, too.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from resolver.core.audit import SYSTEM_CHAIN, AuditHead
from resolver.core.model import Tenant, User, Visibility, is_storable
from resolver.core.ports import StoredUser
from resolver.core.providers import LOCAL
from resolver.errors import ConflictError, StoreError, TamperedRowError
from resolver.store import compiled
from resolver.store.engine import UNRELEASED, Database
from resolver.store.reading import Root
from resolver.store.row_macs import CheckedRows, Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from resolver.core.audit import AuditRecord
    from resolver.core.audit_rounds import IndexRows
    from resolver.core.permissions import TenantRole
    from resolver.core.ports import (
        Cipher,
        RowChange,
        StoredDataKey,
        StoredExternal,
        StoredSecret,
        StoredToken,
        StoredTrust,
    )
    from resolver.store.engine import Held
    from resolver.store.reading import Many
    from resolver.store.row_macs import Row, Wrong

_USER, _TENANT = Root("user"), Root("tenant")


class DriverSession(CheckedRows):
    """A transaction in which secrets are used and that is recorded.

    Args:
        held: a connection within a transaction.
        guard: what rows are authenticated with; without one they are neither checked nor given MACs.
        seen: the heads of chains that were seen before the transaction began; by default those seen by now.
    """

    def __init__(
        self, held: Held, guard: Guard | None = None, seen: Mapping[str, AuditHead] | None = None
    ) -> None:
        super().__init__(held, guard, seen)
        self._changes: list[RowChange] = []
        self.new_heads: dict[str, AuditHead] = {}
        self._ends: dict[str, int] = {}

    # Who asks, and where

    def token(self, token_id: str) -> tuple[StoredToken, StoredUser] | None:
        """A token that was not revoked, with its user."""
        entering = self.entering(token_id, "")
        return None if entering is None else entering[:2]

    def entering(self, token_id: str, tenant: str) -> tuple[StoredToken, StoredUser, Tenant | None] | None:
        """A token that was not revoked, with its user, and a tenant by name: in one statement."""
        if not is_storable(token_id):
            return None
        statement = compiled.ENTERING
        asked = tenant if is_storable(tenant) else ""  # no tenant has that name

        def attempt() -> tuple[tuple[StoredToken, StoredUser, Tenant | None] | None, Wrong | None]:
            raw = self._run(statement, token=token_id, tenant=asked)
            rows = [dict(zip(statement.columns, row, strict=True)) for row in raw]
            if not rows:
                return None, None
            row = rows[0]
            token = statement.reading.make(raw[0])
            self._demand_asked_for("token", token_id, token.id)
            self._demand_asked_for(_USER.kind, token.user_id, row["user__id"])
            wrong: Wrong | None = None
            for root, names, take in () if self._guard is None else statement.reading.takes:
                wrong = self._first_wrong(root, names, take, raw)
            roles = {one["in_tenant"]: one["in_role"] for one in rows if one["in_role"] is not None}
            user, wrong_user = self._stored_user(_part(row, "user__"), roles)
            home, wrong_tenant = self._stored_tenant(asked, _part(row, "tenant__"))
            return (token, user, home), wrong or wrong_user or wrong_tenant

        return self._twice(attempt)

    def _stored_tenant(self, asked: str, row: Mapping[str, Any]) -> tuple[Tenant | None, Wrong | None]:
        """A tenant of a row, and what is wrong with it."""
        if row["id"] is None:
            return None, None
        self._demand_asked_for(_TENANT.kind, asked, row["name"])
        fields = {name: row[name] for name in compiled.TENANT_FIELDS}
        genuine = self._genuine(_TENANT, *ordered(fields), row["row_mac"])
        return Tenant(row["id"], row["name"]), None if genuine else (_TENANT, fields, row["row_mac"])

    def trust(self, trust_id: str) -> StoredTrust | None:
        """A trust by id."""
        found = self._first(compiled.TRUST, trust=trust_id)
        if found is not None:
            self._demand_asked_for("trust", trust_id, found.id)
        return found

    def note_token_use(self, token_id: str, at: str) -> None:
        """Record that a token was used."""
        self._run(compiled.NOTE_TOKEN_USE, token=token_id, at=at)

    def user(self, *, name: str = "", user_id: str = "") -> StoredUser | None:
        """A user by name (whatever its case) or id, with roles."""
        if not is_storable(name):
            return None
        statement, asked, user = (
            (compiled.USER_BY_ID, "id", user_id)
            if user_id
            else (compiled.USER_BY_NAME, "folded_name", name.casefold())
        )

        def attempt() -> tuple[StoredUser | None, Wrong | None]:
            rows = [dict(zip(statement.columns, row, strict=True)) for row in self._run(statement, user=user)]
            if not rows:
                return None, None
            self._demand_asked_for(_USER.kind, user, rows[0][asked])
            roles = {row["in_tenant"]: row["in_role"] for row in rows if row["in_role"] is not None}
            return self._stored_user(rows[0], roles)

        return self._twice(attempt)

    def _stored_user(
        self, row: Mapping[Any, Any], roles: Mapping[str, TenantRole]
    ) -> tuple[StoredUser, Wrong | None]:
        """A user of a row and the memberships, and what is wrong with it."""
        user = User(**{name: row[name] for name in User.__struct_fields__})
        fields = {name: row[name] for name in compiled.USER_FIELDS}
        fields |= {role_in(tenant_id): role for tenant_id, role in roles.items()}
        genuine = self._genuine(_USER, *ordered(fields), row["row_mac"])
        wrong = None if genuine else (_USER, fields, row["row_mac"])
        return StoredUser(user, roles, row["password_hash"]), wrong

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""
        if not is_storable(name):
            return None
        tenant = self._first(compiled.TENANT, tenant=name)
        if tenant is not None:
            self._demand_asked_for("tenant", name, tenant.name)
        return tenant

    # Secrets, and the keys that open them

    def _listed(self, texts: Collection[str]) -> object:
        """Texts as one parameter."""
        named = list(filter(is_storable, texts))
        return named if self._postgresql else json.dumps(named)

    def secrets_by_keys(self, tenant_id: str, keys: Collection[str]) -> Sequence[StoredSecret]:
        """One SELECT: the tenant's own secrets under these keys, and global ones of other tenants."""
        asked = frozenset(keys)
        provider_id = compiled.SECRETS.place("mac__secret__provider_id")
        own_end, system_end = map(compiled.SECRETS.place, ("own_end", "system_end"))
        found: list[StoredSecret] = []
        for stored, row in self._found(compiled.SECRETS, tenant_id=tenant_id, keys=self._listed(keys)):
            secret = stored.secret
            self._demand_provider(secret, row[provider_id])
            if secret.key not in asked or not (
                secret.visibility is Visibility.GLOBAL or secret.tenant.id == tenant_id
            ):
                self._refuse_other("secret", secret.id)
            found.append(stored)
            for chain, end in ((secret.tenant.id, row[own_end]), (SYSTEM_CHAIN, row[system_end])):
                self._ends.setdefault(chain, number_of(end or 0))
        return found

    def size_by_keys(self, tenant_id: str, keys: Collection[str]) -> int:
        """How many characters the stored tokens of the same secrets have in all."""
        rows = self._run(compiled.SIZE_OF_SECRETS, tenant_id=tenant_id, keys=self._listed(keys))
        return int(rows[0][0])

    def data_keys(self, ids: Collection[str]) -> Sequence[StoredDataKey]:
        """Data keys by id."""
        return [key for key, _ in self._found(compiled.DATA_KEYS, ids=self._listed(ids))]

    def active_data_key(self, tenant_id: str, *, lock: bool = False) -> StoredDataKey | None:
        """The data key that new values of a tenant are encrypted with.

        Args:
            tenant_id: the tenant.
            lock: keep it from being destroyed until the transaction ends; a rotation goes on all the same.
        """
        statement = compiled.ACTIVE_DATA_KEY_LOCKED if lock else compiled.ACTIVE_DATA_KEY
        found = self._first(statement, tenant=tenant_id)
        if found is not None:
            self._demand_asked_for("data key of tenant", tenant_id, found.tenant_id)
        return found

    def external_values(self, secret_ids: Sequence[str]) -> Sequence[StoredExternal]:
        """The external ones among some secrets that name a provider: those whose values it has.

        ConflictError when one of them is not there, any more: it is not taken for one of here.
        """
        provider_id = compiled.EXTERNAL.place("mac__secret__provider_id")
        external: list[StoredExternal] = []
        missing = set(secret_ids)
        # Of the local ones, too: which they are is believed of a genuine row only.
        for found, row in self._found(compiled.EXTERNAL, ids=self._listed(secret_ids)):
            provider = found.stored.provider
            self._demand_asked_for("provider", row[provider_id], provider.id)
            missing.discard(found.secret_id)
            if provider.kind != LOCAL:
                external.append(found)
        if missing:
            raise changed_meanwhile("secret")
        return external

    # Audit chains

    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""
        if lock:
            return self.locked_head(chain)[:3]
        rows = self._run(compiled.CHAIN, chain=chain)
        if not rows:
            return _first_head(chain), "", ""
        return head_of(chain, rows[0]), text_of(rows[0][3]), text_of(rows[0][4])

    def locked_head(self, chain: str) -> tuple[AuditHead, str, str, StoredDataKey | None]:
        """The same, and that key where it is the active one; locked until the transaction ends."""
        statement = compiled.CHAIN_LOCKED
        rows = self._run(statement, chain=chain)
        if not rows:
            start = _first_head(chain)
            self._run(
                compiled.START_CHAIN,
                id=chain,
                number=start.number,
                hash=start.hash,
                mac="",
                enforced=start.enforced or None,
            )
            rows = self._run(statement, chain=chain)
        row = rows[0]
        key: StoredDataKey | None = None
        if row[statement.place("mac__data_key__active")] and row[statement.place("tenant_id")] == "":
            read = [rows]
            found = self._checked(
                statement.reading, lambda: read.pop() if read else self._run(statement, chain=chain)
            )
            key = found[0][0]
        return head_of(chain, row), text_of(row[3]), text_of(row[4]), key

    def ends(self, chains: Collection[str]) -> Mapping[str, int]:
        """The numbers of the last records of chains, in a transaction that only reads."""
        if missing := [chain for chain in chains if chain not in self._ends]:
            told = dict(self._run(compiled.ENDS, chains=self._listed(missing)))
            self._ends |= {chain: number_of(told.get(chain, 0)) for chain in missing}
        return {chain: self._ends[chain] for chain in chains}

    def append_audit(
        self,
        head: AuditHead,
        mac: str,
        mac_key_id: str,
        records: Sequence[AuditRecord],
        index: IndexRows,
        *,
        system_end: int | None = None,
    ) -> bool:
        """Store records, their rows of the index, and the new head.

        Nothing happens when the system's chain does not end with a number that is given.

        Args:
            head: the new head; the one before is locked.
            mac: its MAC.
            mac_key_id: the MAC's key.
            records: the records.
            index: their rows of the index.
            system_end: the number that the system's chain has to end with; None for any.
        """
        values = {
            "chain": head.chain,
            "new_number": head.number,
            "new_hash": head.hash,
            "new_mac": mac,
            "new_mac_key_id": mac_key_id,
            "new_enforced": head.enforced or None,
            "system_end": system_end,
        }
        if self._postgresql:
            for name, some in (("ADD_RECORDS", records), ("ADD_RUNS", index.runs), ("ADD_USES", index.uses)):
                insert = getattr(compiled, name)
                rows = _rows_of(insert, head.chain, some)
                columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in insert.columns)
                values |= zip((f"{name}_{column}" for column in insert.columns), columns, strict=True)
            moved = self._raw.execute(compiled.APPEND, values).fetchall()
            if not moved:
                return False
        else:
            if self._raw.execute(compiled.SET_HEAD.texts[0], values).rowcount != 1:
                return False
            self._add(compiled.ADD_RECORDS, head.chain, records)
            self.append_audit_index(head.chain, index)
        self.new_heads[head.chain] = head
        return True

    def append_audit_index(self, chain: str, rows: IndexRows) -> None:
        """Store rows of the index."""
        self._add(compiled.ADD_RUNS, chain, rows.runs)
        self._add(compiled.ADD_USES, chain, rows.uses)

    def _add(self, insert: Many, chain: str, records: Sequence[Any]) -> None:
        if not records:
            return
        self._send_all(insert, _rows_of(insert, chain, records))

    def _send_all(self, statement: Many, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for many rows at once."""
        if self._postgresql:
            columns = map(list, zip(*rows, strict=True))
            self._raw.execute(statement.postgresql, dict(zip(statement.columns, columns, strict=True)))
        else:
            self._raw.executemany(statement.sqlite, rows)

    def audit_between(self, chain: str, after: int, before: int, *, size: int) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers, oldest first."""
        statement = compiled.RECORDS_BETWEEN
        rows = self._run(statement, chain=chain, after=after, before=before, size=size, empty=b"")
        return list(map(statement.reading.make, rows))

    @property
    def untold_chains(self) -> frozenset[str]:
        """The chains that are still to tell of something that was changed."""
        return frozenset(change.chain for change in self._changes)

    def row_changes(self, chain: str) -> Sequence[RowChange]:
        """What was changed and a chain is still to tell; it counts as told then."""
        taken = [change for change in self._changes if change.chain == chain]
        self._changes = [change for change in self._changes if change.chain != chain]
        return taken


def _rows_of(insert: Many, chain: str, records: Sequence[Any]) -> list[tuple[Any, ...]]:
    values = attrgetter(*insert.columns[1:])
    return [(chain, *values(record)) for record in records]


def _first_head(chain: str) -> AuditHead:
    return AuditHead(chain, enforced=chain == SYSTEM_CHAIN)  # of a new store from the start


def _part(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What a row has in columns of one prefix."""
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def role_in(tenant_id: str) -> str:
    """What a membership is called among the fields of a user."""
    return f"membership {tenant_id}"


def ordered(fields: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names of fields in order, and their values."""
    names = tuple(sorted(fields))
    return names, tuple(fields[name] for name in names)


def head_of(chain: str, row: Row) -> AuditHead:
    """The head in a row; of the chain that was asked for, so that another's MAC does not fit."""
    return AuditHead(chain, number_of(row[1]), text_of(row[2]), bool(row[5]))


def number_of(stored: object) -> int:
    """A number as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, int) else -1


def text_of(stored: object) -> str:
    """A text as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, str) else ""


def changed_meanwhile(kind: str) -> ConflictError:
    """The refusal where what was found before is not there, any more."""
    return ConflictError(
        f"the {kind} was changed or deleted by someone else at the same time",
        hint="look at it again, then repeat the change if it is still wanted",
    )


def _nothing(_about: object) -> None:
    """What a store does that authenticates nothing."""


S = TypeVar("S", bound=DriverSession)


class AnyStore(Generic[S]):
    """A SQLite or PostgreSQL database, and what its transactions have in common.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard: Guard | None = None
        self._record: Callable[[Any], None] = _nothing
        self._report: Callable[[TamperedRowError], None] = _nothing

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    def _session(self, held: Held, seen: Mapping[str, AuditHead] | None = None) -> S:
        raise NotImplementedError

    def _transaction(self, *, writes: bool) -> contextlib.AbstractContextManager[Held]:
        raise NotImplementedError

    def authenticated(
        self,
        cipher: Cipher,
        record: Callable[[Any], None],
        report: Callable[[TamperedRowError], None],
    ) -> Self:
        """The same database, with rows that decide refused where they are read without a genuine MAC."""
        store = copy.copy(self)
        store.__dict__.pop("managed", None)  # which has seen what this one has
        store._guard, store._record, store._report = Guard(cipher), record, report  # noqa: SLF001 - its own kind
        return store

    @contextlib.contextmanager
    def read(self) -> Iterator[S]:
        """A transaction that only reads, on one state of the data."""
        seen = None if self._guard is None else self._guard.heads  # before the state that is read
        with self._reporting(), self._transaction(writes=False) as held:
            yield self._session(held, seen)

    @contextlib.contextmanager
    def write(self) -> Iterator[S]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""
        with self._reporting(), self._transaction(writes=True) as held:
            session = self._session(held)
            yield session
            if session.untold_chains:
                self._record(session)
        if self._guard is not None and session.new_heads:
            self._guard.saw(session.new_heads)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except TamperedRowError as error:
            self._report(error)
            raise

    def check_schema(self) -> None:
        """Check that the database has this program's schema.

        Raises:
            StoreError: there is no store, or an older or newer program made it.
        """
        with self._transaction(writes=False) as held:
            demand_current(revision_of(held))

    def check_writable(self) -> None:
        """Check that a change could be stored; StoreError where it could not, as on a full disk."""
        self._database.check_writable()

    @property
    def place(self) -> str:
        """The database's URL, without password."""
        return self._database.place

    def close(self) -> None:
        """Give back connections."""
        self._database.close()


class DriverStore(AnyStore[DriverSession]):
    """A database of which secrets are used.

    Args:
        database: the database.
        manage: makes of it the store that does all else.
    """

    def __init__(self, database: Database, manage: Callable[[AnyStore[Any]], Any]) -> None:
        super().__init__(database)
        self._manage = manage

    @functools.cached_property
    def managed(self) -> Any:  # noqa: ANN401 - this room's other store, which is not loaded yet
        """The same database, for all else."""
        return self._manage(self)

    def _session(self, held: Held, seen: Mapping[str, AuditHead] | None = None) -> DriverSession:
        return DriverSession(held, self._guard, seen)

    def _transaction(self, *, writes: bool) -> contextlib.AbstractContextManager[Held]:
        return self._database.transaction(writes=writes, with_sql=False)


_REVISION = re.compile(r"\d{4}")


def demand_current(revision: str) -> None:
    """Refuse a schema that is older than this program's; StoreError with the way out."""
    if revision != compiled.SCHEMA_REVISION:
        raise StoreError(
            f"the database has schema {revision}, this program needs {compiled.SCHEMA_REVISION}",
            hint="`resolver db upgrade` brings it up to date; back it up before",
        )


def revision_of(held: Held) -> str:
    """The revision of the schema; StoreError for one that is none of this program's, or a newer one."""
    rows = held.raw.execute("SELECT version_num FROM alembic_version").fetchall()
    found = rows[0][0] if rows else None
    if found is not None and not _REVISION.fullmatch(str(found)):
        raise StoreError(f"the database has schema {found}, which no release has", hint=UNRELEASED)
    if found is not None and found > compiled.SCHEMA_REVISION:
        raise StoreError(
            f"the database has schema {found}, this program knows those up to {compiled.SCHEMA_REVISION}",
            hint="a newer release made it: use that one, or put a backup from before back",
        )
    return found or "0000"
