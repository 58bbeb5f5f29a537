"""Blueprints as text: `read` makes plain data of YAML, `render` puts values in the place of calls.

`read_tree` follows what a blueprint imports, `merge` makes one document of it, and `dump` writes that.
`join` makes one stream of several rendered texts, `to_json` writes documents as JSON. Nothing here knows
secrets, tenants or callers.
"""

from resolver.blueprint.block_style import dump
from resolver.blueprint.document import Blueprint
from resolver.blueprint.flow_style import Masked
from resolver.blueprint.import_tree import AnyBlueprint, ImportTree, ignored_calls, read_tree
from resolver.blueprint.json_output import to_json
from resolver.blueprint.limits import DEFAULT_LIMITS, DuplicateKeys, Limits
from resolver.blueprint.merging import Merge, copy_shared_calls, definitions_of, merge
from resolver.blueprint.reader import read
from resolver.blueprint.rendering import Rendered, join, render

__all__ = [
    "DEFAULT_LIMITS",
    "AnyBlueprint",
    "Blueprint",
    "DuplicateKeys",
    "ImportTree",
    "Limits",
    "Masked",
    "Merge",
    "Rendered",
    "copy_shared_calls",
    "definitions_of",
    "dump",
    "ignored_calls",
    "join",
    "merge",
    "read",
    "read_tree",
    "render",
    "to_json",
]
