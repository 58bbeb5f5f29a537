"""Records from rows and rows from records: by the names of fields and columns, never by position."""

from __future__ import annotations

import functools
import inspect
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Column

from resolver.store.tables import ROW_MAC

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Label, Result, Row, Table

    from resolver.store.aggregates import Aggregate

R = TypeVar("R")

Sources: TypeAlias = "Mapping[str, ColumnElement[Any] | RecordColumns[Any]]"
"""What each field of a record is read from: a column, or the columns of a record within it."""


def fields_of(record: type) -> tuple[str, ...]:
    """The names of the fields of a struct, a dataclass or a plain class, in order."""
    # A struct's signature would evaluate its annotations, which is slow and needs their imports.
    names: tuple[str, ...] | None = getattr(record, "__struct_fields__", None)
    return tuple(inspect.signature(record).parameters) if names is None else names


class RecordColumns(Generic[R]):
    """A class of records, and the column that each of its fields is read from.

    Args:
        record: the class.
        table: the table that such a record is written to. A field is read from its column of the same name.
        sources: what other fields are read from.
        unread: columns of the table that no field holds.
        shared: whether equal rows give the same record, since many rows repeat a few.
        aggregate: what is authenticated when such a record is read: its columns are selected, too.

    Raises:
        TypeError: a field has no column, or a column no field.
    """

    def __init__(
        self,
        record: type[R],
        table: Table,
        sources: Sources | None = None,
        *,
        unread: Collection[str] = (),
        shared: bool = False,
        aggregate: Aggregate | None = None,
    ) -> None:
        self._record, self.table, self._shared, self._aggregate = record, table, shared, aggregate
        self._sources = {**table.c, **(sources or {})}
        names = fields_of(record)
        differing = [f"{record.__name__}.{name} has no column" for name in names if name not in self._sources]
        differing += [f"{record.__name__} has no field {name}" for name in sources or () if name not in names]
        self._sources = {name: self._sources[name] for name in names if name in self._sources}
        self._written = {
            column.name: attrgetter(path)
            for path, column in self._leaves(".")
            if isinstance(column, Column) and column.table is table
        }
        known = {*names, *self._written, *unread, ROW_MAC}
        differing += [f"{table.name}.{name} has no field" for name in {**table.c} if name not in known]
        if differing:
            raise TypeError(f"{record.__name__} and table {table.name} differ: {', '.join(differing)}")

    def within(self, **sources: ColumnElement[Any]) -> RecordColumns[R]:
        """A copy that reads some fields from other columns, for a record within another record."""
        changed = {**self._sources, **sources}
        return RecordColumns(
            self._record,
            self.table,
            changed,
            unread=self.table.c.keys(),
            shared=self._shared,
            aggregate=self._aggregate,
        )

    def _leaves(self, joint: str) -> Iterator[tuple[str, ColumnElement[Any]]]:
        for name, source in self._sources.items():
            if isinstance(source, RecordColumns):
                for path, column in source._leaves(joint):  # noqa: SLF001 - its own kind
                    yield f"{name}{joint}{path}", column
            else:
                yield name, source

    @property
    def columns(self) -> Sequence[Label[Any]]:
        """The labelled columns that a query for such records selects; it may select others too."""
        labels = dict(self._leaves("__"))
        for aggregate, names in self.authenticated:
            labels |= {label: aggregate.table.c[name] for name, label in names.items() if label not in labels}
        return [column.label(label) for label, column in labels.items()]

    @functools.cached_property
    def authenticated(self) -> Sequence[tuple[Aggregate, Mapping[str, str]]]:
        """The aggregates that such records are read from, each with the labels of its columns.

        Those that decide come first, in the order of their names, and then the one with the MAC.
        """
        labels = {id(column): path for path, column in self._leaves("__")}
        return [
            (
                aggregate,
                {
                    column.name: labels.get(id(column), f"mac__{aggregate.table.name}__{column.name}")
                    for column in (*aggregate.decides, aggregate.table.c[ROW_MAC])
                },
            )
            for aggregate in self._aggregates()
        ]

    @functools.cached_property
    def joined(self) -> Sequence[tuple[Aggregate, str, str]]:
        """The aggregates within, with the labels of the column that names one, and of that one's own id."""
        return list(self._joined(""))

    def _joined(self, prefix: str) -> Iterator[tuple[Aggregate, str, str]]:
        for name, source in self._sources.items():
            if not isinstance(source, RecordColumns):
                continue
            inner, aggregate = f"{prefix}{name}__", source._aggregate  # noqa: SLF001 - its own kind
            named = source._sources.get("id")  # noqa: SLF001 - its own kind
            if aggregate is not None and named is not None and named is not aggregate.table.c.id:
                yield aggregate, f"{inner}id", f"mac__{aggregate.table.name}__id"
            yield from source._joined(inner)  # noqa: SLF001 - its own kind

    def _aggregates(self) -> Iterator[Aggregate]:
        if self._aggregate is not None:
            yield self._aggregate
        for source in self._sources.values():
            if isinstance(source, RecordColumns):
                yield from source._aggregates()  # noqa: SLF001 - its own kind

    def read(self, result: Result[Any]) -> list[R]:
        """The records in the rows of such a query."""
        make = self.maker(result)
        return [make(row) for row in result]

    def first(self, result: Result[Any]) -> R | None:
        """The record in the first row of such a query; None when there is none."""
        return next(iter(self.read(result)), None)

    def maker(self, result: Result[Any]) -> Callable[[Row[*tuple[Any, ...]]], R]:
        """A function that makes a record of a row, for queries that select other columns too."""
        return self._maker({name: index for index, name in enumerate(result.keys())}, "")

    def _maker(self, indexes: Mapping[str, int], prefix: str) -> Callable[[Row[*tuple[Any, ...]]], R]:
        # The names are looked up once for a result, and not for each of its rows.
        inner = [
            (index, source._maker(indexes, f"{prefix}{name}__"))  # noqa: SLF001 - its own kind
            for index, (name, source) in enumerate(self._sources.items())
            if isinstance(source, RecordColumns)
        ]
        own = [
            indexes[prefix + name]
            for name, source in self._sources.items()
            if not isinstance(source, RecordColumns)
        ]
        make, take = self._make, itemgetter(*own)
        if not inner:
            return lambda row: make(*take(row))

        def made(row: Row[*tuple[Any, ...]]) -> R:
            values = list(take(row))
            for index, make_inner in inner:
                values.insert(index, make_inner(row))
            return make(*values)

        return made

    @functools.cached_property
    def _make(self) -> Callable[..., R]:
        """Makes a record of its fields' values, in their order."""
        record, names = self._record, tuple(self._sources)
        if getattr(record, "__match_args__", names) != names:  # some are taken by name alone
            return lambda *values: record(**dict(zip(names, values, strict=True)))
        return functools.lru_cache(record) if self._shared else record

    def values(
        self, record: R, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> dict[str, Any]:
        """A record's values by column of its table, all or some of them: for an insert or an update."""
        return {
            name: get(record)
            for name, get in self._written.items()
            if name not in without and (only is None or name in only)
        }
