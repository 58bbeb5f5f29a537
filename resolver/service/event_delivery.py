"""Finds events in the audit trails and sends them to webhooks, in the background of a server.

The trails are the outbox: each record is committed with the change that it tells of, so no event is lost with
a process, and a use costs no statement more. One process at a time delivers, by a lease in the database.
"""

from __future__ import annotations

import copy
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from resolver.core.audit import GENESIS, SYSTEM_CHAIN, find_break
from resolver.core.events import WINDOW_SECONDS, EventKind, Refusals, event_of, make_event
from resolver.core.ports.webhooks import EXPIRY, EventSource, StoredWebhook, WebhookState
from resolver.core.times import later
from resolver.core.webhooks import DeliveryState
from resolver.errors import ResolverError, TamperedRowError
from resolver.service.audit import EVERYTHING, by_nobody
from resolver.service.base import ServicePart
from resolver.service.webhooks import open_secrets, send, tenants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from resolver.core.audit import AuditRecord
    from resolver.core.events import Event
    from resolver.core.ports import Session
    from resolver.core.ports.webhooks import Expiring, QueuedEvent
    from resolver.core.webhooks import Outcome
    from resolver.service.base import Shared

LOG = logging.getLogger("resolver.server")

POLL_SECONDS = 2.0
"""Seconds from one look for events to the next, while there are webhooks."""

IDLE_SECONDS = 15.0
"""The same while there are none, or another process delivers."""

LEASE_SECONDS = 120
"""How long another process waits for one that delivers and is not heard of."""

_RENEWED_SECONDS = 60
"""How much of the lease is left at least when a round begins: longer than its requests may take."""

_ROUND_SECONDS = 20.0
"""How long one receiver is sent one event after the other in a round."""

CHORES_SECONDS = 60
"""How often what ends soon is looked for, and what waits for too long is given up."""

_AT_ONCE = 8
"""Most receivers that are sent something at the same time."""

_BATCH = 500
"""Events that are stored in one transaction."""

BACKOFF_SECONDS = (5, 30, 120, 600, 1800, 3600)
"""How long a receiver is left alone that did not take an event: the first time, the second, from then on."""

MOST_ANSWERED = 15
"""How often a receiver may answer that it does not take an event before that one is given up."""

_KEPT = 200
"""How many events that were sent or given up are kept for each webhook."""

_OVERLAP_SECONDS = 300
"""How far back what was changed is looked at again: a transaction may commit long after its time."""


class _Hook(Struct, frozen=True):
    """A webhook, and what it tells of."""

    stored: StoredWebhook
    kinds: frozenset[str] | None
    tenants: Mapping[str, str] | None

    def wants(self, event: Event) -> bool:
        """Whether an event is sent there."""
        return (
            event.at >= self.stored.created_at
            and (self.kinds is None or event.kind.value in self.kinds)
            and (self.tenants is None or event.concerns(self.tenants))
        )


