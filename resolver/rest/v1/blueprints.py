"""Checking an uploaded blueprint. Its text is not stored, and the answer has no value."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from resolver.blueprint.inputs import read_plain
from resolver.core.formats import DialectName
from resolver.core.location import format_path
from resolver.core.model import Secret
from resolver.core.permissions import Permission
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.values import GivenInput
from resolver.errors import InvalidRequestError
from resolver.resolution import BlueprintText, Options, check
from resolver.resolution.resolve import warning_note
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group
from resolver.rest.v1.use import MAX_NAME, warning_reasons

if TYPE_CHECKING:
    from resolver.blueprint import Blueprint
    from resolver.resolution.check import CheckedCall

GROUP = Group("blueprints", OWN)


class CallState(enum.StrEnum):
    """What a call came to: the last two have a key from a secret's value, or one known at run time only."""

    USABLE = "usable"
    NOT_FOUND = "not_found"
    NOT_PERMITTED = "not_permitted"
    PROTECTED = "protected"
    WRONG = "wrong"
    DEPENDS_ON_VALUE = "depends_on_value"
    RUN_TIME = "run_time"


class CheckBlueprintRequest(Redacted, frozen=True, forbid_unknown_fields=True):
    """A blueprint's text, inputs as YAML or JSON, and the reasons of warnings that are to be problems."""

    text: str
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)] = "<blueprint>"
    inputs: str = ""
    strict: bool = False
    dialect: DialectName | None = None
    fail_on: Sequence[Reason] = ()
    allow_duplicate_keys: bool = False


class ProblemResult(Struct, frozen=True):
    """Something that is wrong."""

    reason: str
    message: str
    hint: str
    line: int | None
    column: int | None


class CallResult(Struct, frozen=True):
    """A call: where it begins and ends (the column after its last character), and what it would use.

    `expired` and `due` are of that secret: it ended, or its value is older than it should get.
    """

    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    place: str
    key: str
    steps: str
    state: CallState
    secret: Secret | None
    expired: bool
    due: bool
    problems: Sequence[ProblemResult]


class CheckBlueprintResult(Struct, frozen=True):
    """All calls in the order of the text, all problems, and what a deployment would still need."""

    calls: Sequence[CallResult]
    problems: Sequence[ProblemResult]
    imports: Sequence[str]
    inputs: Sequence[str]
    notes: Sequence[str]


@GROUP.route("POST", "/check-blueprint", CheckBlueprintResult, needs=Permission.SECRET_LIST)
def check_blueprint(call: ApiCall, tenant: str, body: CheckBlueprintRequest, budget: Budget) -> Response:
    """Say of each call of a blueprint whether its secret exists and may be used, without using anything."""
    # Also for a text without calls: who has no role here gets no answer.
    call.service.use.check(call.caller, tenant, [])
    text = BlueprintText(body.name, body.text.encode("utf-8", "surrogatepass"), None)
    options = Options(
        _inputs(body.inputs, budget),
        DeploymentContext(tenant),
        partial=True,
        strict=body.strict,
        fail_on=warning_reasons(body.fail_on),
        dialect=body.dialect,
        allow_duplicate_keys=body.allow_duplicate_keys,
        budget=budget,
    )
    found = check(call.service, call.caller, tenant, [text], options)
    blueprint = found.blueprints[0] if found.blueprints else None
    calls = _first_calls(found.calls, blueprint)
    left = len(found.calls) - len(calls)
    more = [f"and {left} more calls, which this answer has no room for"] if left else []
    return Answer(
        CheckBlueprintResult(
            calls,
            [_problem_result(problem) for problem in found.problems],
            [named.name for named in found.imports],
            [named.name for named in found.inputs],
            [*map(warning_note, found.warnings), *found.notes, *more],
        )
    )


_ROOM = 4 * 1024 * 1024
"""Characters, or so, that the calls of one answer take: a short call may have a long path, key and secret."""

_CALL_ROOM = 600
"""Characters of a call beside its texts: names of fields, and its secret."""


def _first_calls(found: Sequence[CheckedCall], blueprint: Blueprint | None) -> Sequence[CallResult]:
    """The calls that there is room for."""
    calls = []
    left = _ROOM
    for checked in found:
        result = _call_result(checked, blueprint)
        told = sum(len(problem.message) + len(problem.hint) for problem in result.problems)
        left -= _CALL_ROOM + len(result.place) + len(result.steps) + 3 * len(result.key) + told
        if left < 0:
            break
        calls.append(result)
    return calls


def _inputs(text: str, budget: Budget) -> dict[str, GivenInput]:
    if not text.strip():
        return {}
    values = read_plain(text.encode("utf-8", "surrogatepass"), "the inputs", budget=budget)
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InvalidRequestError(
            "the inputs are not a mapping of names to values", hint="write `name: value`"
        )
    return {name: GivenInput(value) for name, value in values.items()}


def _call_result(call: CheckedCall, blueprint: Blueprint | None) -> CallResult:
    start = call.location.position
    end = blueprint.end_of(start) if start is not None and blueprint is not None else None
    return CallResult(
        line=start.line if start else None,
        column=start.column if start else None,
        end_line=end.line if end else None,
        end_column=end.column if end else None,
        place=format_path(call.location.path),
        key=call.key,
        steps=call.value_path,
        state=_state(call),
        secret=call.secret,
        expired=call.expired,
        due=call.due,
        problems=[_problem_result(problem) for problem in call.problems],
    )


def _state(call: CheckedCall) -> CallState:
    reasons = {problem.reason for problem in call.problems}
    if reasons - {Reason.NOT_FOUND, Reason.NOT_PERMITTED, Reason.APPROVAL_NEEDED}:
        return CallState.WRONG
    if Reason.NOT_FOUND in reasons:
        return CallState.NOT_FOUND
    if Reason.NOT_PERMITTED in reasons:
        return CallState.NOT_PERMITTED
    if reasons:
        return CallState.PROTECTED
    if call.depends_on_value:
        return CallState.DEPENDS_ON_VALUE
    return CallState.USABLE if call.usable else CallState.RUN_TIME


def _problem_result(problem: Problem) -> ProblemResult:
    at = problem.position
    return ProblemResult(
        reason=problem.reason.value,
        message=problem.message,
        hint=problem.hint,
        line=at.line if at else None,
        column=at.column if at else None,
    )
