"""Blueprints as text: `read` makes plain data of YAML, `render` puts values in the place of calls.

`join` makes one stream of several rendered texts, `to_json` writes documents as JSON, and `check_imports`
looks for calls in what a blueprint imports. Nothing here knows secrets, tenants or callers.
"""

from resolver.blueprint.document import Blueprint
from resolver.blueprint.emit import Masked
from resolver.blueprint.imports import ImportReport, check_imports
from resolver.blueprint.joining import join
from resolver.blueprint.json_text import to_json
from resolver.blueprint.limits import DEFAULT_LIMITS, Limits
from resolver.blueprint.reader import read
from resolver.blueprint.rendering import Rendered, render

__all__ = [
    "DEFAULT_LIMITS",
    "Blueprint",
    "ImportReport",
    "Limits",
    "Masked",
    "Rendered",
    "check_imports",
    "join",
    "read",
    "render",
    "to_json",
]
