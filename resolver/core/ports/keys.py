"""Root keys, data keys, and the tokens that these seal, as a store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from resolver.core.binding import Place
from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class StoredDataKey(Redacted, frozen=True):
    """A data key as stored: wrapped by a root key.

    Args:
        id: its id.
        tenant_id: whose values it encrypts; empty for the key of the audit heads.
        root_key_id: the root key that wraps it.
        wrapped: the wrapped key.
    """

    id: str
    tenant_id: str
    root_key_id: str
    wrapped: str


class DataKeyState(Struct, frozen=True):
    """A data key with what becomes of it.

    Args:
        key: the key as stored.
        active: whether new values are sealed with it.
        outdated: whether it is to be replaced, or was; it is destroyed once nothing is sealed with it.
        created_at: when it was made.
    """

    key: StoredDataKey
    active: bool
    outdated: bool
    created_at: str


class RootKeyState(Struct, frozen=True):
    """A root key that the store knows by its id.

    Args:
        id: its id.
        wraps: whether new data keys are wrapped by it.
        since: when it began to wrap, most recently.
    """

    id: str
    wraps: bool
    since: str


class SealedToken(Redacted, frozen=True):
    """An encrypted value of any kind, with what it is bound to.

    Args:
        column: the table and column that hold it.
        row: the values that identify its row.
        place: what it is bound to.
        token: the token.
    """

    column: str
    row: tuple[Any, ...]
    place: Place
    token: str


class KeysForUse(Protocol):
    """What a use asks about keys."""

    def data_keys(self, ids: Collection[str]) -> Sequence[StoredDataKey]:
        """Data keys by id."""

    def active_data_key(self, tenant_id: str, *, lock: bool = False) -> StoredDataKey | None:
        """The data key that new values of a tenant are encrypted with.

        With `lock` it is not destroyed until the transaction ends.
        """


class KeySession(KeysForUse, Protocol):
    """The part of a transaction about keys, and about tokens of all kinds."""

    def wrapping_root_key(self, *, lock: bool = False) -> str | None:
        """The id of the root key that wraps, or None in a store that is not initialised.

        With `lock` it stays the one until the transaction ends.
        """

    def root_keys(self) -> Sequence[RootKeyState]:
        """All root keys that wrap or ever wrapped, oldest first."""

    def set_wrapping_root_key(self, root_key_id: str, at: str) -> None:
        """Record which root key wraps; ConflictError when another process just did."""

    def data_key_states(self, tenant_id: str | None = None) -> Sequence[DataKeyState]:
        """All data keys, or those of a tenant, with what becomes of them; oldest first."""

    def data_keys_to_rewrap(self, root_key_id: str, limit: int, after: str = "") -> Sequence[StoredDataKey]:
        """Some data keys that another root key wraps, by id."""

    def rewrap_data_key(self, old: StoredDataKey, new: StoredDataKey) -> None:
        """Store a data key as another root key wraps it, unless it was changed or destroyed meanwhile."""

    def outdate_data_keys(self, tenant_id: str | None = None) -> None:
        """Say of the active data keys of all tenants, or of one, that they are to be replaced."""

    def destroy_data_key(self, data_key_id: str) -> None:
        """Delete a data key that is not active; ConflictError while anything is sealed with it."""

    def add_data_key(self, data_key: StoredDataKey, at: str) -> None:
        """Store the first data key of a tenant, which is active; ConflictError when there is one."""

    def replace_data_key(self, old_id: str, data_key: StoredDataKey, at: str) -> None:
        """Have another data key be the active one; nothing happens when the old one is not, any more."""

    def destroy_data_keys(self, tenant_id: str) -> int:
        """Delete all data keys of a tenant; how many. ConflictError while anything is sealed with one."""

    @property
    def sealed_columns(self) -> Sequence[str]:
        """The names of the columns that hold tokens."""

    def sealed(
        self, column: str, data_key_id: str, *, after: Sequence[Any] = (), limit: int
    ) -> Sequence[SealedToken]:
        """Some of the tokens that a data key sealed, in the order of their rows."""

    def strays(self, column: str, tenant_id: str, data_key_id: str) -> Sequence[SealedToken]:
        """A tenant's tokens that another data key sealed than the one named."""

    def sealed_counts(self) -> Mapping[str, int]:
        """How many tokens there are by data key id."""

    def reseal(self, column: str, changes: Sequence[tuple[SealedToken, str, str]]) -> int:
        """Put new tokens, each with its data key's id, in place of those that are still there; how many.

        Those that another writer has locked are left for a next time.
        """
