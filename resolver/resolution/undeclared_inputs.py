"""Find calls of `get_input` that name an input which nothing declares.

In the argument of `get_secret` that is an error. Elsewhere the call stays, and the orchestrator would refuse
the blueprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.dialects import DIALECTS
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import find_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resolver.blueprint import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions
    from resolver.dsl.dialects import Dialect


def undeclared_inputs(
    blueprint: Blueprint, definitions_of: Callable[[object], Definitions | None]
) -> Iterator[Problem]:
    """The calls outside of `get_secret` that name an undeclared input, with their positions.

    Args:
        blueprint: the blueprint, or a file that it imports.
        definitions_of: what counts for a document; None where more may be declared than is known.
    """
    nodes = [span for span in blueprint.parsed.spans.values() if not _GET_INPUT.isdisjoint(span.node)]
    several = len(blueprint.documents) > 1
    for number, document in enumerate(blueprint.documents, 1) if nodes else ():
        definitions = definitions_of(document)
        if definitions is None:
            continue
        called = {
            id(span.node): (span.start, name)
            for span in nodes
            if (name := _input_of(span.node, definitions.dialect)) is not None
        }
        missing = {
            name
            for name in {name for _, name in called.values()}
            if definitions.input(name) is None and definitions.undecided(name) is None
        }
        wrong = {mark: found for mark, found in called.items() if found[1] in missing}
        prefix: Path = (f"document {number}",) if several else ()
        for path, mark in find_nodes(document, wrong, prefix, definitions.dialect) if wrong else ():
            start, name = wrong[mark]
            if definitions.is_workflow_input(name, path[len(prefix) :]):
                continue
            yield blueprint.text.problem(
                Reason.UNDECLARED_INPUT,
                f"input {name!r} is not declared",
                blueprint.text.position_at(start),
                path=path,
                hint=definitions.inputs_like(name) or "declare it under inputs",
            )


_GET_INPUT = frozenset(f"{dialect.prefix}get_input" for dialect in DIALECTS.values())


def _input_of(node: Mapping[Any, Any], dialect: Dialect) -> str | None:
    """The name of the input that a call is written with; None for another call, or a computed name."""
    get_input = f"{dialect.prefix}get_input"
    if get_input not in node or dialect.call_name(node) is None:
        return None
    name = node[get_input]
    if isinstance(name, list) and name:
        name = name[0]
    return name if isinstance(name, str) else None
