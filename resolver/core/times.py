"""Times as they are stored, and as people write them: absolute, or from now on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from resolver.errors import InvalidRequestError

MAX_DAYS = 36_500
"""Most days that a value may last: a hundred years."""

_RELATIVE = re.compile(r"([+-]?) *([0-9]{1,6}) *([a-z]+)\Z", re.IGNORECASE | re.ASCII)
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
    "m": timedelta(minutes=1),
}
_ABSOLUTE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{3}|\.\d{6})?)?(?:Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII
)
_WELL_FORMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", re.ASCII)


def show_time(time: datetime) -> str:
    """A time that knows its offset, as it is stored: UTC, ISO 8601 with milliseconds."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def read_time(text: str) -> datetime:
    """A stored time, read back."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def later(text: str, seconds: float) -> str:
    """The stored time that lies so many seconds after another; before it, for a negative number."""
    return show_time(read_time(text) + timedelta(seconds=seconds))


def is_stored_time(text: str) -> bool:
    """Whether a text is a time as it is stored."""
    if _WELL_FORMED.match(text) is None:
        return False
    try:
        read_time(text)
    except ValueError:
        return False
    return True


def parse_time(text: str, now: str, what: str = "the time", *, ago: bool = False) -> str:
    """A time as people write it, as it is stored.

    Args:
        text: like `2030-12-31`, `2030-12-31 23:59` or ISO 8601, UTC unless it names an offset; or a distance
            like `90d`, `10h` and `1 day`. One ahead may have a plus before it and drops the seconds first, as
            Cloudify does; one that lies back may have a minus.
        now: the time now, as it is stored.
        what: what the time is called in the message.
        ago: a distance goes back from now.

    Raises:
        InvalidRequestError: it is none of these.
    """
    written = text.strip()
    relative, absolute = _RELATIVE.match(written), _ABSOLUTE.match(written)
    try:
        if relative is not None and relative[1] != ("+" if ago else "-"):
            start = read_time(now) if ago else read_time(now).replace(second=0, microsecond=0)
            number = -int(relative[2]) if ago else int(relative[2])
            return show_time(_after(start, number, relative[3].lower()))
        if absolute is not None:
            moment = datetime.fromisoformat(written)
            return show_time(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError, KeyError):
        pass
    distance = "90d or '1 day' before now" if ago else "90d, +10h or '+1 day' from now"
    raise InvalidRequestError(
        f"{what} is malformed", hint=f"it is UTC, like 2030-12-31 or '2030-12-31 23:59', or like {distance}"
    )


def parse_time_ahead(text: str, now: str, what: str = "the time") -> str:
    """A time as `parse_time` reads it, which has not come yet.

    Raises:
        InvalidRequestError: it is no time, or has passed.
    """
    time = parse_time(text, now, what)
    if time <= now:
        raise InvalidRequestError(f"{what} has passed already", hint="write a time that is ahead, in UTC")
    return time


def check_days(days: int) -> int:
    """Check a number of days that a value should last.

    Raises:
        InvalidRequestError: it is less than one, or more than a hundred years.
    """
    if not 1 <= days <= MAX_DAYS:
        raise InvalidRequestError(f"the number of days must be from 1 to {MAX_DAYS}")
    return days


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


def utc_now() -> str:
    """The time now, UTC, as it is stored: ISO 8601 with milliseconds."""
    return show_time(datetime.now(UTC))