class EventDelivery(ServicePart):
    """Sends events.

    Args:
        shared: what all parts share.

    Attributes:
        count: is told what became of each event: `delivered`, `failed` or `dropped`.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._holder = str(uuid.uuid4())
        self._leased_until = ""
        self._chores_at = ""
        self._read: dict[str, tuple[EventSource, Refusals]] = {}
        self._stopping: Callable[[], bool] = lambda: False
        self.count: Callable[[str], None] = lambda _result: None
        self._told = ""

    def watch(
        self,
        wait: Callable[[float], bool],
        stopping: Callable[[], bool],
        count: Callable[[str], None],
    ) -> None:
        """Deliver until told to stop.

        Args:
            wait: waits for so many seconds; whether it is time to stop.
            stopping: whether it is time to stop.
            count: is told what became of each event: `delivered`, `failed` or `dropped`.
        """
        self._stopping, self.count = stopping, count
        while True:
            busy = False
            try:
                busy = self.round()
            except ResolverError as error:  # the database is away
                self._tell(error.message)
            except Exception as error:  # noqa: BLE001 - of what a database may hold: it has to go on
                self._tell(type(error).__name__)
            if wait(POLL_SECONDS if busy else IDLE_SECONDS):
                self.release()
                return

    def _tell(self, what: str) -> None:
        """Log a trouble that may last, once a minute."""
        minute = self._clock()[:16]
        if minute != self._told:
            self._told = minute
            LOG.error("events could not be delivered: %s", what)

    def round(self) -> bool:
        """Look for events once and send those that wait; whether this process delivers.

        Raises:
            ResolverError: the database can't be read or written.
        """
        refused: list[TamperedRowError] = []
        with self._store.read() as session:
            hooks = _hooks(session, refused)
        for error in refused:  # the others get theirs, this among it
            self._trail.note_tampered(error.kind, error.id)
            self._tell(error.message)
        if not hooks or not self._hold():
            return False
        with self._store.read() as session:
            chains = session.chains_with_news()
        for chain in chains:
            try:
                self._look_through(chain)
            except TamperedRowError as error:  # recorded; what the others tell is told all the same
                self._tell(error.message)
            if not self._hold():
                return False
        now = self._clock()
        if self._chores_at <= now:
            self._find_expiring(now)
            self._drop(now)
            self._chores_at = later(now, CHORES_SECONDS)
        if self._hold():
            self._send_all()
        return True

    # Who delivers

    def _hold(self) -> bool:
        """Whether this process delivers, and will for as long as its next requests may take."""
        now = self._clock()
        if self._leased_until > later(now, _RENEWED_SECONDS):
            return True
        until = later(now, LEASE_SECONDS)
        with self._store.write() as session:
            held = session.take_lease(self._holder, now, until)
        if self._leased_until <= now or not held:
            self._read = {}  # another process may have gone on
        self._leased_until = until if held else ""
        return held

    def release(self) -> None:
        """Let another process deliver at once."""
        if not self._leased_until:
            return
        self._leased_until = ""
        now = self._clock()
        try:
            with self._store.write() as session:
                session.take_lease(self._holder, now, now)
        except ResolverError:
            return

    # Finding events

    def _look_through(self, chain: str) -> None:
        """Have the new records of a chain be events, once the chain's head vouches for them."""
        with self._store.read() as session:
            known = self._read.get(chain)
            if known is None:
                source = session.event_source(chain) or EventSource(chain, hash=GENESIS)
                refusals = msgspec.convert(json.loads(source.refusals or "{}"), Refusals)
                known = source, refusals
            source, refusals = known
            head, _, _ = session.audit_head(chain, lock=False)
            genuine = self._trail.is_genuine(session, chain)
            counts = any(
                hook.kinds is None or EventKind.ACCESS_REFUSED in hook.kinds for hook in _active(session)
            )
        now = self._clock()
        events: deque[Event] = deque(maxlen=self._rules.events_per_webhook)
        whole = genuine and (head.number > source.number or head.hash == source.hash)
        if whole and head.number > source.number:
            found = copy.deepcopy(refusals)
            records = self._trail.read(chain, EVERYTHING, source.number, head.number + 1)
            watched = _watched(chain, records, events, found if counts else None)
            whole = find_break(head, watched, (source.number, source.hash)) is None
            if whole:
                refusals = found
        if not whole:  # from here on it is read on as it is: that it is not genuine is told once
            events.clear()
            number = source.number + 1
            about = {"chain": chain, "number": number}
            events.append(make_event(EventKind.AUDIT_BROKEN, now, chain, about, source.hash, head.hash))
            LOG.error("audit trail %s was cut or rewritten behind record %d", chain, source.number)
        if refusals.since and (not counts or later(refusals.since, WINDOW_SECONDS) <= now):
            events.extend(refusals.events(chain) if counts else ())
            refusals = Refusals()
        newer = EventSource(
            chain,
            head.number,
            head.hash,
            now,
            json.dumps(msgspec.to_builtins(refusals)) if refusals.since else None,
        )
        # Without events it is enough to know it here: another process would look once more, and find none.
        if events or bool(newer.refusals) != bool(source.refusals) or _is_old(source.since, now):
            self._queue(list(events), newer, now)
            self._read[chain] = newer, refusals
        else:
            self._read[chain] = replace(newer, since=source.since), refusals

    def _queue(self, events: Sequence[Event], source: EventSource, now: str) -> None:
        """Have events wait for the webhooks that want them, and note how far was looked."""
        parts = [events[start : start + _BATCH] for start in range(0, len(events), _BATCH)] or [[]]
        for part in parts:
            with self._store.write() as session:
                self._demand_lease(session, now)
                for hook in _active(session) if part else ():
                    wanted = [event for event in part if hook.wants(event)]
                    if wanted:
                        session.queue_events(hook.stored.id, wanted, now)
                if part is parts[-1]:
                    session.set_event_source(source)
        if events:
            self._chores_at = ""  # there may be more than may wait

    def _demand_lease(self, session: Session, now: str) -> None:
        """See that no other process delivers; those that would, wait until the commit."""
        until = later(now, LEASE_SECONDS)
        if not session.take_lease(self._holder, now, until):
            self._leased_until = ""
            raise _lost()
        self._leased_until = until

    def _find_expiring(self, now: str) -> None:
        """Have what ends within the next days be events, each once."""
        horizon = later(now, self._rules.expiry_notice_days * 86400)
        with self._store.read() as session:
            source = session.event_source(EXPIRY) or EventSource(EXPIRY, hash=GENESIS, since=now)
            after = source.since or now
            asked = {
                kind
                for kind in (EventKind.SECRET_EXPIRING, EventKind.TOKEN_EXPIRING)
                if any(hook.kinds is None or kind in hook.kinds for hook in _active(session))
            }
            since = later(after, -self._rules.expiry_notice_days * 86400 - _OVERLAP_SECONDS)
            events: list[Event] = []
            if EventKind.SECRET_EXPIRING in asked:
                events += _expiring(
                    EventKind.SECRET_EXPIRING, session.expiring_secrets(after, horizon, since), now
                )
            if EventKind.TOKEN_EXPIRING in asked:
                events += _expiring(
                    EventKind.TOKEN_EXPIRING, session.expiring_tokens(after, horizon, since), now
                )
        self._queue(events[-self._rules.events_per_webhook :], replace(source, since=horizon), now)

    def _drop(self, now: str) -> None:
        """Give up what waits for too long or is too much, and say so."""
        before = later(now, -self._rules.hours_per_event * 3600)
        dropped: dict[str, int] = {}
        with self._store.write() as session:
            self._demand_lease(session, now)
            for stored in (hook.stored for hook in _hooks(session)):
                number = session.drop_events(
                    stored.id, most=self._rules.events_per_webhook, queued_before=before, keep=_KEPT
                )
                if number:
                    dropped[stored.name] = number
            self._note_dropped(session, dropped, "too old, or too many")

    def _note_dropped(self, session: Session, dropped: Mapping[str, int], why: str) -> None:
        """Record that events were given up: in the system's trail, in the numbers and in the log."""
        entries = []
        for name, number in dropped.items():
            LOG.error("%d events for webhook %s were given up: %s", number, name, why)
            for _ in range(number):
                self.count("dropped")
            entries.append(
                by_nobody(self._clock(), "webhook:dropped")
                | {"object": name, "count": number, "cause": why, "decision": "allowed", "reason": "allowed"}
            )
        if entries:
            self._trail.append(session, SYSTEM_CHAIN, entries)

    # Sending

    def _send_all(self) -> None:
        """Send what waits, to several receivers at once, one event after the other to each."""
        now = self._clock()
        with self._store.read() as session:
            pending, states = session.pending_events(), session.webhook_states()
            due = [
                stored.id
                for stored in (hook.stored for hook in _hooks(session))
                if stored.active
                and stored.id in pending
                and (stored.id not in states or states[stored.id].next_at <= now)
            ]
        if due:
            with ThreadPoolExecutor(min(_AT_ONCE, len(due))) as pool:
                list(pool.map(self._send_to, due))

    def _send_to(self, webhook_id: str) -> None:
        """Send one receiver what waits for it, until it does not take something or the round ends."""
        ends = time.monotonic() + _ROUND_SECONDS
        while time.monotonic() < ends and not self._stopping():
            try:
                if not self._send_next(webhook_id):
                    return
            except ResolverError as error:  # of one webhook: the others get theirs
                self._tell(error.message)
                return

    def _send_next(self, webhook_id: str) -> bool:
        """Send one receiver the next event; whether it took one."""
        with self._store.read() as session:
            stored = session.webhook(webhook_id=webhook_id)
            event = session.next_event(webhook_id)
            if stored is None or not stored.active or event is None:
                return False
            keys = session.data_keys([stored.data_key_id])
        now = self._clock()
        signing = open_secrets(self._cipher, keys, stored, now)
        outcome = send(self._event_sender(), stored, signing, event.event_id, event.body, now)
        self._note(stored, event, outcome)
        return outcome.delivered

    def _note(self, stored: StoredWebhook, event: QueuedEvent, outcome: Outcome) -> None:
        at = self._clock()
        refused = event.answered + (outcome.status is not None and not outcome.delivered)
        given_up = refused >= MOST_ANSWERED
        state = DeliveryState.DROPPED if given_up else DeliveryState.PENDING
        if outcome.delivered:
            state = DeliveryState.DELIVERED
        with self._store.write() as session:
            before = session.webhook_states().get(stored.id)
            failures = 0 if outcome.delivered else (before.failures if before else 0) + 1
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures else 0
            session.end_event(event, outcome, state, at)
            session.set_webhook_state(
                WebhookState(stored.id, failures, later(at, pause), at, outcome.status, outcome.error)
            )
            if given_up:
                self._note_dropped(session, {stored.name: 1}, f"refused {refused} times")
        self.count("delivered" if outcome.delivered else "failed")
        if failures == 1:
            LOG.warning("webhook %s did not take an event: %s", stored.name, outcome.error)


