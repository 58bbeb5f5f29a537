"""The rows of webhooks, of events that wait for them, and of how far was looked for events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, literal, or_, select, update

from resolver.core.audit import GENESIS
from resolver.core.events import EventKind
from resolver.core.model import is_storable
from resolver.core.ports.webhooks import (
    EXPIRY,
    EventSource,
    Expiring,
    QueuedEvent,
    StoredWebhook,
    WebhookState,
)
from resolver.core.webhooks import DeliveryState, WebhookDelivery
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import EVENT, SOURCE, WEBHOOK
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import SECRET, SECRETS
from resolver.store.tokens import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement

    from resolver.core.events import Event
    from resolver.core.webhooks import Outcome

PENDING, DROPPED = DeliveryState.PENDING.value, DeliveryState.DROPPED.value

_STORED = RecordColumns(StoredWebhook, t.webhook, aggregate=WEBHOOK)
_STATE = RecordColumns(WebhookState, t.webhook_state)
_EVENT = RecordColumns(
    QueuedEvent, t.webhook_event, unread=["state", "tried_at", "status", "error"], aggregate=EVENT
)
_SOURCE = RecordColumns(EventSource, t.webhook_source, aggregate=SOURCE)
_E, _S = t.webhook_event.c, t.webhook_source.c

_FIXED = frozenset({"id", "name", "created_at"})
"""The columns of a webhook that `change_webhook` leaves as they are."""

_LEASE_ID = 1


class WebhookRows(AuthenticatedRows):
    """Webhooks, and the events that wait for them."""

    def webhooks(self) -> Sequence[StoredWebhook]:
        """All webhooks, by name."""
        return self._read(_STORED, select(*_STORED.columns).order_by(self._ordered(t.webhook.c.name)))

    def webhook_ids(self) -> Sequence[str]:
        """The ids of all webhooks, by name, whether or not their rows are genuine."""
        query = select(t.webhook.c.id).order_by(self._ordered(t.webhook.c.name))
        return [one for one in self._execute(query).scalars() if isinstance(one, str)]

    def webhook(self, *, name: str = "", webhook_id: str = "") -> StoredWebhook | None:
        """A webhook by name or id."""
        if not is_storable(name):
            return None
        column, asked = (t.webhook.c.id, webhook_id) if webhook_id else (t.webhook.c.name, name)
        found = self._read_first(_STORED, select(*_STORED.columns).where(column == asked))
        if found is not None:
            self._demand_asked_for(WEBHOOK.kind, asked, found.id if webhook_id else found.name)
        return found

    def add_webhook(self, stored: StoredWebhook) -> None:
        """Store a webhook; ConflictError when the name is taken. Events count from now on."""
        taken = self._execute(
            self._insert(t.webhook)
            .values(self._made(WEBHOOK, _STORED.values(stored)))
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(t.webhook.c.id)  # PostgreSQL's driver counts no inserted rows
        ).one_or_none()
        if taken is None:
            raise ConflictError(f"webhook {stored.name!r} already exists")

    def change_webhook(self, stored: StoredWebhook, since: str) -> None:
        """Change a webhook that was last changed at `since`; ConflictError when another was quicker."""
        before = (t.webhook.c.id == stored.id, t.webhook.c.updated_at == since)
        self._change_one(WEBHOOK, *before, values=_STORED.values(stored, without=_FIXED))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with all that waits for it."""
        self._remove_one(WEBHOOK, t.webhook.c.id == webhook_id)

    def webhook_states(self) -> Mapping[str, WebhookState]:
        """How deliveries fare, by the ids of webhooks. No MAC is on it: what is never written is left out."""
        found: list[Any] = _STATE.read(self._execute(select(*_STATE.columns)))
        return {
            one.webhook_id: one for one in found if type(one.next_at) is str and type(one.failures) is int
        }

    def set_webhook_state(self, state: WebhookState) -> None:
        """Note how a webhook's deliveries fare."""
        values = _STATE.values(state)
        self._execute(
            self._insert(t.webhook_state)
            .values(values)
            .on_conflict_do_update(index_elements=["webhook_id"], set_=values)
        )

    def pending_events(self) -> Mapping[str, int]:
        """How many events wait, by the ids of webhooks."""
        rows = self._execute(
            select(_E.webhook_id, func.count()).where(_E.state == PENDING).group_by(_E.webhook_id)
        )
        return {row[0]: row[1] for row in rows}

    def next_event(self, webhook_id: str) -> QueuedEvent | None:
        """The event that is sent next."""
        query = (
            select(*_EVENT.columns)
            .where(_E.webhook_id == webhook_id, _E.state == PENDING)
            .order_by(_E.number)
            .limit(1)
        )
        found = self._read_first(_EVENT, query)
        if found is not None:
            self._demand_asked_for(EVENT.kind, webhook_id, found.webhook_id)
        return found

    def deliveries(self, webhook_id: str, size: int) -> Sequence[WebhookDelivery]:
        """Events of a webhook, latest first."""
        rows = self._execute(
            select(_E.event_id, _E.kind, _E.at, _E.state, _E.attempts, _E.tried_at, _E.status, _E.error)
            .where(_E.webhook_id == webhook_id)
            .order_by(_E.number.desc())
            .limit(size)
        )
        return [
            WebhookDelivery(row[0], EventKind(row[1]), row[2], DeliveryState(row[3]), *row[4:])
            for row in rows
        ]

    def queue_events(self, webhook_id: str, events: Sequence[Event], at: str) -> None:
        """Have events wait for a webhook; one that it has already is left alone."""
        ids = [event.id for event in events]
        known = set(
            self._execute(
                select(_E.event_id).where(_E.webhook_id == webhook_id, _E.event_id.in_(ids))
            ).scalars()
        )
        last = self._execute(select(func.max(_E.number)).where(_E.webhook_id == webhook_id)).scalar() or 0
        rows = []
        for event in events:
            if event.id not in known:
                known.add(event.id)
                last += 1
                queued = QueuedEvent(webhook_id, last, event.id, event.kind.value, event.at, event.body, at)
                values = {**_EVENT.values(queued), "state": PENDING, "error": ""}
                rows.append(self._made(EVENT, values))
        if rows:
            self._execute(insert(t.webhook_event), rows)

    def end_event(self, event: QueuedEvent, outcome: Outcome, state: DeliveryState, at: str) -> None:
        """Note what became of an attempt to send an event."""
        self._execute(
            update(t.webhook_event)
            .where(_E.webhook_id == event.webhook_id, _E.number == event.number)
            .values(
                state=state.value,
                attempts=event.attempts + 1,
                answered=event.answered + (outcome.status is not None and not outcome.delivered),
                tried_at=at,
                status=outcome.status,
                error=outcome.error,
            )
        )

    def drop_events(self, webhook_id: str, *, most: int, queued_before: str, keep: int) -> int:
        """Give up events that wait for too long, or are too many; how many. Forget old ones that ended.

        Args:
            webhook_id: whose they are.
            most: how many may wait.
            queued_before: those that wait since before then are given up.
            keep: how many that ended are kept.
        """
        theirs = _E.webhook_id == webhook_id
        waiting = and_(theirs, _E.state == PENDING)
        over = self._execute(
            select(_E.number).where(waiting).order_by(_E.number.desc()).offset(most).limit(1)
        ).scalar()
        too_many = literal(value=False) if over is None else _E.number <= over
        given_up = self._execute(
            update(t.webhook_event)
            .where(waiting, or_(_E.queued_at < queued_before, too_many))
            .values(state=DROPPED)
        ).rowcount
        ended = and_(theirs, _E.state != PENDING)
        forgotten = self._execute(
            select(_E.number).where(ended).order_by(_E.number.desc()).offset(keep).limit(1)
        ).scalar()
        if forgotten is not None:
            self._execute(delete(t.webhook_event).where(ended, _E.number <= forgotten))
        return given_up

    # What events are made of

    def chains_with_news(self) -> Sequence[str]:
        """The audit chains that have records, or refusals, which no event tells of yet."""
        chain = t.audit_chain.c
        query = (
            select(chain.id)
            .outerjoin_from(t.audit_chain, t.webhook_source, _S.id == chain.id)
            .where(
                or_(
                    and_(_S.id.is_(None), chain.number > 0),
                    _S.number != chain.number,
                    _S.hash != chain.hash,
                    _S.refusals.is_not(None),
                )
            )
            .order_by(chain.id)
        )
        return [one for one in self._execute(query).scalars() if isinstance(one, str)]

    def event_source(self, source_id: str) -> EventSource | None:
        """How far something was looked through."""
        found = self._read_first(_SOURCE, select(*_SOURCE.columns).where(_S.id == source_id))
        if found is not None:
            self._demand_asked_for(SOURCE.kind, source_id, found.id)
        return found

    def set_event_source(self, source: EventSource) -> None:
        """Note how far something was looked through."""
        values = _SOURCE.values(source)
        if not self._change(SOURCE, _S.id == source.id, values=values):
            self._execute(insert(t.webhook_source).values(self._made(SOURCE, values)))

    def begin_sources(self, at: str) -> None:
        """Have all that is recorded so far be no event, unless events are looked for already."""
        if self._execute(select(_S.id).limit(1)).first() is not None:
            return
        chain = t.audit_chain.c
        heads = self._execute(select(chain.id, chain.number, chain.hash).order_by(chain.id)).all()
        sources = [EventSource(*head) for head in heads] + [EventSource(EXPIRY, hash=GENESIS, since=at)]
        self._execute(
            insert(t.webhook_source), [self._made(SOURCE, _SOURCE.values(source)) for source in sources]
        )

    def end_sources(self) -> None:
        """Look for no events any more."""
        self._execute(delete(t.webhook_source))

    def expiring_secrets(self, after: str, until: str, changed_since: str) -> Iterator[Expiring]:
        """The secrets that end between two times, or were changed of late and end before the second."""
        c = t.secret.c
        query = select(*SECRET.columns).select_from(SECRETS)
        ending = _ending(c.expires_at, after, until, c.updated_at, changed_since)
        for secret in self._read(SECRET, query.where(*ending).order_by(c.expires_at, c.id)):
            yield Expiring(
                secret.id,
                secret.key,
                "",
                str(secret.expires_at),
                secret.tenant.id,
                secret.tenant.name,
                secret.version,
            )

    def expiring_tokens(self, after: str, until: str, changed_since: str) -> Iterator[Expiring]:
        """The same of access tokens."""
        c = t.access_token.c
        query = select(*TOKEN.columns, t.user_account.c.name.label("user_name")).join(
            t.user_account, t.user_account.c.id == c.user_id
        )
        ending = _ending(c.expires_at, after, until, c.created_at, changed_since)
        for token, row in self._read_with(TOKEN, query.where(*ending).order_by(c.expires_at, c.id)):
            yield Expiring(token.id, token.id, row.user_name, str(token.expires_at))

    def take_lease(self, holder: str, at: str, until: str) -> bool:
        """Become or stay the process that delivers; whether this is it. Others wait until the commit."""
        lease = t.webhook_lease
        done = self._execute(
            self._insert(lease)
            .values(id=_LEASE_ID, holder=holder, until=until)
            .on_conflict_do_update(
                index_elements=["id"],
                set_={"holder": holder, "until": until},
                where=or_(lease.c.holder == holder, lease.c.until <= at),
            )
            .returning(lease.c.id)
        )
        return done.one_or_none() is not None


def _ending(
    ends: Column[Any], after: str, until: str, changed: Column[Any], changed_since: str
) -> list[ColumnElement[bool]]:
    return [ends <= until, or_(ends > after, and_(changed >= changed_since, ends > changed_since))]
