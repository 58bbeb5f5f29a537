"""Walks over a document: find the outermost calls, and rebuild a new document with some nodes replaced.

Both visit a shared node (an anchor's target) once, however often aliases and merges name it, so a small text
that expands to a huge document costs what its text costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.core.intrinsic import GET_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resolver.core.document import Path


def find_calls(document: object, path: Path = ()) -> Iterator[tuple[Path, dict[Any, Any]]]:
    """Find the outermost `get_secret` calls of a document, and the mappings that are malformed ones.

    Calls within another call's argument are not yielded when that call is `get_secret` (they belong to its
    evaluation) and are when it is another function (which stays, with the inner call replaced).

    Args:
        document: the root to start from.
        path: the root's own path, put before each result's.

    Yields:
        The path of each call's first occurrence, and the mapping that is the call.
    """
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [(path, document)]
    while pending:
        here, node = pending.pop()
        if isinstance(node, dict):
            if id(node) in seen:
                continue
            seen.add(id(node))
            if GET_SECRET in node:
                yield here, node
                continue
            children = [
                ((*here, _step(key)), value)
                for key, value in node.items()
                if isinstance(value, (dict, list, tuple))
            ]
        elif isinstance(node, (list, tuple)):
            if id(node) in seen:
                continue
            seen.add(id(node))
            children = [
                ((*here, index), value)
                for index, value in enumerate(node)
                if isinstance(value, (dict, list, tuple))
            ]
        else:
            continue
        children.reverse()
        pending.extend(children)


def _step(key: object) -> str | int:
    return key if isinstance(key, (str, int)) else str(key)


def rebuild(document: object, results: Mapping[int, object]) -> Any:  # noqa: ANN401 - documents are plain data
    """Make a new document in which some nodes are replaced; the old one is left as it was.

    Nodes that were shared stay shared, and a replacement is never looked into.

    Args:
        document: the root of the old document.
        results: replacements by `id()` of the mapping they stand for.

    Returns:
        The root of the new document. Parts without a replacement may be the old objects themselves.
    """
    if not results:
        return document
    rebuilt: dict[int, Any] = {}

    def visit(node: Any) -> Any:  # noqa: ANN401 - documents are plain data
        if not isinstance(node, (dict, list, tuple)):
            return node
        mark = id(node)
        if mark in results:
            return results[mark]
        if mark in rebuilt:
            return rebuilt[mark]
        new: Any
        if isinstance(node, dict):
            new = {key: visit(value) for key, value in node.items()}
        elif isinstance(node, list):
            new = [visit(value) for value in node]
        else:
            new = tuple([visit(value) for value in node])
        rebuilt[mark] = new
        return new

    return visit(document)
