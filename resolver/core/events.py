"""Events that webhooks tell of, made of the records of the audit trail: never more than these show."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core.audit import ROUND, SYSTEM_CHAIN, fields_of, told_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.audit import AuditRecord


class EventKind(enum.StrEnum):
    """Everything that a webhook can tell of."""

    SECRET_CREATED = "secret.created"
    SECRET_UPDATED = "secret.updated"
    SECRET_DELETED = "secret.deleted"
    SECRET_EXPIRING = "secret.expiring"
    PROVIDER_CREATED = "provider.created"
    PROVIDER_UPDATED = "provider.updated"
    PROVIDER_DELETED = "provider.deleted"
    TENANT_CREATED = "tenant.created"
    TENANT_DELETED = "tenant.deleted"
    MEMBERSHIP_CHANGED = "membership.changed"
    MEMBERSHIP_ENDED = "membership.ended"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DELETED = "user.deleted"
    BREAK_GLASS_USED = "break_glass.used"
    TOKEN_CREATED = "token.created"
    TOKEN_REVOKED = "token.revoked"
    TOKEN_EXPIRING = "token.expiring"
    TRUST_CHANGED = "trust.changed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    KEYS_ROTATED = "keys.rotated"
    WEBHOOK_CHANGED = "webhook.changed"
    STORE_RECOVERED = "store.recovered"
    STORE_TAMPERED = "store.tampered"
    AUDIT_BROKEN = "audit.broken"
    ACCESS_REFUSED = "access.refused"
    WEBHOOK_TEST = "webhook.test"


KIND_OF: Mapping[str, EventKind] = {
    "secret:create": EventKind.SECRET_CREATED,
    "secret:import": EventKind.SECRET_UPDATED,
    "secret:update": EventKind.SECRET_UPDATED,
    "secret:set_owner": EventKind.SECRET_UPDATED,
    "secret:delete": EventKind.SECRET_DELETED,
    "provider:create": EventKind.PROVIDER_CREATED,
    "provider:update": EventKind.PROVIDER_UPDATED,
    "provider:set_owner": EventKind.PROVIDER_UPDATED,
    "provider:delete": EventKind.PROVIDER_DELETED,
    "tenant:create": EventKind.TENANT_CREATED,
    "tenant:delete": EventKind.TENANT_DELETED,
    "membership:set": EventKind.MEMBERSHIP_CHANGED,
    "membership:remove": EventKind.MEMBERSHIP_ENDED,
    "user:create": EventKind.USER_CREATED,
    "user:set_role": EventKind.USER_UPDATED,
    "user:set_password": EventKind.USER_UPDATED,
    "user:activate": EventKind.USER_UPDATED,
    "user:deactivate": EventKind.USER_UPDATED,
    "user:unlock": EventKind.USER_UPDATED,
    "user:link": EventKind.USER_UPDATED,
    "user:break_glass": EventKind.BREAK_GLASS_USED,
    "user:delete": EventKind.USER_DELETED,
    "token:create": EventKind.TOKEN_CREATED,
    "token:rotate": EventKind.TOKEN_CREATED,
    "token:revoke": EventKind.TOKEN_REVOKED,
    "trust:create": EventKind.TRUST_CHANGED,
    "trust:update": EventKind.TRUST_CHANGED,
    "trust:delete": EventKind.TRUST_CHANGED,
    "approval:request": EventKind.APPROVAL_REQUESTED,
    "approval:grant": EventKind.APPROVAL_DECIDED,
    "approval:deny": EventKind.APPROVAL_DECIDED,
    "keys:data_rotated": EventKind.KEYS_ROTATED,
    "keys:root_rotated": EventKind.KEYS_ROTATED,
    "webhook:create": EventKind.WEBHOOK_CHANGED,
    "webhook:update": EventKind.WEBHOOK_CHANGED,
    "webhook:rotate_secret": EventKind.WEBHOOK_CHANGED,
    "webhook:delete": EventKind.WEBHOOK_CHANGED,
    "store:recover": EventKind.STORE_RECOVERED,
    "row:tampered": EventKind.STORE_TAMPERED,
    "secret:unreadable": EventKind.STORE_TAMPERED,
    "data_key:unreadable": EventKind.STORE_TAMPERED,
    "provider:unreadable": EventKind.STORE_TAMPERED,
    "keys:unreadable": EventKind.STORE_TAMPERED,
}
"""The events that records tell of, by action."""

SILENT = frozenset(
    {
        "secret:list",
        "secret:show",
        "secret:use",
        "secret:export",
        "provider:list",
        "provider:credentials",
        "provider:test",
        "audit:read",
        "audit:reindex",
        "keys:rotate_data",
        "keys:rotate_root",
        "rows:change",
        "rows:enforce",
        "session:open",
        "session:confirm",
        "session:close",
        "trust:exchange",
        "user:sign_in",
        "webhook:dropped",
        "webhook:test",
    }
)
"""The actions that no event tells of, but for their refusals: they read, or only begin something.

