"""Rows that decide are written with a MAC, and refused where they are read without a genuine one.

Whoever can write the database and lacks the root key can't make a MAC. An older genuine row put back is found
by the trail, which holds generation and digest of each change (`core/rows.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from sqlalchemy import (
    BinaryExpression,
    BindParameter,
    Column,
    Null,
    String,
    and_,
    bindparam,
    delete,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql import operators

from resolver.core.audit import SYSTEM_CHAIN, AuditHead
from resolver.core.binding import row_bytes
from resolver.core.ports import RowChange, StoredDataKey
from resolver.core.rows import StoredRow
from resolver.errors import ConflictError, TamperedRowError, TokenError
from resolver.store import tables as t
from resolver.store.aggregates import BY_KIND, TellingChain, as_stored
from resolver.store.rows import Rows, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Result, Row, Select

    from resolver.core.model import Secret
    from resolver.core.ports import Cipher, DataKey
    from resolver.store.aggregates import Aggregate
    from resolver.store.records import RecordColumns

R = TypeVar("R")

Check: TypeAlias = "tuple[Aggregate, tuple[str, ...], Callable[[Any], tuple[Any, ...]]]"
"""An aggregate in the rows of a result: its fields, and what takes their values and the MAC out of a row."""

Wrong: TypeAlias = "tuple[Aggregate, Mapping[str, Any], object]"
"""An aggregate that is not genuine: what it is, its fields, its MAC."""

_VALUES = (BindParameter, Null)

_NEVER_WRITTEN = (LookupError, TypeError, ValueError)
"""What a column's type raises of what this program never writes."""

_COMPARED = {operators.eq, operators.is_, operators.is_not_distinct_from, operators.in_op}
"""The comparisons of a column with values that are made once more here."""

_CHECKS: dict[tuple[RecordColumns[Any], tuple[str, ...]], Sequence[Check]] = {}
"""Worked out once for each kind of result."""

_MAX_KNOWN, _MAX_KNOWN_BYTES = 4000, 2000
"""Most aggregates that a process remembers as genuine, and the size of the largest: 8 MB in all."""

_SYSTEM_KEYS = select(
    t.data_key.c.id, t.data_key.c.tenant_id, t.data_key.c.root_key_id, t.data_key.c.wrapped
).where(t.data_key.c.tenant_id == "")
_SYSTEM_KEY = _SYSTEM_KEYS.where(t.data_key.c.id == bindparam("id"))
_ACTIVE_KEY = _SYSTEM_KEYS.where(t.data_key.c.active).with_for_update(read=True, key_share=True)
_HEAD = select(t.audit_chain).where(t.audit_chain.c.id == SYSTEM_CHAIN)


class Guard:
    """What a process authenticates rows with, and what it has seen of them.

    Args:
        cipher: opens the system key, from which the key of the MACs is derived.

    Attributes:
        keys: system keys that were opened, by id.
        enforced: whether the system's head was seen to say that a row without a genuine MAC is refused.
        floors: the generation below which an aggregate is refused, by kind and id; of those that a check
            found to be other than the trail tells.
        heads: the highest head of each chain that this process has seen.
        verified: kind, fields and values that were found genuine of late, by their MACs: a row that is read
            again and again is computed once.
    """

    def __init__(self, cipher: Cipher) -> None:
        self.cipher = cipher
        self.keys: dict[str, DataKey] = {}
        self.enforced = False
        self.floors: Mapping[tuple[str, str], int] = {}
        self.heads: Mapping[str, AuditHead] = {}
        self.verified: dict[str, tuple[str, tuple[str, ...], tuple[Any, ...]]] = {}
        self._lock = threading.Lock()

    def know(self, row_mac: str, known: tuple[str, tuple[str, ...], tuple[Any, ...]]) -> None:
        """Remember what was found genuine; all is forgotten when it is too much."""
        if len(self.verified) >= _MAX_KNOWN:
            self.verified = {}
        self.verified[row_mac] = known

    def saw(self, heads: Mapping[str, AuditHead]) -> None:
        """Remember committed heads."""
        with self._lock:
            self.heads = {**self.heads, **heads}

    def refuse(self, floors: Mapping[tuple[str, str], int]) -> None:
        """Refuse aggregates below a generation from here on."""
        with self._lock:
            self.floors = {**self.floors, **floors}


