"""Errors as they travel: the server writes what was raised, a client raises the same again.

Cloudify's `error_code` is coarser than our errors, so `kind` names the class as well.
"""

from __future__ import annotations

from msgspec import Struct

from resolver import errors
from resolver.core.policy import Verdict
from resolver.errors import (
    AuthenticationError,
    BlueprintError,
    InvalidRequestError,
    NotPermittedError,
    ResolverError,
    UnavailableError,
)

MAX_TEXT = 2000
"""Longest message or hint of a server that is shown, in characters."""

KINDS: dict[str, type[ResolverError]] = {
    kind.__name__.removesuffix("Error"): kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, ResolverError)
    and kind is not ResolverError
    and not issubclass(kind, BlueprintError)
}
"""All errors by the names that they travel under; not their base, which says nothing.

Blueprints are read where the client is, so their problems are never a server's to tell.
"""

REFUSAL_KINDS: dict[str, type[ResolverError]] = {
    "bad_parameters_error": InvalidRequestError,
    "failed_dependency": UnavailableError,
    "forbidden_error": NotPermittedError,
    "internal_server_error": UnavailableError,
    "request_timeout_error": UnavailableError,
    "request_too_large_error": InvalidRequestError,
    "service_unavailable_error": UnavailableError,
    "too_many_requests_error": UnavailableError,
    "unauthorized_error": AuthenticationError,
}
"""The same by `error_code`, for what is refused before it gets to the service, and so has no name of ours.

What is not here means that the server has no such address: it is another one, or another version.
"""


def kind_of(error: ResolverError) -> str:
    """The name that an error travels under: its own, or that of the nearest one that clients know."""
    names = {kind: name for name, kind in KINDS.items()}
    return next((names[base] for base in type(error).__mro__ if base in names), "")


class RefusedKey(Struct, frozen=True):
    """One key of a batch that may not be had."""

    key: str
    reason: Verdict
    cause: str = ""
    is_missing: bool = False


class ErrorBody(Struct, frozen=True):
    """The body of an error.

    Args:
        message: one sentence.
        error_code: Cloudify's code.
        server_traceback: always None; Cloudify's client looks for it.
        kind: our name for it; empty when the request was refused before it got to the service.
        hint: what to do about it.
        refusals: the keys of a batch that may not be had.
    """

    message: str
    error_code: str
    server_traceback: None = None
    kind: str = ""
    hint: str = ""
    refusals: tuple[RefusedKey, ...] = ()


def rebuild(body: ErrorBody) -> ResolverError | None:
    """The error that was raised on the server; None for one that says that there is no such address."""
    kind = KINDS.get(body.kind) or REFUSAL_KINDS.get(body.error_code)
    if kind is None:
        return None
    return kind(body.message[:MAX_TEXT], hint=body.hint[:MAX_TEXT])
