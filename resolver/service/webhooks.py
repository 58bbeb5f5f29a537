"""Webhooks: where events are sent, and what they are signed with."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from resolver.core.account_changes import DEFAULT_OVERLAP, overlap_end
from resolver.core.audit import SYSTEM_CHAIN, cap
from resolver.core.binding import Place, Purpose
from resolver.core.events import EventKind, make_event
from resolver.core.model import SecretValue, check_key
from resolver.core.permissions import Permission
from resolver.core.ports.webhooks import StoredWebhook, WebhookState
from resolver.core.times import read_time
from resolver.core.webhooks import (
    SECRET_BYTES,
    SECRET_PREFIX,
    MadeWebhook,
    Outcome,
    WebhookDelivery,
    WebhookInfo,
    signed_headers,
)
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.service.access import demand_credentials
from resolver.service.base import ServicePart
from resolver.service.decryption import active_data_key, open_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.ports import Cipher, Session, StoredDataKey
    from resolver.core.ports.webhooks import SendsEvents
    from resolver.core.webhooks import NewWebhook, WebhookChange

_MAX_TENANTS = 100
_MAX_URL = 2000
_SHOWN_DELIVERIES = 50

CURRENT, PREVIOUS, UNTIL = "current", "previous", "previous_until"
"""The names of the secrets that events are signed with, and of the time when the older one ends."""


class Webhooks(ServicePart):
    """The webhooks of the store. What they tell outlives whoever made them, so making one is like a token."""

    def create(self, caller: Caller, name: str, new: NewWebhook) -> MadeWebhook:
        """Make a webhook; its secret is shown this once.

        Args:
            caller: who makes it.
            name: what it is called.
            new: where it leads, and what it tells of.

        Raises:
            InvalidRequestError: name, URL, events or tenants break the rules.
            NotPermittedError: the caller is no sys_admin, has a narrowed token, or the destination is not
                allowed.
            UnconfirmedError: the caller's session needs the password again, or the token expires.
            ConflictError: the name is taken, or there are as many webhooks as there may be.
        """
        with self._store.write() as session:
            current = self._enter_to_change(session, caller, "make a webhook")
            check_key(name, "webhook name")
            self._demand_room(
                "the store", len(session.webhook_ids()), "webhooks_per_store", "delete one that is not needed"
            )
            at, secret = self._clock(), _new_secret()
            stored = self._sealed(
                session,
                StoredWebhook(
                    str(uuid.uuid4()),
                    name,
                    self._checked_url(new.url),
                    _kinds(new.events),
                    _ids(session, new.tenants),
                    active=True,
                    signing="",
                    data_key_id="",
                    created_at=at,
                    updated_at=at,
                ),
                {CURRENT: secret},
            )
            session.add_webhook(stored)
            session.begin_sources(at)
            self._note(session, current, "webhook:create", name)
            return MadeWebhook(secret, _info(session, stored))

    def list(self, caller: Caller) -> Sequence[WebhookInfo]:
        """All webhooks, by name.

        Raises:
            NotPermittedError: the caller is no sys_admin.
        """
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            return _infos(session, session.webhooks())

    def get(self, caller: Caller, name: str) -> WebhookInfo:
        """One webhook.

        Raises:
            NotPermittedError: the caller is no sys_admin.
            NotFoundError: there is none of this name.
        """
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            return _info(session, _find(session, name))

    def deliveries(self, caller: Caller, name: str) -> Sequence[WebhookDelivery]:
        """The latest events of a webhook, those that wait and those that were sent; newest first.

        Raises:
            NotPermittedError: the caller is no sys_admin.
            NotFoundError: there is none of this name.
        """
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            return session.deliveries(_find(session, name).id, _SHOWN_DELIVERIES)

    def update(self, caller: Caller, name: str, wanted: WebhookChange) -> WebhookInfo:
        """Change a webhook; what is not given stays.

        Raises:
            InvalidRequestError: URL, events or tenants break the rules.
            NotPermittedError: the caller is no sys_admin, has a narrowed token, or the destination is not
                allowed.
            UnconfirmedError: the caller's session needs the password again, or the token expires.
            NotFoundError: there is none of this name.
        """
        with self._store.write() as session:
            current = self._enter_to_change(session, caller, "change a webhook")
            stored = _find(session, name)
            changes: dict[str, Any] = {}
            if wanted.url is not UNSET:
                changes["url"] = self._checked_url(wanted.url)
            if wanted.events is not UNSET:
                changes["events"] = _kinds(wanted.events)
            if wanted.tenants is not UNSET:
                changes["tenants"] = _ids(session, wanted.tenants)
            if wanted.active is not UNSET:
                changes["active"] = wanted.active
            newer = replace(stored, **changes, updated_at=self._clock())
            session.change_webhook(newer, stored.updated_at)
            self._note(session, current, "webhook:update", name, changed=sorted(changes))
            return _info(session, newer)

    def rotate_secret(self, caller: Caller, name: str, overlap: str = DEFAULT_OVERLAP) -> MadeWebhook:
        """Give a webhook another secret, shown this once; the old one signs too for a while.

        Args:
            caller: who asks.
            name: which one.
            overlap: how long everything is signed with both, like `24h`.

        Raises:
            InvalidRequestError: the overlap is malformed, or longer than 30 days.
            NotPermittedError: the caller is no sys_admin, or has a narrowed token.
            UnconfirmedError: the caller's session needs the password again, or the token expires.
            NotFoundError: there is none of this name.
        """
        overlap_end(overlap, self._clock())
        with self._store.write() as session:
            current = self._enter_to_change(session, caller, "rotate a webhook's secret")
            stored = _find(session, name)
            # On record, should the old one not be readable; it is not shown.
            self._note(session, current, "webhook:rotate_secret", name)
        with self._store.write() as session:
            self._enter_to_change(session, caller, "rotate a webhook's secret")
            stored = _find(session, name)
            at, secret = self._clock(), _new_secret()
            signing = {CURRENT: secret}
            if (until := overlap_end(overlap, at)) > at:
                keys = session.data_keys([stored.data_key_id])
                signing[PREVIOUS] = open_secrets(self._cipher, keys, stored, at)[0]
                signing[UNTIL] = until
            newer = self._sealed(session, replace(stored, updated_at=at), signing)
            session.change_webhook(newer, stored.updated_at)
            return MadeWebhook(secret, _info(session, newer))

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a webhook; what waits for it is not sent.

        Raises:
            NotPermittedError: the caller is no sys_admin.
            NotFoundError: there is none of this name.
        """
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            session.delete_webhook(_find(session, name).id)
            if not session.webhooks():
                session.end_sources()
            self._note(session, current, "webhook:delete", name)

    def test(self, caller: Caller, name: str) -> Outcome:
        """Send an event of the kind `webhook.test`, now and from here.

        Raises:
            NotPermittedError: the caller is no sys_admin.
            NotFoundError: there is none of this name.
        """
        with self._store.read() as session:
            current = self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            _find(session, name)
        # Committed before the secret is decrypted.
        self._trail.commit_once(
            SYSTEM_CHAIN, self._trail.entry(current, None, "webhook:test", object=cap(name))
        )
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
            stored = _find(session, name)
            keys = session.data_keys([stored.data_key_id])
        at = self._clock()
        event = make_event(EventKind.WEBHOOK_TEST, at, SYSTEM_CHAIN, {"webhook": name}, uuid.uuid4())
        signing = open_secrets(self._cipher, keys, stored, at)
        return send(self._event_sender(), stored, signing, event.id, event.body, at)

    def _enter_to_change(self, session: Session, caller: Caller, doing: str) -> Caller:
        current = self._gate.enter_system(session, caller, Permission.WEBHOOK_MANAGE)
        demand_credentials(current, self._clock(), doing)
        return current

    def _checked_url(self, url: str) -> str:
        if len(url) > _MAX_URL:
            raise InvalidRequestError(f"the URL is too long: at most {_MAX_URL} characters are allowed")
        self._event_sender().check(url)
        return url

    def _sealed(self, session: Session, stored: StoredWebhook, signing: Mapping[str, str]) -> StoredWebhook:
        data_key = active_data_key(session, self._cipher, "")
        sealed = data_key.seal(_place(stored, data_key.id), SecretValue(json.dumps(dict(signing))))
        return replace(stored, data_key_id=data_key.id, signing=sealed)

    def _note(
        self,
        session: Session,
        caller: Caller,
        action: str,
        name: str,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> None:
        self._trail.append_system(session, caller, action, object=cap(name), **more)


def _place(stored: StoredWebhook, data_key_id: str) -> Place:
    return Place(Purpose.SIGNING_SECRET, "", stored.id, stored.name, 0, data_key_id)


def open_secrets(
    cipher: Cipher, data_keys: Sequence[StoredDataKey], stored: StoredWebhook, now: str
) -> list[str]:
    """What a webhook's events are signed with at a time, the current secret first."""
    signing = open_mapping(cipher, data_keys, _place(stored, stored.data_key_id), stored.signing)
    found = [signing[CURRENT]]
    if PREVIOUS in signing and now < signing[UNTIL]:
        found.append(signing[PREVIOUS])
    return found


def send(
    sender: SendsEvents, stored: StoredWebhook, signing: Sequence[str], event_id: str, body: str, now: str
) -> Outcome:
    """Send one event to a webhook, signed with the time of now."""
    sent = body.encode()
    headers = signed_headers(signing, event_id, int(read_time(now).timestamp()), sent)
    return sender.send(stored.url, headers, sent)


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _find(session: Session, name: str) -> StoredWebhook:
    found = session.webhook(name=name)
    if found is None:
        raise NotFoundError(f"webhook {cap(name)!r} does not exist", hint="`resolver webhooks list`")
    return found


def _kinds(events: Sequence[EventKind] | None) -> str | None:
    """The kinds of events as they are stored."""
    if events is None:
        return None
    if not events:
        raise InvalidRequestError("a webhook tells of one kind of event at least", hint="leave out the list")
    return json.dumps(sorted({kind.value for kind in events}))


def _ids(session: Session, tenants: Sequence[str] | None) -> str | None:
    """Tenants as they are stored: by their ids, so that another one of the same name is none of them."""
    if tenants is None:
        return None
    if not 0 < len(tenants) <= _MAX_TENANTS:
        raise InvalidRequestError(f"a webhook names from 1 to {_MAX_TENANTS} tenants, or none for all")
    found = []
    for name in tenants:
        tenant = session.tenant(name)
        if tenant is None:
            raise NotFoundError(f"tenant {cap(name)!r} does not exist")
        found.append(tenant.id)
    return json.dumps(sorted(set(found)))


def tenants_of(session: Session, stored: StoredWebhook) -> Mapping[str, str] | None:
    """The tenants whose events a webhook tells, names by ids; None for the whole system."""
    if stored.tenants is None:
        return None
    ids: list[str] = json.loads(stored.tenants)
    return {one: one for one in ids} | {tenant.id: tenant.name for tenant in session.tenants(ids)}


def _info(session: Session, stored: StoredWebhook) -> WebhookInfo:
    return _infos(session, [stored])[0]


def _infos(session: Session, webhooks: Sequence[StoredWebhook]) -> list[WebhookInfo]:
    """Webhooks as they are shown; how deliveries fare is read once for all of them."""
    states, pending = session.webhook_states(), session.pending_events()
    found = []
    for stored in webhooks:
        tenants = tenants_of(session, stored)
        state = states.get(stored.id) or WebhookState(stored.id, 0, stored.created_at)
        found.append(
            WebhookInfo(
                stored.name,
                stored.url,
                None if stored.events is None else [EventKind(kind) for kind in json.loads(stored.events)],
                None if tenants is None else sorted(tenants.values()),
                stored.active,
                stored.created_at,
                stored.updated_at,
                pending.get(stored.id, 0),
                state.last_at,
                state.last_status,
                state.last_error,
            )
        )
    return found
