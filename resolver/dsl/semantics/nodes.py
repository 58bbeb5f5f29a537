"""Node templates and their relationships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.dsl.calls import call_name
from resolver.dsl.inheritance import Typed, Unknown
from resolver.dsl.semantics.calls import Calls, Ends, Surroundings
from resolver.dsl.semantics.groups import check_instances
from resolver.dsl.semantics.names import Section, circles, in_a_row, is_function, items, mapping, shown
from resolver.dsl.semantics.operations import (
    HOST_AGENT,
    Implementations,
    Interfaces,
    OperationEntry,
    OperationName,
    missing_input,
    operations_of,
)
from resolver.dsl.semantics.types import is_primitive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.inheritance import Part
    from resolver.dsl.semantics.names import Names
    from resolver.dsl.semantics.types import CheckedTypes

_CONTAINED_IN: Final = "cloudify.relationships.contained_in"
_HOST: Final = "cloudify.nodes.Compute"
_LIFECYCLE: Final = "cloudify.interfaces.lifecycle"
_AFTER_OPERATION: Final = "cloudify.relationships.depends_on_lifecycle_operation"


class _Relationship(NamedTuple):
    """A relationship of a node template."""

    type: str
    target: str
    entry: Mapping[Any, Any]
    path: Path


class _Place(NamedTuple):
    """What operations belong to: their type in words, and what calls in them may refer to."""

    owner: str
    scope: Surroundings
    ends: Ends


class Nodes:
    """The node templates of a blueprint.

    Args:
        names: what the blueprint defines.
        types: its types.
        implementations: finds what operations lead to.
    """

    def __init__(self, names: Names, types: CheckedTypes, implementations: Implementations) -> None:
        self._names = names
        self._types = types
        self._implementations = implementations
        self.calls = Calls(names, self)
        self._interfaces: dict[tuple[Section, str, str], Interfaces] = {}
        self._type_calls: dict[str, list[tuple[Any, ...]]] = {}
        self._reported: set[Path] = set()
        self._on_hosts: dict[str, str] = {}
        """A plugin that must run on the node's host, by node."""

    def check(self) -> dict[str, str] | None:
        """Report what is wrong with node templates.

        Returns:
            For each node the one that it is contained in, if in any; None when that is not known.
        """
        self._check_relationship_types()
        hosts: dict[str, str] | None = {}
        targets: dict[str, list[str]] = {}
        for name, entry in self._names.entries(Section.NODE_TEMPLATES):
            node = mapping(entry)
            self._check_node(name, node)
            relationships = _relationships_of(name, node)
            targets[name] = [each.target for each in relationships]
            host, is_known = self._check_relationships(name, relationships)
            if hosts is not None and host:
                hosts[name] = host
            if not is_known:
                hosts = None
        self._check_circles(targets)
        self._check_hosts(hosts)
        return hosts

    def _check_node(self, name: str, node: Mapping[Any, Any]) -> None:
        path: Path = (Section.NODE_TEMPLATES.value, name)
        type_name = node.get("type")
        capabilities = mapping(mapping(node.get("capabilities")).get("scalable")).get("properties")
        scalable = (*path, "capabilities", "scalable", "properties")
        check_instances(self._names, capabilities, scalable)
        ends = Ends(name)
        properties = node.get("properties")
        for field, place in ((capabilities, scalable), (properties, (*path, "properties"))):
            self.calls.check(field, place, Surroundings.NODE, ends)
        own = dict(operations_of(node.get("interfaces"), (*path, "interfaces")))
        if not isinstance(type_name, str):
            return
        if not self._names.check_defined(Section.NODE_TYPES, type_name, (*path, "type")):
            return
        owner = f"node type {shown(type_name)}"
        schema = self._types.schema(Section.NODE_TYPES, type_name)
        self._types.check_values(properties, schema, owner, (*path, "properties"))
        self._check_type_calls(type_name, mapping(properties), own, ends)
        derived = self.interfaces(Section.NODE_TYPES, type_name, "interfaces")
        plugin = self._check_operations(derived, own, path, _Place(owner, Surroundings.NODE, ends))
        if plugin:
            self._on_hosts[name] = plugin

    def _check_type_calls(
        self,
        type_name: str,
        properties: Mapping[Any, Any],
        operations: Mapping[OperationName, OperationEntry],
        ends: Ends,
    ) -> None:
        """Check the calls in the defaults that a node takes from its type."""
        if type_name not in self._type_calls:
            self._type_calls[type_name] = self._calls_of_type(type_name)
        for key, default, path in self._type_calls[type_name]:
            self._names.budget.spend()
            if key not in properties and key not in operations:
                self.calls.check(default, path, Surroundings.NODE, ends)

    def _calls_of_type(self, type_name: str) -> list[tuple[Any, ...]]:
        """The defaults of a type that hold calls: what replaces each, the default, where it is."""
        found: list[tuple[Any, ...]] = []
        seen: set[object] = set()
        for each in self._types.ancestry(Section.NODE_TYPES, type_name).names:
            entry = mapping(self._names.find(Section.NODE_TYPES, each))
            path: Path = (Section.NODE_TYPES.value, each)
            for name, declaration in items(entry.get("properties")):
                default = mapping(declaration).get("default")
                if name not in seen and self.calls.calls_in(default):
                    found.append((name, default, (*path, "properties", name, "default")))
                seen.add(name)
            for key, operation in operations_of(entry.get("interfaces"), (*path, "interfaces")):
                is_used = key not in seen and operation.implementation
                for name, declaration in items(operation.inputs) if is_used else ():
                    default = mapping(declaration).get("default")
                    if self.calls.calls_in(default):
                        found.append((key, default, (*operation.path, "inputs", name, "default")))
                seen.add(key)
        return found

    def interfaces(self, section: Section, type_name: str, field: str) -> Interfaces:
        """The operations of a type."""
        names, is_whole = self._types.ancestry(section, type_name)
        interfaces = Interfaces({}, None, self._implementations, is_whole=is_whole)
        for each in reversed(names):
            key = (section, each, field)
            if key not in self._interfaces:
                entry = mapping(self._names.find(section, each))
                own = dict(operations_of(entry.get(field), (section.value, each, field)))
                self._names.budget.spend(len(own) + len(interfaces.faults) + len(interfaces.on_hosts))
                if own:
                    is_whole = interfaces.is_whole
                    interfaces = Interfaces(own, interfaces, self._implementations, is_whole=is_whole)
                self._interfaces[key] = interfaces
            interfaces = self._interfaces[key]
        return interfaces

    def _check_operations(
        self,
        derived: Interfaces,
        own: Mapping[OperationName, OperationEntry],
        path: Path,
        place: _Place,
    ) -> str:
        """Report what is wrong with the operations of a template or a relationship.

        Returns:
            A plugin of them that must run on a host; empty when there is none.
        """
        plugin = ""
        for name, operation in own.items():
            self._names.budget.spend()
            plugin = self._check_operation(derived, name, operation, place) or plugin
        for name, misuse in derived.faults.items():
            self._names.budget.spend()
            if name not in own and misuse.path not in self._reported:
                self._reported.add(misuse.path)
                self._names.report(*misuse)
        for name, lack in derived.lacks.items():
            if name not in own and derived.is_whole:
                self._report_lack(path, name, lack, place.owner)
        return plugin or next((found for name, found in derived.on_hosts.items() if name not in own), "")

    def _check_operation(
        self, derived: Interfaces, name: OperationName, operation: OperationEntry, place: _Place
    ) -> str:
        base = derived.operations.get(name)
        if operation.is_nothing:
            return ""
        leads_to, inputs, executor = operation.implementation, operation.inputs, operation.executor
        if base is not None and not base.is_nothing:
            leads_to = leads_to or base.implementation
            if leads_to == base.implementation:
                lack = missing_input(base, inputs)
                if lack is not None:
                    self._report_lack(operation.path, name, lack, place.owner)
                self._check_defaults(base, inputs, place)
                inputs = {**base.inputs, **inputs}
                executor = executor or base.executor
        if leads_to:  # else nothing is done with the inputs
            self.calls.check(operation.inputs, (*operation.path, "inputs"), place.scope, place.ends)
        at = operation.path if operation.implementation or base is None else base.path
        whole = operation._replace(implementation=leads_to, inputs=inputs, executor=executor, path=at)
        target = self._implementations.target(whole, inputs)
        if target.misuse is not None and target.misuse.path not in self._reported:
            self._reported.add(target.misuse.path)
            self._names.report(*target.misuse)
        return target.plugin if target.executor == HOST_AGENT else ""

    def _check_defaults(self, base: OperationEntry, given: Mapping[Any, Any], place: _Place) -> None:
        """Check the calls in the defaults that an operation takes from its type."""
        for name, declaration in items(base.inputs) if base.implementation else ():
            if name not in given:
                default = mapping(declaration).get("default")
                where = (*base.path, "inputs", name, "default")
                self.calls.check(default, where, place.scope, place.ends)

    def _report_lack(self, path: Path, name: OperationName, lack: str, owner: str) -> None:
        operation = shown(".".join(name))
        self._names.report(path, f"operation {operation} of {owner} needs a value for input {shown(lack)}")

    def _check_relationship_types(self) -> None:
        """Report operations of relationship types that lead nowhere, whether or not they are used."""
        for name, _ in self._names.entries(Section.RELATIONSHIPS):
            for field in ("source_interfaces", "target_interfaces"):
                for misuse in self.interfaces(Section.RELATIONSHIPS, name, field).faults.values():
                    self._names.budget.spend()
                    if misuse.path not in self._reported:
                        self._reported.add(misuse.path)
                        self._names.report(*misuse)

    def _check_relationships(self, name: str, relationships: Sequence[_Relationship]) -> tuple[str, bool]:
        """Report what is wrong with the relationships of a node.

        Returns:
            The node that it is contained in, if in any, and whether that is known.
        """
        host, is_known = "", True
        for each in relationships:
            path = each.path
            if self._names.check_defined(Section.RELATIONSHIPS, each.type, (*path, "type")):
                self._check_typed(name, each)
            if each.target == name:
                self._names.report((*path, "target"), f"node template {shown(name)} can't be its own target")
            else:
                self._names.check_defined(Section.NODE_TEMPLATES, each.target, (*path, "target"))
            ancestry = self._types.ancestry(Section.RELATIONSHIPS, each.type)
            if _CONTAINED_IN in ancestry.names:
                if host:
                    self._names.report(
                        path, f"node template {shown(name)} is contained in {shown(host)} already"
                    )
                host = host or each.target
            elif not ancestry.is_whole:
                is_known = False
        return host, is_known

    def _check_typed(self, name: str, relationship: _Relationship) -> None:
        type_name, target, entry, path = relationship
        owner = f"relationship type {shown(type_name)}"
        schema = self._types.schema(Section.RELATIONSHIPS, type_name)
        self._types.check_values(entry.get("properties"), schema, owner, (*path, "properties"))
        for field, node in (("source_interfaces", name), ("target_interfaces", target)):
            own = dict(operations_of(entry.get(field), (*path, field)))
            derived = self.interfaces(Section.RELATIONSHIPS, type_name, field)
            place = _Place(owner, Surroundings.RELATIONSHIP, Ends(name, target))
            plugin = self._check_operations(derived, own, path, place)
            if plugin:
                self._on_hosts.setdefault(node, plugin)
        if type_name == _AFTER_OPERATION:
            self._check_after_operation(relationship)

    def _check_after_operation(self, relationship: _Relationship) -> None:
        """Check the relationship that names an operation of its target."""
        operation = mapping(relationship.entry.get("properties")).get("operation")
        path = (*relationship.path, "properties")
        if not operation:
            self._names.report(path, "the relationship must name an operation of its target")
            return
        node = self._names.find(Section.NODE_TEMPLATES, relationship.target)
        lifecycle = mapping(mapping(mapping(node).get("interfaces")).get(_LIFECYCLE))
        if node is not None and isinstance(operation, str) and operation not in lifecycle:
            message = f"node template {shown(relationship.target)} has no operation {shown(operation)}"
            self._names.report((*path, "operation"), f"{message} in {_LIFECYCLE}")

    def _check_circles(self, targets: Mapping[str, Sequence[str]]) -> None:
        """Report nodes whose relationships lead back to them; one that targets itself is reported already."""

        def targets_of(name: str) -> Sequence[str]:
            self._names.budget.spend(len(found := targets.get(name, ())))
            return found

        for circle in circles(targets, targets_of, self._names.budget):
            if len(circle) > 2:  # noqa: PLR2004 - a name and itself
                self._names.report(
                    (Section.NODE_TEMPLATES.value, circle[0], "relationships"),
                    f"relationships of node templates lead in a circle: {in_a_row(circle)}",
                )

    def _check_hosts(self, hosts: Mapping[str, str] | None) -> None:
        """Report nodes with a plugin that runs on a host, and that are contained in none."""
        if hosts is None:
            return
        for name, plugin in self._on_hosts.items():
            node, seen = name, set[str]()
            while node not in seen and not self._may_be_host(node):
                self._names.budget.spend()
                seen.add(node)
                node = hosts.get(node, node)
            if node in seen:
                message = f"plugin {shown(plugin)} runs on a host, and node template {shown(name)} is on none"
                self._names.report((Section.NODE_TEMPLATES.value, name), message)

    def _may_be_host(self, name: str) -> bool:
        node = self._names.find(Section.NODE_TEMPLATES, name)
        if node is None:
            return True
        names, is_whole = self._types.ancestry(Section.NODE_TYPES, node.get("type"))
        return not is_whole or any(_HOST in each for each in names)

    def lacks_property(self, node: str, path: Sequence[Any]) -> bool:
        """Whether a node surely has no property at a path."""
        template = self._names.find(Section.NODE_TEMPLATES, node)
        if template is None or not path:
            return False
        schema = self._types.schema(Section.NODE_TYPES, template.get("type"))
        first, *steps = path
        properties = mapping(template.get("properties"))
        declared = schema.declared.get(first)
        if declared is None:
            return schema.is_whole and not (isinstance(first, str) and first in properties)
        part: Part = declared.default
        if first in properties:
            part = Typed(properties[first], declared.type_name, declared.default)
        type_name = declared.declaration.get("type")
        is_plain = not isinstance(type_name, str) or is_primitive(type_name)
        if part is None:
            return is_plain
        if not is_plain and not (schema.is_whole and self._names.is_closed):
            return False
        for number, step in enumerate(steps):
            if isinstance(part, Unknown) or (isinstance(part.type_name, Unknown) and not part.value):
                return False
            is_typed = isinstance(part.type_name, str) and isinstance(part.value, dict)
            if not is_typed or is_function(part.value) or not isinstance(step, (str, int)):
                return _leads_nowhere(part.value, steps[number:])
            parts = self._types.schema(Section.DATA_TYPES, part.type_name)
            part = self._types.types.part(part, step)
            if part is None or (parts.is_whole and step not in parts.declared):
                return True
        return False


def _leads_nowhere(value: Any, steps: Sequence[Any]) -> bool:  # noqa: ANN401 - plain data
    """Whether steps lead nowhere in the value of a property, as Cloudify follows them."""
    for step in steps:
        if is_function(value):
            value = [value, step]
        elif isinstance(value, dict):
            if not isinstance(step, (str, int)) or step not in value:
                return True
            value = value[step]
        elif isinstance(value, list):
            if not isinstance(step, int) or not -len(value) <= step < len(value):
                return True
            value = value[step]
        else:
            return True
    return False


def _relationships_of(name: str, node: Mapping[Any, Any]) -> list[_Relationship]:
    entries = node.get("relationships")
    found: list[_Relationship] = []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        fields = mapping(entry)
        type_name, target = fields.get("type"), fields.get("target")
        if isinstance(type_name, str) and isinstance(target, str) and call_name(fields) is None:
            path = (Section.NODE_TEMPLATES.value, name, "relationships", number)
            found.append(_Relationship(type_name, target, fields, path))
    return found
