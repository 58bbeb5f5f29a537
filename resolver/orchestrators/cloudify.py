"""Cloudify's own functions and local workflows with secrets of this store.

Objects that `cloudify-common` takes as secret method, as storage for evaluation, and as storage of local
workflows. Plans keep their `get_secret` calls; a value appears only where Cloudify evaluates one, in the
arguments of an operation, the properties that an operation reads, and outputs that are asked for.

Needs `cloudify-common`, tried with 7.0.5: `pip install '.[cloudify]'` in a clone.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from cloudify.workflows import local
from cloudify_rest_client.node_instances import NodeInstance
from cloudify_rest_client.nodes import Node
from dsl_parser import exceptions, functions, scan, tasks
from dsl_parser.utils import get_function

from resolver.core.closing import Closing
from resolver.core.leaks import leaks_value
from resolver.dsl.calls import GET_SECRET, call_name
from resolver.dsl.walk import find_calls
from resolver.errors import InvalidRequestError, NotFoundError, bare_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.api import Resolver
    from resolver.core.model import Caller

__all__ = [
    "CloudifySecret",
    "CloudifySecrets",
    "EvaluationStorage",
    "FileStorage",
    "InMemoryStorage",
    "SecretNotFoundError",
]

NOT_FOUND = 404


class SecretNotFoundError(NotFoundError):
    """A secret does not exist, or the caller may not see it; Cloudify recognises the status code."""

    status_code = NOT_FOUND


class CloudifySecret:
    """One secret as Cloudify's evaluation takes it: an object with the text in `value`.

    Args:
        secrets: the secrets that it is one of.
        key: its key.
    """

    __slots__ = ("_secrets", "key")

    def __init__(self, secrets: CloudifySecrets, key: str) -> None:
        self._secrets = secrets
        self.key = key

    def __repr__(self) -> str:
        return "CloudifySecret('****')"

    @property
    def value(self) -> str:
        """The plaintext, obtained together with all others of the run when the first one is read."""
        return self._secrets.reveal(self.key)


class CloudifySecrets(Closing):
    """The secrets of one Cloudify deployment, in memory until they are closed.

    Args:
        resolver: the opened store.
        tenant: the name of the tenant to ask in.
        caller: who asks; its rights decide about every key.
        name: what the audit trail calls the deployment.
    """

    def __init__(self, resolver: Resolver, *, tenant: str, caller: Caller, name: str = "cloudify") -> None:
        self._run = resolver.run_secrets(name, tenant=tenant, caller=caller)

    def close(self) -> None:
        """Drop the values."""
        self._run.close()

    def expect(self, plan: object) -> None:
        """Note the keys in a plan or a payload, so that one request obtains them all."""
        self._run.expect(plan)

    @bare_errors
    def get_secret(self, key: str) -> CloudifySecret:
        """The secret method of Cloudify's parser and storages. Nothing is decrypted before `value` is read.

        Raises:
            SecretNotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
        """
        try:
            self._run.demand(key)
        except NotFoundError as error:
            raise SecretNotFoundError(error.message, hint=error.hint) from None
        return CloudifySecret(self, key)

    secret_method = get_secret

    @bare_errors
    def reveal(self, key: str) -> str:
        """The plaintext of a secret.

        Raises:
            SecretNotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
            InvalidRequestError: it is JSON that holds a function call, which Cloudify would evaluate: whoever
                may write one secret would choose what is read with the rights of another.
        """
        try:
            text = self._run.value(key).reveal()
        except NotFoundError as error:
            raise SecretNotFoundError(error.message, hint=error.hint) from None
        if _holds_call(text):
            shown = self._run.shown(key)
            raise InvalidRequestError(
                f"secret {shown} holds JSON with a function call, which Cloudify would evaluate",
                hint="what a secret holds is data: rename the key in it",
            )
        return text

    def is_leaked_in(self, text: str) -> bool:
        """Whether a text holds a value that this run obtained."""
        return leaks_value(text, self._run.values)

    def prepare_deployment_plan(self, plan: object, **options: Any) -> Any:  # noqa: ANN401 - Cloudify's
        """Cloudify's function of this name, with one look at the store for all keys; it decrypts nothing.

        Args:
            plan: what Cloudify's parser made of a blueprint.
            options: the function's other arguments.

        Raises:
            UnknownSecretError: Cloudify's error, with the keys that are not found.
            NotPermittedError: the caller may not use one of them.
        """
        asked: list[str] = []
        prepared = tasks.prepare_deployment_plan(plan, get_secret_method=asked.append, **options)
        self.expect(prepared)
        missing: list[str] = []
        for key in asked:
            try:
                self.get_secret(key)
            except SecretNotFoundError:
                missing.append(key)
        if missing:
            raise exceptions.UnknownSecretError(f"secrets not found: {', '.join(sorted(missing))}")
        return prepared


def _holds_call(text: str) -> bool:
    """Whether a text is JSON that Cloudify, once a path leads into it, would evaluate again."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        pending = [json.loads(text)]
    except (ValueError, RecursionError):
        return False
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if get_function(item) or call_name(item) is not None or GET_SECRET in item:
                return True
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return False


class EvaluationStorage:
    """A storage for `evaluate_functions` and its like, with our secrets and all else of another storage.

    Args:
        secrets: answers `get_secret`.
        other: answers all else; None when nothing else is asked.
    """

    def __init__(self, secrets: CloudifySecrets, other: object = None) -> None:
        self.get_secret = secrets.get_secret
        self.secret_method = secrets.get_secret
        self._other = other

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other one has
        return getattr(self._other, name)


class _StoredNodes:
    """A deployment's storage with its nodes as they are stored, for the evaluation of nodes itself."""

    def __init__(self, deployment: _Deployment) -> None:
        self._deployment = deployment

    def get_node(self, node_id: str) -> Any:  # noqa: ANN401 - Cloudify's
        return self._deployment.stored_node(node_id)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - Cloudify's
        return getattr(self._deployment, name)


class _Deployment(local.DeploymentStorage):
    """The storage of one deployment, with secrets."""

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
            functions.runtime_evaluation_handler(_StoredNodes(self)),
            scope=scan.NODE_TEMPLATE_SCOPE,
            context=node,
            path=f"{node_id}.properties",
            replace=True,
        )
        node["properties"] = {**node["properties"], **held}
        return node


class _SecretsMixin:
    """Adds secrets to the deployments of a storage of local workflows; no secret is ever stored."""

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
        """Store the results of workflows; the text of an error that holds a value is withheld."""
        shown = [
            {**execution, "error": "withheld: it holds the value of a secret"}
            if self._secrets.is_leaked_in(str(execution.get("error") or ""))
            else execution
            for execution in executions
        ]
        super().store_executions(deployment_id, shown)  # type: ignore[misc]


class InMemoryStorage(_SecretsMixin, local.InMemoryStorage):
    """Cloudify's storage of that name, with secrets.

    Args:
        secrets: the secrets of the deployment.
    """

    def __init__(self, secrets: CloudifySecrets) -> None:
        super().__init__()
        self._secrets = secrets


class FileStorage(_SecretsMixin, local.FileStorage):
    """Cloudify's storage of that name, with secrets. Its files hold the calls, and never a value.

    Args:
        secrets: the secrets of the deployment.
        storage_dir: the folder that it stores in.
    """

    def __init__(self, secrets: CloudifySecrets, storage_dir: str) -> None:
        super().__init__(storage_dir)
        self._secrets = secrets
