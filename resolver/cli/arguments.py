"""What `resolve` and `exec` are asked for, once their options are read."""

from __future__ import annotations

import msgspec

from resolver.cli.report.items import ReportFormat
from resolver.core.formats import DialectName, DocumentFormat


class ResolveArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be resolved, and how: the arguments that `resolve` and `exec` share."""

    blueprints: tuple[str, ...] = ()
    tenant: str | None
    inputs: tuple[str, ...]
    context: str | None
    output_format: DocumentFormat
    evaluate: bool
    merge_imports: bool
    root: str | None
    partial: bool
    dialect: DialectName | None
    diagnostics: ReportFormat
    keep_going: bool
    fail_on: tuple[str, ...]
    allow_duplicate_keys: bool
    environment: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"ResolveArguments({self.blueprints!r})"  # inputs may hold values
