"""Exports and imports of secrets that are on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.session import Remote
from resolver.core.transfer import ExportResult, ImportResult
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.transfer import ExportRequest, ImportRequest


class RemoteTransfer(Remote):
    """Secrets between stores."""

    def export(self, caller: Caller, wanted: ExportRequest) -> ExportResult:
        """Secrets with their values; hidden ones whose values the caller may not see are counted."""
        return self._server.ask(caller, ExportResult, "POST", "/export", encode(wanted), asks=True)

    def import_(
        self,
        caller: Caller,
        wanted: ImportRequest,
        progress: object = None,  # noqa: ARG002 - a server answers once, at the end
    ) -> ImportResult:
        """Store secrets of an export: all good entries, although others are not; or none."""
        return self._server.ask(caller, ImportResult, "POST", "/import", encode(wanted))
