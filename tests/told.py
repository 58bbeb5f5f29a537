"""What audit records tell, one thing after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.core.audit import ROUND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.core.audit import AuditRecord


def told(bodies: Iterable[bytes | str | AuditRecord]) -> list[dict[str, Any]]:
    """The fields of records; those of a round once for each key, as if each had a record of its own."""
    found: list[dict[str, Any]] = []
    for body in bodies:
        fields = json.loads(body if isinstance(body, bytes | str) else body.body)
        found += each_key(fields)
    return found


def each_key(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """What one record tells of each key."""
    if fields.get("format") != ROUND:
        return [fields]
    whole = {name: value for name, value in fields.items() if name not in ("format", "keys", "blueprints")}
    return [
        whole | key | {"blueprints": dict(fields["blueprints"][place] for place in key.get("blueprints", ()))}
        for key in fields["keys"]
    ]
