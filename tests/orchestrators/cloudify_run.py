"""Runs Cloudify's real functions and local workflows with the adapter.

By the Python of an environment that has `cloudify-common` and this package. Reads a JSON list of runs from
stdin, `{"scenario", "folder", "tenant", "token"}` each, and prints a JSON list of what happened. Everything
that Cloudify prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import cloudify_operations
from cloudify.workflows import local
from dsl_parser import functions, parser, tasks

from resolver import open_resolver
from resolver.orchestrators.cloudify import (
    CloudifySecrets,
    EvaluationStorage,
    FileStorage,
    InMemoryStorage,
)
from resolver.service.use import SecretUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLUEPRINT = str(Path(__file__).with_name("blueprint.yaml"))
QUICK = {"task_retries": 0, "task_retry_interval": 0}


def attempt(call: Callable[[], object]) -> dict[str, Any]:
    """What a call gives, or what it raises."""
    try:
        return {"value": call()}
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return {
            "error": type(error).__name__,
            "message": str(error),
            "status": getattr(error, "status_code", 0),
        }


def shipped(_secrets: CloudifySecrets, _folder: str) -> dict[str, Any]:
    """Cloudify's own storage refuses the blueprint."""
    return attempt(lambda: repr(local.init_env(BLUEPRINT)))


def workflow(secrets: CloudifySecrets, folder: str) -> dict[str, Any]:
    """A local workflow on files, loaded again, run again, and its outputs."""
    storage = FileStorage(secrets, folder)
    environment = local.init_env(BLUEPRINT, name="shop", storage=storage)
    environment.execute("install", **QUICK)
    first = list(cloudify_operations.SEEN)
    cloudify_operations.SEEN.clear()
    loaded = local.load_env("shop", FileStorage(secrets, folder))
    loaded.execute("again", **QUICK)
    return {
        "seen": first,
        "again": list(cloudify_operations.SEEN),
        "outputs": loaded.outputs(),
        "instances": {i["node_id"]: i["runtime_properties"] for i in loaded.storage.get_node_instances()},
        "executions": [each["status"] for each in loaded.storage.get_executions()],
        "stored": loaded.storage.stored_node("database")["properties"],
        "unread": loaded.storage.get_nodes()[0]["properties"],
    }


def failure(secrets: CloudifySecrets, folder: str) -> dict[str, Any]:
    """A workflow whose operation fails with a value in its message."""
    environment = local.init_env(BLUEPRINT, name="shop", storage=FileStorage(secrets, folder))
    raised = attempt(lambda: environment.execute("install", **QUICK))
    execution = environment.storage.get_executions()[-1]
    leaking = ValueError(f"no {secrets.get_secret('db_password').value}")
    environment.storage.execution_ended(execution["id"], leaking)
    return {
        "raised": raised["error"],
        "status": execution["status"],
        "error": execution["error"],
        "withheld": environment.storage.get_executions()[-1]["error"],
    }


def memory(secrets: CloudifySecrets, _folder: str) -> dict[str, Any]:
    """A workflow in memory: all that the storage holds."""
    storage = InMemoryStorage(secrets)
    local.init_env(BLUEPRINT, storage=storage).execute("install", **QUICK)
    held = {name: value for name, value in vars(storage).items() if name != "_secrets"}
    return {"seen": len(cloudify_operations.SEEN), "held": json.dumps(held, default=repr)}


