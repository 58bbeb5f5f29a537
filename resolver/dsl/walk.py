"""Walks over a document: find the outermost calls, and rebuild a new document with some nodes replaced.

Both visit a shared node (an anchor's target) once, however often aliases and merges name it, so a small text
that expands to a huge document costs what its text costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.dialects import CLOUDIFY, Dialect

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from resolver.core.location import Path


def find_calls(
    document: object, path: Path = (), *, every: bool = False, dialect: Dialect = CLOUDIFY
) -> Iterator[tuple[Path, dict[Any, Any]]]:
    """Find the outermost `get_secret` calls of a document, and the mappings that are malformed ones.

    Calls within another call's argument are not yielded when that call is (they belong to its evaluation),
    and are when it is not: then it stays, and the inner call is replaced.

    Args:
        document: the root to start from.
        path: the root's own path, put before each result's.
        every: find the outermost calls of every intrinsic function.
        dialect: the document's language.

    Yields:
        The path of each call's first occurrence, and the mapping that is the call.
    """
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [(path, document)]
    get_secret, aliases, call_name = dialect.get_secret, dialect.aliases, dialect.call_name
    while pending:
        here, node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict) and (
            get_secret in node
            or (aliases and not node.keys().isdisjoint(aliases))
            or (every and call_name(node) is not None)
        ):
            yield here, node
        else:
            pending += children(here, node)


def find_nodes(
    document: object, nodes: Container[int], path: Path = (), dialect: Dialect = CLOUDIFY
) -> Iterator[tuple[Path, int]]:
    """Find the first path at which some nodes stand that are no part of a `get_secret` call.

    Args:
        document: the root to start from.
        nodes: the `id()` of the nodes to find.
        path: the root's own path, put before each result's.
        dialect: the document's language.

    Yields:
        The path of each, in the order of the document, and the node's `id()`.
    """
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [(path, document)]
    while pending:
        here, node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if id(node) in nodes:
            yield here, id(node)
        if not (isinstance(node, dict) and dialect.secret_name(node) is not None):
            pending += children(here, node)


def find_occurrences(document: object, nodes: Container[int], path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Find every path at which some nodes occur, through all aliases and merges.

    Args:
        document: the root to start from.
        nodes: the `id()` of the nodes to find. They are not looked into.
        path: the root's own path, put before each result's.

    Yields:
        The path of each occurrence, in the order of the document, and the node's `id()`.
    """
    pending: list[tuple[Path, Any]] = [(path, document)]
    while pending:
        here, node = pending.pop()
        if id(node) in nodes:
            yield here, id(node)
        else:
            pending += children(here, node)


def children(here: Path, node: object) -> list[tuple[Path, Any]]:
    """The collections within a node, the last one first; nothing else can be or hold a call."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    children = [
        ((*here, key if isinstance(key, (str, int)) else str(key)), value)
        for key, value in items
        # Most are text; to look at that first makes the walk a third shorter.
        if type(value) is not str and isinstance(value, (dict, list, tuple))
    ]
    children.reverse()
    return children


def rebuild(
    document: object,
    results: Mapping[int, object],
    exceptions: Mapping[Path, object] | None = None,
) -> Any:  # noqa: ANN401 - documents are plain data
    """Make a new document in which some nodes are replaced; the old one is left as it was.

    Nodes that were shared stay shared, unless an exception lies below one of their paths. A replacement is
    never looked into.

    Args:
        document: the root of the old document.
        results: replacements by `id()` of the mapping they stand for.
        exceptions: replacements of a shared node at one path only; they go before `results`.

    Returns:
        The root of the new document. Parts without a replacement may be the old objects themselves.
    """
    if not results and not exceptions:
        return document
    special = exceptions or {}
    # What lies above an exception can't be shared with its other paths.
    above = {path[:length] for path in special for length in range(len(path))}
    rebuilt: dict[int, Any] = {}

    def visit(node: Any, here: Path | None) -> Any:  # noqa: ANN401 - documents are plain data
        """Rebuild a node; `here` is its path while an exception may lie below, else None."""
        if here is not None and here in special:
            return special[here]
        mark = id(node)
        if mark in results or not isinstance(node, (dict, list, tuple)):
            return results.get(mark, node)
        apart = here if here in above else None
        if apart is None and mark in rebuilt:
            return rebuilt[mark]
        steps = node.keys() if isinstance(node, dict) else range(len(node))
        items = [visit(node[step], None if apart is None else (*apart, step)) for step in steps]
        new: Any = dict(zip(steps, items, strict=True)) if isinstance(node, dict) else type(node)(items)
        if apart is None:
            rebuilt[mark] = new
        return new

    return visit(document, ())
