"""The service as a client sees it: the same parts and methods as `resolver.service`, over HTTP.

Nothing is decided here. The server reads the caller's rights at every request, decides, and records.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from resolver.client.accounts import RemoteTenants, RemoteTokens, RemoteUsers
from resolver.client.audit import RemoteTrail, RemoteUsage
from resolver.client.auth import RemoteGate
from resolver.client.providers import RemoteProviders
from resolver.client.secrets import RemoteSecrets
from resolver.client.session import ServerSession
from resolver.client.transfer import RemoteTransfer
from resolver.client.trusts import RemoteTrusts
from resolver.client.use import RemoteUse
from resolver.core.results import Status
from resolver.core.times import utc_now
from resolver.http.url import parse_server_url

if TYPE_CHECKING:
    from resolver.client.access_reports import RemoteAccess
    from resolver.client.approvals import RemoteApprovals
    from resolver.client.sign_in import RemoteSignIn
    from resolver.client.webhooks import RemoteWebhooks


class Client:
    """The secrets store of a server, as its callers see it.

    Args:
        server: the server.

    Attributes:
        gate: identifies callers.
        use: obtains values for blueprints.
        secrets: manages secrets.
        transfer: exports and imports secrets.
        providers: secrets providers.
        tenants: tenants and their members.
        users: users.
        tokens: access tokens.
        trusts: trusts.
        trail: the audit trail.
        usage: reports what is not used.
    """

    mode = "remote: a server holds the root key and the database"

    def __init__(self, server: ServerSession) -> None:
        self._server = server
        self.gate = RemoteGate(server)
        self.use = RemoteUse(server)
        self.secrets = RemoteSecrets(server)
        self.transfer = RemoteTransfer(server)
        self.providers = RemoteProviders(server)
        self.tenants = RemoteTenants(server)
        self.users = RemoteUsers(server)
        self.tokens = RemoteTokens(server)
        self.trusts = RemoteTrusts(server)
        self.trail = RemoteTrail(server)
        self.usage = RemoteUsage(server)

    @cached_property
    def webhooks(self) -> RemoteWebhooks:
        """Where events are sent; few ask for it."""
        from resolver.client.webhooks import RemoteWebhooks  # noqa: PLC0415 - as said

        return RemoteWebhooks(self._server)

    @cached_property
    def approvals(self) -> RemoteApprovals:
        """What is asked to be approved; few ask for it."""
        from resolver.client.approvals import RemoteApprovals  # noqa: PLC0415 - as said

        return RemoteApprovals(self._server)

    @cached_property
    def sign_in(self) -> RemoteSignIn:
        """Lets people sign in by OpenID providers; `resolver login` alone asks for it."""
        from resolver.client.sign_in import RemoteSignIn  # noqa: PLC0415 - as said

        return RemoteSignIn(self._server)

    @cached_property
    def access(self) -> RemoteAccess:
        """Tells who may read what."""
        from resolver.client.access_reports import RemoteAccess  # noqa: PLC0415 - for its two commands only

        return RemoteAccess(self._server)

    def __repr__(self) -> str:
        return f"Client({self._server.origin.address!r})"

    @property
    def place(self) -> str:
        """Where the server is."""
        return str(self._server.origin)

    @staticmethod
    def now() -> str:
        """The time now, as it is stored; by this machine's clock."""
        return utc_now()

    def status(self) -> Status:
        """See that the server can do its work.

        Raises:
            UnavailableError: it can't be reached, or its store or root key is not at hand.
        """
        self._server.demand_ready()
        return Status(self.place, "", ())

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""


def open_client(url: str, ca_file: str | None = None, what: str = "RESOLVER_URL") -> Client:
    """A client of a server. Nothing is sent yet.

    Args:
        url: the server's URL.
        ca_file: a file with the authorities that its certificate is verified against; else the system's.
        what: what the URL is called in messages.

    Raises:
        UsageError: the URL is malformed, or would send credentials over a network in the clear.
    """
    return Client(ServerSession(parse_server_url(url, what), ca_file))