def steps(secrets: CloudifySecrets, _folder: str) -> dict[str, Any]:
    """Cloudify's functions called one by one, with our secret method and storage."""
    parsed = parser.parse_from_path(BLUEPRINT)
    secrets.expect(parsed)
    missing = attempt(lambda: secrets.get_secret("not_there"))
    plan = tasks.prepare_deployment_plan(parsed, get_secret_method=secrets.get_secret)
    again = secrets.prepare_deployment_plan(parsed)
    same = json.dumps(again["nodes"]) == json.dumps(plan["nodes"])
    payload = {node["name"]: node["properties"] for node in plan["nodes"]}
    payload["database"].pop("address")
    before = json.dumps(plan, default=repr)
    evaluated = functions.evaluate_functions(json.loads(json.dumps(payload)), {}, EvaluationStorage(secrets))
    outputs = functions.evaluate_outputs(plan["outputs"], EvaluationStorage(secrets))
    return {
        "same": same,
        "plan": before,
        "unchanged": before == json.dumps(plan, default=repr),
        "evaluated": evaluated,
        "outputs": outputs,
        "shown": repr(secrets.get_secret("db_password")),
        "missing": missing,
    }


def refusals(secrets: CloudifySecrets, folder: str) -> dict[str, Any]:
    """What a caller without the right, and a blueprint with a missing secret, get."""
    parsed = parser.parse_from_path(BLUEPRINT)
    with_ours = attempt(lambda: secrets.prepare_deployment_plan(parsed))
    with_theirs = attempt(
        lambda: tasks.prepare_deployment_plan(parsed, get_secret_method=secrets.get_secret) and None
    )
    started = attempt(lambda: repr(local.init_env(BLUEPRINT, storage=FileStorage(secrets, folder))))
    payload = {"a": {"get_secret": "db_password"}}
    evaluated = attempt(lambda: functions.evaluate_functions(payload, {}, EvaluationStorage(secrets)))
    return {
        "ours": with_ours,
        "theirs": with_theirs,
        "started": started,
        "evaluated": evaluated,
        "stored": Path(folder, "deployments").exists(),
    }


def planted(secrets: CloudifySecrets, _folder: str) -> dict[str, Any]:
    """What Cloudify is given for secrets whose JSON holds calls, and for one that only looks like it."""
    storage = EvaluationStorage(secrets)

    def evaluate(*argument: str) -> object:
        payload = {"a": {"get_secret": list(argument)}}
        secrets.expect(payload)
        return functions.evaluate_functions(payload, {}, storage)["a"]

    return {
        name: attempt(lambda name=name: evaluate(name, "part")) for name in ("planted", "nested", "plain")
    }


def closed(secrets: CloudifySecrets, _folder: str) -> dict[str, Any]:
    """What is left when the secrets are closed."""
    secrets.expect(parser.parse_from_path(BLUEPRINT))
    secret = secrets.get_secret("db_password")
    length = len(secret.value)
    secrets.close()
    return {
        "length": length,
        "after": attempt(lambda: secret.value),
        "leaked": secrets.is_leaked_in("anything"),
    }


@contextlib.contextmanager
def counted() -> Iterator[dict[str, list[int]]]:
    """How many keys each request to the store was for."""
    requests: dict[str, list[int]] = {"check": [], "use": []}
    with ExitStack() as stack:
        for name, counts in requests.items():
            stack.enter_context(patch.object(SecretUse, name, counting(getattr(SecretUse, name), counts)))
        yield requests


def counting(method: Callable[..., object], counts: list[int]) -> Callable[..., object]:
    """A method of the service that notes how many keys it is asked for, its third argument."""

    def counted(self: SecretUse, *arguments: Any) -> object:  # noqa: ANN401 - handed on
        counts.append(len(list(arguments[2])))
        return method(self, *arguments)

    return counted


def main() -> None:
    """Run all that is asked for."""
    results = []
    with contextlib.redirect_stdout(sys.stderr), open_resolver() as resolver:
        for run in json.load(sys.stdin):
            cloudify_operations.SEEN.clear()
            caller = resolver.authenticate(token=run["token"])
            with (
                CloudifySecrets(resolver, tenant=run["tenant"], caller=caller, name="shop") as secrets,
                counted() as requests,
            ):
                result = globals()[run["scenario"]](secrets, run["folder"])
            results.append({**result, "requests": requests})
    sys.stdout.write(json.dumps(results, default=repr))


if __name__ == "__main__":
    main()
