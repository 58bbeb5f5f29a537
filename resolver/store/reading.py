"""Statements as they are sent, and how records are read of their rows, with what is authenticated in them."""

from __future__ import annotations

import functools
import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from resolver.core.model import Scope
from resolver.core.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

R = TypeVar("R")

Shape: TypeAlias = "tuple[type, bool, tuple[int | Shape, ...]]"
"""How a record is made of a row: its class, whether equal rows give the same one, and the place in the row
that each field is read from, or the shape of a record within."""


class Root(Struct, frozen=True):
    """What a row with a MAC is the root of.

    Args:
        kind: what it is, in the words of messages and audit records.
        id_names: the columns that identify it.
    """

    kind: str
    id_names: tuple[str, ...] = ("id",)

    def id_of(self, fields: Mapping[str, Any]) -> str:
        """The root's id as messages and records tell it."""
        return "/".join(str(fields[name]) for name in self.id_names)


class AggregateCheck(Struct, frozen=True):
    """An aggregate in the rows of a result.

    Args:
        root: what it is.
        names: its fields, in order.
        places: where their values are in a row, and behind them its MAC.
    """

    root: Root
    names: tuple[str, ...]
    places: tuple[int, ...]


class Reading(Generic[R]):
    """How the rows of a query are read.

    Args:
        shape: how a record is made of a row.
        checks: what is authenticated in it.
        joined: kinds of aggregates within, each with the places of what names it and of its own id.
    """

    def __init__(
        self, shape: Shape, checks: Sequence[AggregateCheck] = (), joined: Sequence[tuple[str, int, int]] = ()
    ) -> None:
        self.shape, self.checks, self.joined = shape, checks, joined

    @functools.cached_property
    def make(self) -> Callable[[Sequence[Any]], R]:
        """Makes a record of a row."""
        return _maker(self.shape)

    @functools.cached_property
    def takes(self) -> Sequence[tuple[Root, tuple[str, ...], Callable[[Any], tuple[Any, ...]]]]:
        """Aggregates with their fields, and what takes their values and the MAC out of a row."""
        return [(check.root, check.names, itemgetter(*check.places)) for check in self.checks]


def _maker(shape: Shape) -> Callable[[Sequence[Any]], Any]:
    record, shared, parts = shape
    inner = [(index, _maker(part)) for index, part in enumerate(parts) if not isinstance(part, int)]
    own = [part for part in parts if isinstance(part, int)]
    make: Callable[..., Any] = functools.lru_cache(record) if shared else record
    names: tuple[str, ...] = getattr(record, "__struct_fields__", ())
    if names and names != getattr(record, "__match_args__", names):  # some are taken by name alone
        make = lambda *values: record(**dict(zip(names, values, strict=True)))  # noqa: E731 - one of two
    take = itemgetter(*own) if len(own) > 1 else lambda row: tuple(row[place] for place in own)
    if not inner:
        return lambda row: make(*take(row))

    def made(row: Sequence[Any]) -> Any:  # noqa: ANN401 - a record
        values = list(take(row))
        for index, make_inner in inner:
            values.insert(index, make_inner(row))
        return make(*values)

    return made


class Statement(Generic[R]):
    """A statement as it is sent to each database.

    Args:
        sqlite: its text for SQLite, with parameters like `:name`.
        postgresql: its text for psycopg, with parameters like `%(name)s`.
        columns: the names of what it selects.
        readers: makes of the columns at some places what they mean.
        reading: how records are read of its rows.
    """

    def __init__(
        self,
        sqlite: str,
        postgresql: str,
        columns: Sequence[str] = (),
        readers: Mapping[int, Callable[[Any], Any]] | None = None,
        reading: Reading[R] | None = None,
    ) -> None:
        self.texts = (sqlite, postgresql)
        self.columns = columns
        self.readers = [*(readers or {}).items()]
        self._reading = reading

    @property
    def reading(self) -> Reading[R]:
        """How records are read of its rows."""
        assert self._reading is not None  # noqa: S101 - asked for of those only that have one
        return self._reading

    def place(self, column: str) -> int:
        """Where a column is in a row."""
        return self.columns.index(column)

    def run(self, raw: Any, values: Mapping[str, Any], *, postgresql: bool) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a driver's connection
        """Run it; its rows."""
        done = raw.execute(self.texts[postgresql], values)
        rows: list[tuple[Any, ...]] = done.fetchall() if self.columns else []
        if not self.readers:
            return rows
        read = []
        for row in rows:
            fields = list(row)
            for place, reader in self.readers:
                if fields[place] is not None:
                    fields[place] = reader(fields[place])
            read.append(tuple(fields))
        return read


class Many(Struct, frozen=True):
    """A statement about many rows at once.

    Args:
        sqlite: its text for SQLite, which is run for each row.
        postgresql: its text for psycopg, with one array for each column.
        columns: the columns that each row has a value for.
    """

    sqlite: str
    postgresql: str
    columns: tuple[str, ...]


@functools.lru_cache
def scope(text: str) -> Scope:
    """What a token is narrowed to, of its JSON text."""
    fields = json.loads(text)
    permissions, tenants, keys = fields["permissions"], fields["tenants"], fields["keys"]
    return Scope(
        None if permissions is None else frozenset(map(Permission, permissions)),
        None if tenants is None else frozenset(tenants),
        None if keys is None else tuple(keys),
        None if (networks := fields.get("networks")) is None else tuple(networks),
    )
