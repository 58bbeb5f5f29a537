"""Who could read what on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.secrets import secret_path
from resolver.client.session import Remote
from resolver.core.access import AccessPart, WhoCan
from resolver.core.query import EVERYTHING

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.query import Listing


class RemoteAccess(Remote):
    """Tells who may read what."""

    def who_can(self, caller: Caller, tenant: str, key: str) -> WhoCan:
        """Every user and token that the rules give a secret's value."""
        found = self._server.ask(caller, WhoCan, "GET", f"{secret_path(tenant, key)}/access", tenant=tenant)
        if found.secret.key != key:
            raise self._server.nonsense()
        return found

    def access(
        self,
        caller: Caller,
        tenant: str,
        username: str = "",
        token_id: str = "",
        listing: Listing = EVERYTHING,
    ) -> AccessPart:
        """What somebody could use and be shown in a tenant, out of a part of its secrets."""
        query = {
            "user": username,
            "token": token_id,
            "_search": listing.search,
            "_offset": str(listing.offset),
            **({"_get_all_results": "true"} if listing.size is None else {"_size": str(listing.size)}),
        }
        return self._server.ask(caller, AccessPart, "GET", "/access", tenant=tenant, query=query)
