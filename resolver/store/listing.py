"""Lists of secrets: everything is decided in the query, but for tests of keys that SQL has no words for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import false, func, or_, select

from resolver.core.listing import Field, Page
from resolver.store import tables as t
from resolver.store.columns import GLOBAL, OWNER, SECRET_COLUMNS, SECRETS, make_secret
from resolver.store.rows import Rows, is_storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

    from resolver.core.listing import Listing, Reach
    from resolver.core.model import Secret

_BATCH = 500
"""How many rows are named in one query."""

_COLUMNS: dict[Field, ColumnElement[Any]] = {
    Field.KEY: t.secret.c.key,
    Field.TENANT: t.tenant.c.name,
    Field.VISIBILITY: t.secret.c.visibility,
    Field.HIDDEN: t.secret.c.hidden,
    Field.OWNER: OWNER.c.name,
    Field.VERSION: t.secret.c.version,
    Field.CREATED_AT: t.secret.c.created_at,
    Field.UPDATED_AT: t.secret.c.updated_at,
    Field.EXPIRES_AT: t.secret.c.expires_at,
    Field.ROTATE_AT: t.secret.c.rotate_at,
    Field.PROVIDER: t.secrets_provider.c.name,
}
_TEXTS = frozenset({Field.KEY, Field.TENANT, Field.OWNER, Field.PROVIDER})
"""Fields whose order a database's collation could change."""


class ListingRows(Rows):
    """Secrets as lists show them, without values."""

    def page(self, reach: Reach, listing: Listing) -> Page:
        """The part of a list that is asked for, with the number of all that the caller may see."""
        conditions = [*_conditions(reach, listing), *self._like(listing)]
        if listing.matches is None and listing.matches_provider is None:
            total = self._connection.execute(
                select(func.count()).select_from(SECRETS).where(*conditions),
            ).scalar_one()
            ordered = (
                select(*SECRET_COLUMNS)
                .select_from(SECRETS)
                .where(*conditions)
                .order_by(*self._order(listing))
            )
            if listing.offset or listing.size is not None:
                ordered = ordered.limit(total if listing.size is None else listing.size).offset(
                    listing.offset
                )
            return Page([make_secret(row) for row in self._connection.execute(ordered)], total)
        named = select(t.secret.c.id, t.secret.c.key, t.secrets_provider.c.name)
        rows = self._connection.execute(
            named.select_from(SECRETS).where(*conditions).order_by(*self._order(listing))
        )
        key_fits, provider_fits = listing.matches, listing.matches_provider
        ids = [
            secret_id
            for secret_id, key, provider in rows
            if (key_fits is None or key_fits(key)) and (provider_fits is None or provider_fits(provider))
        ]
        end = None if listing.size is None else listing.offset + listing.size
        return Page(self._by_ids(ids[listing.offset : end]), len(ids))

    def _like(self, listing: Listing) -> list[ColumnElement[bool]]:
        """What the patterns ask of the key, in its very case."""
        if listing.patterns is None:
            return []
        storable = [pattern for pattern in listing.patterns if is_storable(pattern)]
        key = t.secret.c.key
        if not self._postgresql:  # whose LIKE takes upper and lower case for the same
            return [or_(false(), *(key.op("GLOB", is_comparison=True)(pattern) for pattern in storable))]
        likes = [_escaped(pattern).replace("*", "%").replace("?", "_") for pattern in storable]
        return [or_(false(), *(key.like(like, escape="\\") for like in likes))]

    def _by_ids(self, ids: Sequence[str]) -> list[Secret]:
        found: dict[str, Secret] = {}
        for start in range(0, len(ids), _BATCH):
            query = _whole().where(t.secret.c.id.in_(ids[start : start + _BATCH]))
            found |= {row[0]: make_secret(row) for row in self._connection.execute(query)}
        return [found[secret_id] for secret_id in ids]

    def _order(self, listing: Listing) -> Sequence[ColumnElement[Any]]:
        fields = {order.field: order.descending for order in reversed(listing.order)}
        ordered = {order.field: fields[order.field] for order in listing.order}
        ordered |= {name: ordered.get(name, False) for name in (Field.CREATED_AT, Field.KEY, Field.TENANT)}
        return [self._ordered(name, descending=descending) for name, descending in ordered.items()]

    def _ordered(self, name: Field, *, descending: bool) -> ColumnElement[Any]:
        column = _COLUMNS[name]
        if self._postgresql and name in _TEXTS:
            # By code point, as in SQLite and in Cloudify, whatever the database's own collation is.
            column = column.collate("C")
        # What has no time comes last upwards, first downwards, the same in both databases.
        return column.desc().nulls_first() if descending else column.asc().nulls_last()


def _whole() -> Select[Any]:
    return select(*SECRET_COLUMNS).select_from(SECRETS)


def _conditions(reach: Reach, listing: Listing) -> list[ColumnElement[bool]]:
    own, administered = t.secret.c.owner_id == reach.user_id, reach.administered
    conditions: list[ColumnElement[bool]] = []
    if reach.tenants is not None:
        conditions.append(or_(t.secret.c.tenant_id.in_(sorted(reach.tenants)), t.secret.c.scope == GLOBAL))
    if administered is not None:
        theirs = t.secret.c.tenant_id.in_(sorted(administered))
        conditions.append(or_(t.secret.c.visibility != "private", own, theirs))
    for name, values in listing.equal.items():
        storable = [value for value in values if not isinstance(value, str) or is_storable(value)]
        conditions.append(_COLUMNS[name].in_(storable))
    if listing.search:
        conditions.append(_contains(listing.folded_search))
    return conditions


def _contains(search: str) -> ColumnElement[bool]:
    if not is_storable(search):
        return false()
    return func.lower(t.secret.c.key).like(f"%{_escaped(search)}%", escape="\\")


def _escaped(text: str) -> str:
    """A text in which LIKE finds no wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
