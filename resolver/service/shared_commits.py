"""Transactions that requests share, which put records to the same chains at the same time.

Waiting for the disk takes most of the time of a use, and one commit may make the records of many durable.
The first request leads: it locks the heads, and takes with it who waits by then. Who comes later waits until
that is committed, and then the first of these leads. So nobody waits for company, and there is no thread of
its own. Each decides in its own thread: one that leads takes only those with it about whom nothing was
changed since they were decided about, and leaves the others in line.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from resolver.core.audit import SYSTEM_CHAIN
from resolver.errors import ResolverError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.audit import AuditHead
    from resolver.core.ports import DataKey, UseSession, UseStore

Entry: TypeAlias = "tuple[Mapping[str, Any], bytes]"
"""The fields of a record, and their canonical bytes."""

MOST_PARTS = 64
"""Most requests that share a transaction."""

MOST_SECONDS = 0.005
"""How long more are taken into one once its heads are locked."""

_WAIT_SECONDS = 120.0
"""How long a request waits for another one that leads: longer than that one waits for the database."""

_ATTEMPTS = 3
"""How often a request is decided about anew in one transaction, while others change who may do what."""


class OvertakenError(Exception):
    """What was decided is not so any more."""


class Chains(Protocol):
    """What puts records to chains: the trail."""

    def locked(self, session: UseSession, chain: str) -> tuple[AuditHead, DataKey]:
        """A chain's head, locked until the transaction ends, with the key that makes the next one's MAC."""

    def extend(
        self,
        session: UseSession,
        head: AuditHead,
        key: DataKey,
        entries: Sequence[Entry],
        system_end: int | None = None,
    ) -> AuditHead | None:
        """Put records behind a head that is locked: the new one.

        None when the system's chain does not end with a number that is given; then nothing was done.
        """

    def tells_of_rows(self, session: UseSession, chain: str, after: int, last: int) -> bool:
        """Whether records between two numbers tell of changed rows that decide; True when in doubt."""


class StandingDecision:
    """What a request was told before its records are put to the trail, and how that is found to be so still.

    Args:
        ends: the numbers of the last records, when it was decided, of all chains that tell of what it was
            decided by.
        is_over: whether a time that it depends on is over, which no chain tells of.
        again: decides once more; OvertakenError when something is decided otherwise.
    """

    def __init__(
        self,
        ends: Mapping[str, int],
        is_over: Callable[[], bool],
        again: Callable[[UseSession], None],
    ) -> None:
        self.ends, self.is_over, self.again = ends, is_over, again


class _Part:
    """One request's part of a transaction.

    Args:
        told: its records, by chain.
        decision: what they depend on; None for those that stay as they are.

    Attributes:
        leads: whether it is its turn to lead.
        is_taken: whether a transaction with it is under way, or was.
        error: why that one was not committed.
        woken: set once it is its turn, or all is done.
    """

    def __init__(self, told: Mapping[str, Sequence[Entry]], decision: StandingDecision | None) -> None:
        self.told, self.decision = told, decision
        self.leads = self.is_taken = False
        self.error: ResolverError | None = None
        self.woken = threading.Event()


class _Round:
    """One transaction, while it lasts.

    Args:
        chains: what records are put to, in order.
        first: the part that leads.

    Attributes:
        parts: those who take part; the one that leads is the first.
        until: the time until which others are taken in.
        ends: the heads, which are locked, with the keys of their MACs.
        quiet: after which number of each chain no record tells of changed rows, as far as that is known.
        system_end: the number that the system's chain ended with when it was decided about the parts.
        newer: the new heads.
        is_locked: whether the heads are locked.
        is_ending: whether COMMIT may have been sent.
    """

    def __init__(self, chains: tuple[str, ...], first: _Part) -> None:
        self.chains, self.parts = chains, [first]
        self.until = 0.0
        self.ends: dict[str, tuple[AuditHead, DataKey]] = {}
        self.quiet: dict[str, int] = {}
        self.system_end: int | None = None
        self.newer: Sequence[AuditHead] = ()
        self.is_locked = self.is_ending = False


class SharedCommits:
    """Commits records, those of several requests in one transaction.

    Args:
        store: where they are kept.
        trail: puts them to chains.
        clock: gives seconds that only grow.
    """

    def __init__(self, store: UseStore, trail: Chains, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._trail, self._clock = store, trail, clock
        self._begin()
        # Of each chain the head that this process gave it, and after which number no record tells of rows.
        self._quiet: dict[str, tuple[AuditHead, int]] = {}

    def _begin(self) -> None:
        """Begin with nobody in line, as a process does that was forked."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, ...], deque[_Part]] = {}  # of those who wait; there while somebody leads

    def commit(self, told: Mapping[str, Sequence[Entry]], decision: StandingDecision | None = None) -> None:
        """Commit records of one or several chains, all of them or none.

        Args:
            told: the records, by chain.
            decision: what they depend on, which is found to be so still once the heads are locked.

        Raises:
            OvertakenError: it is not so any more; nothing was recorded.
            StoreError: they were not committed, or it is not known that they were.
        """
        chains = tuple(sorted(told))  # all who lock several do so in this order, the system's last
        part = _Part(told, decision)
        if self._process != os.getpid():  # whoever led is not here
            self._begin()
        try:
            self._enter(chains, part)
            if not part.leads and not part.woken.wait(_WAIT_SECONDS):
                raise _unknown() if part.is_taken else _busy()
            if part.leads:
                self._lead(_Round(chains, part))
            elif part.error is not None:
                raise _copy(part.error)
        finally:
            self._leave(chains, part)

    def _enter(self, chains: tuple[str, ...], part: _Part) -> None:
        """Stand in line, or lead where nobody does."""
        with self._lock:
            line = self._lines.get(chains)
            if line is None:
                part.leads = True
                self._lines[chains] = deque()
            else:
                line.append(part)

    def _leave(self, chains: tuple[str, ...], part: _Part) -> None:
        """Leave the line, whatever happened; who led lets the next one lead."""
        with self._lock:
            line = self._lines.get(chains, deque())
            if part in line:
                line.remove(part)
            if not part.leads:
                return
            part.leads = False
            if line:
                following = line.popleft()
                following.leads = True
                following.woken.set()
            else:
                self._lines.pop(chains, None)

    def _lead(self, shared: _Round) -> None:
        """Commit the first part, and with it those of others."""
        failure: ResolverError | None = None
        try:
            with self._store.write() as session:
                for chain in shared.chains:
                    shared.ends[chain] = self._trail.locked(session, chain)
                shared.is_locked = True
                self._put(session, shared)
                shared.is_ending = True
        except ResolverError as error:
            failure = error
            if not shared.is_locked:  # who waits by now has waited for the same
                self._take(shared, lambda _part: True)
            raise
        except BaseException:
            failure = _unknown() if shared.is_ending else None
            raise
        else:
            for head in shared.newer:
                self._quiet[head.chain] = head, shared.quiet[head.chain]
            self._end(shared, None)
        finally:
            if failure is None:
                self._put_back(shared)
            else:
                self._end(shared, failure)

    def _put(self, session: UseSession, shared: _Round) -> None:
        """Put records behind heads that are locked: of the first part, and of those who are in line."""
        own = shared.parts[0].decision
        shared.until = self._clock() + MOST_SECONDS
        for chain, (head, _) in shared.ends.items():
            given, after = self._quiet.get(chain, (None, head.number))
            shared.quiet[chain] = after if given == head else head.number
        shared.system_end = None if own is None else own.ends[SYSTEM_CHAIN]
        is_same = own is None or self._is_same(session, own, shared)
        for _ in range(_ATTEMPTS):
            if own is not None and not is_same:
                # Read before it is decided anew: the head does not move if there is another end by then.
                shared.system_end = session.audit_head(SYSTEM_CHAIN, lock=False)[0].number
                own.again(session)
            self._take(shared, lambda part: self._fits(session, part, shared))
            if self._append(session, shared):
                return
            self._put_back(shared)
            is_same = False
        raise OvertakenError

    def _append(self, session: UseSession, shared: _Round) -> bool:
        """Move all heads, unless the system's chain does not end where it did."""
        newer = []
        system_end = shared.system_end
        for chain, (head, key) in shared.ends.items():
            told = [entry for part in shared.parts for entry in part.told[chain]]
            moved = self._trail.extend(session, head, key, told, system_end)
            if moved is None:
                return False
            newer.append(moved)
            system_end = None  # once is enough: all heads are locked
        shared.newer = newer
        return True

    def _fits(self, session: UseSession, part: _Part, shared: _Round) -> bool:
        """Whether another part may be taken in, as it was decided."""
        return self._clock() < shared.until and (
            part.decision is None or self._is_same(session, part.decision, shared)
        )

    def _is_same(self, session: UseSession, decision: StandingDecision, shared: _Round) -> bool:
        """Whether nothing was changed since something was decided; False when in doubt."""
        if decision.ends[SYSTEM_CHAIN] != shared.system_end or decision.is_over():
            return False
        if not session.rows_enforced:  # changes of rows are not told, yet
            return False
        for chain, number in decision.ends.items():
            if chain == SYSTEM_CHAIN:
                continue
            if chain not in shared.quiet:  # it is not put anything to
                shared.quiet[chain] = session.audit_head(chain, lock=False)[0].number
            if number < shared.quiet[chain]:
                if self._trail.tells_of_rows(session, chain, number, shared.quiet[chain]):
                    return False
                shared.quiet[chain] = number
        return True

    def _take(self, shared: _Round, fits: Callable[[_Part], bool]) -> None:
        """Take in those who are in line, in their order, if they fit."""
        with self._lock:
            line = self._lines[shared.chains]
            count = min(len(line), MOST_PARTS - len(shared.parts))
            some = [line.popleft() for _ in range(count)]
            for part in some:
                part.is_taken = True
            shared.parts += some
        self._put_back(shared, [part for part in some if not fits(part)])

    def _put_back(self, shared: _Round, parts: Sequence[_Part] | None = None) -> None:
        """Let others stand in line again, before those who came later."""
        some = shared.parts[1:] if parts is None else parts
        with self._lock:
            for part in reversed(some):
                part.is_taken = False
                shared.parts.remove(part)
                self._lines[shared.chains].appendleft(part)

    def _end(self, shared: _Round, failure: ResolverError | None) -> None:
        """Tell the others what became of their parts."""
        for part in shared.parts[1:]:
            part.error = failure
            part.woken.set()
        del shared.parts[1:]


def _busy() -> StoreError:
    return StoreError("the database is busy: others have waited for it too long", hint="try again")


def _unknown() -> StoreError:
    return StoreError(
        "it is not known whether a record was written, so nothing was decrypted", hint="try again"
    )


def _copy(error: ResolverError) -> ResolverError:
    """The same error, for another thread to raise."""
    return copy.copy(error)
