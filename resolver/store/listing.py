"""Lists of secrets: filtered, sorted and counted in SQL, except for tests of keys that SQL can't express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from sqlalchemy import and_, false, func, not_, or_, select

from resolver.core.model import Visibility, is_storable
from resolver.core.query import Field, Likeness, Page
from resolver.store import tables as t
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.rows import GLOBAL, OWNER, SECRET, SECRETS, batches, count_of, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import ColumnElement, Select

    from resolver.core.model import Secret
    from resolver.core.query import Condition, Listing, Reach

_BATCH = 500
"""How many rows are read at once."""

_COLUMNS: dict[Field, ColumnElement[Any]] = {
    Field.TENANT: t.tenant.c.name,
    Field.OWNER: OWNER.c.name,
    Field.PROVIDER: t.secrets_provider.c.name,
}
# The others have their own column in the secret's row.
_COLUMNS |= {field: t.secret.c[field.value] for field in Field if field not in _COLUMNS}


class ListingRows(AuthenticatedRows):
    """Secrets as lists show them, without values."""

    def page(self, reach: Reach, listing: Listing) -> Page:
        """The part of a list that is asked for, with the number of all that the caller may see."""
        conditions = [*_reached(reach), *self._asked(listing), *self._like(listing)]
        if listing.matches is None:
            total = count_of(self._connection, SECRETS, *conditions)
            ordered = _whole().where(*conditions).order_by(*self._order(listing))
            return Page(self._secrets(part_of(ordered, listing.size, listing.offset)), total)
        return self._page_of_matching(listing, conditions, listing.matches)

    def _page_of_matching(
        self, listing: Listing, conditions: Sequence[ColumnElement[bool]], matches: Callable[[str], bool]
    ) -> Page:
        """A page of those whose keys pass a test that SQL can't express.

        All keys are read for the total, but no more than the page is held: rows come in batches, and what
        lies outside of it is only counted.
        """
        rows = self._execute(
            select(t.secret.c.id, t.secret.c.key)
            .select_from(SECRETS)
            .where(*conditions)
            .order_by(*self._order(listing)),
            execution_options={"yield_per": _BATCH},
        )
        ids: list[str] = []
        total = 0
        for row in rows:
            if not matches(row.key):
                continue
            if total >= listing.offset and (listing.size is None or len(ids) < listing.size):
                ids.append(row.id)
            total += 1
        return Page(self._by_ids(ids), total)

    def _asked(self, listing: Listing) -> list[ColumnElement[bool]]:
        conditions = [self._holds(condition) for condition in listing.conditions]
        for name, values in listing.equal.items():
            storable = [value for value in values if not isinstance(value, str) or is_storable(value)]
            conditions.append(_COLUMNS[name].in_(storable))
        if listing.ends_by:
            times = (t.secret.c.expires_at, t.secret.c.rotate_at)
            conditions.append(or_(*(time <= listing.ends_by for time in times)))
        if listing.search:
            columns = (_COLUMNS[field] for field in listing.searched)
            conditions.append(
                or_(*(found for column in columns for found in self._named(column, listing.search)))
            )
        return conditions

    def _holds(self, condition: Condition) -> ColumnElement[bool]:
        """A condition that both databases evaluate alike; nothing in its texts is a wildcard."""
        column = _COLUMNS[condition.field]
        if condition.likeness is None:
            return column.is_(None) if condition.negated else column.is_not(None)
        texts = [text for text in condition.texts if is_storable(text)]
        compared = self._lower(column) if condition.any_case else column
        if condition.any_case:
            texts = [text.lower() for text in texts]
        if condition.likeness is Likeness.EQUAL:
            like: ColumnElement[bool] = compared.in_(texts)
        else:
            like = or_(false(), *(self._is_like(compared, condition.likeness, text) for text in texts))
        return or_(column.is_(None), not_(like)) if condition.negated else like

    def _is_like(self, column: ColumnElement[Any], likeness: Likeness, text: str) -> ColumnElement[bool]:
        match likeness:
            case Likeness.STARTS:
                return func.substr(column, 1, len(text)) == text
            case Likeness.ENDS:
                # Of a shorter one this is at most the whole, so never as long as the text.
                return func.substr(column, func.length(column) - len(text) + 1) == text
            case Likeness.CONTAINS:
                return self._contains(column, text)
            case Likeness.EQUAL:
                return column == text
            case _:
                assert_never(likeness)

    def _like(self, listing: Listing) -> list[ColumnElement[bool]]:
        """The condition that a key matches one of the patterns, case-sensitively."""
        if listing.patterns is None:
            return []
        storable = [pattern for pattern in listing.patterns if is_storable(pattern)]
        return [or_(false(), *(self._matches(t.secret.c.key, pattern) for pattern in storable))]

    def find_secrets(self, tenant_id: str, keys: Collection[str]) -> Sequence[Secret]:
        """The tenant's own secrets under these keys, and global ones of other tenants, without tokens."""
        found: list[Secret] = []
        for some in batches(sorted(filter(is_storable, keys))):
            asked, named = frozenset(some), t.secret.c.key.in_(some)
            # The keys on both sides, as in `statements.py`.
            near = or_(
                and_(t.secret.c.tenant_id == tenant_id, named), and_(t.secret.c.scope == GLOBAL, named)
            )
            for secret in self._secrets(_whole().where(near)):
                is_near = secret.visibility is Visibility.GLOBAL or secret.tenant.id == tenant_id
                if secret.key not in asked or not is_near:
                    self._refuse_other("secret", secret.id)
                found.append(secret)
        return found

    def _by_ids(self, ids: Sequence[str]) -> list[Secret]:
        found: dict[str, Secret] = {}
        for some in batches(ids):
            query = _whole().where(t.secret.c.id.in_(some))
            found |= {secret.id: secret for secret in self._secrets(query)}
        return [found[secret_id] for secret_id in ids]

    def _secrets(self, query: Select[Any]) -> list[Secret]:
        found = self._read_with(SECRET, query)
        for secret, row in found:
            self._demand_provider(secret, row.mac__secret__provider_id)
        return [secret for secret, _ in found]

    def _order(self, listing: Listing) -> Sequence[ColumnElement[Any]]:
        fields = {order.field: order.descending for order in reversed(listing.order)}
        ordered = {order.field: fields[order.field] for order in listing.order}
        ordered |= {name: ordered.get(name, False) for name in (Field.CREATED_AT, Field.KEY, Field.TENANT)}
        return [self._ordered(_COLUMNS[name], descending=down) for name, down in ordered.items()]


def _whole() -> Select[Any]:
    return select(*SECRET.columns).select_from(SECRETS)


def _reached(reach: Reach) -> list[ColumnElement[bool]]:
    own, administered = t.secret.c.owner_id == reach.user_id, reach.administered
    conditions: list[ColumnElement[bool]] = []
    if reach.tenants is not None:
        conditions.append(or_(t.secret.c.tenant_id.in_(sorted(reach.tenants)), t.secret.c.scope == GLOBAL))
    if administered is not None:
        theirs = t.secret.c.tenant_id.in_(sorted(administered))
        conditions.append(or_(t.secret.c.visibility != Visibility.PRIVATE, own, theirs))
    return conditions
