"""What is authenticated: which rows belong together, and which columns decide nothing.

An *aggregate* is a row with the rows that belong to it. What decides in it is under one MAC, which stands in
its root's column `row_mac`. Every column of every table is in one of the lists here; a test compares them.
"""

from __future__ import annotations

import enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Column, Table

from resolver.core.audit import SYSTEM_CHAIN
from resolver.store import tables as t
from resolver.store.reading import Root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNDECIDED: Mapping[str, str] = {
    "user_account.first_login_at": "shown only; changes at a login",
    "user_account.last_login_at": "shown only; changes at each login",
    "access_token.last_used_at": "shown only; changes at each use",
    "console_session.last_used_at": "changes at each use; a session ends by `created_at` at the latest",
    "secret_version.data_key_id": "the encrypted token is bound to it",
    "secret_version.token": "authenticated encryption, bound to tenant, secret, key, version and data key",
    "login_failure.slot": "a back-off for guesses at passwords; whoever writes the database can end it",
    "login_failure.failures": "the same",
    "login_failure.last_at": "the same",
    "login_failure.refused_until": "the same",
    **dict.fromkeys(
        (f"jwt_exchange.{name}" for name in ("issuer", "source", "digest", "count", "ends_at")),
        "how often a JWT was exchanged; without it one that is still valid gets what it gets, once more",
    ),
    "key_scope.key": "keeps keys unique for honest writers; what is read is the secret, and its own scope",
    "key_scope.scope": "the same",
    "approval.bundle": "authenticated encryption, bound to tenant and approval; its digest is under the MAC",
    "approval.data_key_id": "the encrypted bundle is bound to it",
    "webhook_state.webhook_id": "when a receiver is tried again, and what is shown of that",
    "webhook_state.failures": "the same",
    "webhook_state.next_at": "the same",
    "webhook_state.last_at": "the same",
    "webhook_state.last_status": "the same",
    "webhook_state.last_error": "the same",
    "webhook_event.state": "an event is sent once more, or not: whoever can delete its row can do so, too",
    "webhook_event.attempts": "the same",
    "webhook_event.answered": "the same",
    "webhook_event.tried_at": "shown only",
    "webhook_event.status": "shown only",
    "webhook_event.error": "shown only",
    "webhook_lease.id": "which process delivers: two of them send events twice, none sends them later",
    "webhook_lease.holder": "the same",
    "webhook_lease.until": "the same",
}
"""The columns that are under no MAC, each with the reason why changing it decides nothing."""

CHAINED = frozenset({"audit_chain", "audit_record", "audit_run", "audit_use"})
"""The tables that authenticate themselves: a chain of hashes, a MAC over its head, the index made of it."""


class Children(Struct, frozen=True):
    """Rows that belong to another one, each with one thing to say.

    Args:
        table: where they are.
        parent: the column that names what they belong to.
        key: the column that tells them apart.
        value: the column that holds what they say.
    """

    table: Table
    parent: Column[Any]
    key: Column[Any]
    value: Column[Any]

    def field(self, key: str) -> str:
        """What one of them is called among the fields of the aggregate."""
        return f"{self.table.name} {key}"


class TellingChain(enum.Enum):
    """Which audit chain tells of the changes of an aggregate."""

    SYSTEM = "system"
    TENANT = "tenant"


class Aggregate(Struct, frozen=True, dict=True):
    """A row with what belongs to it.

    Args:
        kind: what it is, in the words of messages and audit records.
        table: where its root is.
        told_by: whose audit chain tells of its changes; None when none does.
        children: the rows that belong to it.
    """

    kind: str
    table: Table
    told_by: TellingChain | None
    children: Children | None = None

    @cached_property
    def decides(self) -> Sequence[Column[Any]]:
        """The root's columns that are under the MAC, in the order of their names."""
        return [
            column
            for column in sorted(self.table.c, key=lambda column: column.name)
            if column.name != t.ROW_MAC and str(column) not in UNDECIDED
        ]

    @cached_property
    def ids(self) -> Sequence[Column[Any]]:
        """The columns that identify the root."""
        return list(self.table.primary_key.columns)

    def chain_of(self, fields: Mapping[str, Any]) -> str | None:
        """The id of the chain that tells of its changes; None when none does."""
        return str(fields["tenant_id"]) if self.told_by is TellingChain.TENANT else self._own_chain

    @property
    def _own_chain(self) -> str | None:
        return SYSTEM_CHAIN if self.told_by is TellingChain.SYSTEM else None

    def is_told_by(self, chain: str) -> bool:
        """Whether a chain tells of changes of such aggregates."""
        return self.told_by is (TellingChain.SYSTEM if chain == SYSTEM_CHAIN else TellingChain.TENANT)

    @property
    def root(self) -> Root:
        """What is told of its root."""
        return Root(self.kind, tuple(column.name for column in self.ids))

    def id_of(self, fields: Mapping[str, Any]) -> str:
        """The root's id as messages and records tell it."""
        return self.root.id_of(fields)


TENANT = Aggregate("tenant", t.tenant, TellingChain.SYSTEM)
USER = Aggregate(
    "user",
    t.user_account,
    TellingChain.SYSTEM,
    Children(t.membership, t.membership.c.user_id, t.membership.c.tenant_id, t.membership.c.role),
)
STANDING_ADMIN = Aggregate("standing sys_admin", t.standing_admin, TellingChain.SYSTEM)
TRUST = Aggregate("trust", t.trust, TellingChain.SYSTEM)
TOKEN = Aggregate("token", t.access_token, TellingChain.SYSTEM)
SESSION = Aggregate("console session", t.console_session, TellingChain.SYSTEM)
ROOT_KEY = Aggregate("root key", t.root_key, TellingChain.SYSTEM)
DATA_KEY = Aggregate("data key", t.data_key, TellingChain.SYSTEM)
PROVIDER = Aggregate("provider", t.secrets_provider, TellingChain.TENANT)
SECRET = Aggregate("secret", t.secret, TellingChain.TENANT)
VERSION = Aggregate("secret version", t.secret_version, None)
"""An old one put back shows in the history; nothing uses it unless someone rolls back to it."""

APPROVAL = Aggregate("approval", t.approval, TellingChain.TENANT)
WEBHOOK = Aggregate("webhook", t.webhook, TellingChain.SYSTEM)
EVENT = Aggregate("event", t.webhook_event, None)
"""What is sent is signed, so a forged one is refused. One put back is sent again, under its id."""
SOURCE = Aggregate("source of events", t.webhook_source, None)
"""An older one put back has events sent again, under their ids."""

BY_KIND = {
    aggregate.kind: aggregate
    for aggregate in (
        TENANT,
        USER,
        STANDING_ADMIN,
        TRUST,
        TOKEN,
        SESSION,
        ROOT_KEY,
        DATA_KEY,
        PROVIDER,
        SECRET,
        VERSION,
        APPROVAL,
        WEBHOOK,
        EVENT,
        SOURCE,
    )
}
"""All of them, by their kinds."""
