"""Find the positions of entries in a text, for problems only: those of calls are known from reading."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, NodeEvent, ScalarEvent

from resolver.blueprint.document import Blueprint
from resolver.blueprint.events import from_either_parser
from resolver.blueprint.scalars import MERGE, ScalarError, plain_scalar
from resolver.core.location import Path
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.blueprint.events import AnyEvent
    from resolver.core.location import Position


class EntryLocation(msgspec.Struct, frozen=True):
    """An entry of a blueprint: of a mapping, by its key, or of a list.

    Args:
        blueprint: the blueprint that was read.
        path: the entry's path in the document; empty for the document itself.
        document: the document's number, from 0.
    """

    blueprint: Blueprint
    path: Path
    document: int = 0


class Finding(msgspec.Struct, frozen=True):
    """A problem whose position in the text is not known yet.

    Args:
        location: the entry that is wrong.
        reason: the stable code.
        message: one sentence; the position of `first` is added to it.
        first: the entry that defined the same first.
        hint: what to do about it.
    """

    location: EntryLocation
    reason: Reason
    message: str
    first: EntryLocation | None = None
    hint: str = ""


def find_positions(
    locations: Iterable[EntryLocation], budget: Budget | None = None
) -> dict[EntryLocation, Position]:
    """Find the positions of entries, reading each text once.

    Args:
        locations: the entries.
        budget: what the run may spend.

    Returns:
        For each, the position of its name in its mapping, or of the item in its list; of the nearest node
        around it when it is not in the text.
    """
    by_blueprint: defaultdict[Blueprint, list[EntryLocation]] = defaultdict(list)
    for location in locations:
        by_blueprint[location.blueprint].append(location)
    found: dict[EntryLocation, Position] = {}
    for blueprint, wanted in by_blueprint.items():
        roots = from_either_parser(blueprint.text.content, _roots, budget or Budget())
        for location in wanted:
            start = _start(*roots[location.document], location.path)
            found[location] = blueprint.text.position_at(start)
    return found


def problems_of(findings: Iterable[Finding], budget: Budget | None = None) -> list[Problem]:
    """The problems of findings, with their positions.

    Args:
        findings: what was found.
        budget: what the run may spend.
    """
    findings = list(findings)
    positions = find_positions(
        (location for finding in findings for location in (finding.location, finding.first) if location),
        budget,
    )
    problems = []
    for finding in findings:
        location, first, message = finding.location, finding.first, finding.message
        if first is not None:
            position = positions[first]
            message += f", first defined at {first.blueprint.name}:{position.line}:{position.column}"
        text = location.blueprint.text
        problems.append(
            text.problem(finding.reason, message, positions[location], path=location.path, hint=finding.hint)
        )
    return problems


def with_positions(
    problems: Sequence[Problem], blueprints: Sequence[Blueprint], budget: Budget | None = None
) -> list[Problem]:
    """Add positions to the problems that have only a path.

    Args:
        problems: the problems, in any order.
        blueprints: the blueprints that they may be about.
        budget: what the run may spend.
    """
    by_name = {blueprint.name: blueprint for blueprint in blueprints}
    locations = {
        number: _location(by_name[problem.source], problem.path)
        for number, problem in enumerate(problems)
        if problem.position is None and problem.path and problem.source in by_name
    }
    positions = find_positions(locations.values(), budget)
    positioned = list(problems)
    for number, location in locations.items():
        position = positions[location]
        line = location.blueprint.line_at(position)
        positioned[number] = replace(problems[number], position=position, line_text=line)
    return positioned


def _location(blueprint: Blueprint, path: Path) -> EntryLocation:
    """The entry at a path, which in a text of several documents begins with `document N`."""
    if len(blueprint.documents) == 1:
        return EntryLocation(blueprint, path)
    return EntryLocation(blueprint, path[1:], int(str(path[0]).removeprefix("document ")) - 1)


class _TextNode:
    """A node of the text.

    Args:
        key: what a scalar is as a key; None for any other node.
        is_mapping: whether it is a mapping.
    """

    __slots__ = ("children", "is_mapping", "key", "names")

    def __init__(self, key: object = None, *, is_mapping: bool = False) -> None:
        self.key = key
        self.is_mapping = is_mapping
        self.children: list[tuple[int, _TextNode]] = []
        """A list's items, or a mapping's keys and values in turn, each after the index of the first character
        of what stands there: the node or an alias of it."""
        self.names: dict[object, tuple[int, _TextNode]] | None = None
        """A mapping's entries by name, merged mappings included; None until they are needed."""


def _roots(events: Iterable[AnyEvent]) -> list[tuple[int, _TextNode]]:
    """The root of each document, after the index of its first character."""
    top = _TextNode()
    nodes = [top]
    anchors: dict[str, _TextNode] = {}
    for event in events:
        kind = event.__class__
        if issubclass(kind, CollectionEndEvent):
            nodes.pop()
        elif kind is AliasEvent:
            nodes[-1].children.append((event.start_mark.index, anchors[event.anchor]))
        elif issubclass(kind, NodeEvent):
            is_scalar = kind is ScalarEvent
            node = _TextNode(_key(event) if is_scalar else None, is_mapping=kind is MappingStartEvent)
            nodes[-1].children.append((event.start_mark.index, node))
            if event.anchor is not None:
                anchors[event.anchor] = node
            if not is_scalar:
                nodes.append(node)
    return top.children


def _key(event: AnyEvent) -> object:
    """What a scalar is as a key; tags other than the implicit ones don't matter to names."""
    if not event.implicit[0] and event.tag != "!":
        return event.value
    try:
        return plain_scalar(event.value)
    except ScalarError:  # inside a node with a custom tag, where nothing is looked at
        return event.value


def _start(start: int, node: _TextNode, path: Path) -> int:
    """The index at which the node at a path begins, or the nearest node around it."""
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        start, node = found
    return start


def _child(node: _TextNode, step: str | int) -> tuple[int, _TextNode] | None:
    """A child by its name or number, after the index of its name or of itself."""
    if node.is_mapping:
        return _names(node).get(step)
    is_there = isinstance(step, int) and 0 <= step < len(node.children)
    return node.children[int(step)] if is_there else None


def _names(node: _TextNode) -> dict[object, tuple[int, _TextNode]]:
    """The entries of a mapping by name: its own, then those of merged mappings, the last merge key first."""
    if node.names is None:
        names: dict[object, tuple[int, _TextNode]] = {}
        merged: list[_TextNode] = []
        for (start, name), (_, child) in zip(node.children[::2], node.children[1::2], strict=True):
            if name.key is MERGE:
                merged.append(child)
            else:
                names[name.key] = (start, child)  # where one is there twice, the last one counts
        for child in reversed(merged):
            # A merge key takes one mapping, or a list of them of which the first wins.
            for source in [child] if child.is_mapping else [item for _, item in child.children]:
                for key, found in _names(source).items() if source.is_mapping else ():
                    names.setdefault(key, found)
        node.names = names
    return node.names
