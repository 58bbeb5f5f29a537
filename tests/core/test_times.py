"""Times as people write them."""

from __future__ import annotations

import pytest

from resolver.core.times import later, parse_time, parse_time_ahead, read_time, show_time
from resolver.errors import InvalidRequestError

NOW = "2030-01-31T12:00:45.500Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2031-02-03", "2031-02-03T00:00:00.000Z"),
        ("2031-02-03 04:05", "2031-02-03T04:05:00.000Z"),
        ("2031-02-03T04:05", "2031-02-03T04:05:00.000Z"),
        ("2031-02-03 04:05:06", "2031-02-03T04:05:06.000Z"),
        ("2031-02-03T04:05:06.007Z", "2031-02-03T04:05:06.007Z"),
        ("2031-02-03T04:05:06.007+01:30", "2031-02-03T02:35:06.007Z"),
        ("2031-02-03 04:05-0100", "2031-02-03T05:05:00.000Z"),
        ("90d", "2030-05-01T12:00:00.000Z"),
        ("30m", "2030-01-31T12:30:00.000Z"),
        ("+1min", "2030-01-31T12:01:00.000Z"),
        ("+10h", "2030-01-31T22:00:00.000Z"),
        ("+ 2 hours", "2030-01-31T14:00:00.000Z"),
        ("+1 day", "2030-02-01T12:00:00.000Z"),
        ("+2 WEEKS", "2030-02-14T12:00:00.000Z"),
        ("+1 month", "2030-02-28T12:00:00.000Z"),
        ("+1 mo", "2030-02-28T12:00:00.000Z"),
        ("+25 months", "2032-02-29T12:00:00.000Z"),
        ("+11 months", "2030-12-31T12:00:00.000Z"),
        ("+2y", "2032-01-31T12:00:00.000Z"),
        ("  +1 d  ", "2030-02-01T12:00:00.000Z"),
    ],
)
def test_a_time_is_read(text: str, expected: str) -> None:
    """Absolute times are UTC; relative ones drop the seconds first, and a month ends with its last day."""
    assert parse_time(text, NOW) == expected
    assert show_time(read_time(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "+h", "h", "-1h", "+1 parsec", "+1.5h", "+s", "tomorrow", "+999999y", "+9999999h"),
        *("2031-2-3", "2031-02-30", "31.12.2031", "2031-02-03T04:05:06.007+01", "2031-02-03\n04:05:06"),
        *("+\uff11h", "0000-01-01", "2031-02-03 25:00"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Anything else is refused in the same words, a time too late for a calendar, too."""
    with pytest.raises(InvalidRequestError, match=r"^the expiry is malformed$"):
        parse_time(text, NOW, "the expiry")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", "2030-01-24T12:00:45.500Z"),
        ("-90 min", "2030-01-31T10:30:45.500Z"),
        ("1 month", "2029-12-31T12:00:45.500Z"),
        ("2y", "2028-01-31T12:00:45.500Z"),
        ("2029-02-03", "2029-02-03T00:00:00.000Z"),
    ],
)
def test_a_time_that_lies_back_is_read(text: str, expected: str) -> None:
    """Where it is said how long ago something was, distances go back, to the millisecond."""
    assert parse_time(text, NOW, ago=True) == expected


@pytest.mark.parametrize("text", ["+7d", "7", "d", "999999y"])
def test_what_does_not_lie_back_is_refused(text: str) -> None:
    """A plus goes ahead."""
    with pytest.raises(InvalidRequestError, match=r"^--since is malformed$"):
        parse_time(text, NOW, "--since", ago=True)


def test_a_time_ahead_has_not_passed() -> None:
    """A minute that began before now has passed; the next one has not."""
    assert parse_time_ahead("1m", NOW) == "2030-01-31T12:01:00.000Z"
    for text in (NOW, "0m", "2030-01-31"):
        with pytest.raises(InvalidRequestError, match=r"^the expiry has passed already$"):
            parse_time_ahead(text, NOW, "the expiry")


def test_later_and_earlier() -> None:
    """Seconds are added to a stored time, or taken away."""
    assert later(NOW, 60) == "2030-01-31T12:01:45.500Z"
    assert later(NOW, -46) == "2030-01-31T11:59:59.500Z"
