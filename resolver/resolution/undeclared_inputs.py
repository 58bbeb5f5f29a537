"""Find calls of `get_input` that name an input which nothing declares.

In the argument of `get_secret` that is an error. Elsewhere the call stays, and the orchestrator would refuse
the blueprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.calls import call_name
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import find_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resolver.blueprint import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions


def undeclared_inputs(
    blueprint: Blueprint, definitions_of: Callable[[object], Definitions | None]
) -> Iterator[Problem]:
    """The calls outside of `get_secret` that name an undeclared input, with their positions.

    Args:
        blueprint: the blueprint, or a file that it imports.
        definitions_of: what counts for a document; None where more may be declared than is known.
    """
    called = {
        id(span.node): (span.start, name)
        for span in blueprint.parsed.spans.values()
        if (name := _input_of(span.node)) is not None
    }
    several = len(blueprint.documents) > 1
    for number, document in enumerate(blueprint.documents, 1) if called else ():
        definitions = definitions_of(document)
        if definitions is None:
            continue
        missing = {
            name
            for name in {name for _, name in called.values()}
            if definitions.input(name) is None and definitions.undecided(name) is None
        }
        wrong = {mark: found for mark, found in called.items() if found[1] in missing}
        prefix: Path = (f"document {number}",) if several else ()
        for path, mark in find_nodes(document, wrong, prefix) if wrong else ():
            start, name = wrong[mark]
            yield blueprint.text.problem(
                Reason.UNDECLARED_INPUT,
                f"input {name!r} is not declared",
                blueprint.text.position_at(start),
                path=path,
                hint=definitions.inputs_like(name) or "declare it under inputs",
            )


def _input_of(node: Mapping[Any, Any]) -> str | None:
    """The name of the input that a call is written with; None for another call, or a computed name."""
    if "get_input" not in node or call_name(node) is None:
        return None
    name = node["get_input"]
    if isinstance(name, list) and name:
        name = name[0]
    return name if isinstance(name, str) else None
