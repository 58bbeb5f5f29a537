"""Operations and a workflow of a Cloudify plugin, for tests: what they get stays in memory."""

from __future__ import annotations

from typing import Any

from cloudify.exceptions import NonRecoverableError

Context = Any  # Cloudify's, which has no annotations

SEEN: list[dict[str, Any]] = []


def record(ctx: Context, **inputs: object) -> None:
    """Keep what an operation of a node is given."""
    SEEN.append(
        {
            "node": ctx.node.id,
            "operation": ctx.operation.name.rpartition(".")[2],
            "inputs": inputs,
            "properties": dict(ctx.node.properties),
        }
    )
    ctx.instance.runtime_properties["ran"] = ctx.operation.name


def connect(ctx: Context, **inputs: object) -> None:
    """Keep what an operation of a relationship is given."""
    SEEN.append(
        {
            "node": f"{ctx.source.node.id}-{ctx.target.node.id}",
            "operation": "establish",
            "inputs": inputs,
            "properties": dict(ctx.target.node.properties),
        }
    )


def fail(ctx: Context, text: str) -> None:
    """Fail with an input's text, if it says so."""
    SEEN.append({"node": ctx.node.id, "operation": "create", "inputs": {"text": text}, "properties": {}})
    if text.startswith("fail"):
        raise NonRecoverableError(f"the operation was given {text}")


def again(ctx: Context, operation: str) -> None:
    """Run one operation of all nodes that have it, at once."""
    graph = ctx.graph_mode()
    for node in ctx.nodes:
        for instance in node.instances:
            graph.add_task(instance.execute_operation(operation))
    graph.execute()
