"""Identifying callers, and who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from resolver.client.credentials import by_password, by_token
from resolver.client.session import Remote
from resolver.core.results import Identity
from resolver.protocol.identity import Grant

if TYPE_CHECKING:
    from resolver.client.session import ServerSession
    from resolver.core.model import Caller


class RemoteGate(Remote):
    """Identifies callers."""

    def present_token(self, token: str) -> Caller:
        """A caller with an access token, which the server judges with the first request.

        Raises:
            AuthenticationError: it is malformed.
        """
        return by_token(self._server.origin, token)

    def confirm(self, caller: Caller) -> None:
        """See that the server knows the caller, for a run that asks it nothing else.

        Raises:
            AuthenticationError: it does not.
        """
        whoami(self._server, caller)

    def authenticate_token(self, token: str) -> Caller:
        """Identify a caller by an access token.

        Raises:
            AuthenticationError: it is not valid.
        """
        return self._identified(by_token(self._server.origin, token))

    def authenticate_password(self, username: str, password: str) -> Caller:
        """Identify a caller by user name and password.

        Raises:
            AuthenticationError: they are not valid.
        """
        return self._identified(by_password(self._server.origin, username, password))

    def exchange_jwt(self, jwt: str, trust: str = "") -> Caller:
        """Identify a workload by a JWT, which goes to this server alone; what it gets is kept in memory.

        Raises:
            AuthenticationError: the server refuses it.
        """
        request = {"jwt": jwt} | ({"trust": trust} if trust else {})
        granted = self._server.ask_openly(Grant, "/trusts/exchange", request)
        return replace(by_token(self._server.origin, granted.token), expires_at=granted.expires_at)

    def _identified(self, caller: Caller) -> Caller:
        found = whoami(self._server, caller)
        return replace(
            caller,
            username=found.username,
            system_role=found.system_role,
            token_id=found.token_id,
            scope=found.scope,
        )


def whoami(server: ServerSession, caller: Caller) -> Identity:
    """Who a caller is, and what may be done where."""
    return server.ask(caller, Identity, "GET", "/whoami")
