"""Secret texts that can be recognised, and the search for them in whatever encoding they turn up."""

from __future__ import annotations

import base64
import json
import secrets
import string
import urllib.parse
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_CORE_LENGTH = 20
_WIDE = "ß€😀"
"""Characters that each encoding writes in its own way: one, two and four bytes more than ASCII."""


class Mark:
    """A random text that stands nowhere else.

    Args:
        label: what it is called in findings, which never repeat the text.
        wide: whether it holds characters beyond ASCII.
    """

    def __init__(self, label: str, *, wide: bool = False) -> None:
        self.label = label
        drawn = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_CORE_LENGTH))
        half = _CORE_LENGTH // 2
        self.text = f"m{drawn[:half]}{_WIDE if wide else ''}{drawn[half:]}"

    def __repr__(self) -> str:
        return f"<Mark {self.label}>"

    @cached_property
    def needles(self) -> dict[str, bytes]:
        """The text in each encoding, as it stands within a longer text in that encoding."""
        plain = self.text.encode()
        needles = {
            "plain": plain,
            "hex": plain.hex().encode(),
            "upper-case hex": plain.hex().upper().encode(),
            "JSON": json.dumps(self.text)[1:-1].encode(),
            "repr": ascii(self.text)[1:-1].encode(),
            "percent": urllib.parse.quote(self.text).encode(),
            "UTF-16 LE": self.text.encode("utf-16-le"),
            "UTF-16 BE": self.text.encode("utf-16-be"),
            "reversed": plain[::-1],
        }
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + plain)
            # The first and the last characters depend on what stands before and after, too.
            whole = encoded[(shift * 8 + 5) // 6 : len(encoded.rstrip(b"=")) - 1]
            needles[f"base64 at {shift}"] = whole
            needles[f"URL-safe base64 at {shift}"] = whole.translate(bytes.maketrans(b"+/", b"-_"))
        # Most encodings leave plain letters as they are; each needle once, under its first name.
        return {name: needle for needle, name in {n: k for k, n in reversed(needles.items())}.items()}


class Marks:
    """All marks of a test."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []

    def new(self, label: str, *, wide: bool = False) -> str:
        """Make a mark; its text is to be used as a secret, or as a part of one."""
        mark = Mark(label, wide=wide)
        self._marks.append(mark)
        return mark.text

    def know(self, label: str, text: str) -> None:
        """Search for a text that was not made here."""
        mark = Mark(label)
        mark.text = text
        self._marks.append(mark)

    def forget(self, texts: Collection[str]) -> None:
        """Search for these no more."""
        self._marks = [mark for mark in self._marks if mark.text not in texts]

    def find(self, data: bytes | str) -> list[str]:
        """Which marks stand in the data, and in which encodings: `LABEL (ENCODING)`."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        # Line breaks, which some encoders put in, and trees of JSON in JSON with their doubled signs.
        unbroken = data.translate(None, b"\r\n")
        flat = data.replace(b"\\\\", b"\\")
        return [
            f"{mark.label} ({name})"
            for mark in self._marks
            for name, needle in mark.needles.items()
            if needle in data or needle in unbroken or needle in flat
        ]

    def find_in_tree(self, *roots: Path) -> list[str]:
        """Which marks stand in the files below some folders, or in their names: `PATH: LABEL (ENCODING)`."""
        return [
            f"{path}: {found}"
            for root in roots
            for path in sorted(root.rglob("*"))
            for found in self.find(_content(path))
        ]


def _content(path: Path) -> bytes:
    return b"\n".join(_parts(path))


def _parts(path: Path) -> Iterator[bytes]:
    yield str(path).encode("utf-8", "surrogateescape")
    if path.is_symlink():
        yield str(path.readlink()).encode("utf-8", "surrogateescape")
    elif path.is_file():
        yield path.read_bytes()
