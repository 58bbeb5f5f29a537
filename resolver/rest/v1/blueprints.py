"""Checking a blueprint that is sent along. The text is not kept, and no value is told."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.blueprint import Blueprint
from resolver.blueprint.inputs import read_plain
from resolver.core.location import format_path
from resolver.dsl.context import DeploymentContext
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.values import GivenInput
from resolver.errors import InvalidRequestError
from resolver.resolution import BlueprintText, Options, check
from resolver.resolution.check import CheckedCall
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, Body, CallerDep, Group, ServiceDep, TenantDep
from resolver.rest.schemas import SecretFacts, secret_facts
from resolver.rest.v1.use import MAX_NAME

GROUP = Group("blueprints", OWN)

State = Literal["usable", "not_found", "not_permitted", "wrong", "depends_on_value", "run_time"]
"""What a call came to; the last two have a key that comes out of a secret, or is known at run time only."""


class CheckBlueprintRequest(Body):
    """A blueprint's text, and inputs as YAML or JSON."""

    text: str
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] = "<blueprint>"
    inputs: str = ""
    strict: StrictBool = False


class ProblemFacts(TypedDict):
    """Something that is wrong."""

    reason: str
    message: str
    hint: str
    line: int | None
    column: int | None


class CallFacts(TypedDict):
    """A call: where it begins and ends (the column after its last character), and what it would use."""

    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    place: str
    key: str
    steps: str
    state: State
    secret: SecretFacts | None
    problems: list[ProblemFacts]


class CheckBlueprintResult(TypedDict):
    """All calls in the order of the text, all problems, and what a deployment would still need."""

    calls: list[CallFacts]
    problems: list[ProblemFacts]
    imports: list[str]
    inputs: list[str]
    notes: list[str]


@GROUP.route("POST", "/check-blueprint", CheckBlueprintResult)
def check_blueprint(
    body: CheckBlueprintRequest, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Say of each call of a blueprint whether its secret exists and may be used, without using anything."""
    # Also for a text without calls: who has no role here gets no answer.
    service.use.check(caller, tenant, [])
    text = BlueprintText(body.name, body.text.encode("utf-8", "surrogatepass"), None)
    options = Options(_inputs(body.inputs), DeploymentContext(tenant), partial=True, strict=body.strict)
    found = check(service, caller, tenant, [text], options)
    blueprint = found.blueprints[0] if found.blueprints else None
    return Answer(
        {
            "calls": [_call_facts(call, blueprint) for call in found.calls],
            "problems": [_problem_facts(problem) for problem in found.problems],
            "imports": [named.name for named in found.imports],
            "inputs": [named.name for named in found.inputs],
            "notes": list(found.notes),
        }
    )


def _inputs(text: str) -> dict[str, GivenInput]:
    if not text.strip():
        return {}
    values = read_plain(text.encode("utf-8", "surrogatepass"), "the inputs")
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InvalidRequestError(
            "the inputs are not a mapping of names to values", hint="write `name: value`"
        )
    return {name: GivenInput(value) for name, value in values.items()}


def _call_facts(call: CheckedCall, blueprint: Blueprint | None) -> CallFacts:
    start = call.location.position
    end = blueprint.end_of(start) if start is not None and blueprint is not None else None
    return CallFacts(
        line=start.line if start else None,
        column=start.column if start else None,
        end_line=end.line if end else None,
        end_column=end.column if end else None,
        place=format_path(call.location.path),
        key=call.key,
        steps=call.value_path,
        state=_state(call),
        secret=secret_facts(call.secret) if call.secret else None,
        problems=[_problem_facts(problem) for problem in call.problems],
    )


def _state(call: CheckedCall) -> State:
    reasons = {problem.reason for problem in call.problems}
    if reasons - {Reason.NOT_FOUND, Reason.NOT_PERMITTED}:
        return "wrong"
    if Reason.NOT_FOUND in reasons:
        return "not_found"
    if Reason.NOT_PERMITTED in reasons:
        return "not_permitted"
    if call.depends_on_value:
        return "depends_on_value"
    return "usable" if call.usable else "run_time"


def _problem_facts(problem: Problem) -> ProblemFacts:
    at = problem.position
    return ProblemFacts(
        reason=problem.reason.value,
        message=problem.message,
        hint=problem.hint,
        line=at.line if at else None,
        column=at.column if at else None,
    )
