"""Cloudify's storages of local workflows, with secrets that are never stored.

A part of `resolver.orchestrators.cloudify`, from which they are imported.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from cloudify.workflows import local
from cloudify_rest_client.node_instances import NodeInstance
from cloudify_rest_client.nodes import Node
from dsl_parser import functions, scan

from resolver.dsl.walk import find_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.orchestrators.cloudify import CloudifySecret, CloudifySecrets


class _Plain:
    """A deployment's storage whose nodes are as they are stored: what evaluation of nodes itself asks."""

    def __init__(self, deployment: _Deployment) -> None:
        self._deployment = deployment

    def get_node(self, node_id: str) -> Any:  # noqa: ANN401 - Cloudify's
        return self._deployment.stored_node(node_id)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - Cloudify's
        return getattr(self._deployment, name)


class _Deployment(local.DeploymentStorage):
    """One deployment's part of a storage, with secrets."""

    def __init__(self, storage: object, deployment: Any, secrets: CloudifySecrets) -> None:  # noqa: ANN401
        super().__init__(storage, deployment)
        self._secrets = secrets
        secrets.expect(self.plan)

    def get_secret(self, key: str) -> CloudifySecret:
        return self._secrets.get_secret(key)

    secret_method = get_secret

    def stored_node(self, node_id: str) -> Any:  # noqa: ANN401 - Cloudify's
        return super().get_node(node_id)

    def get_node(self, node_id: str, evaluate_functions: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - Cloudify's
        """A copy of a node; properties that hold a `get_secret` are evaluated in it, as a manager does."""
        node = super().get_node(node_id, evaluate_functions)
        held = {
            name: value
            for name, value in node["properties"].items()
            if next(find_calls(value), None) is not None
        }
        scan.scan_properties(
            held,
            functions.runtime_evaluation_handler(_Plain(self)),
            scope=scan.NODE_TEMPLATE_SCOPE,
            context=node,
            path=f"{node_id}.properties",
            replace=True,
        )
        node["properties"] = {**node["properties"], **held}
        return node


class _WithSecrets:
    """What both storages of local workflows get: deployments with secrets, none of which is ever stored."""

    _secrets: CloudifySecrets

    def create_deployment(
        self,
        name: str,
        blueprint_name: str,
        inputs: dict[str, Any] | None = None,
        ignored_modules: Sequence[str] | None = None,
    ) -> _Deployment | None:
        """Plan a deployment and store it, the calls in it as they are."""
        blueprint = self.get_blueprint(blueprint_name)  # type: ignore[attr-defined]
        plan = self._secrets.prepare_deployment_plan(blueprint["plan"], inputs=inputs)
        nodes = [Node(node) for node in plan["nodes"]]
        instances = [NodeInstance(instance) for instance in plan["node_instances"]]
        local._prepare_nodes_and_instances(nodes, instances, ignored_modules)  # noqa: SLF001 - no public way
        deployment = {
            "id": name,
            "blueprint_id": blueprint["id"],
            "plan": plan,
            "nodes": {node.id: node for node in nodes},
            "created_at": dt.datetime.now(dt.UTC).replace(tzinfo=None),
            "inputs": inputs or {},
            "workflows": [{**flow, "name": key} for key, flow in plan.get("workflows", {}).items()],
            "scaling_groups": plan["scaling_groups"],
        }
        self.store_deployment(name, deployment)  # type: ignore[attr-defined]
        for instance in instances:
            self.store_instance(name, instance)  # type: ignore[attr-defined]
        return self.load(name)

    def load(self, name: str) -> _Deployment | None:
        """A deployment that was stored, with secrets; None when there is none."""
        deployment = self.get_deployment(name)  # type: ignore[attr-defined]
        return None if deployment is None else _Deployment(self, deployment, self._secrets)

    def store_executions(self, deployment_id: str, executions: Sequence[Mapping[str, Any]]) -> None:
        """Store what became of workflows; the text of an error that holds a value is withheld."""
        kept = [
            {**execution, "error": "withheld: it holds the value of a secret"}
            if self._secrets.told_by(str(execution.get("error") or ""))
            else execution
            for execution in executions
        ]
        super().store_executions(deployment_id, kept)  # type: ignore[misc]


class InMemoryStorage(_WithSecrets, local.InMemoryStorage):
    """Cloudify's storage of that name, with secrets.

    Args:
        secrets: the secrets of the deployment.
    """

    def __init__(self, secrets: CloudifySecrets) -> None:
        super().__init__()
        self._secrets = secrets


class FileStorage(_WithSecrets, local.FileStorage):
    """Cloudify's storage of that name, with secrets. Its files hold the calls, and never a value.

    Args:
        secrets: the secrets of the deployment.
        storage_dir: the folder that it stores in.
    """

    def __init__(self, secrets: CloudifySecrets, storage_dir: str) -> None:
        super().__init__(storage_dir)
        self._secrets = secrets