class AuthenticatedRows(Rows):
    """Reads rows that decide, and writes them with their MACs.

    Args:
        connection: a connection within a transaction.
        guard: what rows are authenticated with; without one they are neither checked nor given MACs.
        seen: the heads of chains that were seen before the transaction began; by default those seen by now.
    """

    def __init__(
        self,
        connection: Connection,
        guard: Guard | None = None,
        seen: Mapping[str, AuditHead] | None = None,
    ) -> None:
        super().__init__(connection)
        self._guard = guard
        self._active: DataKey | None = None
        self._enforced: bool | None = None
        self._changes: list[RowChange] = []
        self._seen_heads = seen or ({} if guard is None else guard.heads)
        self.new_heads: dict[str, AuditHead] = {}
        self._ends_before: dict[str, int] = {}

    # Reading

    def _read(
        self, record: RecordColumns[R], query: Select[Any], values: Mapping[str, Any] | None = None
    ) -> list[R]:
        """The records in the rows of a query for them; TamperedRowError when one of them is not genuine."""
        return [made for made, _row in self._read_with(record, query, values)]

    def _read_first(
        self, record: RecordColumns[R], query: Select[Any], values: Mapping[str, Any] | None = None
    ) -> R | None:
        """The record in the first row; None when there is none."""
        return next(iter(self._read(record, query, values)), None)

    def _read_with(
        self, record: RecordColumns[R], query: Select[Any], values: Mapping[str, Any] | None = None
    ) -> list[tuple[R, Row[*tuple[Any, ...]]]]:
        """The records with their rows, for queries that select other columns, too."""

        def attempt() -> tuple[list[tuple[R, Row[*tuple[Any, ...]]]], Wrong | None]:
            result = self._execute(query, values or {})
            wrong: Wrong | None = None
            make, checks = record.maker(result), self._checks(record, result)
            rows = result.all()
            for aggregate, named, found in record.joined:
                for row in rows:
                    self._demand_asked_for(aggregate.kind, getattr(row, named), getattr(row, found))
            for aggregate, names, take in checks:
                wrong = wrong or self._first_wrong(aggregate, names, take, rows)
            return [(make(row), row) for row in rows], wrong

        return self._twice(attempt)

    def _twice(self, attempt: Callable[[], tuple[R, Wrong | None]]) -> R:
        """What an attempt reads; one that finds a row not genuine is made once more before that counts."""
        try:
            found, wrong = attempt()
            if wrong is not None:
                found, wrong = attempt()
        except _NEVER_WRITTEN:
            if self._guard is None:
                raise
            raise _tampered("row", "", "it holds what no resolver writes") from None
        if wrong is not None:
            self._refuse(*wrong)
        return found

    def _checks(self, record: RecordColumns[Any], result: Result[Any]) -> Sequence[Check]:
        """Which aggregates are in the rows of a result, and where in them."""
        if self._guard is None:
            return ()
        labels = tuple(result.keys())
        checks = _CHECKS.get((record, labels))
        if checks is None:
            indexes = {name: index for index, name in enumerate(labels)}
            checks = _CHECKS[record, labels] = [
                (aggregate, tuple(names)[:-1], itemgetter(*(indexes[label] for label in names.values())))
                for aggregate, names in record.authenticated
            ]
        return checks

    def _first_wrong(
        self,
        aggregate: Aggregate,
        names: tuple[str, ...],
        take: Callable[[Any], tuple[Any, ...]],
        rows: Iterable[Row[*tuple[Any, ...]]],
    ) -> Wrong | None:
        before: tuple[Any, ...] = ()
        for row in rows:
            found = take(row)
            if found == before:  # many secrets of one tenant
                continue
            before = found
            if not self._genuine(aggregate, names, found[:-1], found[-1]):
                return aggregate, dict(zip(names, found, strict=False)), found[-1]
        return None

    def _genuine(
        self, aggregate: Aggregate, names: tuple[str, ...], values: tuple[Any, ...], row_mac: object
    ) -> bool:
        """Whether an aggregate has the MAC that this program gave it.

        Args:
            aggregate: what it is.
            names: its fields, in order.
            values: what they hold.
            row_mac: its MAC, as stored.
        """
        guard = self._guard
        if guard is None:
            return True
        if not isinstance(row_mac, str):
            return False
        if guard.floors and self._is_put_back(
            guard, aggregate, dict(zip(names, values, strict=True)), row_mac
        ):
            return False
        known = aggregate.kind, names, values
        if guard.verified.get(row_mac) == known:  # these very values were found genuine with this very MAC
            return True
        number, key_id, mac = _parts(row_mac)
        key = self._row_key(key_id)
        if key is None:
            return False
        try:
            data = row_bytes(aggregate.kind, number, zip(names, map(as_stored, values), strict=True))
        except (TypeError, ValueError):
            return False
        genuine = hmac.compare_digest(mac.encode(), key.row_mac(data).encode())
        if genuine and len(data) <= _MAX_KNOWN_BYTES:
            guard.know(row_mac, known)
        return genuine

    @staticmethod
    def _is_put_back(guard: Guard, aggregate: Aggregate, fields: Mapping[str, Any], row_mac: str) -> bool:
        floor = guard.floors.get((aggregate.kind, aggregate.id_of(fields)), 0)
        return _parts(row_mac)[0] < floor

    def _row_key(self, key_id: str) -> DataKey | None:
        """A system key that is there, opened."""
        if self._guard is None:
            return None
        key = self._guard.keys.get(key_id)
        if key is None:
            key = self._opened(self._execute(_SYSTEM_KEY, {"id": key_id}))
            if key is not None:
                self._guard.keys[key_id] = key
        return key

    def _opened(self, result: Result[Any]) -> DataKey | None:
        row = result.one_or_none()
        if row is None or self._guard is None or row.tenant_id:
            return None
        try:
            return self._guard.cipher.open_data_key(
                StoredDataKey(row.id, row.tenant_id, row.root_key_id, row.wrapped)
            )
        except TokenError:
            return None

    def _refuse(self, aggregate: Aggregate, fields: Mapping[str, Any], row_mac: object) -> None:
        """Raise that an aggregate is not genuine, unless the store is not that far yet."""
        if not self.rows_enforced:
            return
        raise _tampered(
            aggregate.kind,
            aggregate.id_of(fields),
            "it has no MAC"
            if row_mac is None
            else "its MAC does not fit, or the row is an older one put back",
        )

    def refuse_missing(self, kind: str, row_id: str) -> None:
        """Raise that a row is not there which a genuine one names, unless the store is not that far yet."""
        if self.rows_enforced:
            raise _tampered(kind, row_id, "it is missing, and other rows name it")

    def _demand_provider(self, secret: Secret, row: Row[*tuple[Any, ...]]) -> None:
        """Refuse a secret that names a provider which is not there: it is not taken for one of here."""
        if secret.provider is None and (missing := row.mac__secret__provider_id) is not None:
            self.refuse_missing("provider", missing)

    def _demand_asked_for(self, kind: str, asked: str, found: str) -> None:
        """Refuse a genuine row that is another one than was asked for: a view or an index can answer so."""
        if asked != found:
            self._refuse_other(kind, asked)

    @staticmethod
    def _refuse_other(kind: str, row_id: str) -> NoReturn:
        raise _tampered(kind, row_id, "the database answers with another row")

    @property
    def rows_enforced(self) -> bool:
        """Whether a row without a genuine MAC is refused: so says the system's head, under its own MAC."""
        if self._guard is None:
            return False
        if self._guard.enforced:
            return True
        if self._enforced is None:
            row = self._execute(_HEAD).one_or_none()
            enforced = True  # without a genuine head nothing is believed
            if (
                row is not None
                and isinstance(row.mac, str)
                and isinstance(row.number, int)
                and row.number >= 0
            ):
                head = AuditHead(SYSTEM_CHAIN, row.number, str(row.hash), bool(row.enforced))
                key = self._row_key(row.mac_key_id or "")
                if key is not None and hmac.compare_digest(row.mac.encode(), key.mac(head.encode()).encode()):
                    enforced = self._guard.enforced = head.enforced
            self._enforced = enforced
        return self._enforced

    def seen_head(self, chain: str) -> AuditHead | None:
        """The latest end of a chain that this process saw before the transaction began."""
        return self._seen_heads.get(chain)

    # Writing

    def _fields(
        self,
        aggregate: Aggregate,
        where: Sequence[ColumnElement[bool]],
        *,
        lock: bool = False,
        limit: int | None = None,
    ) -> list[tuple[dict[str, Any], str | None]]:
        """The aggregates whose roots fit, each with its MAC; by id."""
        columns = [*aggregate.decides, aggregate.table.c[t.ROW_MAC]]
        query = select(*columns).where(*where).order_by(*aggregate.ids).limit(limit)
        if lock:
            query = query.with_for_update(key_share=True)
        found = [
            (dict(zip((column.name for column in columns[:-1]), row[:-1], strict=True)), row[-1])
            for row in self._execute(query)
        ]
        self._add_children(aggregate, [fields for fields, _ in found])
        return found

    def _add_children(self, aggregate: Aggregate, found: Sequence[dict[str, Any]]) -> None:
        children = aggregate.children
        if children is None:
            return
        parents = {fields["id"]: fields for fields in found}
        for ids in batches(list(parents)):
            query = select(children.parent, children.key, children.value).where(children.parent.in_(ids))
            for parent, key, value in self._execute(query):
                parents[parent][children.field(key)] = value

    def _locked(
        self, aggregate: Aggregate, *where: ColumnElement[bool]
    ) -> list[tuple[dict[str, Any], str | None]]:
        """Aggregates that are about to be changed, locked and checked."""
        if self._postgresql and aggregate.children is not None:
            # A statement that waited for a lock sees the locked row anew, and other tables as they were.
            self._execute(
                select(*aggregate.ids).where(*where).order_by(*aggregate.ids).with_for_update(key_share=True)
            ).all()

        def attempt() -> tuple[list[tuple[dict[str, Any], str | None]], Wrong | None]:
            found = self._asked_for(aggregate, where)
            return found, self._wrong_among(aggregate, found)

        return self._twice(attempt)

    def _asked_for(
        self, aggregate: Aggregate, where: Sequence[ColumnElement[bool]]
    ) -> list[tuple[dict[str, Any], str | None]]:
        """Aggregates whose roots fit, locked; what a change does to them is not done to others instead."""
        found = self._fields(aggregate, where, lock=True)
        for fields, _ in found:
            if not all(_fits(condition, fields) for condition in where):
                self._refuse_other(aggregate.kind, aggregate.id_of(fields))
        return found

    def _wrong_among(
        self, aggregate: Aggregate, found: Iterable[tuple[dict[str, Any], str | None]]
    ) -> Wrong | None:
        for fields, row_mac in found:
            if not self._genuine(aggregate, *_ordered(fields), row_mac):
                return aggregate, fields, row_mac
        return None

    def _change(
        self,
        aggregate: Aggregate,
        *where: ColumnElement[bool],
        values: Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]],
        unchanging: bool = False,
    ) -> int:
        """Change columns of the aggregates whose roots fit, and give them their MACs; how many there were.

        What the MAC covers is what was read and found genuine, with the change: not what the database says
        afterwards.

        Args:
            aggregate: what they are.
            where: which of them.
            values: the columns that get other values, or what makes these of the fields; without any an
                aggregate is left alone. `None` as the value of a child takes it away.
            unchanging: whether what is decided stays the same, so that the generation does, too.
        """
        found = self._locked(aggregate, *where)
        changes = []
        for fields, row_mac in found:
            new = dict(values(fields) if callable(values) else values)
            if not new and not unchanging:
                continue
            generation = _generation(row_mac) + (0 if unchanging and row_mac else 1)
            made = self._row_mac(aggregate, fields | new, generation, told=not unchanging)
            changes.append((fields, {name: new[name] for name in new if name in aggregate.table.c} | made))
        self._update(aggregate, changes)
        return len(changes)

    def _change_one(
        self, aggregate: Aggregate, *where: ColumnElement[bool], values: Mapping[str, Any]
    ) -> None:
        """Change the aggregate that was found before; ConflictError when it is not there, any more."""
        demand_one(aggregate, self._change(aggregate, *where, values=values))

    def _remove_one(self, aggregate: Aggregate, *where: ColumnElement[bool]) -> None:
        """Delete the aggregate that was found before; ConflictError when it is not there, any more.

        Who is told that something is gone is told so of what was found.
        """
        demand_one(aggregate, self._remove(aggregate, *where))

    def _update(
        self, aggregate: Aggregate, changes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
    ) -> None:
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for fields, new in changes:
            if new:
                which = {f"row_{column.name}": fields[column.name] for column in aggregate.ids}
                groups.setdefault(tuple(new), []).append(which | {f"new_{name}": new[name] for name in new})
        for names, rows in groups.items():
            self._execute(
                update(aggregate.table)
                .where(*(column == bindparam(f"row_{column.name}") for column in aggregate.ids))
                .values({name: bindparam(f"new_{name}") for name in names}),
                rows,
            )

    def _made(self, aggregate: Aggregate, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a new root, with its MAC."""
        fields = {column.name: values.get(column.name) for column in aggregate.decides}
        return {**values, **self._row_mac(aggregate, fields, 1)}

    def _remove(self, aggregate: Aggregate, *where: ColumnElement[bool]) -> int:
        """Delete the aggregates whose roots fit, genuine or not; how many there were."""
        found = self._asked_for(aggregate, where)
        for fields, row_mac in found:
            self._tell(aggregate, fields, _generation(row_mac) + 1, None)
        for some in batches([fields for fields, _ in found]):
            which = (and_(*(column == fields[column.name] for column in aggregate.ids)) for fields in some)
            self._execute(delete(aggregate.table).where(or_(*which)))
        return len(found)

    def _row_mac(
        self, aggregate: Aggregate, fields: Mapping[str, Any], generation: int, *, told: bool = True
    ) -> dict[str, str]:
        """The MAC of an aggregate as it is written to its root; nothing in a store without a key."""
        key = self._active_key()
        if key is None:
            return {}
        data = _bytes(aggregate, generation, fields)
        if told:
            self._tell(aggregate, fields, generation, _digest(data))
        return {t.ROW_MAC: f"{generation}:{key.id}:{key.row_mac(data)}"}

    def _tell(
        self, aggregate: Aggregate, fields: Mapping[str, Any], generation: int, digest: str | None
    ) -> None:
        """Have the trail tell what became of an aggregate, once the store is that far."""
        chain = aggregate.chain_of(fields)
        if chain is not None and self.rows_enforced:
            row_id = aggregate.id_of(fields)
            self._changes.append(RowChange(aggregate.kind, row_id, generation, digest, chain))

    def _active_key(self) -> DataKey | None:
        """The system key that MACs are made with; it is not destroyed before the transaction ends."""
        if self._active is None and self._guard is not None:
            self._active = self._opened(self._execute(_ACTIVE_KEY))
        return self._active

    @property
    def row_kinds(self) -> Sequence[str]:
        """The kinds of rows that decide."""
        return list(BY_KIND)

    def enforce_rows(self) -> None:
        """Keep other writers away, and tell of rows as in a store that enforces their MACs."""
        if self._postgresql:
            names = ", ".join(sorted({aggregate.table.name for aggregate in BY_KIND.values()}))
            self._connection.exec_driver_sql(f"LOCK TABLE {names}, membership IN SHARE ROW EXCLUSIVE MODE")
        self._enforced = True

    def stored_rows(
        self,
        kind: str,
        *,
        chain: str | None = None,
        ids: Collection[str] | None = None,
        after: Sequence[Any] = (),
        limit: int | None = None,
    ) -> tuple[Mapping[tuple[str, str], StoredRow], Sequence[Any] | None]:
        """Aggregates that the trail tells of, as they are stored: by kind and id, in the order of ids."""
        aggregate = BY_KIND[kind]
        if aggregate.told_by is None or (chain is not None and not aggregate.is_told_by(chain)):
            return {}, None
        where: list[ColumnElement[bool]] = []
        if chain is not None and aggregate.told_by is TellingChain.TENANT:
            where.append(aggregate.table.c.tenant_id == chain)
        if ids is not None:
            number = not isinstance(aggregate.ids[0].type, String)
            where.append(aggregate.ids[0].in_([int(one) if number else one for one in sorted(ids)]))
        where += _behind(aggregate, after)
        stored: dict[tuple[str, str], StoredRow] = {}
        try:
            found = self._fields(aggregate, where, limit=limit)
        except _NEVER_WRITTEN:
            found = []
            query = select(*aggregate.ids).where(*where).order_by(*aggregate.ids).limit(limit)
            rows = self._execute(query).all()
            for row in rows:  # one by one: what can't be read hides no other
                which = [column == value for column, value in zip(aggregate.ids, row, strict=True)]
                try:
                    found += self._fields(aggregate, which)
                except _NEVER_WRITTEN:
                    stored[kind, "/".join(map(str, row))] = StoredRow(0, "", genuine=False)
            end: Sequence[Any] | None = list(rows[-1]) if rows else None
        else:
            end = _end_of(aggregate, found)
        for fields, row_mac in found:
            generation = _generation(row_mac)
            genuine = self._genuine(aggregate, *_ordered(fields), row_mac)
            digest = _digest(_bytes(aggregate, generation, fields)) if genuine else ""
            stored[kind, aggregate.id_of(fields)] = StoredRow(generation, digest, genuine)
        return stored, end

    def vouch_for_rows(
        self, kind: str, after: Sequence[Any] = (), *, limit: int
    ) -> tuple[int, Sequence[Any] | None]:
        """Give aggregates MACs as they are, genuine or not, for who has looked at them."""
        aggregate = BY_KIND[kind]
        found = self._fields(aggregate, _behind(aggregate, after), lock=True, limit=limit)
        self._update(
            aggregate,
            [
                (fields, self._row_mac(aggregate, fields, _generation(row_mac) + 1))
                for fields, row_mac in found
            ],
        )
        return len(found), _end_of(aggregate, found)

    def renew_row_macs(self, data_key_id: str, *, limit: int) -> int:
        """Give aggregates a MAC of the active system key, of those that have it from another; how many.

        TamperedRowError at the first that is not genuine.
        """
        theirs = f"%:{data_key_id}:%"
        for aggregate in BY_KIND.values():
            row_mac = aggregate.table.c[t.ROW_MAC]
            some = select(*aggregate.ids).where(row_mac.like(theirs)).order_by(*aggregate.ids).limit(limit)
            ids = [tuple(row) for row in self._execute(some)]
            if ids:
                which = tuple_(*aggregate.ids).in_(ids)
                self._change(aggregate, which, row_mac.like(theirs), values={}, unchanging=True)
                return len(ids)
        return 0

    def has_row_macs(self, data_key_id: str) -> bool:
        """Whether an aggregate but the key itself has its MAC from a system key."""
        theirs = f"%:{data_key_id}:%"
        for aggregate in BY_KIND.values():
            where: list[ColumnElement[bool]] = [aggregate.table.c[t.ROW_MAC].like(theirs)]
            if aggregate.table is t.data_key:
                where.append(t.data_key.c.id != data_key_id)
            if self._execute(select(aggregate.ids[0]).where(*where).limit(1)).first() is not None:
                return True
        return False

    def _begin_with(self, system_key: StoredDataKey) -> bool:
        """Make MACs with the first system key of a store from here on; False when there is one already."""
        if self._guard is None or self._active_key() is not None:
            return False
        self._active = self._guard.keys[system_key.id] = self._guard.cipher.open_data_key(system_key)
        return True

    @property
    def untold_chains(self) -> frozenset[str]:
        """The chains that are still to tell of something that was changed."""
        return frozenset(change.chain for change in self._changes)

    def row_changes(self, chain: str) -> Sequence[RowChange]:
        """What was changed and a chain is still to tell; it counts as told then."""
        taken = [change for change in self._changes if change.chain == chain]
        self._changes = [change for change in self._changes if change.chain != chain]
        return taken


def _behind(aggregate: Aggregate, after: Sequence[Any]) -> list[ColumnElement[bool]]:
    """The condition for the aggregates behind the one that a part ended with; none for the first part."""
    return [tuple_(*aggregate.ids) > tuple_(*map(literal, after))] if after else []


def _end_of(
    aggregate: Aggregate, found: Sequence[tuple[Mapping[str, Any], str | None]]
) -> Sequence[Any] | None:
    """The id of the one that a part ends with; None for an empty one."""
    return [found[-1][0][column.name] for column in aggregate.ids] if found else None


def _ordered(fields: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names of fields in order, and their values."""
    names = tuple(sorted(fields))
    return names, tuple(fields[name] for name in names)


def _bytes(aggregate: Aggregate, generation: int, fields: Mapping[str, Any]) -> bytes:
    ordered = [(name, as_stored(value)) for name, value in sorted(fields.items())]
    return row_bytes(aggregate.kind, generation, ordered)


def _digest(data: bytes) -> str:
    """What the trail holds of an aggregate: enough of a hash that no other one has it."""
    return hashlib.sha256(data).hexdigest()[:32]


def _generation(row_mac: object) -> int:
    """The generation that a MAC tells; 0 for what is none."""
    return _parts(row_mac)[0] if isinstance(row_mac, str) else 0


def _parts(row_mac: str) -> tuple[int, str, str]:
    """Generation, key id and MAC; one that is malformed fits nothing."""
    number, _, rest = row_mac.partition(":")
    key_id, _, mac = rest.partition(":")
    plain = number.isascii() and number.isdecimal() and len(number) < len("1" * 10)
    return int(number) if plain else 0, key_id, mac


def _fits(condition: ColumnElement[bool], fields: Mapping[str, Any]) -> bool:
    """Whether a row fits a condition, as far as that compares its own columns with values."""
    if isinstance(condition, Column):  # a flag
        return bool(fields.get(condition.name, True))
    if not isinstance(condition, BinaryExpression) or condition.operator not in _COMPARED:
        return True
    column, value = condition.left, condition.right
    if not isinstance(column, Column) or column.name not in fields or not isinstance(value, _VALUES):
        return True
    asked: Any = getattr(value, "value", None)
    stored = fields[column.name]
    return bool(stored in asked if condition.operator is operators.in_op else stored == asked)


def demand_one(aggregate: Aggregate, number: int) -> None:
    """See that there was one of what was found before; ConflictError when it is not there, any more."""
    if number != 1:
        raise ConflictError(
            f"the {aggregate.kind} was changed or deleted by someone else at the same time",
            hint="look at it again, then repeat the change if it is still wanted",
        )


def _tampered(kind: str, row_id: str, why: str) -> TamperedRowError:
    return TamperedRowError.of(kind, row_id, f"is refused, {why}", verified=True)
