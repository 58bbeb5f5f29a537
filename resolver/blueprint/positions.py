"""Where nodes stand in a text, worked out only for what is wrong: reading keeps the places of calls alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, NodeEvent, ScalarEvent

from resolver.blueprint.events import from_either_parser
from resolver.blueprint.scalars import MERGE, ScalarError, plain_scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.blueprint.document import Blueprint
    from resolver.blueprint.events import AnyEvent
    from resolver.core.location import Path, Position
    from resolver.dsl.problems import Problem


@dataclass(slots=True)
class _TextNode:
    """A node of the text.

    Args:
        key: what a scalar is as a key; None for any other node.
        is_mapping: whether it is a mapping.
        children: a list's items, or a mapping's keys and values in turn, each after the index of the first
            character of what stands there: the node or an alias of it.
        names: what a mapping has by name, merged mappings included; None until it is asked for.
    """

    key: object = None
    is_mapping: bool = False
    children: list[tuple[int, _TextNode]] = field(default_factory=list)
    names: dict[object, tuple[int, _TextNode]] | None = None


def find_positions(blueprint: Blueprint, wanted: Sequence[tuple[int, Path]]) -> list[Position]:
    """Find where nodes stand.

    Args:
        blueprint: the blueprint that they are in.
        wanted: for each node, the number of its document from 0, and its path.

    Returns:
        For each, the place of its name in its mapping, or of the item in its list; of the nearest node
        around it when it is not in the text.
    """
    if not wanted:
        return []
    roots = from_either_parser(blueprint.text.content, _roots)
    return [blueprint.text.position_at(_start(*roots[number], path)) for number, path in wanted]


def with_positions(problems: Sequence[Problem], blueprints: Sequence[Blueprint]) -> list[Problem]:
    """Problems that have a path, with their places in the text.

    Args:
        problems: the problems, in any order; those that have a place keep it.
        blueprints: the blueprints that they may be about.
    """
    by_name = {blueprint.name: blueprint for blueprint in blueprints}
    placed = list(problems)
    missing: dict[str, list[int]] = {}
    for number, problem in enumerate(problems):
        if problem.position is None and problem.path and problem.source in by_name:
            missing.setdefault(problem.source, []).append(number)
    for name, numbers in missing.items():
        blueprint = by_name[name]
        wanted = [_split(problems[number].path, len(blueprint.documents)) for number in numbers]
        for number, place in zip(numbers, find_positions(blueprint, wanted), strict=True):
            placed[number] = replace(problems[number], position=place, line_text=blueprint.line_at(place))
    return placed


def _split(path: Path, documents: int) -> tuple[int, Path]:
    """A document's number and the path in it, of a path that names one of several documents first."""
    if documents == 1:
        return 0, path
    return int(str(path[0]).removeprefix("document ")) - 1, path[1:]


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
            node = _TextNode(_key(event) if is_scalar else None, kind is MappingStartEvent)
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
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        start, node = found
    return start


def _child(node: _TextNode, step: str | int) -> tuple[int, _TextNode] | None:
    """What a step leads to, after the index of its name or of itself."""
    if not node.is_mapping:
        is_there = isinstance(step, int) and 0 <= step < len(node.children)
        return node.children[int(step)] if is_there else None
    return _names(node).get(step)


def _names(node: _TextNode) -> dict[object, tuple[int, _TextNode]]:
    """The entries of a mapping by name: its own, then those of merged mappings, the last merge key first."""
    if node.names is None:
        names: dict[object, tuple[int, _TextNode]] = {}
        merged: list[_TextNode] = []
        for (start, name), (_, child) in zip(node.children[::2], node.children[1::2], strict=True):
            if name.key is MERGE:
                merged.append(child)
            else:
                names.setdefault(name.key, (start, child))
        for child in reversed(merged):
            # A merge key takes one mapping, or a list of them of which the first wins.
            for source in [child] if child.is_mapping else [item for _, item in child.children]:
                for step, found in _names(source).items() if source.is_mapping else ():
                    names.setdefault(step, found)
        node.names = names
    return node.names
