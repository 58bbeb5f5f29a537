"""When a token ends, as Cloudify's client says it: `+10h`, `+1 day`, `2121-03-09 14:52`, all in UTC."""

import re
from datetime import UTC, datetime, timedelta

from resolver.core.times import show_time
from resolver.errors import InvalidRequestError

_UNIT = r"min(?:ute)?s?|h(?:our)?s?|d(?:ay)?s?|w(?:eek)?s?|mon(?:th)?s?|y(?:ear)?s?"
_AHEAD = re.compile(rf"\+\s*(\d{{1,6}})\s*({_UNIT})\Z")

_UNITS = {
    "mi": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
    "y": timedelta(days=365),
}


def read_expiry(text: str, now: datetime) -> str:
    """Read a time.

    Args:
        text: a time, or a distance from now, whose seconds are dropped first.
        now: the time now.

    Returns:
        UTC time as it is stored.

    Raises:
        InvalidRequestError: it is neither.
    """
    try:
        if ahead := _AHEAD.match(text.strip().lower()):
            unit = next(length for name, length in _UNITS.items() if ahead[2].startswith(name))
            moment = now.replace(second=0, microsecond=0) + int(ahead[1]) * unit
        else:
            moment = datetime.fromisoformat(text.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            "the expiration date is malformed", hint="write +10h, +1 day or 2030-12-31 23:59, in UTC"
        ) from None
    return show_time(moment.replace(microsecond=0))
