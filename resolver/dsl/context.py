"""Facts about a deployment that the caller supplies, and the functions they answer.

`get_sys`, `get_label`, `get_capability`, `get_environment_capability` and `get_attribute` are answered where
there is an answer; without one they stay what they are, calls whose result is known at run time only. The
answers count as secret in messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.dsl.functions import kind
from resolver.dsl.problems import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SYSTEM_FACTS = frozenset(
    {
        ("tenant", "name"),
        ("deployment", "id"),
        ("deployment", "name"),
        ("deployment", "blueprint"),
        ("deployment", "owner"),
    },
)


class Unanswered(Exception):  # noqa: N818 - not a failure: the call stays for run time
    """The context has no answer to a call."""


@dataclass(frozen=True, slots=True)
class DeploymentContext:
    """What is known of the deployment.

    Args:
        tenant: the name of the tenant; empty when none was named.
        deployment: `id`, `name`, `blueprint` and `owner`.
        labels: the values of each label, by label key.
        capabilities: values by deployment id and capability name.
        environment_capabilities: values by capability name.
        attributes: values by node name and attribute name.
    """

    tenant: str = ""
    deployment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    capabilities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment_capabilities: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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

    def answer(self, name: str, argument: object) -> Any:  # noqa: ANN401 - plain data
        """The answer to a call.

        Args:
            name: the function.
            argument: its argument, evaluated; node names stand where the blueprint says SELF.

        Raises:
            Unanswered: there is none, or the function is none of these.
            Fault: the argument is malformed.
        """
        function = _FUNCTIONS.get(name)
        if function is None:
            raise Unanswered
        return function(self, argument)


def _joined(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Two tables by owner and name; the first one's entries win."""
    return {owner: {**second.get(owner, {}), **first.get(owner, {})} for owner in {**second, **first}}


def _get_sys(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    words = argument if isinstance(argument, list) else []
    if len(words) != 2 or not all(isinstance(word, str) for word in words):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, "get_sys takes a list of two words", "like [tenant, name]")
    entity, fact = words
    if (entity, fact) not in _SYSTEM_FACTS:
        known = ", ".join(f"[{entity}, {fact}]" for entity, fact in sorted(_SYSTEM_FACTS))
        raise Fault(Reason.BAD_ARGUMENT, "get_sys was asked for what it does not know", f"it knows {known}")
    found = context.tenant if entity == "tenant" else context.deployment.get(fact)
    if not found:
        raise Unanswered
    return found


def _get_label(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    words = argument if isinstance(argument, list) else [argument]
    if not 1 <= len(words) <= 2 or not isinstance(words[0], str):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, "get_label takes a label key, or a list of a key and an index")
    values = context.labels.get(words[0])
    if values is None:
        raise Unanswered
    if len(words) == 1:
        return list(values)
    index = words[1]
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool):
        raise Fault(Reason.BAD_ARGUMENT, f"the index given to get_label is {kind(index)}, not a whole number")
    return _walk("get_label", values, [index])


def _get_capability(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    return _nested("get_capability", context.capabilities, argument, "a deployment and a capability")


def _get_attribute(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    return _nested("get_attribute", context.attributes, argument, "a node and an attribute")


def _get_environment_capability(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    words = [argument] if isinstance(argument, str) else argument
    if not isinstance(words, list) or not words or not isinstance(words[0], str) or argument == words[:1]:
        raise Fault(
            Reason.BAD_ARGUMENT,
            "get_environment_capability takes a capability's name, or a list of a name and steps",
        )
    if words[0] not in context.environment_capabilities:
        raise Unanswered
    return _walk("get_environment_capability", context.environment_capabilities[words[0]], words[1:])


def _nested(name: str, table: Mapping[str, Mapping[str, Any]], argument: object, takes: str) -> Any:  # noqa: ANN401
    words = argument if isinstance(argument, list) else []
    if len(words) < 2 or not isinstance(words[0], str):  # noqa: PLR2004
        raise Fault(Reason.BAD_ARGUMENT, f"{name} takes a list that begins with {takes}")
    owner = table.get(words[0])
    if owner is None or not leads(owner, words[1]):
        raise Unanswered
    return _walk(name, owner[words[1]], words[2:])


def _walk(name: str, value: Any, steps: Sequence[Any]) -> Any:  # noqa: ANN401 - plain data
    for number, step in enumerate(steps, 1):
        if not leads(value, step):
            raise Fault(Reason.NO_SUCH_STEP, f"step {number} of the path given to {name} leads nowhere")
        value = value[step]
    return value


def leads(data: object, step: object) -> bool:
    """Whether a step leads somewhere: a key of a mapping, or an index of a list that is in range."""
    if isinstance(data, dict):
        return isinstance(step, (str, int)) and step in data
    if not isinstance(data, (list, tuple)) or not isinstance(step, int) or isinstance(step, bool):
        return False
    return -len(data) <= step < len(data)


_FUNCTIONS: dict[str, Callable[[DeploymentContext, object], Any]] = {
    "get_sys": _get_sys,
    "get_label": _get_label,
    "get_capability": _get_capability,
    "get_environment_capability": _get_environment_capability,
    "get_attribute": _get_attribute,
}
