"""Blueprints as text: `read` makes plain data of YAML, `render` puts values in the place of calls.

`read_tree` follows what a blueprint imports, `merge` makes one document of it, and `dump` writes that.
`join` makes one stream of several rendered texts, `to_json` writes documents as JSON. Nothing here knows
secrets, tenants or callers.
"""

from resolver.blueprint.block_style import dump
from resolver.blueprint.document import Blueprint
from resolver.blueprint.flow_style import Masked
from resolver.blueprint.json_output import to_json
from resolver.blueprint.limits import DEFAULT_LIMITS, Limits
from resolver.blueprint.merging import Merge, copied_calls, definitions_of, merge
from resolver.blueprint.reader import read
from resolver.blueprint.rendering import Rendered, join, render
from resolver.blueprint.tree import Tree, held_calls, read_tree

__all__ = [
    "DEFAULT_LIMITS",
    "Blueprint",
    "Limits",
    "Masked",
    "Merge",
    "Rendered",
    "Tree",
    "copied_calls",
    "definitions_of",
    "dump",
    "held_calls",
    "join",
    "merge",
    "read",
    "read_tree",
    "render",
    "to_json",
]
