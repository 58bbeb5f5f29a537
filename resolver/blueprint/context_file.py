"""The context file: facts about a deployment, checked by `schemas/context.schema.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.blueprint.inputs import read_file_of_values
from resolver.dsl.context import DeploymentContext
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError
from resolver.validation.json_schema import findings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resolver.core.location import Path


def read_context(path: str, tenant: str) -> DeploymentContext:
    """Read a context file.

    Args:
        path: a YAML or JSON file.
        tenant: the name of the tenant that the run asks in.

    Raises:
        UsageError: the file can't be read.
        BlueprintError: it is not valid YAML, or breaks the schema. Nothing of it is repeated.
    """
    facts = read_file_of_values(path, "context", Reason.BAD_CONTEXT)
    return make_context(facts, tenant, f"context file {path!r}")


def make_context(facts: Mapping[str, Any], tenant: str, name: str = "context") -> DeploymentContext:
    """Make a context of plain data.

    Args:
        facts: what `schemas/context.schema.json` describes.
        tenant: the name of the tenant that the run asks in.
        name: what to call the data in messages.

    Raises:
        BlueprintError: the data breaks the schema.
    """
    sections = set(DeploymentContext.__struct_fields__)
    problems = [
        Problem(
            Reason.BAD_CONTEXT,
            # Never deeper than the section: names in there are facts, and count as secret.
            f"{name}: {_shown(where, sections)} {rule}" if where else f"{name} {rule}",
            source=name,
            path=tuple(step for step in where[:1] if step in sections),
            hint="schemas/context.schema.json says what it may have",
        )
        for where, rule in findings(facts, "context.schema.json")
    ]
    if problems:
        raise BlueprintError(problems)
    return DeploymentContext(tenant=tenant, **facts)


def _shown(where: Path, sections: Collection[str]) -> str:
    section, *inner = where
    if section not in sections:
        return "a section"
    return f"something in {section}" if inner else str(section)
