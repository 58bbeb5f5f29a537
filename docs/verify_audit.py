"""Check an exported audit trail (`resolver audit export`) with nothing but Python.

    python3 verify_audit.py [--head NUMBER:HASH] [FILE]

Reads stdin without FILE. Ends with 0 when the trail is whole, and contains the head if one was given; with 1
when it does not, with 2 when the file is no export.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = "blueprint-resolver audit export/1"
START = "0" * 64


class BrokenError(Exception):
    """The trail is not whole."""


class UnreadableError(Exception):
    """The file is not an export."""


def length(number: int) -> bytes:
    """A number as 8 bytes, the greatest first."""
    return number.to_bytes(8, "big")


def record_hash(chain: str, number: int, before: str, body: str) -> str:
    """What the hash of a record must be."""
    name = chain.encode()
    covered = length(len(name)) + name + length(number) + before.encode() + body.encode()
    return hashlib.sha256(covered).hexdigest()


def read(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines as JSON objects."""
    for place, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise (UnreadableError if place == 1 else BrokenError)(f"line {place} is not a JSON object")
        yield entry


def check(lines: Iterable[str], kept: tuple[int, str] | None = None) -> tuple[int, str]:
    """Check the lines of an export, one after the other, against a head that was kept.

    Returns:
        The number of records, and the last one's hash.
    """
    entries = read(lines)
    first = next(entries, {})
    if first.get("format") != FORMAT:
        raise UnreadableError("the first line does not say that this is an export")
    number, before, contains = 0, START, kept is None or kept == (0, START)
    for entry in entries:
        if "head" in entry:
            if entry["head"] != {"number": number, "hash": before}:
                raise BrokenError(f"the head is not that of record {number}, the last one before it")
            break
        number += 1
        if entry.get("number") != number:
            raise BrokenError(f"record {number} is missing or not in its place")
        if entry.get("hash") != record_hash(str(first.get("chain")), number, before, str(entry.get("body"))):
            raise BrokenError(f"record {number} is not what was written there")
        before = entry["hash"]
        contains = contains or kept == (number, before)
    else:
        raise BrokenError(f"the file ends after record {number}, without a head")
    if next(entries, None) is not None:
        raise BrokenError(f"something follows the head, which is that of record {number}")
    if not contains and kept is not None:
        raise BrokenError(f"record {kept[0]} is not there, or not the one of the head that was kept")
    return number, before


def main() -> int:
    """Check a file or stdin."""
    parser = argparse.ArgumentParser(description="Check an exported audit trail.")
    parser.add_argument("--head", metavar="NUMBER:HASH", help="a head that was kept elsewhere")
    parser.add_argument("file", nargs="?", type=Path, help="the export; stdin by default")
    options = parser.parse_args()
    kept = None
    if options.head is not None:
        parts = re.fullmatch(r"([0-9]+):([0-9a-f]{64})", options.head)
        if parts is None:
            parser.error("--head is NUMBER:HASH, as `resolver audit head` prints it")
        kept = (int(parts[1]), parts[2])
    try:
        if options.file is None:
            number, last = check(sys.stdin, kept)
        else:
            with options.file.open(encoding="utf-8") as file:
                number, last = check(file, kept)
    except BrokenError as broken:
        print(f"broken: {broken}", file=sys.stderr)
        return 1
    except (UnreadableError, UnicodeDecodeError, OSError) as error:
        print(f"not an export: {error}", file=sys.stderr)
        return 2
    print(f"{number} records, unbroken, head {number}:{last}")
    if kept is None:
        print(
            "note: only a head that was kept elsewhere can tell whether the end was cut off", file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
