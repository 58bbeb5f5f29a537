"""What encrypts: data keys, the root keys that wrap them, and password hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.binding import Place
    from resolver.core.model import SecretValue
    from resolver.core.ports.keys import StoredDataKey


class DataKey(Protocol):
    """An opened data key."""

    @property
    def id(self) -> str:
        """The id of its row."""

    def seal(self, place: Place, value: SecretValue) -> str:
        """Encrypt a value, bound to its row."""

    def open(self, place: Place, token: str) -> SecretValue:
        """Decrypt a token; DecryptionError, or MisplacedTokenError when it is bound to another row."""

    def mac(self, data: bytes) -> str:
        """A message authentication code over data, hexadecimal."""

    def row_mac(self, data: bytes) -> str:
        """The same under another key, which is for nothing but the rows of the database."""


class WrappingKey(Protocol):
    """A root key: it wraps data keys, wherever it is kept."""

    @property
    def id(self) -> str:
        """What the store knows it by: 16 hexadecimal digits."""

    @property
    def source(self) -> str:
        """Where it came from, for messages."""

    def wrap(self, data: bytes) -> str:
        """Encrypt a data key."""

    def unwrap(self, token: str) -> bytes:
        """Decrypt a data key; DecryptionError when it was not wrapped by this key."""


class Cipher(Protocol):
    """The key ring: root keys that open, one of which wraps."""

    @property
    def root_key_ids(self) -> Sequence[str]:
        """The ids of the root keys at hand."""

    def new_data_key(self, tenant_id: str, root_key_id: str) -> StoredDataKey:
        """Make a data key, wrapped by a root key; RootKeyError when that one is not at hand."""

    def open_data_key(self, stored: StoredDataKey) -> DataKey:
        """Open a data key; RootKeyError names the root key that is missing."""

    def rewrap(self, stored: StoredDataKey, root_key_id: str) -> StoredDataKey:
        """Wrap a data key anew, by another root key; RootKeyError when one of the two is not at hand."""

    def alone(self, root_key_id: str) -> Cipher:
        """A ring with one root key and nothing opened; RootKeyError when it is not at hand."""

    @property
    def root_key_sources(self) -> Mapping[str, str]:
        """Where each root key at hand came from, by its id."""


class ValueCipher(Protocol):
    """Encrypts the values in a file of exported secrets, one by one."""

    def encrypt(self, data: bytes) -> str:
        """Encrypt a value."""

    def decrypt(self, token: str) -> bytes:
        """Decrypt a value; DecryptionError when it was not encrypted with this passphrase."""


class PasswordHasher(Protocol):
    """Makes and checks password hashes."""

    def hash(self, password: str) -> str:
        """A salted hash of a password."""

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches; as slow for None as for a hash."""
