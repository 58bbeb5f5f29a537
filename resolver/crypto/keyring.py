"""The key ring: root keys wrap data keys, data keys encrypt values. Both are Fernet keys.

Fernet's specification (version 0x80) is AES-128-CBC with HMAC-SHA256; each token has what it is bound
to encrypted along with its plaintext (`core.binding`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import TYPE_CHECKING

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from resolver.core.binding import Place, Purpose, unwrap, wrap
from resolver.core.model import SecretValue
from resolver.core.ports import StoredDataKey
from resolver.errors import DecryptionError, RootKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.ports import WrappingKey

GIVE_KEY = "put its file back, or give it with RESOLVER_KEY_FILE, RESOLVER_KEY or RESOLVER_KEY_COMMAND"
"""The hint where a root key is missing."""

_KEY_BYTES = 32


class RootKey:
    """A key that wraps data keys.

    Args:
        text: the key as Fernet writes it, 32 bytes in URL-safe base64.
        source: where it came from, for messages.

    Raises:
        RootKeyError: the text is not such a key.
    """

    __slots__ = ("_fernet", "id", "source")

    def __init__(self, text: str, source: str) -> None:
        try:
            raw = base64.b64decode(text.strip().encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:  # also what neither ASCII nor base64 is
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise RootKeyError(
                f"the root key from {source} is malformed",
                hint="a root key is 32 bytes in URL-safe base64, 44 characters",
            )
        self.source = source
        self.id = hmac.new(raw, b"blueprint-resolver root key id", hashlib.sha256).hexdigest()[:16]
        self._fernet = Fernet(base64.urlsafe_b64encode(raw))

    def __repr__(self) -> str:
        return f"RootKey(id={self.id!r}, source={self.source!r})"

    def wrap(self, data: bytes) -> str:
        """Encrypt a data key."""
        return self._fernet.encrypt(data).decode("ascii")

    def unwrap(self, token: str) -> bytes:
        """Decrypt a data key.

        Raises:
            DecryptionError: the token was not made with this key, or was changed.
        """
        return _decrypt(self._fernet, token, "a wrapped data key")

    @staticmethod
    def generate() -> str:
        """A new random key, as text."""
        return Fernet.generate_key().decode("ascii")


class FernetDataKey:
    """An opened data key.

    Args:
        key_id: the id of its row.
        key: the key as Fernet writes it.
    """

    __slots__ = ("_fernet", "_mac_key", "_row_key", "id")

    def __init__(self, key_id: str, key: bytes) -> None:
        self.id = key_id
        self._fernet = Fernet(key)
        # Keys of their own for MACs, so that no key serves two algorithms, or two kinds of texts.
        self._mac_key = hmac.digest(key, b"blueprint-resolver mac key", hashlib.sha256)
        self._row_key = hmac.digest(key, b"blueprint-resolver row key", hashlib.sha256)

    def __repr__(self) -> str:
        return f"FernetDataKey(id={self.id!r})"

    def seal(self, place: Place, value: SecretValue) -> str:
        """Encrypt a value, bound to its row."""
        return self._fernet.encrypt(wrap(place, value.reveal().encode())).decode("ascii")

    def open(self, place: Place, token: str) -> SecretValue:
        """Decrypt a token.

        Raises:
            DecryptionError: it was not made with this key, or was changed.
            MisplacedTokenError: it is bound to another row, key or version.
        """
        plaintext = unwrap(place, _decrypt(self._fernet, token, "a stored value"))
        return SecretValue(plaintext.decode())

    def mac(self, data: bytes) -> str:
        """HMAC-SHA256 over data, hexadecimal."""
        return hmac.digest(self._mac_key, data, hashlib.sha256).hex()

    def row_mac(self, data: bytes) -> str:
        """HMAC-SHA256 over the canonical bytes of a row, hexadecimal."""
        return hmac.digest(self._row_key, data, "sha256").hex()


class KeyRing:
    """The available root keys. All of them open data keys; the store says which one wraps.

    Args:
        root_keys: the keys; one that is given twice counts once.
    """

    def __init__(self, root_keys: Iterable[WrappingKey]) -> None:
        self._root_keys = {key.id: key for key in root_keys}
        self._opened: dict[StoredDataKey, FernetDataKey] = {}

    def __repr__(self) -> str:
        return f"KeyRing({list(self._root_keys)!r})"

    @property
    def root_key_ids(self) -> Sequence[str]:
        """The ids of the available root keys."""
        return list(self._root_keys)

    @property
    def root_key_sources(self) -> Mapping[str, str]:
        """Where each available root key came from, by its id."""
        return {key.id: key.source for key in self._root_keys.values()}

    def alone(self, root_key_id: str) -> KeyRing:
        """A ring with one root key and nothing opened.

        Raises:
            RootKeyError: that root key is not available.
        """
        return KeyRing([self._root_key(root_key_id)])

    def _root_key(self, key_id: str) -> WrappingKey:
        root_key = self._root_keys.get(key_id)
        if root_key is None:
            have = ", ".join(self._root_keys) or "none"
            raise RootKeyError(
                f"root key {key_id} is needed and not at hand (at hand: {have})",
                hint=GIVE_KEY,
            )
        return root_key

    def new_data_key(self, tenant_id: str, root_key_id: str) -> StoredDataKey:
        """Make a random data key, wrapped by a root key.

        Raises:
            RootKeyError: that root key is not available.
        """
        root_key = self._root_key(root_key_id)
        key_id = str(uuid.uuid4())
        wrapped = root_key.wrap(wrap(_key_place(tenant_id, key_id), Fernet.generate_key()))
        return StoredDataKey(key_id, tenant_id, root_key_id, wrapped)

    def rewrap(self, stored: StoredDataKey, root_key_id: str) -> StoredDataKey:
        """Wrap a data key anew, by another root key.

        Raises:
            RootKeyError: one of the two root keys is not available.
            DecryptionError: it does not open.
            MisplacedTokenError: it was wrapped for another tenant or id.
        """
        root_key = self._root_key(root_key_id)
        bound = self._root_key(stored.root_key_id).unwrap(stored.wrapped)
        unwrap(_key_place(stored.tenant_id, stored.id), bound)
        return msgspec.structs.replace(stored, root_key_id=root_key_id, wrapped=root_key.wrap(bound))

    def open_data_key(self, stored: StoredDataKey) -> FernetDataKey:
        """Open a data key, which stays open as long as the ring.

        Raises:
            RootKeyError: the root key that wraps it is not available.
            DecryptionError: it does not open.
            MisplacedTokenError: it was wrapped for another tenant or id.
        """
        opened = self._opened.get(stored)
        if opened is None:
            bound = self._root_key(stored.root_key_id).unwrap(stored.wrapped)
            key = unwrap(_key_place(stored.tenant_id, stored.id), bound)
            opened = self._opened[stored] = FernetDataKey(stored.id, key)
        return opened


def _key_place(tenant_id: str, key_id: str) -> Place:
    return Place(Purpose.WRAPPED_KEY, tenant_id, key_id, key="", version=0, data_key_id="")


def _decrypt(fernet: Fernet, token: str, what: str) -> bytes:
    try:
        return fernet.decrypt(token)
    except (InvalidToken, TypeError, ValueError):
        raise DecryptionError(
            f"{what} does not decrypt",
            hint="the key is not the one it was made with, or the database was damaged or changed by hand",
        ) from None
