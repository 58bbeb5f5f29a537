"""Errors as answers: one table, from what was raised to a status and Cloudify's `error_code`.

The body is Cloudify's, `{"message", "error_code", "server_traceback"}`, with our hint, the problems of a
blueprint, and the refused keys of a batch. No body holds a value: messages of libraries, which may repeat
what they were given, are never passed on.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from msgspec import inspect
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from resolver.core.location import format_path
from resolver.core.policy import Verdict
from resolver.core.secret_changes import StaleVersionError
from resolver.core.suggestions import Suggestions
from resolver.dsl.problems import Reason
from resolver.errors import (
    ApprovalNeededError,
    AuthenticationError,
    BlueprintError,
    ConflictError,
    ElsewhereError,
    InvalidRequestError,
    NarrowedVisibilityError,
    NoSuchTenantError,
    NoSuchUserError,
    NotAtProviderError,
    NotFoundError,
    NotPermittedError,
    ProviderError,
    ResolverError,
    SchemaMismatchError,
    StoppedError,
    TamperedRowError,
    TokenError,
    UnavailableError,
    UsageError,
)
from resolver.protocol import OWN_ROUTES
from resolver.protocol.errors import kind_of
from resolver.rest.responses import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.applications import Starlette
    from starlette.requests import Request

    from resolver.core.results import Refusal
    from resolver.dsl.problems import Problem
    from resolver.protocol.codec import MalformedError

LOG = logging.getLogger("resolver.server")


class IllegalActionError(InvalidRequestError):
    """What was asked for is well formed and makes no sense here."""


class BadFilterRuleError(InvalidRequestError):
    """A search has a rule that is malformed.

    Args:
        rule: the rule as it came.
        reason: what is wrong with it.
    """

    def __init__(self, rule: Any, reason: str) -> None:  # noqa: ANN401 - JSON data
        super().__init__(f"a filter rule is malformed: {reason}")
        self.rule = rule
        self.reason = reason


class NoSuchFieldError(InvalidRequestError):
    """`_include` names a field that is not there."""


STATUSES: dict[type[ResolverError], tuple[int, str]] = {
    ElsewhereError: (400, "illegal_action_error"),
    AuthenticationError: (401, "unauthorized_error"),
    ApprovalNeededError: (403, "approval_needed_error"),
    NotPermittedError: (403, "forbidden_error"),
    # With 404 Cloudify's client would say that the secret was not found.
    NotAtProviderError: (400, "failed_dependency"),
    NoSuchUserError: (400, "bad_parameters_error"),
    NotFoundError: (404, "not_found_error"),
    ConflictError: (409, "conflict_error"),
    BlueprintError: (400, "invalid_blueprint_error"),
    IllegalActionError: (400, "illegal_action_error"),
    NarrowedVisibilityError: (400, "illegal_action_error"),
    SchemaMismatchError: (409, "conflict_error"),
    BadFilterRuleError: (400, "invalid_filter_rule"),
    NoSuchFieldError: (400, "no_such_include_field_error"),
    InvalidRequestError: (400, "bad_parameters_error"),
    UsageError: (400, "bad_parameters_error"),
    ProviderError: (400, "failed_dependency"),
    TamperedRowError: (500, "tampered_row_error"),
    TokenError: (500, "invalid_fernet_token_format_error"),
    UnavailableError: (503, "service_unavailable_error"),
    ResolverError: (500, "internal_server_error"),
}
"""The status and code of each branch of the errors; the first that fits counts."""

REASON_STATUSES: dict[Reason, tuple[int, str]] = {
    Reason.NOT_PERMITTED: STATUSES[NotPermittedError],
    Reason.APPROVAL_NEEDED: STATUSES[ApprovalNeededError],
    Reason.NOT_FOUND: STATUSES[NotFoundError],
    Reason.NOT_AT_PROVIDER: STATUSES[NotAtProviderError],
    Reason.PROVIDER: STATUSES[UnavailableError],
    Reason.UNREADABLE: STATUSES[TokenError],
    Reason.UNAVAILABLE: STATUSES[UnavailableError],
}
"""The same for the problems that are not about the blueprint itself; those come before these."""

VERDICT_STATUSES: dict[Verdict, tuple[int, str]] = {
    Verdict.ABSENT: STATUSES[NotFoundError],
    Verdict.PROTECTED: STATUSES[ApprovalNeededError],
    Verdict.UNAVAILABLE: STATUSES[UnavailableError],
}
"""The same for the keys of a batch that are refused; any other reason is that they are not permitted."""

HTTP_CODES = {
    400: "bad_parameters_error",
    401: "unauthorized_error",
    403: "forbidden_error",
    404: "not_found_error",
    405: "method_not_allowed_error",
    408: "request_timeout_error",
    412: "conflict_error",
    413: "request_too_large_error",
    415: "unsupported_content_type_error",
    429: "too_many_requests_error",
    431: "request_too_large_error",
    503: "service_unavailable_error",
}
"""The code of each status that the server itself answers with."""

CHALLENGE = {"WWW-Authenticate": 'Authentication-Token realm="blueprint resolver"'}
"""Of a scheme that no browser knows: with `Basic` it would ask for a password, keep it, and send it along."""


class RequestError(Exception):
    """A request that is refused before it reaches the service.

    Args:
        status: the status to answer with.
        message: one sentence without anything of the body.
        headers: more headers.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class RefusedUseError(ResolverError):
    """Keys of a batch may not be had, so none was given out.

    Args:
        refusals: why each of them may not.
    """

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        count = len(refusals)
        super().__init__(f"{count} key{'s' if count != 1 else ''} may not be had, so no value was given out")
        self.refusals = refusals


