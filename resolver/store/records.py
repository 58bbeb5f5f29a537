"""Records from rows and rows from records: by the names of fields and columns, never by position."""

from __future__ import annotations

import functools
import inspect
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Column

from resolver.store.reading import AggregateCheck, Reading
from resolver.store.tables import ROW_MAC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Label, Result, Table

    from resolver.store.aggregates import Aggregate
    from resolver.store.reading import Shape

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
        self.record, self.table, self._shared, self._aggregate = record, table, shared, aggregate
        self._readings: dict[tuple[str, ...], Reading[R]] = {}
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
            self.record,
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

    def reading(self, labels: tuple[str, ...]) -> Reading[R]:
        """How the rows of a query with these columns are read; worked out once for each kind of result."""
        known = self._readings.get(labels)
        if known is None:
            places = {label: place for place, label in enumerate(labels)}
            checks = [
                AggregateCheck(
                    aggregate.root, tuple(names)[:-1], tuple(places[label] for label in names.values())
                )
                for aggregate, names in self.authenticated
            ]
            joined = tuple(
                (aggregate.kind, places[named], places[found]) for aggregate, named, found in self.joined
            )
            known = self._readings[labels] = Reading(self._shape(places, ""), tuple(checks), joined)
        return known

    def _shape(self, places: Mapping[str, int], prefix: str) -> Shape:
        return (
            self.record,
            self._shared,
            tuple(
                source._shape(places, f"{prefix}{name}__")  # noqa: SLF001 - its own kind
                if isinstance(source, RecordColumns)
                else places[prefix + name]
                for name, source in self._sources.items()
            ),
        )

    def read(self, result: Result[Any]) -> list[R]:
        """The records in the rows of such a query; it may select other columns, too."""
        make = self.reading(tuple(result.keys())).make
        return [make(row) for row in result]

    def values(
        self, record: R, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> dict[str, Any]:
        """A record's values by column of its table, all or some of them: for an insert or an update."""
        return {
            name: get(record)
            for name, get in self._written.items()
            if name not in without and (only is None or name in only)
        }
