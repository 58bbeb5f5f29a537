"""Exports and imports in our own API: the client seals and opens files, no passphrase comes here."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.responses import Response

from resolver.core.model import check_value
from resolver.core.transfer import ExportRequest, ExportResult, ImportEntry, ImportRequest, ImportResult
from resolver.errors import InvalidRequestError
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("secrets in full", OWN)


@GROUP.route("POST", "/export", ExportResult)
def export_facts(call: ApiCall, body: ExportRequest) -> Response:
    """Secrets with their values, for a client that seals them itself: no passphrase comes here."""
    return Answer(call.service.transfer.export(call.caller, body))


@GROUP.route("POST", "/import", ImportResult)
def import_facts(call: ApiCall, body: ImportRequest) -> Response:
    """Store secrets that come from elsewhere. Good entries are stored although others are not."""
    wanted = replace(body, entries=[_checked(entry) for entry in body.entries])
    return Answer(call.service.transfer.import_(call.caller, wanted))


def _checked(entry: ImportEntry) -> ImportEntry:
    """An entry without the values that can be none; what is wrong with them is among its problems."""
    problems = dict(entry.problems)
    versions = []
    for version in entry.versions:
        try:
            check_value(version.value.reveal())
        except InvalidRequestError as error:
            problems["value"] = error.message
        else:
            versions.append(version)
    if not versions and not entry.provider:
        problems.setdefault("missing secret fields", ["value"])
    return replace(entry, versions=versions, problems=problems)