def _hooks(session: Session, refused: list[TamperedRowError] | None = None) -> list[_Hook]:
    """The webhooks whose rows are genuine; the others stop none of these.

    Args:
        session: the transaction.
        refused: gets why one is left out.
    """
    found = []
    for webhook_id in session.webhook_ids():
        try:
            stored = session.webhook(webhook_id=webhook_id)
            tenants = None if stored is None else tenants_of(session, stored)
        except TamperedRowError as error:
            if refused is not None:
                refused.append(error)
            continue
        if stored is not None:
            kinds = None if stored.events is None else frozenset(json.loads(stored.events))
            found.append(_Hook(stored, kinds, tenants))
    return found


def _active(session: Session) -> list[_Hook]:
    """The webhooks that anything is sent to."""
    return [hook for hook in _hooks(session) if hook.stored.active]


def _watched(
    chain: str, records: Iterable[AuditRecord], events: deque[Event], refusals: Refusals | None
) -> Iterator[AuditRecord]:
    """The same records, of each of which an event is made that tells of one."""
    for record in records:
        event = event_of(chain, record)
        if event is not None:
            events.append(event)
        elif refusals is not None:
            refusals.add(record)
        yield record


def _expiring(kind: EventKind, found: Iterable[Expiring], now: str) -> list[Event]:
    events = []
    for one in found:
        about = {
            "tenant": one.tenant,
            "tenant_id": one.tenant_id,
            "key": one.name,
            "secret_id": one.id,
            "version": one.version,
            "expires_at": one.expires_at,
        }
        if kind is EventKind.TOKEN_EXPIRING:
            about = {"token": one.id, "object": one.owner, "expires_at": one.expires_at}
        chain = one.tenant_id or SYSTEM_CHAIN
        events.append(make_event(kind, now, chain, about, one.id, one.expires_at))
    return events


def _is_old(since: str | None, now: str) -> bool:
    return since is None or later(since, CHORES_SECONDS) <= now


def _lost() -> ResolverError:
    return ResolverError("another process delivers events now")
