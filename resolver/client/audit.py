"""The audit trail of a server, and its report of what is not used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.client.session import Remote
from resolver.core.audit import AuditHead, AuditQuery, AuditRecord, Verification, canonical
from resolver.core.results import StaleBlueprints, Usage
from resolver.protocol.audit import (
    ExportedChain,
    ExportedHead,
    ExportedRecord,
    HeadResult,
    RecordsResult,
    ReindexResult,
    VerifyResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Caller

EVERYTHING = AuditQuery()

PART = 1000
"""Most records that one answer lists."""


class RemoteTrail(Remote):
    """The audit trails of all tenants."""

    def stream(
        self, caller: Caller, tenant: str = "", query: AuditQuery = EVERYTHING
    ) -> Iterator[AuditRecord]:
        """The records that are asked for, one part after the other."""
        asked = {
            "tenant": tenant,
            "since": query.since,
            "until": query.until,
            "by": query.caller,
            "key": query.key,
            "action": query.action,
            "decision": query.decision,
            "newest_first": "true" if query.newest_first else "false",
        }
        if query.run:  # older servers do not know it
            asked["run"] = query.run
        after, left = query.after, query.size
        onwards = -1 if query.newest_first else 1
        while left is None or left > 0:
            size = PART if left is None else min(left, PART)
            more = {"size": str(size)} | ({} if after is None else {"after": str(after)})
            found = self._server.ask(caller, RecordsResult, "GET", "/audit", query=asked | more)
            for record in map(self._record, found.records):
                if after is not None and (record.number - after) * onwards <= 0:
                    raise self._server.nonsense()  # or it might never come to an end
                after = record.number
                yield record
            if not found.more or not found.records:
                return
            left = None if left is None else left - len(found.records)

    def _record(self, fields: dict[str, Any]) -> AuditRecord:
        found = self._server.read(HeadResult, fields)
        told = {name: value for name, value in fields.items() if name not in ("number", "hash")}
        at, action = str(told.get("at", "")), str(told.get("action", ""))
        return AuditRecord(found.number, at, action, canonical(told), found.hash)

    def head(self, caller: Caller, tenant: str = "") -> AuditHead:
        """The end of a trail, to be kept elsewhere."""
        found = self._server.ask(caller, HeadResult, "GET", "/audit/head", query={"tenant": tenant})
        return AuditHead("", found.number, found.hash)

    def verify(self, caller: Caller, tenant: str = "", kept: AuditHead | None = None) -> Verification:
        """Have the server check a trail, from its first record to its end, and against a kept head."""
        query = {"tenant": tenant} | ({} if kept is None else {"head": f"{kept.number}:{kept.hash}"})
        found = self._server.ask(caller, VerifyResult, "GET", "/audit/verify", query=query)
        end = AuditHead("", found.number, found.hash)
        return Verification(
            end, found.broken, kept, found.kept_differs, found.rows, found.index, found.index_faults
        )

    def reindex(self, caller: Caller, tenant: str = "") -> int:
        """Have the server make the index of a trail again; how many records it was made of."""
        query = {"tenant": tenant}
        return self._server.ask(caller, ReindexResult, "POST", "/audit/reindex", query=query).records

    def export(self, caller: Caller, tenant: str = "") -> tuple[AuditHead, Iterator[AuditRecord]]:
        """A whole trail with its head."""
        lines = self._server.lines(caller, "/audit/export", {"tenant": tenant})
        if len(lines) < len(("first", "last")):
            raise self._server.nonsense()
        chain = self._server.read(ExportedChain, lines[0]).chain
        head = self._server.read(ExportedHead, lines[-1]).head
        records = [self._exported(self._server.read(ExportedRecord, line)) for line in lines[1:-1]]
        return AuditHead(chain, head.number, head.hash), iter(records)

    @staticmethod
    def _exported(line: ExportedRecord) -> AuditRecord:
        try:
            fields = json.loads(line.body)
        except ValueError:
            fields = None
        told = fields if isinstance(fields, dict) else {}
        at, action = str(told.get("at", "")), str(told.get("action", ""))
        return AuditRecord(line.number, at, action, line.body.encode("utf-8", "backslashreplace"), line.hash)


class RemoteUsage(Remote):
    """Compares what is permitted with what was done."""

    def unused(self, caller: Caller, tenant: str, since: str = "") -> Usage:
        """What was not used in a tenant since some time."""
        query = {"tenant": tenant, "since": since}
        return self._server.ask(caller, Usage, "GET", "/audit/unused", query=query)

    def stale(self, caller: Caller, tenant: str, key: str = "") -> StaleBlueprints:
        """Which blueprints have to be deployed again, since secrets have changed."""
        query = {"tenant": tenant} | ({"key": key} if key else {})
        return self._server.ask(caller, StaleBlueprints, "GET", "/audit/stale", query=query)
