"""Errors between server and client: each class travels, and what is no error of a server does not."""

from __future__ import annotations

import pytest

from resolver import errors
from resolver.errors import BlueprintError, MisplacedTokenError, NotPermittedError, ResolverError, TokenError
from resolver.protocol.errors import KINDS, REFUSAL_KINDS, ErrorBody, kind_of, rebuild
from resolver.rest.errors import HTTP_CODES, STATUSES
from resolver.service.access import MemberRefusedError

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, ResolverError)
    and kind is not ResolverError
    and not issubclass(kind, BlueprintError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_travels(kind: type[ResolverError]) -> None:
    """It comes back as what it was, with message and hint."""
    name = kind_of(kind("message", hint="hint"))
    found = rebuild(ErrorBody("message", "any", kind=name, hint="hint"))
    assert type(found) is kind
    assert (found.message, found.hint) == ("message", "hint")


def test_a_class_that_clients_do_not_know() -> None:
    """It travels as the nearest one that they do."""
    assert kind_of(MemberRefusedError.__new__(MemberRefusedError)) == "NotPermitted"
    assert KINDS["NotPermitted"] is NotPermittedError
    assert issubclass(KINDS[kind_of(MisplacedTokenError("x"))], TokenError)


def test_codes_of_what_did_not_get_to_the_service() -> None:
    """Each code of ours is known, but for those that mean that there is no such address."""
    known = {code for _, code in STATUSES.values()} | set(HTTP_CODES.values())
    assert set(REFUSAL_KINDS) <= known
    assert rebuild(ErrorBody("no", "not_found_error")) is None
    assert rebuild(ErrorBody("no", "nonsense", kind="Nonsense")) is None
