"""A base for records that hold text which no message, log or traceback may show."""

from __future__ import annotations

from msgspec import Struct


class Redacted(Struct, frozen=True):
    """Base of records whose repr is their class name alone."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(****)"
