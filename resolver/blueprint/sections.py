"""The sections of a blueprint, and how those of several files are merged.

The rules are those of `dsl_parser.elements.imports` in cloudify-common 7.0.5.
"""

from __future__ import annotations

import enum
from typing import Any, Final, TypeGuard

from resolver.blueprint.imports import IMPORTS, VERSION, VERSION_PREFIX
from resolver.dsl.calls import GET_SECRET, call_name
from resolver.dsl.definitions import OWN_PREFIX

VERSIONS: Final = tuple(f"{VERSION_PREFIX}1_{minor}" for minor in range(6))
"""The DSL versions there are, oldest first."""

SHARED_FROM: Final = 3
"""The version from which most sections may be in several files, as an index of `VERSIONS`."""

NODE_TEMPLATES: Final = "node_templates"
_NODE_TYPES: Final = "node_types"
_RELATIONSHIPS: Final = "relationships"
_WORKFLOWS: Final = "workflows"


class SectionRule(enum.Enum):
    """How a section that several files have is merged."""

    DROPPED = enum.auto()
    """It is not a part of the merged document."""
    FIRST_WINS = enum.auto()
    """The first file's counts, as a whole."""
    ENTRIES = enum.auto()
    """The entries of all files are put together; one name in two files is refused."""
    ENTRIES_FROM_1_3 = enum.auto()
    """The same from version 1.3 on; before, the section may be in one file only."""
    FIRST_ENTRIES_FROM_1_3 = enum.auto()
    """The same, but the first entry of a name counts and later ones are passed over."""
    ONE_FILE = enum.auto()
    """It may be in one file only."""


RULES: Final[dict[Any, SectionRule]] = {
    **dict.fromkeys(("dsl_definitions", IMPORTS, VERSION), SectionRule.DROPPED),
    **dict.fromkeys(("description", "metadata"), SectionRule.FIRST_WINS),
    **dict.fromkeys(("data_types", "groups", "interfaces", _NODE_TYPES, "plugins"), SectionRule.ENTRIES),
    **dict.fromkeys(("policy_triggers", "policy_types", _RELATIONSHIPS, _WORKFLOWS), SectionRule.ENTRIES),
    **dict.fromkeys(("capabilities", "inputs", NODE_TEMPLATES, "outputs"), SectionRule.ENTRIES_FROM_1_3),
    **dict.fromkeys(("blueprint_labels", "labels", "resource_tags"), SectionRule.FIRST_ENTRIES_FROM_1_3),
}
"""The rules of sections; of all others, `ONE_FILE`."""


def is_data(node: object) -> TypeGuard[dict[Any, Any]]:
    """Whether a node is a mapping and no call, whose value would be something else."""
    return isinstance(node, dict) and call_name(node) is None and GET_SECRET not in node


def is_types_file(root: object) -> bool:
    """Whether a file holds Cloudify's own types, by the rule of its parser."""
    types = root.get(_NODE_TYPES) if isinstance(root, dict) else None
    return isinstance(types, dict) and f"{OWN_PREFIX}nodes.Root" in types


def has_plugin_properties(root: dict[Any, Any]) -> bool:
    """Whether a file sets properties of plugins."""
    plugins = root.get("plugins")
    return isinstance(plugins, dict) and any(
        isinstance(plugin, dict) and plugin.get("properties") for plugin in plugins.values()
    )


def merged_entry(section: object, earlier: object, later: object) -> dict[Any, Any] | None:
    """One entry made of two of the same name; None when two can't be one in this section."""
    if section == NODE_TEMPLATES:
        return _merged_node(earlier, later)
    if section == _WORKFLOWS and is_data(earlier) and is_data(later):
        return {**later, **earlier}  # what the first one leaves open is taken from the second
    return None


def _merged_node(earlier: object, later: object) -> dict[Any, Any] | None:
    """A node template of two: one of the two holds relationships only, and adds them to the other's."""
    if not (isinstance(earlier, dict) and isinstance(later, dict) and _RELATIONSHIPS in earlier):
        return None
    only_more = later.keys() == {_RELATIONSHIPS}
    if not only_more and not (len(earlier) == 1 and "type" in later):
        return None
    merged = {**earlier, **{key: value for key, value in later.items() if isinstance(value, (dict, str))}}
    if _RELATIONSHIPS in later:
        if not isinstance(earlier[_RELATIONSHIPS], list) or not isinstance(later[_RELATIONSHIPS], list):
            return None
        merged[_RELATIONSHIPS] = [*earlier[_RELATIONSHIPS], *later[_RELATIONSHIPS]]
    return merged
