"""`python -m resolver`: the `resolver` command where its script is not on PATH."""

from __future__ import annotations

from resolver.cli.main import resolver

if __name__ == "__main__":
    resolver()
