"""The rows of audit chains."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, cast, func, select, update

from resolver.core.audit import SYSTEM_CHAIN, AuditHead, AuditRecord
from resolver.core.ports import AuditEnd
from resolver.store import tables as t
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns, fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row


_RECORD = RecordColumns(
    AuditRecord, t.audit_record, {"body": cast(t.audit_record.c.body, LargeBinary)}, unread=["chain_id"]
)
_FIELDS = fields_of(AuditRecord)  # named as the columns are
_COLUMNS = ("chain_id", *_FIELDS)
_in_record = attrgetter(*_FIELDS)
_POSTGRESQL_TYPES = {str: "text", int: "integer", bytes: "bytea"}
"""Without a length: a cast to a shorter text would cut it silently."""

# Hundreds of rows at once, past what SQLAlchemy does for each value: on PostgreSQL one array for each column,
# in the driver's binary format, since records as hexadecimal text would cost several times as much.
_ARRAYS = ", ".join(
    f"%({name})b::{_POSTGRESQL_TYPES[t.audit_record.c[name].type.python_type]}[]" for name in _COLUMNS
)
_APPEND = f"INSERT INTO {t.audit_record.name} ({', '.join(_COLUMNS)}) "
_APPEND_POSTGRESQL = f"{_APPEND} SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - as above
_APPEND_SQLITE = f"{_APPEND} VALUES ({', '.join('?' * len(_COLUMNS))})"


_CHAIN = select(t.audit_chain).where(t.audit_chain.c.id == bindparam("chain"))
_CHAIN_LOCKED = _CHAIN.with_for_update()
_SET_HEAD = (
    update(t.audit_chain)
    .where(t.audit_chain.c.id == bindparam("chain"))
    .values({name: bindparam(f"new_{name}") for name in ("number", "hash", "mac", "mac_key_id", "enforced")})
)


class AuditRows(AuthenticatedRows):
    """Audit chains: their records and heads."""

    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""
        query, which = _CHAIN_LOCKED if lock else _CHAIN, {"chain": chain}
        row = self._execute(query, which).one_or_none()
        if row is None:
            start = AuditHead(
                chain, enforced=chain == SYSTEM_CHAIN
            )  # in a new store from its first record on
            if not lock:
                return start, "", ""
            self._execute(
                self._insert(t.audit_chain)
                .values(
                    id=chain, number=start.number, hash=start.hash, mac="", enforced=start.enforced or None
                )
                .on_conflict_do_nothing(index_elements=["id"])
            )
            row = self._execute(query, which).one()
        return _head(row), _text(row.mac), row.mac_key_id or ""

    def append_audit(
        self, head: AuditHead, mac: str, mac_key_id: str, records: Sequence[AuditRecord]
    ) -> None:
        """Store records and the new head."""
        rows = [(head.chain, *_in_record(record)) for record in records]
        if self._postgresql:
            columns = map(list, zip(*rows, strict=True))
            self._connection.exec_driver_sql(_APPEND_POSTGRESQL, dict(zip(_COLUMNS, columns, strict=True)))
        else:
            self._connection.exec_driver_sql(_APPEND_SQLITE, rows)
        changes = {
            "number": head.number,
            "hash": head.hash,
            "mac": mac,
            "mac_key_id": mac_key_id,
            "enforced": head.enforced or None,
        }
        self.new_heads[head.chain] = head
        self._execute(
            _SET_HEAD, {"chain": head.chain} | {f"new_{name}": value for name, value in changes.items()}
        )

    def audit_chains(self, mac_key_id: str) -> Sequence[str]:
        """The chains whose head has its MAC from a data key."""
        rows = self._execute(select(t.audit_chain.c.id).where(t.audit_chain.c.mac_key_id == mac_key_id))
        return rows.scalars().all()

    def set_audit_mac(self, head: AuditHead, mac: str, mac_key_id: str) -> None:
        """Give a head that is locked another MAC."""
        self._execute(
            update(t.audit_chain)
            .where(t.audit_chain.c.id == head.chain)
            .values(mac=mac, mac_key_id=mac_key_id)
        )

    def audit_end(self, chain: str) -> AuditEnd:
        """A chain's head as it is stored, without waiting for writers; an empty chain's for one not there."""
        row = self._execute(_CHAIN, {"chain": chain}).one_or_none()
        last = self._execute(
            select(func.max(t.audit_record.c.number)).where(t.audit_record.c.chain_id == chain)
        ).scalar()
        if row is None:
            return AuditEnd(AuditHead(chain), "", "", last or 0)
        return AuditEnd(_head(row), _text(row.mac), row.mac_key_id or "", _number(last or 0))

    def all_audit_chains(self) -> Sequence[str]:
        """The ids of all chains, those of deleted tenants too."""
        return list(self._execute(select(t.audit_chain.c.id).order_by(t.audit_chain.c.id)).scalars())

    def audit_records(
        self,
        chain: str,
        *,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
        since: str = "",
        until: str = "",
        size: int,
    ) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers and two times, by number."""
        c = t.audit_record.c
        where = [c.chain_id == chain, c.number > after]
        where += [c.number < before] if before is not None else []
        where += [c.at >= since] if since else []
        where += [c.at < until] if until else []
        rows = self._execute(
            select(*_RECORD.columns)
            .where(*where)
            .order_by(c.number.desc() if newest_first else c.number)
            .limit(size)
        )
        return _RECORD.read(rows)


def _head(row: Row[*tuple[Any, ...]]) -> AuditHead:
    return AuditHead(row.id, _number(row.number), _text(row.hash), bool(row.enforced))


def _number(stored: object) -> int:
    """A number as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, int) else -1


def _text(stored: object) -> str:
    """A text as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, str) else ""
