"""The audit trail: one chain of records for each tenant and one for the system."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from resolver.core.audit import SYSTEM_CHAIN, AuditHead, AuditRecord, extend, find_break
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Cipher, Session, Store
    from resolver.service.gate import Gate


def decided(reason: str) -> dict[str, str]:
    """The fields that tell a decision."""
    return {"decision": "allowed" if reason == Verdict.ALLOWED else "refused", "reason": reason}


def named(secret: Secret) -> dict[str, Any]:
    """The fields that tell which version of which secret a record is about."""
    return {
        "key": secret.key,
        "secret_id": secret.id,
        "secret_tenant": secret.tenant.name,
        "version": secret.version,
    }


class Trail:
    """Writes and reads audit records.

    Args:
        store: where they are kept.
        cipher: opens the key of the heads' MACs.
        gate: lets readers in.
        clock: gives the time as it is stored.
    """

    def __init__(self, store: Store, cipher: Cipher, gate: Gate, clock: Callable[[], str]) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._clock = clock

    def verify(self, caller: Caller, tenant: str = "") -> tuple[AuditHead, int | None]:
        """Check a tenant's chain, or the system's, against its head and the head's MAC.

        Returns:
            The head, and the number of the first record that is broken; None when the chain is whole.
        """
        with self._store.read() as session:
            chain = self._audit_chain(session, caller, tenant)
            head, mac, mac_key_id = session.audit_head(chain, lock=False)
            records = session.audit_records(chain)
            genuine = self._genuine(session, head, mac, mac_key_id)
        broken = find_break(head, records)
        if broken is None and not genuine and head.number:
            broken = head.number
        return head, broken

    def _genuine(self, session: Session, head: AuditHead, mac: str, mac_key_id: str) -> bool:
        """Whether a head has the MAC that this program gave it, with the system key of that time."""
        return any(
            not key.tenant_id and hmac.compare_digest(mac, self._cipher.open_data_key(key).mac(head.encode()))
            for key in session.data_keys([mac_key_id])
        )

    def records(self, caller: Caller, tenant: str = "") -> Sequence[AuditRecord]:
        """The records of a tenant's chain, or of the system's, oldest first."""
        with self._store.read() as session:
            return session.audit_records(self._audit_chain(session, caller, tenant))

    def _audit_chain(self, session: Session, caller: Caller, tenant: str) -> str:
        if not tenant:
            self._gate.enter_system(session, caller, Permission.AUDIT_READ)
            return SYSTEM_CHAIN
        return self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)[1].id

    def entry(
        self,
        caller: Caller,
        tenant: Tenant | None,
        action: str,
        /,
        *,
        secret: Secret | None = None,
        reason: str = Verdict.ALLOWED,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> dict[str, Any]:
        """The fields of an audit record."""
        entry: dict[str, Any] = {
            "at": self._clock(),
            "action": action,
            "caller": caller.username,
            "caller_id": caller.user_id,
            "token": caller.token_id,
            **decided(reason),
        }
        if tenant is not None:
            entry |= {"tenant": tenant.name, "tenant_id": tenant.id}
        if secret is not None:
            entry |= named(secret)
        return entry | more

    def commit(self, chain: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Commit records; whatever happens after this, they stay."""
        if entries:
            with self._store.write() as session:
                self.append(session, chain, entries)

    def append(self, session: Session, chain: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Put records at the end of a chain, within the transaction that they tell of."""
        head, mac, mac_key_id = session.audit_head(chain)
        stored = session.active_data_key("")
        if stored is None:
            raise StoreError("the store has no system key", hint="`resolver init` gives it one")
        mac_key = self._cipher.open_data_key(stored)
        if head.number and not self._genuine(session, head, mac, mac_key_id):
            raise StoreError(
                "the audit trail's head was changed by hand, so nothing can be recorded and nothing is done",
                hint="`resolver audit verify` tells more; compare the database with a backup",
            )
        head, records = extend(head, entries)
        session.append_audit(head, mac_key.mac(head.encode()), mac_key.id, records)

    def is_genuine(self, session: Session, chain: str) -> bool:
        """Whether a chain's head has the MAC that this program gave it."""
        return self._genuine(session, *session.audit_head(chain, lock=False))

    def renew_mac(self, session: Session, chain: str) -> bool:
        """Give a chain's head a MAC of the active system key; False when it is not genuine."""
        head, mac, mac_key_id = session.audit_head(chain)
        stored = session.active_data_key("")
        if stored is None or not self._genuine(session, head, mac, mac_key_id):
            return False
        mac_key = self._cipher.open_data_key(stored)
        session.set_audit_mac(head, mac_key.mac(head.encode()), mac_key.id)
        return True

    def append_system(self, session: Session, caller: Caller, action: str, /, **more: Any) -> None:  # noqa: ANN401 - JSON data
        """Put a record at the end of the system's chain."""
        self.append(session, SYSTEM_CHAIN, [self.entry(caller, None, action, **more)])