def error_body(
    message: str,
    code: str,
    hint: str = "",
    kind: str = "",
    **more: Any,  # noqa: ANN401 - JSON data
) -> dict[str, Any]:
    """The body of an error; `kind` is our name for what the service raised."""
    told = {"hint": hint, "kind": kind}
    return {
        "message": message,
        "error_code": code,
        "server_traceback": None,
        **more,
        **{name: text for name, text in told.items() if text},
    }


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to a request that is refused before it reaches the service."""
    return Answer(error_body(message, HTTP_CODES[status]), status, dict(headers or {}))


def problem_fields(problem: Problem) -> dict[str, Any]:
    """A problem as JSON."""
    at = problem.position
    return {
        "reason": problem.reason.value,
        "message": problem.message,
        "hint": problem.hint,
        "source": problem.source,
        "line": at.line if at else None,
        "column": at.column if at else None,
        "path": list(problem.path),
        "place": format_path(problem.path),
        "key": problem.key,
        "line_text": problem.line_text,
    }


def _refusal_fields(key: str, refusal: Refusal) -> dict[str, Any]:
    """Why one key of a batch may not be had, as JSON."""
    cause = {"cause": refusal.cause} if refusal.cause else {}
    missing = {"is_missing": True} if refusal.is_missing else {}
    return {"key": key, "reason": refusal.verdict.value} | cause | missing


def _refusal_status(refusal: Refusal) -> tuple[int, str]:
    if refusal.is_missing:
        return STATUSES[NotFoundError]
    return VERDICT_STATUSES.get(refusal.verdict, STATUSES[NotPermittedError])


def _status_of(error: ResolverError) -> tuple[int, str]:
    """The status and code of an error; of several refusals or problems, the lowest that fits."""
    if isinstance(error, RefusedUseError):
        return min(map(_refusal_status, error.refusals.values()))
    if isinstance(error, BlueprintError):
        found = {REASON_STATUSES.get(problem.reason) for problem in error.problems}
        if None not in found and found:
            return min((status for status in found if status), key=lambda status: status[0])
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def on_resolver_error(request: Request, error: Exception) -> Answer:
    """The answer for what the service raises."""
    if not isinstance(error, ResolverError):
        raise error
    status, code = _status_of(error)
    if isinstance(error, RefusedUseError):
        refusals = [_refusal_fields(key, refusal) for key, refusal in error.refusals.items()]
        return Answer(error_body(error.message, code, refusals=refusals), status)
    kind = kind_of(error)
    if isinstance(error, NoSuchTenantError) and hasattr(request.state, "tenant_by_header"):
        # As Cloudify's client expects it: with 404 it would say that the secret was not found.
        status, code = STATUSES[NotPermittedError]
    if isinstance(error, BadFilterRuleError):
        told = error_body(error.message, code, kind=kind, err_filter_rule=error.rule, err_reason=error.reason)
        return Answer(told, status)
    if isinstance(error, BlueprintError):
        problems = [problem_fields(problem) for problem in error.problems]
        return Answer(error_body(error.message, code, kind=kind, problems=problems), status)
    if isinstance(error, TamperedRowError):
        LOG.error("%s", error.message)
    if isinstance(error, UnavailableError) and not isinstance(
        error, (TokenError, ProviderError, TamperedRowError, StoppedError)
    ):
        # Paths, addresses and the driver's words are for the operator.
        LOG.error("%s", error.message)
        return Answer(
            error_body(
                "the server's store or root key is not available",
                code,
                "its log tells more",
                kind_of(UnavailableError("")),
            ),
            status,
            {"Retry-After": "5"},
        )
    if isinstance(error, StaleVersionError) and hasattr(request.state, "if_match"):
        status = 412
    stopped = {"Retry-After": "5"} if isinstance(error, StoppedError) else {}
    headers = CHALLENGE if status == 401 else stopped  # noqa: PLR2004 - the status by its number
    message = error.message
    if error.hint and not request.url.path.startswith(
        OWN_ROUTES
    ):  # Cloudify's client shows the message alone
        message += f" ({error.hint})"
    return Answer(error_body(message, code, error.hint, kind), status, dict(headers))


def on_request_error(_request: Request, error: Exception) -> Answer:
    """The answer for a request that is refused before it reaches the service."""
    if not isinstance(error, RequestError):
        raise error
    headers = error.headers | (CHALLENGE if error.status == 401 else {})  # noqa: PLR2004 - as above
    return refusal(error.status, error.message, headers)


def on_http_error(request: Request, error: Exception) -> Answer:
    """The answer for what the framework refuses: unknown routes, wrong methods."""
    if not isinstance(error, HTTPException):
        raise error
    match error.status_code:
        case 404:
            return refusal(404, _nothing_at(request))
        case 405:
            return refusal(405, "this address does not take this method", {"Allow": _methods_at(request)})
        case status:
            return refusal(status if status in HTTP_CODES else 400, "the request is malformed", error.headers)


_MANAGER_PATH = re.compile(r"/api/v3(?:\.1)?/([a-z][a-z_-]{0,40})(?=/|\Z)")


def _nothing_at(request: Request) -> str:
    """Why nothing is at an address; it may be of a whole Cloudify Manager, whose client shows this text."""
    path = request.url.path
    found = _MANAGER_PATH.match(path)
    ours = [route.path for route in request.app.routes if isinstance(route, Route)]
    if found is None or any(known == found[0] or known.startswith(f"{found[0]}/") for known in ours):
        return "there is nothing at this address"
    return f"this server keeps secrets for blueprints: it has no {found[1]}"


def _methods_at(request: Request) -> str:
    """All methods that an address takes, by any route that leads there."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    leading = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in leading for method in route.methods or ()}))


