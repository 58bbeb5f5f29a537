"""Rows that decide are refused where they are read without a genuine MAC.

Whoever can write the database and lacks the root key can't make a MAC. An older genuine row put back is found
by the trail, which holds generation and digest of each change (`core/rows.py`).
"""

from __future__ import annotations

import hmac
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from resolver.core.audit import SYSTEM_CHAIN, AuditHead
from resolver.core.binding import row_bytes
from resolver.core.model import Scope
from resolver.errors import TamperedRowError, TokenError
from resolver.store import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Secret
    from resolver.core.ports import Cipher, DataKey
    from resolver.store.engine import Held
    from resolver.store.reading import Reading, Root, Statement

R = TypeVar("R")

Row: TypeAlias = "Sequence[Any]"

Wrong: TypeAlias = "tuple[Root, Mapping[str, Any], object]"
"""An aggregate that is not genuine: what it is, its fields, its MAC."""

NEVER_WRITTEN = (LookupError, TypeError, ValueError, RecursionError)
"""What a column's type raises of what this program never writes."""

_MAX_KNOWN, _MAX_KNOWN_BYTES = 4000, 2000
"""Most aggregates that a process remembers as genuine, and the size of the largest: 8 MB in all."""


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


class CheckedRows:
    """Reads rows that decide.

    Args:
        held: a connection within a transaction.
        guard: what rows are authenticated with; without one they are not checked.
        seen: the heads of chains that were seen before the transaction began; by default those seen by now.
    """

    def __init__(
        self, held: Held, guard: Guard | None = None, seen: Mapping[str, AuditHead] | None = None
    ) -> None:
        self._raw, self._database = held.raw, held.database
        self._postgresql = held.is_postgresql
        self._guard = guard
        self._enforced: bool | None = None
        self._seen_heads = seen or ({} if guard is None else guard.heads)

    def _run(self, statement: Statement[Any], **values: object) -> list[tuple[Any, ...]]:
        return statement.run(self._raw, values, postgresql=self._postgresql)

    def _found(self, statement: Statement[R], **values: object) -> list[tuple[R, Row]]:
        """The records that a statement selects, with their rows; TamperedRowError for one not genuine."""
        return self._checked(statement.reading, lambda: self._run(statement, **values))

    def _first(self, statement: Statement[R], **values: object) -> R | None:
        """The record in the first row; None when there is none."""
        return next((made for made, _ in self._found(statement, **values)), None)

    def _checked(self, reading: Reading[R], fetch: Callable[[], Sequence[Row]]) -> list[tuple[R, Row]]:
        """The records in rows, with their rows; TamperedRowError when one of them is not genuine."""

        def attempt() -> tuple[list[tuple[R, Row]], Wrong | None]:
            rows = fetch()
            for kind, named, found in reading.joined:
                for row in rows:
                    self._demand_asked_for(kind, row[named], row[found])
            wrong: Wrong | None = None
            for root, names, take in () if self._guard is None else reading.takes:
                wrong = wrong or self._first_wrong(root, names, take, rows)
            return [(reading.make(row), row) for row in rows], wrong

        return self._twice(attempt)

    def _twice(self, attempt: Callable[[], tuple[R, Wrong | None]]) -> R:
        """What an attempt reads; one that finds a row not genuine is made once more before that counts."""
        try:
            found, wrong = attempt()
            if wrong is not None:
                found, wrong = attempt()
        except NEVER_WRITTEN:
            if self._guard is None:
                raise
            raise tampered("row", "", "it holds what no resolver writes") from None
        if wrong is not None:
            self._refuse(*wrong)
        return found

    def _first_wrong(
        self,
        root: Root,
        names: tuple[str, ...],
        take: Callable[[Any], tuple[Any, ...]],
        rows: Sequence[Row],
    ) -> Wrong | None:
        before: tuple[Any, ...] = ()
        for row in rows:
            found = take(row)
            if found == before:  # many secrets of one tenant
                continue
            before = found
            if not self._genuine(root, names, found[:-1], found[-1]):
                return root, dict(zip(names, found, strict=False)), found[-1]
        return None

    def _genuine(self, root: Root, names: tuple[str, ...], values: tuple[Any, ...], row_mac: object) -> bool:
        """Whether an aggregate has the MAC that this program gave it.

        Args:
            root: what it is.
            names: its fields, in order.
            values: what they hold.
            row_mac: its MAC, as stored.
        """
        guard = self._guard
        if guard is None:
            return True
        if not isinstance(row_mac, str):
            return False
        if guard.floors and self._is_put_back(guard, root, dict(zip(names, values, strict=True)), row_mac):
            return False
        known = root.kind, names, values
        if guard.verified.get(row_mac) == known:  # these very values were found genuine with this very MAC
            return True
        number, key_id, mac = parts_of(row_mac)
        key = self._row_key(key_id)
        if key is None:
            return False
        try:
            data = row_bytes(root.kind, number, zip(names, map(as_stored, values), strict=True))
        except (TypeError, ValueError):
            return False
        genuine = hmac.compare_digest(mac.encode(), key.row_mac(data).encode())
        if genuine and len(data) <= _MAX_KNOWN_BYTES:
            guard.know(row_mac, known)
        return genuine

    @staticmethod
    def _is_put_back(guard: Guard, root: Root, fields: Mapping[str, Any], row_mac: str) -> bool:
        floor = guard.floors.get((root.kind, root.id_of(fields)), 0)
        return parts_of(row_mac)[0] < floor

    def _row_key(self, key_id: str) -> DataKey | None:
        """A system key that is there, opened."""
        if self._guard is None:
            return None
        key = self._guard.keys.get(key_id)
        if key is None:
            key = self._opened(self._run(compiled.SYSTEM_KEY, id=key_id))
            if key is not None:
                self._guard.keys[key_id] = key
        return key

    def _opened(self, rows: Sequence[Row]) -> DataKey | None:
        if len(rows) != 1 or self._guard is None:
            return None
        stored = compiled.SYSTEM_KEY.reading.make(rows[0])
        if stored.tenant_id:
            return None
        try:
            return self._guard.cipher.open_data_key(stored)
        except TokenError:
            return None

    def _refuse(self, root: Root, fields: Mapping[str, Any], row_mac: object) -> None:
        """Raise that an aggregate is not genuine, unless the store is not that far yet."""
        if not self.rows_enforced:
            return
        raise tampered(
            root.kind,
            root.id_of(fields),
            "it has no MAC"
            if row_mac is None
            else "its MAC does not fit, or the row is an older one put back",
        )

    def refuse_missing(self, kind: str, row_id: str) -> None:
        """Raise that a row is not there which a genuine one names, unless the store is not that far yet."""
        if self.rows_enforced:
            raise tampered(kind, row_id, "it is missing, and other rows name it")

    def _demand_provider(self, secret: Secret, provider_id: str | None) -> None:
        """Refuse a secret that names a provider which is not there: it is not taken for one of here."""
        if secret.provider is None and provider_id is not None:
            self.refuse_missing("provider", provider_id)

    def _demand_asked_for(self, kind: str, asked: str, found: str) -> None:
        """Refuse a genuine row that is another one than was asked for: a view or an index can answer so."""
        if asked != found:
            self._refuse_other(kind, asked)

    @staticmethod
    def _refuse_other(kind: str, row_id: str) -> NoReturn:
        raise tampered(kind, row_id, "the database answers with another row")

    @property
    def rows_enforced(self) -> bool:
        """Whether a row without a genuine MAC is refused: so says the system's head, under its own MAC."""
        if self._guard is None:
            return False
        if self._guard.enforced:
            return True
        if self._enforced is None:
            enforced = True  # without a genuine head nothing is believed
            for _, number, digest, mac, mac_key_id, flag in self._run(compiled.CHAIN, chain=SYSTEM_CHAIN):
                if isinstance(mac, str) and isinstance(number, int) and number >= 0:
                    head = AuditHead(SYSTEM_CHAIN, number, str(digest), bool(flag))
                    key = self._row_key(mac_key_id or "")
                    if key is not None and hmac.compare_digest(mac.encode(), key.mac(head.encode()).encode()):
                        enforced = self._guard.enforced = head.enforced
            self._enforced = enforced
        return self._enforced

    def seen_head(self, chain: str) -> AuditHead | None:
        """The latest end of a chain that this process saw before the transaction began."""
        return self._seen_heads.get(chain)


def parts_of(row_mac: str) -> tuple[int, str, str]:
    """Generation, key id and MAC; one that is malformed fits nothing."""
    number, _, rest = row_mac.partition(":")
    key_id, _, mac = rest.partition(":")
    plain = number.isascii() and number.isdecimal() and len(number) < len("1" * 10)
    return int(number) if plain else 0, key_id, mac


def as_stored(value: object) -> object:
    """A column's value as canonical bytes have it: what is not a plain one as one text."""
    if isinstance(value, Scope):
        # Those of a token that is bound to no network are as they were before tokens could be.
        bound = () if value.networks is None else (value.networks,)
        parts = (value.permissions, value.tenants, value.keys, *bound)
        texts = (
            (None if part is None else part if isinstance(part, tuple) else sorted(part)) for part in parts
        )
        return "|".join(
            "-" if part is None else ",".join(f"{len(one)}:{one}" for one in part) for part in texts
        )
    return value


def tampered(kind: str, row_id: str, why: str) -> TamperedRowError:
    """The refusal of a row."""
    return TamperedRowError.of(kind, row_id, f"is refused, {why}", verified=True)
