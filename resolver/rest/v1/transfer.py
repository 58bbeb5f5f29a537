"""Exports and imports in our own API: the client seals and opens files, no passphrase comes here."""

from __future__ import annotations

from starlette.responses import Response

from resolver.core.permissions import Permission
from resolver.core.transfer import ExportRequest, ExportResult, ImportRequest, ImportResult
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("secrets in full", OWN)


@GROUP.route("POST", "/export", ExportResult)
def export_secrets(call: ApiCall, body: ExportRequest) -> Response:
    """Secrets with their values, for a client that seals them itself: no passphrase comes here."""
    return Answer(call.service.transfer.export(call.caller, body))


@GROUP.route("POST", "/import", ImportResult, needs=Permission.SECRET_IMPORT)
def import_secrets(call: ApiCall, body: ImportRequest) -> Response:
    """Store secrets that come from elsewhere. Good entries are stored although others are not.

    They are stored together: when the import fails or is stopped, none of them is.
    """
    return Answer(call.service.transfer.import_(call.caller, body, call.pace()))
