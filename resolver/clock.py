"""The clock of this machine."""

from __future__ import annotations

from datetime import UTC, datetime

from resolver.core.times import show_time


def utc_now() -> str:
    """The time now, UTC, as it is stored: ISO 8601 with milliseconds."""
    return show_time(datetime.now(UTC))
