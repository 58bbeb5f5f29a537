"""Rows of secrets: finding those that a caller may name, sealing and opening their tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.binding import Place, Purpose
from resolver.core.model import MAX_VALUE_BYTES
from resolver.errors import MisplacedTokenError, StoreError, TokenError
from resolver.service.access import not_found, not_permitted
from resolver.service.audit import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.model import Caller, Secret, SecretValue, Tenant
    from resolver.core.permissions import Permission
    from resolver.core.ports import Cipher, DataKey, StoredDataKey, StoredSecret, UseSession
    from resolver.core.providers import Provider
    from resolver.service.access import Gate
    from resolver.service.audit import Trail

LOOKS = 3
"""How often a row is looked at whose data key is gone: two rotations in a row don't finish that quickly."""


def value_place(secret: Secret, data_key_id: str) -> Place:
    """Where the token of a secret's current version belongs."""
    return Place(Purpose.VALUE, secret.tenant.id, secret.id, secret.key, secret.version, data_key_id)


def options_place(secret: Secret, data_key_id: str) -> Place:
    """Where the sealed provider options of a secret belong."""
    return Place(Purpose.PROVIDER_OPTIONS, secret.tenant.id, secret.id, secret.key, 0, data_key_id)


def provider_place(provider: Provider, data_key_id: str) -> Place:
    """Where the token of a provider's connection parameters belongs."""
    return Place(
        Purpose.CONNECTION_PARAMETERS, provider.tenant.id, provider.id, provider.name, 0, data_key_id
    )


MAX_USED = 64 * 1024 * 1024
"""Most bytes of values that one request for keys may come to; a run places no more than that."""

_MAX_READ = MAX_USED * 4 // 3
"""The same in characters of tokens, which are in Base64."""

_READ_AT_ONCE = MAX_USED // MAX_VALUE_BYTES

NOT_READ = "-"
"""Stands for a token that was left out: those before it are too large together. No token is like it."""


def look_up(
    session: UseSession, caller: Caller, home: Tenant, keys: Iterable[str]
) -> dict[str, StoredSecret]:
    """The rows of keys that the caller's token may name; no more tokens of them than one request may use.

    They come at once where all of them are small enough. Else they are read in parts, and rows behind the
    bound have `NOT_READ` for a token.
    """
    named = [key for key in keys if caller.scope.permits_key(key)]
    if not named:
        return {}
    if len(named) <= _READ_AT_ONCE or session.size_by_keys(home.id, named) <= _MAX_READ:
        return {row.secret.key: row for row in session.secrets_by_keys(home.id, named)}
    found: dict[str, StoredSecret] = {}
    room = _MAX_READ
    for start in range(0, len(named), _READ_AT_ONCE):
        for row in session.secrets_by_keys(home.id, named[start : start + _READ_AT_ONCE]):
            room -= len(row.token)
            found[row.secret.key] = row if room >= 0 else replace(row, token=NOT_READ)
    return found


def demand_still(
    session: UseSession,
    gate: Gate,
    caller: Caller,
    permission: Permission,
    tenant: str,
    secrets: Iterable[Secret],
) -> None:
    """Decide once more about secrets whose values took time to fetch.

    Raises:
        AuthenticationError: the caller is not let in any more.
        NotPermittedError: the caller has lost the right meanwhile.
        NotFoundError: one of them is gone, or does not exist for the caller any more.
    """
    current, home = gate.enter(session, caller, permission, tenant)
    fetched = {secret.key: secret.id for secret in secrets}
    rows = look_up(session, current, home, fetched)
    for key, secret_id in fetched.items():
        row = rows.get(key)
        if row is None or row.secret.id != secret_id:
            raise not_found(key, tenant)
        if not policy.decide(current, permission, row.secret, home).allowed:
            raise not_permitted(current, permission, tenant)


