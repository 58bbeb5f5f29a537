"""What the hooks of plugins get: the request for facts, and the delivery of one run.

Neither leads to the store, to a key, to a token or to the caller. A plugin runs in the same process all the
same, and a process has no walls inside: these narrow what honest code can do by mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from resolver.core.redacted import Redacted
from resolver.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.core.model import SecretValue
    from resolver.resolution.resolved import ResolvedBlueprint, Use


class DeliveryTarget(Redacted, frozen=True):
    """The plugin that gets the resolved blueprints. Options may hold values.

    Args:
        plugin: the plugin's name.
        options: the delivery options, by name.
    """

    plugin: str
    options: Mapping[str, str]


class FactsRequest(Redacted, frozen=True):
    """The request for facts about the deployment. Options may hold values.

    Args:
        tenant: the name of the tenant of the run.
        blueprints: the names of the blueprints, as they were given.
        options: the delivery options, for the plugin that the run delivers to; empty for others.
    """

    tenant: str
    blueprints: tuple[str, ...]
    options: Mapping[str, str] = msgspec.field(default_factory=dict)


class Delivery:
    """The resolved blueprints of one run, for the orchestrator that was named. Its repr shows no value.

    It can be read as long as the hook runs, and not changed. Its secrets are those that these blueprints used
    in this run, as they were decided and recorded then.

    Args:
        tenant: the name of the tenant of the run.
        blueprints: what was resolved.
        uses: the secrets used whose keys may be shown.
        secrets: the values used, by key.
        options: the delivery options.
    """

    __slots__ = ("_blueprints", "_options", "_secrets", "_tenant", "_uses")

    def __init__(
        self,
        tenant: str,
        blueprints: Sequence[ResolvedBlueprint],
        uses: Iterable[Use],
        secrets: Mapping[str, SecretValue],
        options: Mapping[str, str],
    ) -> None:
        self._tenant = tenant
        self._blueprints: tuple[ResolvedBlueprint, ...] | None = tuple(blueprints)
        self._uses = tuple(uses)
        self._secrets = {use.key: secrets[use.key] for use in self._uses}
        self._options = MappingProxyType(dict(options))

    def __repr__(self) -> str:
        return f"Delivery(tenant={self._tenant!r}, secrets={len(self._uses)})"

    @property
    def tenant(self) -> str:
        """The name of the tenant of the run."""
        return self._tenant

    @property
    def options(self) -> Mapping[str, str]:
        """What `--deliver-option` gave, by name."""
        return self._options

    @property
    def blueprints(self) -> tuple[ResolvedBlueprint, ...]:
        """The resolved blueprints, in the order given.

        Raises:
            UsageError: the delivery is over.
        """
        blueprints = self._blueprints
        if blueprints is None:
            raise UsageError("the delivery is over, and holds no values any more")
        return blueprints

    @property
    def uses(self) -> tuple[Use, ...]:
        """The secrets that these blueprints used, by key, with their versions."""
        return self._uses

    def secret(self, key: str) -> SecretValue:
        """The value of one of those secrets, for an orchestrator that takes secrets apart from blueprints.

        Raises:
            NotFoundError: these blueprints did not use such a secret, whether or not there is one.
            UsageError: the delivery is over.
        """
        _ = self.blueprints
        value = self._secrets.get(key)
        if value is None:
            raise NotFoundError("these blueprints did not use a secret with this key")
        return value

    def close(self) -> None:
        """Drop the values, those in the blueprints too."""
        blueprints, self._blueprints = self._blueprints, None
        self._secrets.clear()
        for blueprint in blueprints or ():
            blueprint.close()
