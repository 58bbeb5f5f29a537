"""What the service needs of the edges: a store, a cipher, password hashes. Protocols and records only."""

from resolver.core.ports.accounts import (
    KnownTenants,
    StoredConsoleSession,
    StoredToken,
    StoredUser,
)
from resolver.core.ports.crypto import Cipher, DataKey, PasswordHasher, ValueCipher, WrappingKey
from resolver.core.ports.keys import DataKeyState, RootKeyState, SealedToken, StoredDataKey
from resolver.core.ports.secrets import (
    SecretLink,
    SecretWrite,
    StoredExternal,
    StoredProvider,
    StoredSecret,
    StoredVersion,
)
from resolver.core.ports.sign_in import SignInClient
from resolver.core.ports.store import AuditEnd, RowChange, Session, Store, UseSession, UseStore
from resolver.core.ports.trusts import JwtVerifier, KeySource, PendingKeys, ReadJwt, StoredTrust

__all__ = [
    "AuditEnd",
    "Cipher",
    "DataKey",
    "DataKeyState",
    "JwtVerifier",
    "KeySource",
    "KnownTenants",
    "PasswordHasher",
    "PendingKeys",
    "ReadJwt",
    "RootKeyState",
    "RowChange",
    "SealedToken",
    "SecretLink",
    "SecretWrite",
    "Session",
    "SignInClient",
    "Store",
    "StoredConsoleSession",
    "StoredDataKey",
    "StoredExternal",
    "StoredProvider",
    "StoredSecret",
    "StoredToken",
    "StoredTrust",
    "StoredUser",
    "StoredVersion",
    "UseSession",
    "UseStore",
    "ValueCipher",
    "WrappingKey",
]
