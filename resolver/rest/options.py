"""The options of a server, as `resolver serve` takes them."""

from __future__ import annotations

from msgspec import Struct

MIB = 1024 * 1024


class ServerOptions(Struct, frozen=True):
    """The limits and rules of a server. Nothing in it is secret.

    Args:
        max_body: largest body of a request, in bytes.
        max_depth: most levels of nesting in a JSON body.
        max_requests: most requests that are in work at once; more are told to come back.
        body_seconds: how long a body may take to arrive.
        address_rate: requests a second that one address may make on average; 0 for no limit.
        user_rate: requests a second that one user may make on average; 0 for no limit.
        hidden_for_uploads_only: hidden values are used only in blueprints that the server reads itself.
        workers: how many processes share the work.
    """

    max_body: int = 16 * MIB
    max_depth: int = 64
    max_requests: int = 200
    body_seconds: float = 30
    address_rate: float = 200
    user_rate: float = 100
    hidden_for_uploads_only: bool = False
    workers: int = 1
