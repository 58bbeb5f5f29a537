"""Times as they are stored, and as people write them: absolute, or from now on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from resolver.errors import InvalidRequestError

_RELATIVE = re.compile(r"\+ *([0-9]{1,6}) *([a-z]+)\Z", re.IGNORECASE | re.ASCII)
_MONTHS_OF = {"month": 1, "mo": 1, "year": 12, "y": 12}
_LENGTHS = {
    "week": timedelta(weeks=1),
    "w": timedelta(weeks=1),
    "day": timedelta(days=1),
    "d": timedelta(days=1),
    "hour": timedelta(hours=1),
    "h": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1),
}
_ABSOLUTE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?Z?)?\Z", re.ASCII)
_STORED = "%Y-%m-%dT%H:%M:%S.%fZ"


def show_time(time: datetime) -> str:
    """A time that knows its offset, as it is stored: UTC, ISO 8601 with milliseconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_time(text: str) -> datetime:
    """A stored time, read back."""
    return datetime.strptime(text, _STORED).replace(tzinfo=UTC)


def later(text: str, seconds: float) -> str:
    """The stored time that lies so many seconds after another; before it, for a negative number."""
    return show_time(read_time(text) + timedelta(seconds=seconds))


def parse_time(text: str, now: str, what: str = "the time") -> str:
    """A time as people write it, as it is stored.

    Args:
        text: UTC, like `2030-12-31`, `2030-12-31 23:59` or `2030-12-31T23:59:59.000Z`; or from now on, like
            `+10h` and `+1 day`, which drop the seconds first, as Cloudify does.
        now: the time now, as it is stored.
        what: what the time is called in the message.

    Raises:
        InvalidRequestError: it is none of these.
    """
    written = text.strip()
    relative, absolute = _RELATIVE.match(written), _ABSOLUTE.match(written)
    try:
        if relative is not None:
            start = read_time(now).replace(second=0, microsecond=0)
            return show_time(_after(start, int(relative[1]), relative[2].lower()))
        if absolute is not None:
            *fields, milliseconds = (int(part or 0) for part in absolute.groups())
            year, month, day, hour, minute, second = fields
            return show_time(
                datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=UTC)
            )
    except (ValueError, OverflowError, KeyError):
        pass
    raise InvalidRequestError(
        f"{what} is malformed",
        hint="it is UTC, like 2030-12-31 or '2030-12-31 23:59', or like +10h or '+1 day'",
    )


def _after(start: datetime, number: int, unit: str) -> datetime:
    if unit not in _LENGTHS and unit not in _MONTHS_OF:
        unit = unit.removesuffix("s")
    if unit in _LENGTHS:
        return start + number * _LENGTHS[unit]
    months = start.month - 1 + number * _MONTHS_OF[unit]
    year, month = start.year + months // 12, months % 12 + 1
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    last_day = (following - timedelta(days=1)).day
    return start.replace(year=year, month=month, day=min(start.day, last_day))
