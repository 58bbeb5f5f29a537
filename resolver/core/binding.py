"""Binds an encrypted value to its row: tenant, key and version, encoded, stand before the plaintext.

The encoding is length-prefixed, so that no two bindings share an encoding. A token that was moved to another
row, tenant, version, purpose or name decrypts to the wrong binding and is refused.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from msgspec import Struct

from resolver.errors import MisplacedTokenError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "blueprint-resolver/1,"

ROW_FORMAT = "blueprint-resolver row/1,"


class Purpose(enum.StrEnum):
    """What an encrypted text is for."""

    VALUE = "value"
    PROVIDER_OPTIONS = "provider options"
    CONNECTION_PARAMETERS = "connection parameters"
    WRAPPED_KEY = "wrapped key"
    BUNDLE = "bundle"
    SIGNING_SECRET = "signing secret"  # noqa: S105 - a purpose


class Place(Struct, frozen=True):
    """What an encrypted value is bound to.

    Args:
        purpose: what it is for.
        tenant_id: the tenant's id; empty for what belongs to the whole system.
        object_id: the id of the row it belongs to.
        key: the secret's key; empty where there is none.
        version: the version number; 0 where there is none.
        data_key_id: the id of the key that encrypts it.
    """

    purpose: Purpose
    tenant_id: str
    object_id: str
    key: str
    version: int
    data_key_id: str

    def encode(self) -> bytes:
        """The canonical bytes: the format, then each field after its length in characters."""
        return (
            f"{FORMAT}"
            f"{len(self.purpose)}:{self.purpose},"
            f"{len(self.tenant_id)}:{self.tenant_id},"
            f"{len(self.object_id)}:{self.object_id},"
            f"{len(self.key)}:{self.key},"
            f"{self.version},"
            f"{len(self.data_key_id)}:{self.data_key_id},"
        ).encode()


def row_bytes(kind: str, generation: int, fields: Iterable[tuple[str, object]]) -> bytes:
    """The canonical bytes of what decides in a row, and in the rows that belong to it.

    Which store it is needs no mention: the key of the MAC over them is random, and that store's own.

    Args:
        kind: what the row is.
        generation: how often it was changed, from 1.
        fields: what decides in it and in the rows that belong to it, in the order of names. One that is None
            is left out, so that a column which a later version adds leaves older rows as they are.

    Raises:
        TypeError: a column holds what this program never writes there.
    """
    parts = [f"{ROW_FORMAT}{len(kind)}:{kind},{generation},"]
    for name, value in fields:
        if value is None:
            continue
        parts.append(f"{len(name)}:{name}=")
        if isinstance(value, str):
            parts.append(f"{len(value)}:{value},")
        elif isinstance(value, (bool, int)):
            parts.append(f"{int(value)}{'?' if isinstance(value, bool) else '#'},")
        else:
            raise TypeError(f"{name} is a {type(value).__name__}")
    return "".join(parts).encode()


def wrap(place: Place, plaintext: bytes) -> bytes:
    """Put the encoded binding before a plaintext."""
    return place.encode() + plaintext


def unwrap(place: Place, bound: bytes) -> bytes:
    """Take the plaintext out, after checking that it is bound to this.

    Raises:
        MisplacedTokenError: it is bound to something else.
    """
    header = place.encode()
    if not bound.startswith(header):
        moved = _differences(place, bound)
        raise MisplacedTokenError(
            f"a stored token belongs to another place: it was made for another {' and '.join(moved)}",
            hint="someone changed the database by hand; compare it with a backup and with the audit trail",
            moved=moved,
        )
    return bound[len(header) :]


_PARTS = ("purpose", "tenant", "row", "key", "version", "data key")


def _differences(place: Place, bound: bytes) -> tuple[str, ...]:
    """The names of the parts in which a plaintext's binding differs; never what they are there."""
    text = bound.decode(errors="replace")
    if not text.startswith(FORMAT):
        return ("format",)
    text = text[len(FORMAT) :]
    found: list[str] = []
    for name in _PARTS:
        if name == "version":
            part, _, text = text.partition(",")
        else:
            length, _, text = text.partition(":")
            if not length.isdecimal():
                return ("format",)
            part, text = text[: int(length)], text[int(length) + 1 :]
        found.append(part)
    expected = (
        place.purpose.value,
        place.tenant_id,
        place.object_id,
        place.key,
        str(place.version),
        place.data_key_id,
    )
    pairs = zip(_PARTS, expected, found, strict=True)
    return tuple(name for name, one, other in pairs if one != other) or ("format",)
