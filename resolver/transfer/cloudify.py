"""Cloudify's format, a JSON list of entries: what `cfy secrets export` writes and `import` reads."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from resolver.core.model import Visibility, check_value
from resolver.core.times import show_time
from resolver.core.transfer import ImportEntry, VersionWithValue
from resolver.errors import DecryptionError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.ports import ValueCipher
    from resolver.core.transfer import ExportedSecret

_NEEDED = ("key", "is_hidden_value", "visibility", "tenant_name", "value", "encrypted")
_NOT_WITH_PROVIDER = frozenset({"value", "encrypted"})
_BOOLEANS = {"true": True, "false": False}


def write(
    secrets: Sequence[ExportedSecret], cipher: ValueCipher | None, *, metadata: bool = False
) -> list[dict[str, Any]]:
    """Entries with the current values, encrypted when there is a cipher. Schemas do not fit in.

    Args:
        secrets: what leaves.
        cipher: encrypts the values; None leaves them plain.
        metadata: whether owner and times are written, which only a sys_admin can import.
    """
    entries = []
    for exported in secrets:
        secret, value = exported.secret, exported.value.reveal()
        entry: dict[str, Any] = {
            "key": secret.key,
            "value": value if cipher is None else cipher.encrypt(value.encode()),
            "visibility": secret.visibility.value,
            "tenant_name": secret.tenant.name,
            "is_hidden_value": secret.hidden,
            "encrypted": cipher is not None,
            "provider": None,
            "provider_options": None,
        }
        if metadata:
            entry |= {
                "creator": secret.owner.name,
                "created_at": secret.created_at,
                "updated_at": secret.updated_at,
            }
        entries.append(entry)
    return entries


def is_any_encrypted(entries: Sequence[Any]) -> bool:
    """Whether a passphrase is needed for any of the entries."""
    return any(isinstance(entry, dict) and _boolean(entry.get("encrypted")) is True for entry in entries)


def read(entries: Sequence[Any], cipher: ValueCipher | None) -> Sequence[ImportEntry]:
    """Read entries; what is wrong with one is said in its own `problems`.

    Args:
        entries: JSON data, one object for each secret.
        cipher: decrypts the values; None when no passphrase was given, or none is needed.
    """
    return [_import_entry(entry, cipher) for entry in entries]


def _import_entry(entry: Any, cipher: ValueCipher | None) -> ImportEntry:  # noqa: ANN401 - JSON data
    if not isinstance(entry, dict):
        return ImportEntry("", "", (), Visibility.PRIVATE, hidden=True, problems={"entry": "Not an object"})
    problems: dict[str, Any] = {}
    provider = entry.get("provider") or entry.get("provider_name") or None
    needed = [name for name in _NEEDED if provider is None or name not in _NOT_WITH_PROVIDER]
    missing = [name for name in needed if _is_blank(entry.get(name), as_is=name == "value")]
    if missing:
        problems["missing secret fields"] = missing
    hidden, encrypted = _boolean(entry.get("is_hidden_value")), _boolean(entry.get("encrypted"))
    for name, boolean in (("is_hidden_value", hidden), ("encrypted", encrypted)):
        if name in needed and name not in missing and boolean is None:
            problems[name] = "Not boolean"
    visibility = Visibility.PRIVATE
    if "visibility" not in missing:
        try:
            visibility = Visibility(entry["visibility"])
        except ValueError:
            problems["visibility"] = "Not a valid visibility"
    for name in ("key", "tenant_name"):
        if name not in missing and not isinstance(entry[name], str):
            problems[name] = "Not a string"
    versions: Sequence[VersionWithValue] = ()
    if not _is_blank(entry.get("value"), as_is=True) and (encrypted is not None or provider is not None):
        versions = _versions(entry["value"], cipher, problems, encrypted=bool(encrypted))
    return ImportEntry(
        key=str(entry.get("key") or ""),
        tenant=str(entry.get("tenant_name") or ""),
        versions=versions,
        visibility=visibility,
        hidden=bool(hidden),
        owner=_text(entry, "creator", problems),
        created_at=_time(entry, "created_at", problems),
        updated_at=_time(entry, "updated_at", problems),
        provider=None if provider is None else str(provider),
        provider_options=_options(entry.get("provider_options"), problems),
        problems=problems,
    )


def _options(given: object, problems: dict[str, Any]) -> Mapping[str, str]:
    """How a secret is found with its provider: an object, or JSON text of one.

    Cloudify's export writes what its manager encrypted for itself, which is of no use elsewhere.
    """
    if isinstance(given, str) and given:
        with contextlib.suppress(ValueError, RecursionError):
            given = json.loads(given)
    if not given:
        return {}
    if not isinstance(given, dict):
        problems["provider_options"] = "Not an object: only the manager that wrote them can read them"
        return {}
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in given.items()
    }


def _versions(
    value: object, cipher: ValueCipher | None, problems: dict[str, Any], *, encrypted: bool
) -> Sequence[VersionWithValue]:
    if not isinstance(value, str):
        problems["value"] = "Not a string"
        return ()
    if encrypted and cipher is None:
        problems["No passphrase"] = "The secret is encrypted but no passphrase was given"
        return ()
    try:
        text = value if cipher is None or not encrypted else cipher.decrypt(value).decode()
        return (VersionWithValue(1, check_value(text)),)
    except InvalidRequestError as error:
        problems["value"] = error.message
    except (DecryptionError, UnicodeDecodeError):
        problems["value"] = "The value can't be decrypted with this passphrase"
    return ()


def _is_blank(value: object, *, as_is: bool) -> bool:
    return value is None or (isinstance(value, str) and not (value if as_is else value.strip()))


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None


def _text(entry: Mapping[str, Any], name: str, problems: dict[str, Any]) -> str | None:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        problems[name] = "Not a string"
        return None
    return value or None


def _time(entry: Mapping[str, Any], name: str, problems: dict[str, Any]) -> str | None:
    text = _text(entry, name, problems)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return show_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        problems[name] = "Not a time"
        return None


def parse(text: bytes) -> Any:  # noqa: ANN401 - JSON data
    """The JSON data of a file.

    Raises:
        InvalidRequestError: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequestError("the file is not JSON") from None
