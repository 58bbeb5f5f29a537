"""Rows that decide are written with a MAC; `row_macs.py` refuses them where they are read without one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    BinaryExpression,
    BindParameter,
    Column,
    Null,
    String,
    and_,
    delete,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.sql import operators

from resolver.core.binding import row_bytes
from resolver.core.ports import RowChange, StoredDataKey
from resolver.core.rows import StoredRow
from resolver.store import compiled
from resolver.store import tables as t
from resolver.store.aggregates import BY_KIND, TellingChain
from resolver.store.row_macs import NEVER_WRITTEN, as_stored, parts_of
from resolver.store.rows import Rows, batches
from resolver.store.use import changed_meanwhile, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select

    from resolver.core.ports import DataKey
    from resolver.store.aggregates import Aggregate
    from resolver.store.records import RecordColumns
    from resolver.store.row_macs import Wrong

R = TypeVar("R")

_VALUES = (BindParameter, Null)

_COMPARED = {operators.eq, operators.is_, operators.is_not_distinct_from, operators.in_op}
"""The comparisons of a column with values that are made once more here."""


class AuthenticatedRows(Rows):
    """Reads rows that decide, and writes them with their MACs."""

    _active: DataKey | None = None

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
    ) -> list[tuple[R, Any]]:
        """The records with their rows, for queries that select other columns, too."""
        results = [self._execute(query, values or {})]
        reading = record.reading(tuple(results[0].keys()))

        def fetch() -> Sequence[Any]:
            return (results.pop() if results else self._execute(query, values or {})).all()

        return self._checked(reading, fetch)

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
            if not self._genuine(aggregate.root, *ordered(fields), row_mac):
                return aggregate.root, fields, row_mac
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
                which = {column.name: fields[column.name] for column in aggregate.ids}
                groups.setdefault(tuple(new), []).append({**which, **new})
        for rows in groups.values():
            self._update_all(aggregate.table, rows)

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
            self._active = self._opened(self._run(compiled.ACTIVE_SYSTEM_KEY))
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
        except NEVER_WRITTEN:
            found = []
            query = select(*aggregate.ids).where(*where).order_by(*aggregate.ids).limit(limit)
            rows = self._execute(query).all()
            for row in rows:  # one by one: what can't be read hides no other
                which = [column == value for column, value in zip(aggregate.ids, row, strict=True)]
                try:
                    found += self._fields(aggregate, which)
                except NEVER_WRITTEN:
                    stored[kind, "/".join(map(str, row))] = StoredRow(0, "", genuine=False)
            end: Sequence[Any] | None = list(rows[-1]) if rows else None
        else:
            end = _end_of(aggregate, found)
        for fields, row_mac in found:
            generation = _generation(row_mac)
            genuine = self._genuine(aggregate.root, *ordered(fields), row_mac)
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


def _behind(aggregate: Aggregate, after: Sequence[Any]) -> list[ColumnElement[bool]]:
    """The condition for the aggregates behind the one that a part ended with; none for the first part."""
    return [tuple_(*aggregate.ids) > tuple_(*map(literal, after))] if after else []


def _end_of(
    aggregate: Aggregate, found: Sequence[tuple[Mapping[str, Any], str | None]]
) -> Sequence[Any] | None:
    """The id of the one that a part ends with; None for an empty one."""
    return [found[-1][0][column.name] for column in aggregate.ids] if found else None


def _bytes(aggregate: Aggregate, generation: int, fields: Mapping[str, Any]) -> bytes:
    ordered = [
        (name, value if type(value) is str else as_stored(value)) for name, value in sorted(fields.items())
    ]
    return row_bytes(aggregate.kind, generation, ordered)


def _digest(data: bytes) -> str:
    """What the trail holds of an aggregate: enough of a hash that no other one has it."""
    return hashlib.sha256(data).hexdigest()[:32]


def _generation(row_mac: object) -> int:
    """The generation that a MAC tells; 0 for what is none."""
    return parts_of(row_mac)[0] if isinstance(row_mac, str) else 0


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
        raise changed_meanwhile(aggregate.kind)
