"""Facts about a deployment that the caller supplies, and the code of the functions that they answer.

A call without an answer is left for run time. The answers count as secret in messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from resolver.core.location import follow, leads
from resolver.core.redacted import Redacted
from resolver.dsl.problems import Fault, Reason, kind_of

_SYSTEM_FACTS = frozenset(
    {
        ("tenant", "name"),
        ("deployment", "id"),
        ("deployment", "name"),
        ("deployment", "blueprint"),
        ("deployment", "owner"),
    },
)


class UnansweredError(Exception):
    """The context has no answer to a call, which is left for run time."""


class DeploymentContext(Redacted, frozen=True):
    """Facts about a deployment.

    Args:
        tenant: the name of the tenant; empty when none was named.
        deployment: `id`, `name`, `blueprint` and `owner`.
        labels: the values of each label, by label key.
        capabilities: values by deployment id and capability name.
        environment_capabilities: values by capability name.
        attributes: values by node name and attribute name.
    """

    tenant: str = ""
    deployment: Mapping[str, str] = msgspec.field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    capabilities: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    environment_capabilities: Mapping[str, Any] = msgspec.field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)

    def or_else(self, other: DeploymentContext) -> DeploymentContext:
        """These facts, and those of another context where these say nothing."""
        return DeploymentContext(
            self.tenant or other.tenant,
            {**other.deployment, **self.deployment},
            {**other.labels, **self.labels},
            _joined(self.capabilities, other.capabilities),
            {**other.environment_capabilities, **self.environment_capabilities},
            _joined(self.attributes, other.attributes),
        )


def _joined(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Two tables by owner and name; the first one's entries win."""
    return {owner: {**second.get(owner, {}), **first.get(owner, {})} for owner in {**second, **first}}


def get_sys(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """A fact about the tenant or the deployment."""
    words = argument if isinstance(argument, list) else []
    if len(words) != 2 or not all(isinstance(word, str) for word in words):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, "get_sys takes a list of two words", "like [tenant, name]")
    entity, fact = words
    if (entity, fact) not in _SYSTEM_FACTS:
        known = ", ".join(f"[{entity}, {fact}]" for entity, fact in sorted(_SYSTEM_FACTS))
        raise Fault(Reason.BAD_ARGUMENT, "get_sys was asked for what it does not know", f"it knows {known}")
    found = context.tenant if entity == "tenant" else context.deployment.get(fact)
    if not found:
        raise UnansweredError
    return found


def get_label(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """The values of a label, or one of them by its index."""
    words = argument if isinstance(argument, list) else [argument]
    if not 1 <= len(words) <= 2 or not isinstance(words[0], str):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, "get_label takes a label key, or a list of a key and an index")
    values = context.labels.get(words[0])
    if values is None:
        raise UnansweredError
    if len(words) == 1:
        return list(values)
    index = words[1]
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool):
        raise Fault(
            Reason.BAD_ARGUMENT, f"the index given to get_label is {kind_of(index)}, not a whole number"
        )
    return _follow("get_label", values, [index])


def get_capability(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """A capability of a deployment, or a part of it."""
    return _nested("get_capability", context.capabilities, argument, "a deployment and a capability")


def get_attribute(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """An attribute of a node, or a part of it."""
    return _nested("get_attribute", context.attributes, argument, "a node and an attribute")


def get_environment_capability(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """A capability of the deployment's environment, or a part of it."""
    words = [argument] if isinstance(argument, str) else argument
    if not isinstance(words, list) or not words or not isinstance(words[0], str) or argument == words[:1]:
        raise Fault(
            Reason.BAD_ARGUMENT,
            "get_environment_capability takes a capability's name, or a list of a name and steps",
        )
    if words[0] not in context.environment_capabilities:
        raise UnansweredError
    return _follow("get_environment_capability", context.environment_capabilities[words[0]], words[1:])


def _nested(name: str, table: Mapping[str, Mapping[str, Any]], argument: object, takes: str) -> Any:  # noqa: ANN401
    words = argument if isinstance(argument, list) else []
    if len(words) < 2 or not isinstance(words[0], str):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, f"{name} takes a list that begins with {takes}")
    owner = table.get(words[0])
    if owner is None or not leads(owner, words[1]):
        raise UnansweredError
    return _follow(name, owner[words[1]], words[2:])


def _follow(name: str, value: object, path: Sequence[Any]) -> Any:  # noqa: ANN401 - plain data
    found, wrong = follow(value, path)
    if wrong:
        raise Fault(Reason.NO_SUCH_STEP, f"step {wrong} of the path given to {name} leads nowhere")
    return found
