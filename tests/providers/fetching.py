"""Provider types, their parameters, and what they fetch from a server on loopback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resolver.core.providers import FetchFailure, ProviderRequest
from resolver.providers import make_types
from resolver.providers.allow_list import parse_allow_list
from tests.peer import Peer, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.providers import ProviderType

LOOPBACK = parse_allow_list(["127.0.0.0/8"])
TOKEN = "the-token-of-the-provider"


def provider_type(name: str) -> ProviderType:
    """A provider type that may connect to loopback."""
    return make_types(LOOPBACK)[name]


def vault_parameters(peer: Peer, **more: str) -> Mapping[str, str]:
    """Checked connection parameters of a vault."""
    return provider_type("vault").check({"url": peer.url, "token": TOKEN, "path": "team", **more})


def manager_parameters(peer: Peer, **more: str) -> Mapping[str, str]:
    """Checked connection parameters of a manager."""
    given = {"host": "127.0.0.1", "port": str(peer.port), "protocol": "http", "tenant": "t1"}
    return provider_type("cloudify").check({**given, "token": TOKEN, **more})


def entry(**fields: object) -> bytes:
    """The response with an entry's fields."""
    return answer(200, json.dumps({"data": {"data": fields}}).encode())


def fetched(
    kind: str, parameters: Mapping[str, str], *wanted: ProviderRequest, forwards: int = 0
) -> list[str]:
    """The values that are fetched, or the causes for which they are missed."""
    named = {str(number): one for number, one in enumerate(wanted)}
    got = provider_type(kind).fetch(parameters, named, forwards)
    assert list(got) == list(named)
    return [one.cause if isinstance(one, FetchFailure) else one.reveal() for one in got.values()]
