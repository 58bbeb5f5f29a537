"""Files of secrets, written and read with the ciphers that their formats ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.crypto.fernet256 import Fernet256, key_from_passphrase
from resolver.crypto.passphrase import DEFAULT_COST, MAX_COST, Cost, seal, unseal
from resolver.transfer import cloudify, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.transfer import ExportedSecret, ImportEntry


def write_sealed(
    secrets: Sequence[ExportedSecret], passphrase: str, cost: Cost = DEFAULT_COST
) -> dict[str, Any]:
    """Seal secrets with all their versions, as JSON data.

    Args:
        secrets: what leaves.
        passphrase: what the file is opened with.
        cost: what an attempt to guess the passphrase costs.
    """
    return sealed.write(secrets, lambda data, purpose: seal(data, passphrase, purpose, cost))


def read_sealed(data: Mapping[str, Any], passphrase: str, *, server: bool = False) -> Sequence[ImportEntry]:
    """Open sealed secrets.

    Args:
        data: the file.
        passphrase: what it was sealed with.
        server: whether others ask for it: opening it may then cost no more than a file of ours does.

    Raises:
        InvalidRequestError: it is not such a file, or of a later version of the format, or was changed, or
            the passphrase is another one.
    """
    most = DEFAULT_COST if server else MAX_COST
    return sealed.read(data, lambda given, purpose: unseal(given, passphrase, purpose, most))


def write_cloudify(
    secrets: Sequence[ExportedSecret], passphrase: str | None, *, metadata: bool = False
) -> list[dict[str, Any]]:
    """Entries in Cloudify's format with the current values, encrypted when there is a passphrase.

    Args:
        secrets: what leaves.
        passphrase: what values are encrypted with; None leaves them plain.
        metadata: whether owner and times are written, which only a sys_admin can import.
    """
    cipher = None if passphrase is None else Fernet256(key_from_passphrase(passphrase))
    return cloudify.write(secrets, cipher, metadata=metadata)


def read_cloudify(entries: Sequence[Any], passphrase: str | None) -> Sequence[ImportEntry]:
    """Read entries in Cloudify's format; what is wrong with one is said in its own `problems`.

    Args:
        entries: JSON data, one object for each secret.
        passphrase: what values were encrypted with; None when it was not given.
    """
    cipher = None
    if passphrase is not None and cloudify.is_any_encrypted(entries):
        cipher = Fernet256(key_from_passphrase(passphrase))
    return cloudify.read(entries, cipher)
