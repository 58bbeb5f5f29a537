"""What Cloudify's own parser says of blueprints. Runs by the Python of an environment with `cloudify-common`.

Reads a JSON array of paths from standard input and writes a JSON array with the parser's complaint about
each, or null for a blueprint that it accepts. Nothing is on the manager.
"""

from __future__ import annotations

import json
import os
import sys

from dsl_parser import parser  # type: ignore[import-not-found]  # there only


def refusal_of(path: str) -> str | None:
    """The complaint about one blueprint."""
    try:
        parser.parse_from_path(path, os.path.dirname(path))  # noqa: PTH120 - a text is asked for
    except Exception as error:  # noqa: BLE001 - whatever the parser raises is its answer
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


if __name__ == "__main__":
    json.dump([refusal_of(path) for path in json.load(sys.stdin)], sys.stdout)
