"""`python -m resolver`: the `resolver` command where its script is not on PATH."""

from __future__ import annotations

from resolver.cli.main import resolver

resolver()
