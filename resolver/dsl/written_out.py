"""Whether a result that is written in its call's place stays what it is.

Cloudify's parser takes a call's result as it is. What is written there it compares with the declared type,
gives it what defaults add, merges it with what an operation's type has, and wants an output to be something.
Where that would make another value, the call has to stay. Of types that are not in reach nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.definitions import InputType
from resolver.dsl.inheritance import Kind, OutOfReachError
from resolver.dsl.input_types import unmet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions

_INTERFACES = {
    "interfaces": Kind.NODE,
    "source_interfaces": Kind.RELATIONSHIP,
    "target_interfaces": Kind.RELATIONSHIP,
}


def change_when_written(definitions: Definitions, path: Path, value: Any) -> str:  # noqa: ANN401 - plain data
    """What Cloudify's parser would do to a result that is written in the place of its call.

    Args:
        definitions: what the blueprint defines.
        path: the place, in its document.
        value: the result.

    Returns:
        The reason in words; empty where the result stays as it is.
    """
    if definitions.dialect.template:
        return ""
    match path:
        case ("outputs" | "capabilities", _, "value"):
            return "the parser refuses nothing as an output" if value is None else ""
        case (_, _, str(field), _, _, "inputs", _) if field in _INTERFACES and isinstance(value, dict):
            return _merged(definitions, path, field)
        case ("node_templates", _, "relationships", _, str(field), *_):
            if field in _INTERFACES and len(path) == 9 and isinstance(value, dict):  # noqa: PLR2004 - to the input
                return _merged(definitions, path, field)
    declared = _declaration(definitions, path)
    name = None if declared is None else declared.get("type")
    if declared is None or not isinstance(name, str):
        return ""
    if isinstance(value, dict) and path[2:3] and path[2] in _INTERFACES:
        return "the parser would put it together with its declaration"
    return _completed(definitions, declared, name, value)


def _completed(definitions: Definitions, declared: Mapping[Any, Any], name: str, value: Any) -> str:  # noqa: ANN401 - same
    """What the parser makes of a value that is written where a type is declared."""
    builtin = InputType.of(declared)
    if builtin is not None:
        wanted = "" if builtin is InputType.SECRET_KEY else unmet(value, builtin, is_given=False)
        return f"the parser wants {wanted} there, and takes any result of a call" if wanted else ""
    if definitions.types.find(Kind.DATA, name) is None:
        return ""
    if not isinstance(value, dict):
        return f"the parser wants a mapping of data type {name!r} there, and takes any result of a call"
    try:
        whole = definitions.types.whole(definitions.types.typed(value, declared))
    except OutOfReachError:
        return ""
    return "" if whole == value else f"the parser would add defaults of data type {name!r} to it"


def _declaration(definitions: Definitions, path: Path) -> Mapping[Any, Any] | None:
    """What declares the value at a path, through the data types around it; None for nothing in reach."""
    types = definitions.types
    kind = Kind(path[0]) if path and path[0] in tuple(Kind) else None
    steps: Sequence[Any]
    try:
        match path:
            case ("inputs", str(name), "default", *steps):
                found = definitions.input(name)
            case ("node_templates", str(node), "properties", key, *steps):
                found = _property(definitions, Kind.NODE, (definitions.node(node) or {}).get("type"), key)
            case ("node_templates", str(node), "relationships", int(number), "properties", key, *steps):
                entry = _at(definitions.node(node), "relationships", number)
                found = _property(definitions, Kind.RELATIONSHIP, _at(entry, "type"), key)
            case (_, owner, "properties", key, "default", *steps) if kind is not None:
                found = _property(definitions, kind, owner, key)
            case (_, owner, field, interface, operation, "inputs", name, "default", *steps) if (
                kind is not None
            ):
                found = _at(types.find(kind, owner), field, interface, operation, "inputs", name)
            case _:
                return None
        for step in steps:
            if found is None or InputType.of(found) is not None:
                return None
            found = _property(definitions, Kind.DATA, found.get("type"), step)
    except OutOfReachError:
        return None
    return found if isinstance(found, dict) else None


def _property(definitions: Definitions, kind: Kind, owner: object, key: object) -> Mapping[Any, Any] | None:
    declared = definitions.types.declared(kind, owner, key)
    return None if declared is None else declared.declaration


def _merged(definitions: Definitions, path: Path, field: str) -> str:
    """Whether an operation's type has something for an input, which the parser merges mappings with."""
    *above, _, _, _, _, _ = path
    entry = _at(definitions.node(str(path[1])), *above[2:])
    place = path[len(above) :]
    try:
        for _, declared in definitions.types.ancestry(_INTERFACES[field], _at(entry, "type")):
            if isinstance(_at(declared, *place), dict) and _at(declared, *place):
                return "the parser would put it together with what the type has for this input"
    except OutOfReachError:
        pass
    return ""


def _at(node: Any, *steps: object) -> Any:  # noqa: ANN401 - plain data
    """What steps lead to in plain data; None for nothing."""
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node
