"""Our own format: everything about the secrets, sealed with a passphrase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.core.model import SecretValue, Visibility
from resolver.core.transfer import ImportEntry, VersionWithValue
from resolver.errors import DecryptionError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.transfer import ExportedSecret

FORMAT = "blueprint-resolver secrets/1"


def is_sealed(data: object) -> bool:
    """Whether JSON data is a file of this format, whatever its version."""
    return isinstance(data, dict) and str(data.get("format", "")).startswith("blueprint-resolver secrets/")


def write(secrets: Sequence[ExportedSecret], seal: Callable[[bytes, str], dict[str, Any]]) -> dict[str, Any]:
    """Seal secrets with all their versions, as JSON data.

    Args:
        secrets: what leaves.
        seal: seals data for a purpose.
    """
    entries = [_entry(exported) for exported in secrets]
    return seal(json.dumps({"secrets": entries}).encode(), FORMAT)


def _entry(exported: ExportedSecret) -> dict[str, Any]:
    secret = exported.secret
    return {
        "key": secret.key,
        "tenant": secret.tenant.name,
        "visibility": secret.visibility.value,
        "hidden": secret.hidden,
        "owner": secret.owner.name,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
        "schema": secret.schema,
        "expires_at": secret.expires_at,
        "rotate_after": secret.rotate_after,
        "description": secret.description,
        "versions": [
            {
                "number": version.number,
                "value": version.value.reveal(),
                "created_at": version.created_at,
                "created_by": version.created_by,
            }
            for version in exported.versions
        ],
    }


def read(data: Mapping[str, Any], unseal: Callable[[Mapping[str, Any], str], bytes]) -> Sequence[ImportEntry]:
    """Open sealed secrets.

    Args:
        data: the file.
        unseal: opens what was sealed for a purpose.

    Raises:
        InvalidRequestError: it is not such a file, or of a later version of the format, or was changed, or
            the passphrase is another one.
    """
    if data.get("format") != FORMAT:
        raise InvalidRequestError("the file has a format that this version can't read")
    try:
        opened = unseal(data, FORMAT)
    except DecryptionError as error:
        raise InvalidRequestError(error.message, hint=error.hint) from None
    try:
        entries = json.loads(opened)["secrets"]
        return [_import_entry(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidRequestError("the file opens, and what is in it is not a list of secrets") from None


def _import_entry(entry: Mapping[str, Any]) -> ImportEntry:
    """An entry as it is written, of the right types; what its fields may hold is checked with all imports."""
    versions = [
        VersionWithValue(
            _number(version["number"]),
            SecretValue(_text(version["value"])),
            _text_or_none(version["created_at"]),
            _text_or_none(version["created_by"]),
        )
        for version in entry["versions"]
    ]
    days = entry["rotate_after"]
    return ImportEntry(
        key=_text(entry["key"]),
        tenant=_text(entry["tenant"]),
        versions=versions,
        visibility=Visibility(entry["visibility"]),
        hidden=bool(entry["hidden"]),
        schema=_text_or_none(entry["schema"]),
        expires_at=_text_or_none(entry["expires_at"]),
        rotate_after=None if days is None else _number(days),
        owner=_text_or_none(entry["owner"]),
        created_at=_text_or_none(entry["created_at"]),
        updated_at=_text_or_none(entry["updated_at"]),
        whole=True,
        description=_text_or_none(entry.get("description")),  # which files of version 0.1.0 do not have
    )


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not a number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
