"""Groups and scaling: members, policies, how many instances, and what may be scaled together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from resolver.dsl.semantics.names import Section, is_function, items, mapping, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.location import Path
    from resolver.dsl.semantics.names import Names
    from resolver.dsl.semantics.types import CheckedTypes

_UNBOUNDED: Final = -1
_INSTANCES: Final = {"min_instances": 0, "max_instances": _UNBOUNDED, "default_instances": 1}
"""How many instances there are when nothing is said."""


def check_groups(names: Names, types: CheckedTypes, hosts: Mapping[str, str] | None) -> None:
    """Report what is wrong with groups and policies.

    Args:
        names: what the blueprint defines.
        types: its types.
        hosts: for each node the one that it is contained in, if in any; None when that is not known.
    """
    for name, entry in names.entries(Section.GROUPS):
        path = (Section.GROUPS.value, name)
        if names.find(Section.NODE_TEMPLATES, name) is not None:
            names.report(path, f"a node template is called {shown(name)}, too")
        for number, member in enumerate(_texts(mapping(entry).get("members"))):
            if names.is_unknown(Section.GROUPS, member) and names.is_unknown(Section.NODE_TEMPLATES, member):
                hint = names.like(Section.NODE_TEMPLATES, member) or names.like(Section.GROUPS, member)
                names.report(
                    (*path, "members", number), f"no node template or group is called {shown(member)}", hint
                )
        for policy_name, policy in items(mapping(entry).get("policies")):
            _check_group_policy(names, types, mapping(policy), (*path, "policies", policy_name))
    for name, entry in names.entries("policies"):
        path = ("policies", name)
        check_instances(names, mapping(entry).get("properties"), (*path, "properties"))
        for number, target in enumerate(_texts(mapping(entry).get("targets"))):
            names.check_defined(Section.GROUPS, target, (*path, "targets", number))
    _check_scaling(names, hosts)


def _texts(entry: object) -> list[Any]:
    return [each if isinstance(each, str) else "" for each in entry] if isinstance(entry, list) else []


def _check_group_policy(names: Names, types: CheckedTypes, policy: Mapping[Any, Any], path: Path) -> None:
    _check_typed(names, types, Section.POLICY_TYPES, policy, "properties", path)
    for name, trigger in items(policy.get("triggers")):
        where = (*path, "triggers", name)
        _check_typed(names, types, Section.POLICY_TRIGGERS, mapping(trigger), "parameters", where)


def _check_typed(
    names: Names, types: CheckedTypes, section: Section, entry: Mapping[Any, Any], field: str, path: Path
) -> None:
    type_name = entry.get("type")
    if isinstance(type_name, str) and names.check_defined(section, type_name, (*path, "type")):
        owner = f"{section.singular} {shown(type_name)}"
        types.check_values(entry.get(field), types.schema(section, type_name), owner, (*path, field))


def check_instances(names: Names, properties: object, path: Path) -> None:
    """Report numbers of instances that contradict each other; each by itself is checked by the schema."""
    given = mapping(properties)
    numbers: dict[str, int] = {}
    for name, default in _INSTANCES.items():
        number = given.get(name)
        if isinstance(number, dict) and not is_function(number):
            names.report((*path, name), f"{shown(name)} must be a number or a call")
        number = _UNBOUNDED if number == "UNBOUNDED" else default if number is None else number
        if isinstance(number, int):
            numbers[name] = number
    least, most, usual = (numbers.get(name) for name in _INSTANCES)
    if least is not None and usual is not None and usual < least:
        names.report(path, "default_instances must not be less than min_instances")
    elif most is not None and most != _UNBOUNDED:
        if least is not None and least > most:
            names.report(path, "min_instances must not be greater than max_instances")
        elif usual is not None and usual > most:
            names.report(path, "default_instances must not be greater than max_instances")


def _check_scaling(names: Names, hosts: Mapping[str, str] | None) -> None:
    """Report groups that can't be scaled, as their members can't be told apart from those of others."""
    targets = {
        target: None
        for _, policy in names.entries("policies")
        for target in _texts(mapping(policy).get("targets"))
        if names.find(Section.GROUPS, target) is not None
    }
    group_of: dict[str, str] = {}
    for group in targets:
        members = _texts(mapping(names.find(Section.GROUPS, group)).get("members"))
        names.budget.spend(len(members) + 1)
        for number, member in enumerate(members):
            if group_of.setdefault(member, group) != group:
                other = shown(group_of[member])
                message = f"{shown(member)} is a member of group {other}, too, and both are scaled"
                names.report((Section.GROUPS, group, "members", number), message)
    tops = _tops(names, group_of)
    if hosts is None or tops is None:
        return
    together: dict[str, list[str]] = {}
    for member in group_of:
        if member not in targets:
            together.setdefault(tops[member], []).append(member)
    for group, members in together.items():
        _check_containment(names, hosts, group, members)


def _tops(names: Names, above: Mapping[str, str]) -> dict[str, str] | None:
    """For each name the last one above it; None when they go in a circle, which is reported."""
    tops: dict[str, str] = {}
    for start in above:
        trail: dict[str, None] = {}
        name = start
        while name in above and name not in tops:
            names.budget.spend()
            if name in trail:
                message = f"group {shown(name)} is a member of itself"
                names.report((Section.GROUPS, name), message)
                return None
            trail[name] = None
            name = above[name]
        tops |= dict.fromkeys(trail, tops.get(name, name))
    return tops


def _check_containment(names: Names, hosts: Mapping[str, str], group: str, members: list[str]) -> None:
    """Report members that are contained in nodes which the others are not contained in."""
    last: dict[str, str] = {}
    for member in members:
        name, seen = member, set[str]()
        while name in hosts and name not in seen:
            names.budget.spend()
            seen.add(name)
            name = hosts[name]
        last[member] = name
    if len(set(last.values())) == 1:
        return
    for member, top in last.items():
        if top != member and top not in last:
            message = f"{shown(member)} is contained in {shown(top)}, and others in the group are not"
            names.report((Section.GROUPS, group, "members"), message)
            return