A test compares both lists with the actions that the program records.
"""

_TOLD = (
    "action",
    "caller",
    "caller_id",
    "token",
    "tenant",
    "tenant_id",
    "key",
    "secret_id",
    "secret_tenant",
    "version",
    "provider",
    "object",
    "made",
    "role",
    "kind",
    "reason",
)
"""The fields of a record that an event has."""

MAX_GROUPS = 20
"""Most kinds of refusals of one window that are told apart; the others are counted together."""

MAX_TOLD_KEYS = 100
"""Most keys that an event about an import names; it always counts them all."""

MAX_KEYS = 10
"""Most keys that an event about refusals names."""

WINDOW_SECONDS = 60
"""Refusals of one caller, doing one thing in one tenant, make one event for so long."""


class Event(Struct, frozen=True):
    """Something that happened, as webhooks tell it.

    Args:
        id: always the same for the same thing, so that who is told twice can notice.
        kind: what happened.
        at: when, UTC.
        data: what is told of it.
        chain: the audit chain that tells of it, which is a tenant's id or the system's.
    """

    id: str
    kind: EventKind
    at: str
    data: Mapping[str, Any]
    chain: str

    @property
    def body(self) -> str:
        """What is sent."""
        return json.dumps(
            {"id": self.id, "type": self.kind, "timestamp": self.at, "data": self.data},
            separators=(",", ":"),
        )

    def concerns(self, tenants: Mapping[str, str]) -> bool:
        """Whether it is of one of some tenants, names by ids."""
        if self.chain in tenants:
            return True
        return self.chain == SYSTEM_CHAIN and (
            self.data.get("tenant_id") in tenants or self.data.get("tenant") in tenants.values()
        )


def event_id(*parts: object) -> str:
    """An id that the same parts always give."""
    text = json.dumps([str(part) for part in parts])
    return f"evt_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def make_event(kind: EventKind, at: str, chain: str, data: Mapping[str, Any], *parts: object) -> Event:
    """An event about what some parts identify."""
    return Event(event_id(kind, chain, *parts), kind, at, data, chain)


def event_of(chain: str, record: AuditRecord) -> Event | None:
    """The event that a record tells of; None for one that tells of none, or of a refusal."""
    kind = KIND_OF.get(record.action)
    if kind is None:
        return None
    fields = fields_of(record)
    if kind is not EventKind.STORE_TAMPERED and fields.get("decision") != "allowed":
        return None
    if fields.get("compared"):  # an import that found the same there
        return None
    if record.action == "provider:update" and not fields.get("changed"):  # the record before the change
        return None
    data = {name: fields[name] for name in _TOLD if name in fields}
    if fields.get("format") == ROUND:  # one record about several secrets
        told = [one["key"] for one in told_of(fields) if "key" in one]
        data |= {"count": len(told), "keys": told[:MAX_TOLD_KEYS]}
    data["record"] = {"chain": chain, "number": record.number}
    return make_event(kind, record.at, chain, data, record.number, record.hash)


class Refusals(Struct):
    """Refusals of one chain within a window, counted by who was refused what.

    Args:
        since: when the window began; empty while there is none.
        groups: counts and examples, by caller, token, tenant and action.
        others: how many there were beyond the groups that are told apart.
    """

    since: str = ""
    groups: dict[str, dict[str, Any]] = {}
    others: int = 0

    def add(self, record: AuditRecord) -> None:
        """Count what a record tells of refusals."""
        if KIND_OF.get(record.action) is EventKind.STORE_TAMPERED:
            return
        fields = fields_of(record)
        refused = [told for told in told_of(fields) if told.get("decision") == "refused"]
        if not refused:
            return
        self.since = self.since or record.at
        about: dict[str, Any] = {
            name: fields[name]
            for name in ("action", "caller", "caller_id", "token", "tenant", "tenant_id")
            if name in fields
        }
        group = event_id(*about.values())
        if group not in self.groups and len(self.groups) >= MAX_GROUPS:
            self.others += 1
            return
        found = self.groups.setdefault(
            group, {**about, "count": 0, "reasons": {}, "keys": [], "first_at": record.at}
        )
        found["last_at"] = record.at
        found["count"] += fields.get("keys_total", len(refused))
        for told in refused:
            reason = str(told.get("reason", ""))
            found["reasons"][reason] = found["reasons"].get(reason, 0) + 1
            key = told.get("key")
            if key is not None and key not in found["keys"] and len(found["keys"]) < MAX_KEYS:
                found["keys"].append(key)

    def events(self, chain: str) -> Sequence[Event]:
        """An event for each group, and one for all others."""
        told = [(group, found) for group, found in self.groups.items()]
        if self.others:
            told.append(("others", {"count": self.others, "others": True, "first_at": self.since}))
        return [
            make_event(EventKind.ACCESS_REFUSED, self.since, chain, found, self.since, group)
            for group, found in told
        ]
