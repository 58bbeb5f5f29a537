"""The plans that Cloudify's own parser makes. Runs by the Python of an environment with `cloudify-common`.

Reads a JSON array of `{"path": blueprint, "manager": {name: text}}` from standard input, where `manager`
holds the files that a manager has, and writes a JSON array of as many results: `{"plan": ...}`, or
`{"error": message}`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from dsl_parser import exceptions, parser  # type: ignore[import-not-found]  # there only
from dsl_parser.import_resolver.abstract_import_resolver import (  # type: ignore[import-not-found]  # same
    read_import,
)


class Manager:
    """What the parser asks for imports.

    Args:
        files: those that are on the manager, by name.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def fetch_import(self, address: str, **_: object) -> str:
        """The text of an import."""
        name = address.removeprefix("resource:")
        if name in self._files:
            return self._files[name]
        if not address.startswith("file:"):
            raise exceptions.DSLParsingLogicException(13, f"no such import: {address}")
        text: str = read_import(address)
        return text

    def retrieve_plugin(self, *_: object, **__: object) -> None:
        """Nothing is known of plugins but their files."""


def plan_of(path: str, manager: dict[str, str]) -> Any:  # noqa: ANN401 - plain data
    """The plan of one blueprint, as plain data."""
    plan = parser.parse_from_path(path, os.path.dirname(path), resolver=Manager(manager))  # noqa: PTH120 - a text is asked for
    plan["requirements"]["secrets"].sort(key=repr)  # their order is that of the imports
    plan["workflow_plugins_to_install"].sort(key=lambda plugin: plugin["name"])  # same
    return json.loads(json.dumps(plan, default=repr))


def main() -> None:
    """Answer all questions on standard input."""
    results: list[dict[str, Any]] = []
    for question in json.load(sys.stdin):
        try:
            results.append({"plan": plan_of(question["path"], question["manager"])})
        except Exception as error:  # noqa: BLE001 - whatever the parser raises is its answer
            results.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
