"""An orchestrator of a third party: it feeds resolved blueprints to a program that deploys them."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from resolver import PluginError
from resolver.core.model import SecretValue
from resolver.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.ports import ProviderRequest, SecretsProvider
    from resolver.orchestrators.handle import Delivery, FactsRequest


@hookimpl
def resolver_facts(request: FactsRequest) -> Mapping[str, Any]:
    """Tell what this orchestrator knows of its deployment."""
    deployment = request.options.get("deployment", "shop")
    return {
        "deployment": {"id": deployment, "name": deployment.title()},
        "labels": {"tenant": [request.tenant]},
    }


@hookimpl
def resolver_deliver(delivery: Delivery) -> None:
    """Run the program that `--deliver-option deploy=PROGRAM` names, with each blueprint on its stdin."""
    program = delivery.options.get("deploy")
    if not program:
        raise PluginError("it was not told what to run", hint="give --deliver-option deploy=PROGRAM")
    for blueprint in delivery.blueprints:
        done = subprocess.run(
            shlex.split(program),
            input=blueprint.text().encode(),
            env=os.environ | {"DEPLOYMENT": delivery.options.get("deployment", "shop")},
            check=False,
        )
        if done.returncode:
            raise PluginError(f"the program ended with {done.returncode}, blueprint {blueprint.name!r}")


class Drawer:
    """Keeps values in the connection parameters; only a sample would."""

    type = "drawer"

    def fetch(
        self, connection: Mapping[str, Any], requests: Sequence[ProviderRequest]
    ) -> Sequence[SecretValue]:
        """Look all of them up."""
        return [SecretValue(connection[str(request.options["label"])]) for request in requests]

    def test(self, connection: Mapping[str, Any]) -> None:
        """There is always a drawer."""


@hookimpl
def resolver_providers() -> Iterable[SecretsProvider]:
    """Offer the drawer."""
    return [Drawer()]
