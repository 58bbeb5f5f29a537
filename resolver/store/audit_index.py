"""The index of audit records, made of them alone: rows by key, user and blueprint, and reports out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, exists, func, or_, select

from resolver.core.audit_rounds import AuditRun, AuditUse, IndexRows, storable
from resolver.core.permissions import Permission
from resolver.core.results import BlueprintUse, LastUse
from resolver.store import tables as t
from resolver.store.records import RecordColumns
from resolver.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import ColumnElement, Select, Table

    from resolver.core.audit import AuditQuery

_RUN = RecordColumns(AuditRun, t.audit_run, unread=["chain_id"])
_USE = RecordColumns(AuditUse, t.audit_use, unread=["chain_id"])
_R, _U = t.audit_run.c, t.audit_use.c

_JOINED = t.audit_use.join(
    t.audit_run, and_(_R.chain_id == _U.chain_id, _R.number == _U.number, _R.nth == _U.nth)
)
_ALLOWED = _U.decision == "allowed"
_USED = _R.action == Permission.SECRET_USE
_DAY = len("2030-01-01")
_SOME = 100
"""Most rows that no record has which are read at once."""


class AuditIndexRows(Rows):
    """The index of audit records."""

    def audit_index(self, chain: str, after: int, until: int) -> IndexRows:
        """A chain's rows after one record up to another."""
        return self._index_rows(lambda table: _among(table, chain, after, until), None)

    def stray_audit_index(self, chain: str, after: int) -> IndexRows:
        """Some rows after a record that no later record has."""
        return self._index_rows(lambda table: _stray(table, chain, after), _SOME)

    def _index_rows(self, where: Callable[[Table], list[ColumnElement[bool]]], most: int | None) -> IndexRows:
        runs = select(*_RUN.columns).where(*where(t.audit_run)).limit(most)
        uses = select(*_USE.columns).where(*where(t.audit_use)).limit(most)
        return IndexRows(_RUN.read(self._execute(runs)), _USE.read(self._execute(uses)))

    def delete_audit_index(self, chain: str, after: int, until: int | None) -> None:
        """Delete a chain's rows after one record up to another; without that, those that no record has."""
        for table in (t.audit_run, t.audit_use):
            which = _stray(table, chain, after) if until is None else _among(table, chain, after, until)
            self._execute(delete(table).where(*which))

    def numbers_of(
        self, chain: str, query: AuditQuery, after: int, before: int | None, size: int
    ) -> Select[tuple[int]]:
        """The numbers of the records that may be what is asked for; the records themselves decide."""
        c: Any = _U if query.key or query.decision else _R
        where = [c.chain_id == chain, c.number > after]
        where += [c.number < before] if before is not None else []
        if query.key:
            # A set in brackets is not the same in every database: what stands before it has to do.
            name, bracket, _ = storable(query.key).partition("[")
            where.append(self._matches(_U.key, name + "*" if bracket else name))
        if query.decision:
            where.append(_U.decision == query.decision)
        if query.caller:
            by = [_R.folded == storable(query.caller).casefold(), _R.nth == 0]
            same = [_R.chain_id == _U.chain_id, _R.number == _U.number]
            where += by if c is _R else [exists().where(*same, *by)]
        if query.run:
            of_run = _R.run.is_not(None) if "=" in query.run else _R.run == storable(query.run)
            by = [of_run, _R.nth == 0]
            same = [_R.chain_id == _U.chain_id, _R.number == _U.number]
            where += by if c is _R else [exists().where(*same, *by)]
        r = t.audit_record.c
        where.append(exists().where(r.chain_id == c.chain_id, r.number == c.number, *between(query)))
        return select(c.number).distinct().where(*where).order_by(in_order(c.number, query)).limit(size)

    def uses_of_key(
        self,
        chains: Collection[str],
        asked_in: str,
        key: str,
        secret_id: str,
        run: str,
        since: str,
        most: int,
    ) -> Sequence[BlueprintUse]:
        """Uses of a key: by blueprint, text, tenant, version, user and outcome; the latest first.

        Args:
            chains: the chains to look in.
            asked_in: the tenant whose chain is read as a whole, and others as far as it was asked in; empty
                for all of them as wholes.
            key: the key.
            secret_id: the secret that is meant, or records that tell none; empty for all that had the key.
            run: the id of the workload's run that did it; empty for whoever did.
            since: from when on.
            most: how many are wanted.
        """
        groups = (_R.blueprint, _R.digest, _R.tenant, _U.version, _R.caller, _U.decision, _R.claimed)
        where = [_U.chain_id.in_(sorted(chains)), _U.key == key, _USED, _R.at >= since]
        where += [or_(_U.chain_id == asked_in, _R.tenant_id == asked_in)] if asked_in else []
        where += [_U.secret_id.in_(["", secret_id])] if secret_id else []
        where += [_R.run == storable(run)] if run else []
        query = (
            select(*groups, func.count(), func.min(_R.at), func.max(_R.at))
            .select_from(_JOINED)
            .where(*where)
            .group_by(*groups)
            .order_by(func.max(_R.at).desc(), *groups)
            .limit(most)
        )
        return [BlueprintUse(*row) for row in self._execute(query)]

    def uses_by_day(self, tenant_id: str, since: str) -> Sequence[tuple[str, bool, int]]:
        """How many keys were allowed and how many refused, by day, in blueprints of a tenant."""
        day = func.substr(_R.at, 1, _DAY).label("day")
        keys = (
            select(_U.chain_id, _U.number, _U.place, day, _ALLOWED.label("allowed"))
            .distinct()  # one that several blueprints need counts once
            .select_from(_JOINED)
            .where(_R.tenant_id == tenant_id, _USED, _R.at >= since)
            .subquery()
        )
        query = select(keys.c.day, keys.c.allowed, func.count()).group_by(keys.c.day, keys.c.allowed)
        return [(row[0], bool(row[1]), row[2]) for row in self._execute(query)]

    def uses_by_pair(self, tenant_id: str, since: str) -> Sequence[tuple[str, str, int]]:
        """How often which key was used by which blueprint of a tenant."""
        query = (
            select(_U.key, _R.blueprint, func.count())
            .select_from(_JOINED)
            .where(_R.tenant_id == tenant_id, _USED, _R.at >= since, _ALLOWED)
            .group_by(_U.key, _R.blueprint)
        )
        return [(row[0], row[1], row[2]) for row in self._execute(query)]

    def last_uses(self, tenant_id: str, most: int) -> Sequence[LastUse]:
        """When each text of a tenant was last given each version of a secret, the latest first."""
        unnamed = case((_R.blueprint == "", _R.caller), else_="")
        groups = (_R.blueprint, _R.digest, unnamed, _U.key, _U.secret_id, _U.version)
        query = (
            select(*groups, func.max(_R.at))
            .select_from(_JOINED)
            .where(_R.tenant_id == tenant_id, _USED, _ALLOWED, _U.version.is_not(None))
            .group_by(*groups)
            .order_by(func.max(_R.at).desc(), *groups)
            .limit(most)
        )
        return [LastUse(*row) for row in self._execute(query)]

    def secrets_done(self, chains: Collection[str], actions: Collection[str], since: str) -> set[str]:
        """The ids of the secrets with which something was done since some time."""
        query = (
            select(_U.secret_id)
            .distinct()
            .select_from(_JOINED)
            .where(_U.chain_id.in_(sorted(chains)), _R.action.in_(sorted(actions)), _R.at >= since, _ALLOWED)
        )
        return set(self._execute(query).scalars())

    def readers_of_secrets(
        self, chain: str, actions: Collection[str], since: str
    ) -> Sequence[tuple[str, str, str]]:
        """Who did something with which secret, by one chain: ids of secret, tenant asked in, and user."""
        query = (
            select(_U.secret_id, _R.tenant_id, _R.caller_id)
            .distinct()
            .select_from(_JOINED)
            .where(_U.chain_id == chain, _R.action.in_(sorted(actions)), _R.at >= since, _ALLOWED)
        )
        return [(row[0], row[1], row[2]) for row in self._execute(query)]

    def deeds(self, tenant_id: str, since: str) -> Sequence[tuple[str, str, str]]:
        """Which user did what with which token in a tenant: ids of user and token, and the permission."""
        query = (
            select(_R.caller_id, _R.token, _R.action)
            .distinct()
            .select_from(_JOINED)
            .where(_R.tenant_id == tenant_id, _R.at >= since, _ALLOWED)
        )
        return [(row[0], row[1], row[2]) for row in self._execute(query)]

    def keys_of_tokens(
        self, tenant_id: str, actions: Collection[str], since: str, most: int
    ) -> Sequence[tuple[str, str]]:
        """Some keys that were named with each token in a tenant, so many at most."""
        pairs = (
            select(_R.token, _U.key)
            .distinct()
            .select_from(_JOINED)
            .where(_R.tenant_id == tenant_id, _R.action.in_(sorted(actions)), _R.at >= since, _ALLOWED)
            .subquery()
        )
        nth = func.row_number().over(partition_by=pairs.c.token, order_by=pairs.c.key)
        counted = select(pairs, nth.label("nth")).subquery()
        query = select(counted.c.token, counted.c.key).where(counted.c.nth <= most)
        return [(row[0], row[1]) for row in self._execute(query)]


def between(query: AuditQuery) -> list[ColumnElement[bool]]:
    """The condition that a record is of the time that is asked for."""
    at = t.audit_record.c.at
    return [*([at >= query.since] if query.since else []), *([at < query.until] if query.until else [])]


def in_order(number: ColumnElement[int], query: AuditQuery) -> ColumnElement[int]:
    """A column of numbers to sort by, as is asked for."""
    return number.desc() if query.newest_first else number.asc()


def _among(table: Table, chain: str, after: int, until: int) -> list[ColumnElement[bool]]:
    return [table.c.chain_id == chain, table.c.number > after, table.c.number <= until]


def _stray(table: Table, chain: str, after: int) -> list[ColumnElement[bool]]:
    """Rows after a record that no record has."""
    r = t.audit_record.c
    recorded = exists().where(r.chain_id == table.c.chain_id, r.number == table.c.number)
    return [table.c.chain_id == chain, table.c.number > after, ~recorded]
