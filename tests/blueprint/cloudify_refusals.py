"""What Cloudify's own parser says of blueprints. Runs by the Python of an environment with `cloudify-common`.

Reads a JSON array of paths from standard input and writes a JSON array with the parser's complaint about
each, or null for a blueprint that it accepts. Nothing is on the manager.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from dsl_parser import parser  # type: ignore[import-not-found]  # there only
from dsl_parser.framework import parser as framework  # type: ignore[import-not-found]  # same
from networkx import find_cycle  # type: ignore[import-not-found]  # same


def one_circle(graph: Any) -> list[list[Any]]:  # noqa: ANN401 - networkx has no annotations
    """A circle of a graph, in place of a list of all: the parser names the first and drops the rest.

    To list them takes it seconds for some texts, which is most of what all texts take.
    """
    return [[edge[0] for edge in find_cycle(graph)]]


framework.recursive_simple_cycles = one_circle


def refusal_of(path: str) -> str | None:
    """The complaint about one blueprint."""
    try:
        parser.parse_from_path(path, os.path.dirname(path))  # noqa: PTH120 - a text is asked for
    except Exception as error:  # noqa: BLE001 - whatever the parser raises is its answer
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


if __name__ == "__main__":
    json.dump([refusal_of(path) for path in json.load(sys.stdin)], sys.stdout)