def look_up_to_open(
    session: UseSession, caller: Caller, home: Tenant, key: str
) -> tuple[StoredSecret | None, Sequence[StoredDataKey]]:
    """The row of a key with its data key, in a transaction that writes.

    In such a one each statement sees what was committed before it, so that a rotation may come between the
    two: then the row is looked at again.
    """
    row: StoredSecret | None = None
    data_keys: Sequence[StoredDataKey] = []
    for _ in range(LOOKS):
        row = look_up(session, caller, home, [key]).get(key)
        # Asked for with no row, too: whether there is one that may not be seen must not show in the cost.
        data_keys = session.data_keys([row.data_key_id if row is not None else ""])
        if row is None or data_keys:
            break
    return row, data_keys


def active_data_key(session: UseSession, cipher: Cipher, tenant_id: str, *, lock: bool = True) -> DataKey:
    """The data key that new values of a tenant are encrypted with.

    Args:
        session: the transaction.
        cipher: opens the key.
        tenant_id: the tenant.
        lock: keep it from being destroyed until the transaction ends.
    """
    stored = session.active_data_key(tenant_id, lock=lock)
    if stored is None:
        raise StoreError("the tenant has no data key", hint="the database was changed by hand")
    return cipher.open_data_key(stored)


def open_mapping(
    cipher: Cipher, data_keys: Iterable[StoredDataKey], place: Place, token: str
) -> dict[str, str]:
    """A sealed mapping of texts: a provider's connection parameters, or a secret's options.

    Args:
        cipher: opens data keys.
        data_keys: the stored data keys, the place's among them.
        place: where the token belongs.
        token: the sealed mapping.

    Raises:
        StoreError: the place's data key is not among them.
        TokenError: the token does not open, or belongs elsewhere.
    """
    for stored in data_keys:
        if stored.id == place.data_key_id:
            return dict(json.loads(cipher.open_data_key(stored).open(place, token).reveal()))
    raise StoreError(
        f"the data key of the {place.purpose} is missing", hint="try again: keys may just be rotated"
    )


class Opener:
    """Decrypts values; a failure is an audit record of its own.

    Args:
        cipher: opens data keys.
        trail: where failures are recorded.
    """

    def __init__(self, cipher: Cipher, trail: Trail) -> None:
        self._cipher = cipher
        self._trail = trail

    def data_keys(
        self, caller: Caller, home: Tenant, stored: Sequence[StoredDataKey]
    ) -> Mapping[str, DataKey]:
        """Opened data keys by id; a failure is an audit record of its own."""
        opened: dict[str, DataKey] = {}
        for key in stored:
            try:
                opened[key.id] = self._cipher.open_data_key(key)
            except TokenError as error:
                entry = self._trail.entry(
                    caller, home, "data_key:unreadable", data_key=key.id, **_failure(error)
                )
                self._trail.commit_once(home.id, entry)
                raise
        return opened

    def open(
        self,
        caller: Caller,
        home: Tenant,
        row: StoredSecret,
        opened: Mapping[str, DataKey],
        shown: str = "",
    ) -> SecretValue:
        """Decrypt one row's token; a failure is an audit record of its own.

        Args:
            caller: who asks.
            home: the tenant asked in.
            row: the secret with its token.
            opened: data keys by id.
            shown: what stands for the key in words, when it came out of a secret; then neither the key nor
                what it leads to is told.
        """
        secret = row.secret
        name = shown or repr(secret.key)
        data_key = opened.get(row.data_key_id)
        if data_key is None:
            raise StoreError(f"the data key of secret {name} is missing")
        try:
            return data_key.open(value_place(row.secret, row.data_key_id), row.token)
        except TokenError as error:
            about, chain = ({"key": shown}, home.id) if shown else (named(secret), secret.tenant.id)
            entry = self._trail.entry(caller, home, "secret:unreadable", **_failure(error))
            self._trail.commit_once(chain, entry | about)
            message = f"secret {name} of tenant {secret.tenant.name!r}: {error.message}"
            if isinstance(error, MisplacedTokenError):
                raise MisplacedTokenError(message, hint=error.hint, moved=error.moved) from None
            raise type(error)(message, hint=error.hint) from None


def _failure(error: TokenError) -> dict[str, Any]:
    """What a record says of a token that does not open."""
    moved = {"moved": list(error.moved)} if isinstance(error, MisplacedTokenError) else {}
    return {"reason": type(error).__name__} | moved
