"""Calls in the values of nodes, operations and outputs: whether what they refer to is there."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from resolver.dsl.calls import GET_SECRET, call_name
from resolver.dsl.semantics.names import Section, is_function, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.location import Path
    from resolver.dsl.semantics.names import Names

_FACTS: Final = {
    "tenant": ("name",),
    "deployment": ("id", "name", "blueprint", "owner"),
}
"""What `get_sys` knows."""

_OF_NODES: Final = ("get_property", "get_attribute", "get_attributes_list", "get_attributes_dict")


_PLANNED: Final = ("get_input", "get_property", "get_sys")
"""The functions that are evaluated, and so checked, in the argument of `get_secret`."""


class Surroundings(enum.Enum):
    """What a value belongs to, on which depends what SELF, SOURCE and TARGET mean."""

    NODE = ("SELF",)
    RELATIONSHIP = ("SOURCE", "TARGET")
    OTHER = ()


_WORDS: Final = frozenset(word for scope in Surroundings for word in scope.value)


class Ends(NamedTuple):
    """The nodes that SELF, SOURCE and TARGET stand for.

    Args:
        source: the node itself, or the one that has the relationship.
        target: the other end of the relationship.
    """

    source: str = ""
    target: str = ""


NO_ENDS: Final = Ends()


class Located(NamedTuple):
    """A call in a value, with its path there."""

    path: Path
    call: dict[Any, Any]


class Properties(Protocol):
    """Knows the properties of nodes."""

    def lacks_property(self, node: str, path: Sequence[Any]) -> bool:
        """Whether a node surely has no property at a path."""


class Calls:
    """Reports calls that refer to what is not there.

    Args:
        names: what the blueprint defines.
        properties: knows the properties of nodes.
    """

    def __init__(self, names: Names, properties: Properties) -> None:
        self._names = names
        self._properties = properties
        self._found: dict[int, list[Located]] = {}
        self._reported: set[int] = set()

    def check(self, value: object, path: Path, scope: Surroundings, ends: Ends = NO_ENDS) -> None:
        """Report what is wrong with the calls in a value.

        Args:
            value: the value.
            path: where it is.
            scope: what it belongs to.
            ends: the nodes that it belongs to.
        """
        for inner, call in self.calls_in(value):
            self._names.budget.spend()
            if id(call) not in self._reported:
                self._check(call, (*path, *inner), scope, ends)

    def calls_in(self, value: object) -> list[Located]:
        """All calls in a value, the inner ones too. What is shared in it is looked at once."""
        if not isinstance(value, (dict, list)):
            return []
        if id(value) not in self._found:
            found: list[Located] = []
            seen: set[int] = set()
            pending: list[tuple[Path, Any, bool]] = [((), value, False)]
            while pending:
                path, node, is_planned = pending.pop()
                if not isinstance(node, (dict, list)) or id(node) in seen:
                    continue
                seen.add(id(node))
                self._names.budget.spend(len(node) + 1)
                name = call_name(node) if isinstance(node, dict) else None
                if isinstance(node, dict) and name and not (is_planned and name in _PLANNED):
                    found.append(Located(path, node))
                is_planned = is_planned or name == GET_SECRET
                steps = node.items() if isinstance(node, dict) else enumerate(node)
                pending += [((*path, step), each, is_planned) for step, each in steps]
            self._found[id(value)] = found
        return self._found[id(value)]

    def _check(self, call: dict[Any, Any], path: Path, scope: Surroundings, ends: Ends) -> None:
        name = str(call_name(call))
        message, hint = self._problem(name, call[name], scope, ends)
        if message:
            self._reported.add(id(call))
            self._names.report((*path, name), message, hint)

    def _problem(self, name: str, argument: Any, scope: Surroundings, ends: Ends) -> tuple[str, str]:  # noqa: ANN401 - plain data
        """What is wrong with a call, and what helps; empty for nothing."""
        words = argument if isinstance(argument, list) else [argument]
        first = words[0] if words else None
        if name == "get_input" and isinstance(first, str):
            if self._names.is_unknown(Section.INPUTS, first):
                return f"input {shown(first)} is not declared", self._names.like(Section.INPUTS, first)
        elif name == "get_sys" and isinstance(first, str) and first in _FACTS and len(words) > 1:
            if not is_function(words[1]) and words[1] not in _FACTS[first]:
                return f"get_sys knows of a {first} only {', '.join(_FACTS[first])}", ""
        elif name == "get_attributes_dict" and _has_twice(words[1:]):
            return "an attribute must not be asked for twice", ""
        elif name in _OF_NODES and isinstance(first, str) and not any(map(is_function, words)):
            return self._node_problem(name, first, words[1:], scope, ends)
        return "", ""

    def _node_problem(
        self, name: str, first: str, steps: Sequence[Any], scope: Surroundings, ends: Ends
    ) -> tuple[str, str]:
        node = first
        if first in _WORDS:
            if first not in scope.value:
                return f"{first} means nothing here", ""
            node = ends.target if first == "TARGET" else ends.source
        if self._names.is_unknown(Section.NODE_TEMPLATES, node):
            if first in _WORDS:
                return "", ""  # the relationship's target, which is reported
            hint = self._names.like(Section.NODE_TEMPLATES, node)
            return f"node template {shown(node)} is not defined", hint
        if name == "get_property" and self._properties.lacks_property(node, steps):
            return f"node template {shown(node)} has no such property", ""
        return "", ""


def _has_twice(paths: Sequence[Any]) -> bool:
    """Whether paths of attributes become the same name, in which their steps are joined by dots."""
    names = [".".join(map(str, path)) if isinstance(path, list) else path for path in paths]
    return len({name for name in names if isinstance(name, str)}) < sum(
        isinstance(name, str) for name in names
    )
