"""Names and values without more, as `.env`, JSON and YAML files have them, and the keys they become."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from resolver.core.model import MAX_KEY_LENGTH, SecretValue, is_key
from resolver.core.transfer import ImportEntry, VersionWithValue
from resolver.errors import InvalidRequestError
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._~-]+")
_NOT_FIRST = re.compile(r"^[^A-Za-z]+")


class FlatEntry(msgspec.Struct, frozen=True):
    """A name with its value, as a file has them.

    Args:
        name: the name.
        value: the value; empty where the file gives none.
        line: the line that it begins in, from 1; 0 when it is not known.
    """

    name: str
    value: str
    line: int = 0

    def __repr__(self) -> str:
        return "FlatEntry(****)"


class NamedEntry(msgspec.Struct, frozen=True):
    """An entry with the key that it is to have.

    Args:
        entry: the entry.
        key: the key.
        problem: why it can't be stored; empty when it can.
    """

    entry: FlatEntry
    key: str
    problem: str = ""

    def as_import(self, tenant: str) -> ImportEntry:
        """The entry as imports take it."""
        return ImportEntry(self.key, tenant, (VersionWithValue(1, SecretValue(self.entry.value)),))


def read_json(text: bytes) -> Sequence[FlatEntry]:
    """Read a JSON object: texts as they are, other values as the JSON that stands there.

    Args:
        text: what is in the file.

    Raises:
        InvalidRequestError: it is no JSON object, or has a key twice. Nothing of it is repeated.
    """
    fault = "the file is not JSON"
    parsed: object = None
    try:
        parsed = parse(text)
    except (ValueError, RecursionError) as error:
        fault = str(error) if isinstance(error, ValueError) and str(error) else fault
    if not isinstance(parsed, dict):
        raise InvalidRequestError(
            "the file holds JSON that is no object" if parsed is not None else fault,
            hint='it must be like {"DB_PASSWORD": "its value"}',
        )
    raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return [FlatEntry(name, _text(value, bytes(raw[name]))) for name, value in parsed.items()]


def _text(value: object, written: bytes) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else written.decode().strip()


def with_keys(
    entries: Sequence[FlatEntry], prefix: str = "", names: Mapping[str, str] | None = None
) -> Sequence[NamedEntry]:
    """The keys that names become: by the map, else with characters that keys have not replaced by `_`.

    Args:
        entries: the entries.
        prefix: what each key begins with.
        names: keys by the names in the file; they get the prefix, too.

    Raises:
        InvalidRequestError: a name is in the map and not in the file, or a prefix can't begin a key.
    """
    names = names or {}
    if prefix and not is_key(prefix):
        raise InvalidRequestError(
            "no key can begin with this prefix", hint="it begins with a letter, like --prefix shop_"
        )
    for name in names.keys() - {entry.name for entry in entries}:
        raise InvalidRequestError(f"--map names {name!r}, which is not in the file")
    first: dict[str, int] = {}
    found = []
    for number, entry in enumerate(entries):
        key = prefix + names.get(entry.name, _key_of(entry.name, first=not prefix))
        problem = ""
        if not is_key(key):
            long = len(key) > MAX_KEY_LENGTH
            problem = "its name makes a key that is too long" if long else "its name makes no key"
        elif "\0" in entry.value:
            problem = "its value has a null character"
        elif entry.value and key in first:
            problem = f"its key is that of {place_of(entries[first[key]], first[key])} already"
        if entry.value:
            first.setdefault(key, number)
        found.append(NamedEntry(entry, key, problem))
    return found


def _key_of(name: str, *, first: bool) -> str:
    key = _NOT_ALLOWED.sub("_", name)
    return _NOT_FIRST.sub("", key) if first else key


def place_of(entry: FlatEntry, number: int) -> str:
    """Where an entry is: its line, or else its position from 0, as imports count."""
    return f"line {entry.line}" if entry.line else f"entry {number}"
