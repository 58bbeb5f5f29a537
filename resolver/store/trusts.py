"""The rows of trusts, and how often JWTs were exchanged."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from resolver.core.ports import StoredTrust
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import TRUST as TRUSTS
from resolver.store.records import RecordColumns
from resolver.store.rows import count_of
from resolver.store.tokens import TokenRows

if TYPE_CHECKING:
    from collections.abc import Sequence

TRUST = RecordColumns(StoredTrust, t.trust, {"scope": t.trust.c.narrowing}, aggregate=TRUSTS)


class TrustRows(TokenRows):
    """Trusts, and the tokens that came of them."""

    def trusts(self, *, name: str = "", issuer: str = "", user_id: str = "") -> Sequence[StoredTrust]:
        """Trusts, by name: all, or the one of a name, or those of an issuer or a user."""
        c = t.trust.c
        asked = ((c.name, name), (c.issuer, issuer), (c.user_id, user_id))
        query = select(*TRUST.columns).where(*(column == text for column, text in asked if text))
        return self._read(TRUST, query.order_by(self._ordered(c.name)))

    def add_trust(self, trust: StoredTrust) -> None:
        """Store a trust; ConflictError when the name is taken."""
        done = self._execute(
            self._insert(t.trust)
            .values(self._made(TRUSTS, TRUST.values(trust)))
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(t.trust.c.id)
        )
        if done.one_or_none() is None:
            raise ConflictError(f"trust {trust.name!r} already exists")

    def change_trust(self, trust: StoredTrust) -> None:
        """Store a trust that was found before as it is now; ConflictError when it is not there any more."""
        self._change_one(TRUSTS, t.trust.c.id == trust.id, values=TRUST.values(trust, without={"id"}))

    def delete_trust(self, trust_id: str) -> None:
        """Delete a trust with its tokens."""
        self.delete_trust_tokens(trust_id)
        self._remove_one(TRUSTS, t.trust.c.id == trust_id)

    def delete_trust_tokens(self, trust_id: str) -> None:
        """Delete the tokens of a trust."""
        self._remove_tokens(t.access_token.c.trust_id == trust_id)

    def count_trust_tokens(self, trust_id: str) -> int:
        """How many tokens of a trust there are."""
        return count_of(self._connection, t.access_token, t.access_token.c.trust_id == trust_id)

    def count_exchange(self, issuer: str, source: str, digest: str, ends_at: str, most: int) -> bool:
        """Count an exchange of a JWT; whether there were fewer than so many before."""
        c = t.jwt_exchange.c
        names = [hashlib.sha256(text.encode()).hexdigest() for text in (issuer, source)]
        values = {"issuer": names[0], "source": names[1], "digest": digest, "count": 1, "ends_at": ends_at}
        done = self._execute(
            self._insert(t.jwt_exchange)
            .values(values)
            .on_conflict_do_update(
                index_elements=[c.issuer, c.source, c.digest],
                set_={"count": c.count + 1},
                where=c.count < most,
            )
            .returning(c.count)
        )
        return done.one_or_none() is not None

    def forget_exchanges(self, before: str) -> None:
        """Forget the counts of JWTs that ended before a time."""
        self._execute(delete(t.jwt_exchange).where(t.jwt_exchange.c.ends_at < before))
