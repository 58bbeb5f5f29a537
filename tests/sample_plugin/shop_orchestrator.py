"""An orchestrator of a third party: it feeds resolved blueprints to a program that deploys them."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from resolver import InvalidRequestError, PluginError
from resolver.core.model import SecretValue
from resolver.core.providers import FetchFailure
from resolver.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.providers import ProviderRequest, ProviderType
    from resolver.plugins.payloads import Delivery, FactsRequest


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
    """Keeps values in the connection parameters, as `KEY=VALUE` lines; only a sample would."""

    credentials = frozenset({"content"})

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """There is one parameter."""
        if set(parameters) != {"content"}:
            raise InvalidRequestError("a drawer takes the parameter 'content'")
        return parameters

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """There are no options."""
        if options:
            raise InvalidRequestError("a drawer takes no options")
        return options

    def fetch(
        self,
        parameters: Mapping[str, str],
        wanted: Mapping[str, ProviderRequest],
        forwards: int,  # noqa: ARG002 - it forwards nothing
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Look all of them up."""
        lines = dict(line.split("=", 1) for line in parameters["content"].splitlines())
        return {
            name: SecretValue(lines[want.key])
            if want.key in lines
            else FetchFailure("it is not in the drawer")
            for name, want in wanted.items()
        }

    def test(self, parameters: Mapping[str, str]) -> bool:
        """There is always a drawer."""
        return bool(parameters["content"])


@hookimpl
def resolver_provider_types() -> Mapping[str, ProviderType]:
    """Offer the drawer."""
    return {"drawer": Drawer()}
