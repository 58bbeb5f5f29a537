"""Schedules of deployments: whether their times are times, as Cloudify's `cloudify.utils` reads them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from resolver.dsl.semantics.names import items, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from resolver.core.location import Path
    from resolver.dsl.semantics.names import Names

_WEEKDAYS: Final = frozenset({"su", "mo", "tu", "we", "th", "fr", "sa"})
_DELTA: Final = re.compile(r"\d+ ?(min(ute)?|h(our)?|d(ay)?|w(eek)?|mo(nth)?|y(ear)?)s?\Z")
_DELTAS: Final = re.compile(r"\+(\d+ ?[a-z]+)")
_LONGEST: Final = 100
"""A text longer than this is no time."""


def check_schedules(names: Names) -> None:
    """Report times, periods and weekdays that are none."""
    for field, schedules in names.entries("deployment_settings"):
        for name, entry in items(schedules) if field == "default_schedules" else ():
            names.budget.spend()
            _check_schedule(names, mapping(entry), ("deployment_settings", field, name))


def _check_schedule(names: Names, schedule: Mapping[Any, Any], path: Path) -> None:
    for field in ("since", "until"):
        moment = schedule.get(field)
        if isinstance(moment, str) and not _is_moment(moment):
            names.report(
                (*path, field), f"{field!r} must be a time such as '2027-01-31 10:00', or '+2 weeks'"
            )
    period = schedule.get("recurrence")
    if isinstance(period, str) and period and not _is_delta(period):
        names.report((*path, "recurrence"), "'recurrence' must be a period such as '1 day'")
    weekdays = schedule.get("weekdays")
    for number, day in enumerate(weekdays if isinstance(weekdays, list) else ()):
        if isinstance(day, str) and day.lower()[-2:] not in _WEEKDAYS:
            message = "a weekday must be one of su, mo, tu, we, th, fr, sa, with a number before it or not"
            names.report((*path, "weekdays", number), message)
    parameters = mapping(schedule.get("workflow_parameters"))
    for name, value in (("", parameters), *items(parameters)):
        if isinstance(value, dict) and "get_attribute" in value:
            where = (*path, "workflow_parameters", *filter(None, [name]))
            names.report(where, "what is known at run time only can't be a parameter of a schedule")


def _is_delta(text: str) -> bool:
    return len(text) <= _LONGEST and _DELTA.match(text) is not None


def _is_moment(text: str) -> bool:
    if not text:
        return True  # nothing, which is not looked at
    if text.startswith("+"):
        return all(map(_is_delta, _DELTAS.findall(text)))
    return any(_has_form(text[:_LONGEST], form) for form in ("%Y-%m-%d %H:%M", "%H:%M"))


def _has_form(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True
