"""Our own format: everything about the secrets, sealed with a passphrase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.core.model import SecretValue, Visibility, check_value
from resolver.core.times import MAX_DAYS, is_stored_time
from resolver.core.transfer import ImportEntry, VersionWithValue
from resolver.errors import DecryptionError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.transfer import ExportedSecret

FORMAT = "blueprint-resolver secrets/1"


_MOST_VERSIONS = 1_000_000_000
"""Far more than anybody makes, and a number that every database can store, with more after it."""


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
    problems: dict[str, Any] = {}
    versions: list[VersionWithValue] = []
    for version in entry["versions"]:
        try:
            value = check_value(version["value"])
        except InvalidRequestError as error:
            value, problems["value"] = SecretValue(""), error.message
        at = _text(version["created_at"])
        if at is not None and not is_stored_time(at):
            problems["versions"] = "Not a time"
        versions.append(VersionWithValue(int(version["number"]), value, at, _text(version["created_by"])))
    numbers = [version.number for version in versions]
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1 or numbers[-1] > _MOST_VERSIONS:
        problems["versions"] = "Not in the order of their numbers"
    days = entry["rotate_after"]
    if days is not None and not (type(days) is int and 1 <= days <= MAX_DAYS):
        problems["rotate_after"] = "Not a number of days"
    for name in ("expires_at", "created_at", "updated_at"):
        if entry[name] is not None and not is_stored_time(str(entry[name])):
            problems[name] = "Not a time"
    return ImportEntry(
        key=str(entry["key"]),
        tenant=str(entry["tenant"]),
        versions=versions,
        visibility=Visibility(entry["visibility"]),
        hidden=bool(entry["hidden"]),
        schema=_text(entry["schema"]),
        expires_at=entry["expires_at"],
        rotate_after=days,
        owner=_text(entry["owner"]),
        created_at=entry["created_at"],
        updated_at=entry["updated_at"],
        whole=True,
        description=_text(entry.get("description")),  # which files of version 0.1.0 do not have
        problems=problems,
    )


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("not text")
    return value
