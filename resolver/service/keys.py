"""Keys: which there are, and their rotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core.permissions import Permission
from resolver.errors import NotFoundError, RootKeyError, StoreError
from resolver.service.access import demand_confirmed
from resolver.service.base import ServicePart
from resolver.service.key_rotation import Rotation, Work

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.ports import DataKeyState, Session
    from resolver.service.key_rotation import Progress

_MAX_RECORDED = 100
"""Most unreadable things of one run that get an audit record each."""


class RootKeyInfo(Struct, frozen=True):
    """A root key that is at hand, or known to the store.

    Args:
        id: its id.
        wraps: whether new data keys are wrapped by it.
        since: when it began to wrap; None when it never did.
        source: where it came from; None when it is not at hand.
        data_keys: how many data keys it wraps.
    """

    id: str
    wraps: bool
    since: str | None
    source: str | None
    data_keys: int


class DataKeyInfo(Struct, frozen=True):
    """A data key.

    Args:
        id: its id.
        tenant: its tenant's name; None for the system's.
        root_key_id: the root key that wraps it.
        created_at: when it was made.
        state: `active`, `outdated` (active, to be replaced) or `retired` (opens only, until it is destroyed).
        sealed: how many stored tokens need it; of the system's, how many audit trails.
    """

    id: str
    tenant: str | None
    root_key_id: str
    created_at: str
    state: str
    sealed: int


class KeysStatus(Struct, frozen=True):
    """All keys. No key itself is in it."""

    root_keys: Sequence[RootKeyInfo]
    data_keys: Sequence[DataKeyInfo]


class Rotated(Struct, frozen=True):
    """What a rotation did.

    Args:
        keys: data keys replaced, or wrapped anew.
        resealed: tokens sealed anew.
        proved: tokens that were decrypted with the new key alone.
        resumed: whether an earlier run had begun it.
        wiped: whether what was replaced is gone from the database's log, too.
        unreadable: tenant name, what, and kind of error of all that does not decrypt and was left as it is.
    """

    keys: int
    resealed: int
    proved: int
    resumed: bool
    wiped: bool
    unreadable: Sequence[tuple[str, str, str]]


class Keys(ServicePart):
    """What sys_admins do with keys."""

    def status(self, caller: Caller) -> KeysStatus:
        """All root keys and data keys, and what depends on each.

        Raises:
            NotPermittedError: the caller may not rotate keys.
        """
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.KEY_ROTATE)
            known = session.root_keys()
            states = session.data_key_states()
            counts = session.sealed_counts()
            heads = {state.key.id: len(session.audit_chains(state.key.id)) for state in _of(states, "")}
            names = {tenant.id: tenant.name for tenant in session.tenants()}
        sources = self._cipher.root_key_sources
        wrapped = [state.key.root_key_id for state in states]
        root_keys = [
            RootKeyInfo(key.id, key.wraps, key.since, sources.get(key.id), wrapped.count(key.id))
            for key in known
        ]
        new = sources.keys() - {key.id for key in known}
        root_keys += [RootKeyInfo(key, False, None, sources[key], 0) for key in sources if key in new]  # noqa: FBT003 - named in the class
        data_keys = [
            DataKeyInfo(
                state.key.id,
                names.get(state.key.tenant_id, state.key.tenant_id) or None,
                state.key.root_key_id,
                state.created_at,
                _state(state),
                counts.get(state.key.id, 0) + heads.get(state.key.id, 0),
            )
            for state in states
        ]
        return KeysStatus(root_keys, sorted(data_keys, key=lambda key: (key.tenant or "", key.created_at)))

    def rotate_root(self, caller: Caller, to: str, progress: Progress) -> Rotated:
        """Have another root key wrap all data keys, and prove that it alone opens everything.

        Values are not sealed anew. Running it again takes up what an interrupted run left.

        Raises:
            NotPermittedError: the caller may not rotate keys.
            RootKeyError: that root key is not at hand, or one that still wraps something.
            ConflictError: another rotation began at the same time.
        """
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.KEY_ROTATE)
            demand_confirmed(current, self._clock(), "rotate keys")
            at_hand = self._cipher.root_key_ids
            if to not in at_hand:
                raise RootKeyError(
                    f"root key {to!r} is not at hand (at hand: {', '.join(at_hand)})",
                    hint="give it to this and every other resolver of the store first; then it opens, too",
                )
            needed = {state.key.root_key_id for state in session.data_key_states()}
            for missing in sorted(needed.difference(at_hand)):
                self._cipher.alone(missing)  # says what is missing
            wrapping = session.wrapping_root_key()
            resumed = wrapping == to and needed != {to}
            if wrapping != to:
                session.set_wrapping_root_key(to, self._clock())
            self._trail.append_system(session, current, "keys:rotate_root", object=to, before=wrapping)
        rotation = self._rotation(progress)
        rotation.rewrap(to)
        rotation.prove(to)
        return self._finished(current, rotation.work, "keys:root_rotated", to, resumed=resumed)

    def rotate_data(self, caller: Caller, tenant: str, progress: Progress) -> Rotated:
        """Replace data keys, and seal anew everything that they sealed.

        An interrupted run is taken up by the next one for the same, before anything new is begun.

        Args:
            caller: who asks.
            tenant: the name of the tenant; empty for all tenants and the system's own key.
            progress: is told how far it is.

        Raises:
            NotPermittedError: the caller may not rotate keys.
            NotFoundError: there is no such tenant.
            RootKeyError: a root key is not at hand.
        """
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.KEY_ROTATE)
            demand_confirmed(current, self._clock(), "rotate keys")
            scope = self._scope(session, tenant)
            self._cipher.alone(session.wrapping_root_key() or "")
            states = session.data_key_states(scope)
            # The system's key is outdated first and replaced last, so it tells of a whole run under way.
            resumed = any(state.outdated for state in _of(states, scope or ""))
            about: dict[str, Any] = {"object": tenant or "all tenants", "resumed": resumed}
            # Keys are locked before the trail's head, as by whoever destroys one.
            if not resumed:
                session.outdate_data_keys(scope)
            self._trail.append_system(session, current, "keys:rotate_data", **about)
            tenants = {state.key.tenant_id for state in session.data_key_states(scope) if state.outdated}
        rotation = self._rotation(progress)
        for tenant_id in sorted(tenants, reverse=True):
            rotation.replace_data_key(tenant_id)
        return self._finished(current, rotation.work, "keys:data_rotated", tenant, resumed=resumed)

    def steps(self, caller: Caller, tenant: str = "", *, proof_only: bool = False) -> int:
        """How many steps a rotation has: each token is proved, and for data keys sealed anew."""
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.KEY_ROTATE)
            states = session.data_key_states(self._scope(session, tenant))
            counts = session.sealed_counts()
        tokens = sum(counts.get(state.key.id, 0) for state in states)
        return tokens if proof_only else 2 * tokens

    @staticmethod
    def _scope(session: Session, tenant: str) -> str | None:
        if not tenant:
            return None
        found = session.tenant(tenant)
        if found is None:
            raise NotFoundError(f"tenant {tenant!r} does not exist")
        return found.id

    def _rotation(self, progress: Progress) -> Rotation:
        return Rotation(self._store, self._cipher, self._trail, self._clock, progress)

    def _finished(self, caller: Caller, work: Work, action: str, about: str, *, resumed: bool) -> Rotated:
        """Record the end, and what could not be read."""
        wiped = self._store.wipe_deleted()
        with self._store.write() as session:
            names = {tenant.id: tenant.name for tenant in session.tenants()}
            told = [
                (names.get(found.tenant_id, found.tenant_id), found.what, found.reason)
                for found in work.unreadable
            ]
            for name, what, reason in told[:_MAX_RECORDED]:
                self._trail.append_system(
                    session, caller, "keys:unreadable", object=f"{name}: {what}", reason=reason
                )
            numbers = {"keys": work.keys, "resealed": work.resealed, "proved": work.proved}
            self._trail.append_system(
                session, caller, action, object=about or "all tenants", unreadable=len(told), **numbers
            )
        return Rotated(work.keys, work.resealed, work.proved, resumed, wiped, told)


def _of(states: Sequence[DataKeyState], tenant_id: str) -> list[DataKeyState]:
    return [state for state in states if state.key.tenant_id == tenant_id]


def _state(state: DataKeyState) -> str:
    if not state.active:
        return "retired"
    return "outdated" if state.outdated else "active"


def unreadable_error(rotated: Rotated) -> StoreError:
    """The error that a rotation ends with when something did not decrypt."""
    count = len(rotated.unreadable)
    return StoreError(
        f"{count} stored {'token does' if count == 1 else 'tokens do'} not decrypt, and stayed as found",
        hint="`resolver audit list` names them; bring these rows back from a backup, then run this again",
    )
