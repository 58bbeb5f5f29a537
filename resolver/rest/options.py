"""The options of a server, as `resolver serve` takes them."""

from __future__ import annotations

from msgspec import Struct, field

MIB = 1024 * 1024


class ServerOptions(Struct, frozen=True):
    """The limits and rules of a server. Nothing in it is secret.

    Args:
        max_body: largest body of a request, in bytes.
        max_depth: most levels of nesting in a JSON body.
        max_requests: most requests that are in work at once; more are told to come back.
        max_connections: most connections at once.
        max_memory: most bytes of bodies and answers that are held at once.
        share: the part of connections, places and bytes that one address or one user may have.
        network_shares: the part that all who come from a network have together, by the network.
        head_seconds: how long a request's head may take, from the connection or the last answer on.
        body_seconds: how long a body may take to arrive.
        write_seconds: how long the other end may take to take what was written last.
        address_rate: requests a second that one address may make on average; 0 for no limit.
        user_rate: requests a second that one user may make on average; 0 for no limit.
        hidden_for_uploads_only: hidden values are used only in blueprints that the server reads itself.
        trusted_proxies: addresses and networks of proxies whose word on their clients is taken; `unix` for
            who comes by the unix socket.
        workers: how many processes share the work.
        drain_seconds: how long a server that is told to stop goes on as before, but for its readiness.
    """

    max_body: int = 16 * MIB
    max_depth: int = 64
    max_requests: int = 200
    max_connections: int = 2000
    max_memory: int = 256 * MIB
    share: float = 0.25
    network_shares: dict[str, float] = field(default_factory=dict)
    head_seconds: float = 10
    body_seconds: float = 30
    write_seconds: float = 20
    address_rate: float = 200
    user_rate: float = 100
    hidden_for_uploads_only: bool = False
    trusted_proxies: tuple[str, ...] = ()
    workers: int = 1
    drain_seconds: float = 0
