"""The columns that hold encrypted tokens: a key rotation goes through them, and there are no others.

A new column with tokens gets an entry in `SEALED`; a test compares the entries with the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Table,
    and_,
    bindparam,
    func,
    literal,
    select,
    tuple_,
    update,
)

from resolver.core.binding import Place, Purpose
from resolver.core.ports import SealedToken
from resolver.store import tables as t
from resolver.store.aggregates import PROVIDER, SECRET, WEBHOOK, Aggregate
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select


_BOUND = [name for name in fields_of(Place) if name != "purpose"]


class SealedColumn(Struct, frozen=True):
    """A column with encrypted tokens, and what each token is bound to.

    Args:
        purpose: what the tokens are for.
        table: the table it is in.
        token: the column.
        data_key_id: the column beside it that names the data key.
        source: the table, joined with what the binding needs.
        tenant_id: the binding's tenant.
        object_id: the binding's object.
        key: the binding's key name.
        version: the binding's version.
        aggregate: what the column is a part of, where the MAC of that covers it.
    """

    purpose: Purpose
    table: Table
    token: Column[Any]
    data_key_id: Column[Any]
    source: FromClause
    tenant_id: ColumnElement[Any]
    object_id: ColumnElement[Any]
    key: ColumnElement[Any]
    version: ColumnElement[Any]
    aggregate: Aggregate | None = None

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.token.name}"

    @property
    def row(self) -> list[Column[Any]]:
        """The columns that identify a row."""
        return list(self.table.primary_key.columns)

    @property
    def row_names(self) -> list[str]:
        """What these are called in queries."""
        return [f"row_{number}" for number in range(len(self.row))]

    def query(self) -> Select[Any]:
        """A query for all tokens, with their bindings and what identifies their rows."""
        named = {name: getattr(self, name) for name in (*_BOUND, "token")}
        named |= zip(self.row_names, self.row, strict=True)
        columns = (column.label(name) for name, column in named.items())
        return select(*columns).select_from(self.source).where(self.token.is_not(None))


def _of_its_own_row(
    purpose: Purpose, aggregate: Aggregate, token: Column[Any], data_key_id: Column[Any], key: Column[Any]
) -> SealedColumn:
    """A column whose tokens are bound to the row that they are in, which has no versions."""
    table = token.table
    return SealedColumn(
        purpose, table, token, data_key_id, table, table.c.tenant_id, table.c.id, key, literal(0), aggregate
    )


SEALED = (
    SealedColumn(
        purpose=Purpose.VALUE,
        table=t.secret_version,
        token=t.secret_version.c.token,
        data_key_id=t.secret_version.c.data_key_id,
        source=t.secret_version.join(t.secret, t.secret.c.id == t.secret_version.c.secret_id),
        tenant_id=t.secret.c.tenant_id,
        object_id=t.secret.c.id,
        key=t.secret.c.key,
        version=t.secret_version.c.version,
    ),
    _of_its_own_row(
        Purpose.PROVIDER_OPTIONS,
        SECRET,
        t.secret.c.provider_options,
        t.secret.c.provider_options_data_key_id,
        t.secret.c.key,
    ),
    _of_its_own_row(
        Purpose.CONNECTION_PARAMETERS,
        PROVIDER,
        t.secrets_provider.c.connection_parameters,
        t.secrets_provider.c.data_key_id,
        t.secrets_provider.c.name,
    ),
    SealedColumn(
        purpose=Purpose.BUNDLE,
        table=t.approval,
        token=t.approval.c.bundle,
        data_key_id=t.approval.c.data_key_id,
        source=t.approval,
        tenant_id=t.approval.c.tenant_id,
        object_id=t.approval.c.id,
        key=literal(""),
        version=literal(0),
    ),
    SealedColumn(
        purpose=Purpose.SIGNING_SECRET,
        table=t.webhook,
        token=t.webhook.c.signing,
        data_key_id=t.webhook.c.data_key_id,
        source=t.webhook,
        tenant_id=literal(""),
        object_id=t.webhook.c.id,
        key=t.webhook.c.name,
        version=literal(0),
        aggregate=WEBHOOK,
    ),
)
"""Every column with tokens, but for the wrapped keys themselves."""

_BY_NAME = {column.name: column for column in SEALED}


class SealedTokenRows(AuthenticatedRows):
    """Encrypted tokens of all kinds, for a key rotation."""

    @property
    def sealed_columns(self) -> Sequence[str]:
        """The names of the columns that hold tokens."""
        return list(_BY_NAME)

    def sealed(
        self, column: str, data_key_id: str, *, after: Sequence[Any] = (), limit: int
    ) -> Sequence[SealedToken]:
        """Some of the tokens that a data key sealed, in the order of their rows."""
        about = _BY_NAME[column]
        query = about.query().where(about.data_key_id == data_key_id).order_by(*about.row).limit(limit)
        if after:
            query = query.where(tuple_(*about.row) > tuple_(*map(literal, after)))
        return self._tokens(about, query)

    def strays(self, column: str, tenant_id: str, data_key_id: str) -> Sequence[SealedToken]:
        """A tenant's tokens that another data key sealed than the one named."""
        about = _BY_NAME[column]
        stray = and_(about.tenant_id == tenant_id, about.data_key_id != data_key_id)
        return self._tokens(about, about.query().where(stray))

    def _tokens(self, about: SealedColumn, query: Select[Any]) -> Sequence[SealedToken]:
        names = about.row_names
        return [
            SealedToken(
                about.name,
                tuple(row[name] for name in names),
                Place(about.purpose, **{name: row[name] for name in _BOUND}),
                row["token"],
            )
            for row in self._execute(query).mappings()
        ]

    def sealed_counts(self) -> Mapping[str, int]:
        """How many tokens there are by data key id."""
        counts: dict[str, int] = {}
        for about in SEALED:
            query = (
                select(about.data_key_id.label("key_id"), func.count().label("tokens"))
                .where(about.token.is_not(None))
                .group_by(about.data_key_id)
            )
            for row in self._execute(query):
                counts[row.key_id] = counts.get(row.key_id, 0) + row.tokens
        return counts

    def reseal(self, column: str, changes: Sequence[tuple[SealedToken, str, str]]) -> int:
        """Put new tokens in place of those that are still there, and not locked by a writer; how many.

        Args:
            column: the column that all of them are in.
            changes: of each the token that was read, the new data key's id, and the new token.
        """
        about = _BY_NAME[column]
        if self._postgresql:
            # Whoever deletes these rows waits for us, so we must not wait for them.
            listed = tuple_(*about.row).in_([old.row for old, _, _ in changes])
            locked = select(*about.row).where(listed).with_for_update(skip_locked=True)
            free = set(map(tuple, self._execute(locked)))
            changes = [change for change in changes if change[0].row in free]
        if not changes:
            return 0
        if about.aggregate is not None:
            by_id = {old.row[0]: (old, key_id, token) for old, key_id, token in changes}

            def resealed(fields: Mapping[str, Any]) -> Mapping[str, Any]:
                old, key_id, token = by_id[fields["id"]]
                if fields[about.token.name] != old.token:
                    return {}
                return {about.data_key_id.name: key_id, about.token.name: token}

            return self._change(about.aggregate, about.table.c.id.in_(list(by_id)), values=resealed)
        names = about.row_names
        statement = (
            update(about.table)
            .where(
                *(part == bindparam(name) for part, name in zip(about.row, names, strict=True)),
                about.token == bindparam("old_token"),
            )
            .values({about.data_key_id: bindparam("new_key_id"), about.token: bindparam("new_token")})
        )
        done = self._execute(
            statement,
            [
                {
                    **dict(zip(names, old.row, strict=True)),
                    "old_token": old.token,
                    "new_key_id": key_id,
                    "new_token": token,
                }
                for old, key_id, token in changes
            ],
        )
        return done.rowcount
