"""Rotation, batch by batch: each step is a transaction of its own, after any of which everything is readable.

What is under way is said by the data keys alone. An *outdated* one is to be replaced; one that is no longer
active only opens; it is destroyed when nothing is sealed with it, which the database itself sees to. So a run
that was killed is taken up where it stopped, by the next one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from resolver.core.binding import Purpose
from resolver.errors import ConflictError, MisplacedTokenError, StoreError, TokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resolver.core.model import SecretValue
    from resolver.core.ports import Cipher, DataKey, SealedToken, Store, StoredDataKey
    from resolver.service.audit import Trail

BATCH = 500
"""Tokens in one transaction: few enough that other writers get their turn, many enough to be quick."""

_PATIENCE = 3
"""How often the database may keep a key that nothing was found to be sealed with, before that is an error."""

PAUSES = (0.01, 0.05, 0.2, 0.5, *(1.0,) * 60)
"""Seconds to wait, one after the other, for rows that other programs have locked; then it is an error."""

_KEY, _CHAIN = "data_key", "audit_chain"


class Progress(Protocol):
    """A callback for the progress of a long run."""

    def __call__(self, doing: str, more: int, /) -> None:
        """Take note that so many more steps are done, of what `doing` says."""


class Unreadable(Struct, frozen=True):
    """Something that did not decrypt, and was left as it is.

    Args:
        tenant_id: whose it is.
        what: what it is, in words.
        reason: the kind of error.
    """

    tenant_id: str
    what: str
    reason: str


@dataclass(slots=True)
class Work:
    """What was done.

    Args:
        keys: data keys replaced or wrapped anew.
        resealed: tokens sealed anew.
        proved: tokens decrypted with the new key alone.
        unreadable: what did not decrypt.
    """

    keys: int = 0
    resealed: int = 0
    proved: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)


class Rotation:
    """The steps of a rotation.

    Args:
        store: what is rotated.
        cipher: the key ring.
        trail: gives the heads of audit chains another MAC.
        clock: gives the time as it is stored.
        progress: is told how far it is.
    """

    def __init__(
        self, store: Store, cipher: Cipher, trail: Trail, clock: Callable[[], str], progress: Progress
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._trail = trail
        self._clock = clock
        self._progress = progress
        self.work = Work()
        self._known: set[tuple[str, object]] = set()  # what is among the unreadable already

    def replace_data_key(self, tenant_id: str) -> None:
        """Replace a tenant's outdated data keys by a new one, prove it, and destroy them.

        Whoever read the old key before the new one was made may still seal with it. Such tokens are found by
        the next pass; while there is one, the old key can't be destroyed.
        """
        self._make_key(tenant_id)
        for _ in range(_PATIENCE):
            with self._store.read() as session:
                states = session.data_key_states(tenant_id)
            active = next((state.key for state in states if state.active), None)
            old = [state.key for state in states if not state.active]
            if active is None or not old:  # the tenant was deleted meanwhile, or another run was quicker
                return
            try:
                self._reseal_all(active, old)
                self._prove_data_key(active)
                if any(self._is_needed(key) for key in old):
                    return  # by what is unreadable
                self._destroy(old)
            except ConflictError:
                # Something was sealed with an old key after all, or another run replaced the new one.
                continue
            self.work.keys += 1
            return
        raise StoreError(
            f"data key {old[0].id} is in use by something that rotation does not know",
            hint="nothing is lost; another program wrote to the database",
        )

    def _reseal_all(self, active: StoredDataKey, old: Sequence[StoredDataKey]) -> None:
        """Seal anew what old keys sealed, until nothing is left that can be.

        Rows that a writer has locked are passed over, and looked at again after a pause.

        Raises:
            StoreError: they stay locked.
        """
        pauses = iter(PAUSES)
        while True:
            before = self.work.resealed
            if not (sum(self._reseal(key, active) for key in old) or self._strays(active, old)):
                return
            if self.work.resealed > before:
                pauses = iter(PAUSES)
                continue
            pause = next(pauses, None)
            if pause is None:
                raise StoreError(
                    f"what data key {old[0].id} sealed stays locked by another program",
                    hint="nothing is lost; rotate again when that program is done",
                )
            time.sleep(pause)

    def _make_key(self, tenant_id: str) -> None:
        with self._store.write() as session:
            outdated = [
                state.key for state in session.data_key_states(tenant_id) if state.active and state.outdated
            ]
            root_key_id = session.wrapping_root_key(lock=True)
            for key in outdated:
                made = self._cipher.new_data_key(tenant_id, root_key_id or key.root_key_id)
                session.replace_data_key(key.id, made, self._clock())

    def _destroy(self, keys: Sequence[StoredDataKey]) -> None:
        with self._store.write() as session:
            for key in keys:
                session.destroy_data_key(key.id)

    def _reseal(self, old: StoredDataKey, new: StoredDataKey) -> int:
        """Seal anew what an old key sealed; how many tokens were found that can be."""
        try:
            opened, sealing = self._cipher.open_data_key(old), self._cipher.open_data_key(new)
        except TokenError as error:
            self._note_key(old, error)
            return 0
        found = self._renew_macs(old) if not old.tenant_id else 0
        for column in self._columns():
            for batch in self._batches(column, old.id):
                changes = []
                for token in batch:
                    value = self._open(opened, token)
                    if value is not None:
                        place = replace(token.place, data_key_id=sealing.id)
                        changes.append((token, sealing.id, sealing.seal(place, value)))
                if changes:
                    with self._store.write() as session:
                        done = session.reseal(column, changes)
                    found += len(changes)
                    self.work.resealed += done
                    self._progress("sealed anew", done)
        return found

    def _strays(self, active: StoredDataKey, old: Sequence[StoredDataKey]) -> bool:
        """Whether a tenant has tokens of old keys that can be sealed anew; foreign ones are noted."""
        keys = {key.id for key in old}
        late = False
        for column in self._columns():
            with self._store.read() as session:
                tokens = session.strays(column, active.tenant_id, active.id)
                found = session.data_keys({token.place.data_key_id for token in tokens})
            own = {key.id for key in found if key.tenant_id == active.tenant_id}
            for token in tokens:
                if token.place.data_key_id not in own:
                    self._note(column, token.row, _unreadable(token, MisplacedTokenError.__name__))
                elif (column, token.row) not in self._known and (
                    _KEY,
                    token.place.data_key_id,
                ) not in self._known:
                    late |= token.place.data_key_id in keys
        return late

    def _is_needed(self, key: StoredDataKey) -> bool:
        """Whether something that could not be read is sealed with a key."""
        if (_KEY, key.id) in self._known:
            return True
        with self._store.read() as session:
            chains = set(session.audit_chains(key.id))
            tokens = [
                token
                for column in session.sealed_columns
                for token in session.sealed(column, key.id, limit=1)
            ]
        known = {(token.column, token.row) for token in tokens} | {(_CHAIN, chain) for chain in chains}
        return bool(known & self._known)

    def _open(self, key: DataKey, token: SealedToken) -> SecretValue | None:
        try:
            return key.open(token.place, token.token)
        except TokenError as error:
            self._note(token.column, token.row, _unreadable(token, type(error).__name__))
            return None

    def _note(self, kind: str, row: object, what: Unreadable) -> None:
        if (kind, row) not in self._known:
            self._known.add((kind, row))
            self.work.unreadable.append(what)

    def _note_key(self, key: StoredDataKey, error: TokenError) -> None:
        self._note(_KEY, key.id, Unreadable(key.tenant_id, f"data key {key.id}", type(error).__name__))

    def _renew_macs(self, old: StoredDataKey) -> int:
        """Give rows that decide a MAC of the new system key, and the heads of audit chains, one at a time."""
        with self._store.read() as session:
            chains = session.audit_chains(old.id)
        found = 0
        while True:  # stops at the first that is not genuine
            with self._store.write() as session:
                renewed = session.renew_row_macs(old.id, limit=BATCH)
            if not renewed:
                break
            found += renewed
        for chain in chains:
            with self._store.write() as session:
                genuine = self._trail.renew_mac(session, chain)
            if genuine:
                found += 1
            else:
                self._note(
                    _CHAIN, chain, Unreadable("", f"the end of audit trail {chain}", "changed by hand")
                )
        return found

    def rewrap(self, root_key_id: str) -> None:
        """Have one root key wrap all data keys.

        Raises:
            ConflictError: another root key began to wrap meanwhile.
        """
        after = ""
        while True:
            with self._store.read() as session:
                batch = session.data_keys_to_rewrap(root_key_id, BATCH, after)
            if not batch:
                return
            changes = []
            for key in batch:
                try:
                    changes.append((key, self._cipher.rewrap(key, root_key_id)))
                except TokenError as error:
                    self._note_key(key, error)
            with self._store.write() as session:
                _demand_wrapping(session.wrapping_root_key(lock=True), root_key_id)
                for key, made in changes:
                    session.rewrap_data_key(key, made)
            after = batch[-1].id
            self.work.keys += len(changes)
            self._progress("data keys wrapped anew", len(changes))

    def prove(self, root_key_id: str) -> None:
        """Decrypt everything, with one root key alone; what does not decrypt is noted.

        Raises:
            ConflictError: another root key began to wrap meanwhile.
        """
        cipher = self._cipher.alone(root_key_id)
        with self._store.read() as session:
            _demand_wrapping(session.wrapping_root_key(), root_key_id)
            # One that could not be wrapped anew is noted already.
            states = [one for one in session.data_key_states() if (_KEY, one.key.id) not in self._known]
        opened = []
        for state in states:
            try:
                key = cipher.open_data_key(state.key)
            except TokenError as error:
                self._note_key(state.key, error)
            else:
                self._prove(key.id, key)
                opened.append(key.id)
        with self._store.read() as session:
            tampered = [
                chain
                for key_id in opened
                for chain in session.audit_chains(key_id)
                if not self._trail.is_genuine(session, chain)
            ]
        for chain in tampered:
            self._note(_CHAIN, chain, Unreadable("", f"the end of audit trail {chain}", "changed by hand"))

    def _prove_data_key(self, stored: StoredDataKey) -> None:
        """Decrypt all that a data key sealed, with its root key and nothing else."""
        self._prove(stored.id, self._cipher.alone(stored.root_key_id).open_data_key(stored))

    def _prove(self, data_key_id: str, key: DataKey) -> None:
        for column in self._columns():
            for batch in self._batches(column, data_key_id):
                self.work.proved += sum(self._open(key, token) is not None for token in batch)
                self._progress("proved", len(batch))

    def _columns(self) -> Sequence[str]:
        with self._store.read() as session:
            return session.sealed_columns

    def _batches(self, column: str, data_key_id: str) -> Iterator[Sequence[SealedToken]]:
        """What a data key sealed in a column, each batch read in a transaction of its own."""
        after: tuple[object, ...] = ()
        while True:
            with self._store.read() as session:
                batch = session.sealed(column, data_key_id, after=after, limit=BATCH)
            if not batch:
                return
            yield batch
            after = batch[-1].row


def _demand_wrapping(found: str | None, root_key_id: str) -> None:
    """See that a root key is still the one that wraps: two that rotate to different ones undo one another."""
    if found != root_key_id:
        raise ConflictError(
            f"root key {root_key_id} does not wrap any more: another rotation began meanwhile",
            hint="nothing is lost; `resolver keys status` shows which root key wraps",
        )


def _unreadable(token: SealedToken, reason: str) -> Unreadable:
    place = token.place
    what = f"the {place.purpose} of {place.key!r}"
    if place.purpose is Purpose.VALUE:
        what = f"version {place.version} of secret {place.key!r}"
    return Unreadable(place.tenant_id, what, reason)