_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "array": "a list",
    "object": "an object",
}
"""What each type of JSON data is called in messages."""

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_LONGEST = re.compile(r"Expected `\w+` of length <= (\d+)")
_TYPE = re.compile(r"Expected `(\w+)(?: \| null)?`, got `\w+`")


def malformed(kind: type, error: MalformedError, where: str) -> RequestError:
    """The refusal of a body or a query of the wrong shape. Only names that we declared are repeated.

    Args:
        kind: the record that it should have been.
        error: what is wrong.
        where: `body` or `query`.
    """
    names = ["*" if name == "..." else name for name in error.path]  # the sender's own names are not repeated
    if missing := _MISSING.match(error.rule):
        name = ".".join([*names, missing[1]])
        return RequestError(400, f"Missing {name} in {'json request body' if where == 'body' else where}")
    what = f"the `{'.'.join(names)}` argument" if names else f"the {where}"
    if error.unknown:
        return unknown_name(what, error.unknown, _fields_at(inspect.type_info(kind), names))
    return RequestError(400, f"{what} {_fault(kind, names, error.rule)}")


def unknown_name(what: str, name: str, known: Sequence[str]) -> RequestError:
    """The refusal of a name that the sender chose, and that we don't have. It is not repeated.

    Args:
        what: where it is, in words.
        name: the name.
        known: the names that we have there.
    """
    question = Suggestions(lambda: known).question(name)
    ways = question or (f"it takes {', '.join(map(repr, sorted(known)))}" if known else "it takes none")
    return RequestError(400, f"{what} has a name that is not known: {ways}")


def _fields_at(info: inspect.Type, names: Sequence[str]) -> Sequence[str]:
    """The names of the fields of the record that a path leads to."""
    match info:
        case inspect.StructType() if names:
            field = next((field for field in info.fields if field.encode_name == names[0]), None)
            return _fields_at(field.type, names[1:]) if field is not None else ()
        case inspect.StructType():
            return [field.encode_name for field in info.fields]
        case inspect.UnionType():
            return [name for one in info.types for name in _fields_at(one, names)]
        case inspect.CollectionType():
            return _fields_at(info.item_type, names[1:])
        case inspect.DictType():
            return _fields_at(info.value_type, names[1:])
        case _:
            return ()


def _fault(kind: type, names: Sequence[str], rule: str) -> str:
    """What is wrong, in words that follow the name of the argument."""
    field = field_of(kind, names[0]) if len(names) == 1 else None
    if field is not None and _is_flag(field.type):
        return "is not a boolean: write true or false"
    choices = choices_of(field.type) if field is not None else ()
    if choices:
        return f"is not one of {', '.join(map(repr, choices))}"
    if longest := _LONGEST.match(rule):
        return f"is too long: {longest[1]} at most"
    expected = _TYPE.match(rule)
    return f"is not {_EXPECTED[expected[1]]}" if expected and expected[1] in _EXPECTED else "is malformed"


def field_of(kind: type, name: str) -> inspect.Field | None:
    """The field of a record that has this name on the wire."""
    info = inspect.type_info(kind)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    return next((field for field in fields if field.encode_name == name), None)


def _is_flag(info: inspect.Type) -> bool:
    """Whether it is a boolean that may be written as text."""
    kinds = set(map(type, info.types)) if isinstance(info, inspect.UnionType) else set()
    return {inspect.BoolType, inspect.StrType} <= kinds


def choices_of(info: inspect.Type) -> Sequence[object]:
    """The values of a closed set; nothing for other types."""
    match info:
        case inspect.EnumType():
            return [member.value for member in info.cls]
        case inspect.LiteralType():
            return info.values
        case inspect.UnionType():
            return [choice for one in info.types for choice in choices_of(one)]
        case _:
            return ()


def add_handlers(app: Starlette) -> None:
    """Let an app answer errors by this table."""
    app.add_exception_handler(ResolverError, on_resolver_error)
    app.add_exception_handler(RequestError, on_request_error)
    app.add_exception_handler(HTTPException, on_http_error)
