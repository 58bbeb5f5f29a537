"""Times and days, as they are given and as they are stored."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from resolver.core.times import show_time
from resolver.errors import InvalidRequestError

MAX_DAYS = 36_500
"""Most days that a value may last, and a time may lie ahead: a hundred years."""

_STORED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_AHEAD = re.compile(r"\+?(\d{1,9}) ?(m|min|h|hours?|d|days?|w|weeks?)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def is_stored_time(text: str) -> bool:
    """Whether a text is a time as it is stored."""
    if _STORED.match(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_time(text: str, now: str) -> str:
    """Read a time that lies ahead.

    Args:
        text: `2027-01-31`, `2027-01-31 12:00`, ISO 8601 with or without an offset (UTC without one), or a
            distance from now: `90d`, `12h`, `30m`, `2w`.
        now: the time now, as it is stored.

    Returns:
        The time as it is stored.

    Raises:
        InvalidRequestError: it is no such text, or not ahead.
    """
    start = datetime.fromisoformat(now)
    moment: datetime | None = None
    try:
        if ahead := _AHEAD.match(text):
            moment = start + timedelta(**{_UNITS[ahead[2][0]]: int(ahead[1])})
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
        stored = show_time(moment)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            "the time is malformed", hint="write 2027-01-31, 2027-01-31T12:00 (UTC), or 90d from now"
        ) from None
    if stored <= now:
        raise InvalidRequestError("the time has passed already", hint="write a time that is ahead, in UTC")
    return stored


def check_days(days: int) -> int:
    """Check a number of days that a value should last.

    Raises:
        InvalidRequestError: it is less than one, or more than a hundred years.
    """
    if not 1 <= days <= MAX_DAYS:
        raise InvalidRequestError(f"the number of days must be from 1 to {MAX_DAYS}")
    return days
