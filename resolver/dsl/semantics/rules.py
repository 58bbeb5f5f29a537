"""All rules for the names and values of a blueprint, one section after the other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.dsl.definitions import InputType
from resolver.dsl.semantics.calls import Surroundings
from resolver.dsl.semantics.groups import check_groups
from resolver.dsl.semantics.names import EnoughError, Names, Section, is_function, items, mapping, shown
from resolver.dsl.semantics.nodes import Nodes
from resolver.dsl.semantics.operations import Implementations, operation_of, operations_of
from resolver.dsl.semantics.schedules import check_schedules
from resolver.dsl.semantics.types import CheckedTypes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.budget import Budget
    from resolver.dsl.semantics.names import Misuse, Outside


class Misuses(NamedTuple):
    """What is wrong with a blueprint.

    Args:
        found: each with its path.
        patterns: what must be a regular expression, each with its path; these are not compiled here.
    """

    found: Sequence[Misuse]
    patterns: Sequence[tuple[Path, str]]


def find_misuses(
    document: Mapping[Any, Any],
    outside: Outside,
    has_file: Callable[[str], bool | None],
    budget: Budget,
    limit: int,
) -> Misuses:
    """Find what Cloudify's parser refuses in a blueprint, the form of its entries aside.

    Args:
        document: the blueprint merged with its imports.
        outside: what is left to the manager.
        has_file: whether there is a file beside the blueprint; None when that is not known.
        budget: what the run may spend.
        limit: how many findings are wanted.
    """
    names = Names(document, outside, budget, limit)
    types = CheckedTypes(names)
    with suppress(EnoughError):
        types.check()
        implementations = Implementations(names, has_file)
        nodes = Nodes(names, types, implementations)
        hosts = nodes.check()
        check_groups(names, types, hosts)
        _check_inputs(names, types)
        _check_operation_inputs(names, types)
        _check_workflows(names, types, implementations)
        _check_values(names, nodes)
        check_schedules(names)
    return Misuses(names.found, types.patterns)


_OF_MANAGERS: Final = frozenset(
    {
        *(InputType.BLUEPRINT_ID, InputType.CAPABILITY_VALUE, InputType.DEPLOYMENT_ID, InputType.NODE_ID),
        *(InputType.NODE_INSTANCE, InputType.NODE_TYPE, InputType.OPERATION_NAME),
        *(InputType.SCALING_GROUP, InputType.SECRET_KEY),
    }
)
"""Types whose values are names of what a manager has; its parser takes no default for them."""


def _check_inputs(names: Names, types: CheckedTypes) -> None:
    """Check defaults of inputs, as far as they are not checked like values that are given."""
    declared = dict(names.entries(Section.INPUTS))
    types.check_defaults(declared, (Section.INPUTS.value,), only_lacks=True)
    for name, entry in declared.items():
        declaration = mapping(entry)
        default = declaration.get("default")
        listed = declaration.get("type") == InputType.LIST
        named = InputType.of(declaration, "item_type" if listed else "type")
        if named in _OF_MANAGERS and "default" in declaration and (default or not listed):
            message = f"input {shown(name)} can't have a default: only a manager can check a {named}"
            names.report((Section.INPUTS.value, name, "default"), message)
        parts = default if declaration.get("item_type") and isinstance(default, list) else [default]
        if declaration.get("constraints") and any(map(is_function, parts)):
            message = f"the default of input {shown(name)} can't be a call, as the input has constraints"
            names.report((Section.INPUTS.value, name, "default"), message)


def _check_operation_inputs(names: Names, types: CheckedTypes) -> None:
    """Check the inputs that operations of types declare."""
    fields = {
        Section.NODE_TYPES: ("interfaces",),
        Section.RELATIONSHIPS: ("source_interfaces", "target_interfaces"),
    }
    for section, interfaces in fields.items():
        for name, entry in names.entries(section):
            for field in interfaces:
                for _, operation in operations_of(mapping(entry).get(field), (section.value, name, field)):
                    names.budget.spend()
                    types.check_defaults(operation.inputs, (*operation.path, "inputs"))


def _check_workflows(names: Names, types: CheckedTypes, implementations: Implementations) -> None:
    for name, entry in names.entries("workflows"):
        workflow = operation_of(entry, ("workflows", name), "mapping")
        parameters = mapping(entry).get("parameters")
        types.check_defaults(parameters, (*workflow.path, "parameters"))
        misuse = implementations.target(workflow, mapping(parameters), kind="workflow").misuse
        if misuse is not None:
            names.report(*misuse)


def _check_values(names: Names, nodes: Nodes) -> None:
    """Check the calls in what is no part of a node."""
    for section in ("outputs", "capabilities", "labels"):
        for name, entry in names.entries(section):
            for field, value in items(entry):
                nodes.calls.check(value, (section, name, field), Surroundings.OTHER)
    for name, entry in names.entries("policies"):
        nodes.calls.check(
            mapping(entry).get("properties"), ("policies", name, "properties"), Surroundings.OTHER
        )
    for name, entry in names.entries("deployment_settings"):
        nodes.calls.check(entry, ("deployment_settings", name), Surroundings.OTHER)
