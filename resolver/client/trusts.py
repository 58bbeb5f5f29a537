"""Trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.session import Remote, step
from resolver.core.query import Part
from resolver.core.trusts import Trust, TrustCheck
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller
    from resolver.core.trusts import NewTrust, TrustChange


class RemoteTrusts(Remote):
    """Trusts."""

    def create(self, caller: Caller, name: str, new: NewTrust) -> Trust:
        """Make a trust."""
        return self._server.ask(caller, Trust, "PUT", _path(name), encode(new))

    def list(self, caller: Caller) -> Sequence[Trust]:
        """All trusts for a sys_admin, by name; those for oneself, for others."""
        return self._server.ask(caller, Part[Trust], "GET", "/trusts").items

    def get(self, caller: Caller, name: str) -> Trust:
        """One trust."""
        return self._server.ask(caller, Trust, "GET", _path(name))

    def update(self, caller: Caller, name: str, wanted: TrustChange) -> Trust:
        """Change a trust."""
        return self._server.ask(caller, Trust, "PATCH", _path(name), encode(wanted))

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a trust; the tokens that came of it end at once."""
        self._server.do(caller, "DELETE", _path(name))

    def test(self, caller: Caller, name: str, jwt: str = "") -> TrustCheck:
        """Fetch an issuer's keys, and see what of a JWT does not fit a trust."""
        return self._server.ask(caller, TrustCheck, "POST", f"{_path(name)}/test", {"jwt": jwt}, asks=True)


def _path(name: str) -> str:
    return f"/trusts/{step(name, f'trust {name!r} does not exist')}"
