"""The Cloudify adapter on the real `cloudify-common`: who gets values, how, and what is stored."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

import resolver
from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from tests.conftest import TENANT, clean_environment
from tests.leaks.marks import Marks
from tests.test_docs import DOCS, blocks

HERE = Path(__file__).parent
PYTHON = os.environ.get("RESOLVER_TEST_CLOUDIFY_PYTHON")
PACKAGES = Path(resolver.__file__).parents[1]
RUNS = ("shipped", "steps", "workflow", "memory", "failure", "narrowed", "stranger", "closed", "planted")

pytestmark = pytest.mark.skipif(PYTHON is None, reason="RESOLVER_TEST_CLOUDIFY_PYTHON names no Python")


@dataclass
class Ran:
    """What all runs came to.

    Args:
        results: of each run, by its name.
        values: the secrets' values, by key.
        marks: all values, for searching.
        folder: where each run stored its files, in a folder of its name.
        err: what Cloudify printed.
        environ: what the process ran with.
        records: what the audit trail has of uses.
    """

    results: dict[str, dict[str, Any]]
    values: dict[str, str]
    marks: Marks
    folder: Path
    err: str
    environ: dict[str, str]
    records: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def ran(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All runs, in one process of the environment that has Cloudify."""
    folder = tmp_path_factory.mktemp("cloudify")
    shutil.copytree(_made_home, folder / "home")
    settings = Settings({}, folder / "home")
    service, marks = open_service(settings), Marks()
    admin = service.gate.authenticate_token(settings.token())
    values = {key: marks.new(key) for key in ("db_password", "queue_password", "deep", "web_text")}
    values["user"] = marks.new("user")
    # This one is a key, so that it must look like one.
    values["which"] = marks.new("which")
    stored = {
        "db_password": values["db_password"],
        "db_account": json.dumps({"user": values["user"]}),
        "queue_password": values["queue_password"],
        "which": values["which"],
        values["which"]: values["deep"],
        "web_text": values["web_text"],
    }
    service.tenants.create(admin, "failing")
    hostile = {
        "planted": '{"part": {"get_secret": "db_password"}}',
        "nested": '{"part": 1, "other": [{"concat": ["a"], "type": "string"}]}',
        "plain": '{"part": "{ get_secret: db_password }"}',
    }
    for key, value in hostile.items():
        service.secrets.create(admin, TENANT, key, NewSecret(value=SecretValue(value)))
    for key, value in stored.items():
        service.secrets.create(admin, TENANT, key, NewSecret(value=SecretValue(value)))
        service.secrets.create(
            admin,
            "failing",
            key,
            NewSecret(value=SecretValue(f"fail {value}" if key == "web_text" else value)),
        )
    service.secrets.create(
        admin,
        "failing",
        "others",
        NewSecret(value=SecretValue(marks.new("others")), visibility=Visibility.PRIVATE),
    )
    tokens = {name: settings.token() for name in RUNS}
    for name, scope in (("narrowed", Scope(keys=("queue_*", "which"))), ("stranger", Scope())):
        service.users.create(admin, name, NewUser())
        service.tenants.add_member(admin, TENANT, name, TenantRole.OPERATIONS)
        tokens[name] = service.tokens.create(admin, NewToken(username=name, **asdict(scope))).token
    service.close()
    scenarios = {"narrowed": "refusals", "stranger": "refusals"}
    tenants = {"failure": "failing", "stranger": "failing"}
    runs = [
        {
            "scenario": scenarios.get(name, name),
            "folder": str(folder / name),
            "tenant": tenants.get(name, TENANT),
            "token": tokens[name],
        }
        for name in RUNS
    ]
    # An installed package is there already; a checkout has to be shown.
    paths = [HERE, *([PACKAGES] if HERE.parents[1] == PACKAGES else [])]
    environ = clean_environment() | {
        "RESOLVER_HOME": str(folder / "home"),
        "RESOLVER_TOKEN": settings.token(),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", HERE / "cloudify_run.py"],
        input=json.dumps(runs).encode(),
        capture_output=True,
        env=environ,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer = Ran(
        dict(zip(RUNS, json.loads(done.stdout), strict=True)),
        values,
        marks,
        folder,
        done.stderr.decode(),
        environ,
    )
    service = open_service(settings)
    records = service.trail.records(admin, TENANT)
    answer.records = [record.body for record in records if record.action == "secret:use"]
    service.close()
    return answer


def test_cloudify_alone_refuses(ran: Ran) -> None:
    """As shipped, Cloudify's local storage has no secrets: the adapter is what makes the difference."""
    assert ran.results["shipped"]["error"] == "UnsupportedGetSecretError"


def test_operations_receive_the_secrets(ran: Ran) -> None:
    """Inputs of operations of nodes and relationships, direct, computed, and by way of a property."""
    values = ran.values
    seen = {(each["node"], each["operation"]): each["inputs"] for each in ran.results["workflow"]["seen"]}
    assert seen == {
        ("database", "create"): {
            "password": values["db_password"],
            "account": values["user"],
            "queue": values["queue_password"],
        },
        ("database", "configure"): {"computed": values["deep"]},
        ("web", "create"): {"text": values["web_text"]},
        ("web-database", "establish"): {"password": values["db_password"]},
    }


def test_operations_read_properties(ran: Ran) -> None:
    """An operation sees values in its node's properties; what holds no secret is as Cloudify leaves it."""
    expected = {
        "password": ran.values["db_password"],
        "url": f"db://{ran.values['user']}@host",
        "address": {"get_attribute": ["SELF", "ip"]},
    }
    seen = {each["node"]: each["properties"] for each in ran.results["workflow"]["seen"]}
    assert seen["database"] == seen["web-database"] == expected


def test_properties_are_stored_as_they_are(ran: Ran) -> None:
    """The stored node, and the nodes that a workflow walks over, have the calls."""
    calls = {
        "password": {"get_secret": "db_password"},
        "url": {"concat": ["db://", {"get_secret": ["db_account", "user"]}, "@host"]},
        "address": {"get_attribute": ["SELF", "ip"]},
    }
    assert ran.results["workflow"]["stored"] == calls
    assert ran.results["workflow"]["unread"] == calls


def test_a_deployment_is_loaded_again(ran: Ran) -> None:
    """Another storage on the same files runs the next workflow, with values, and has outputs."""
    result = ran.results["workflow"]
    assert {each["node"] for each in result["again"]} == {"database", "web"}
    assert result["again"][0]["inputs"] != {}
    assert result["outputs"] == {"owner": ran.values["db_password"]}
    assert result["executions"] == ["terminated", "terminated"]
    assert result["instances"]["database"]["ran"].endswith(".create")


@pytest.mark.parametrize("name", ["workflow", "failure"])
def test_no_file_holds_a_value(ran: Ran, name: str) -> None:
    """All that a workflow stored is searched: plan, nodes, instances, executions. A canary would be found."""
    folder = ran.folder / name
    files = {path.name for path in folder.rglob("*.json")}
    assert {"blueprint.json", "deployment.json", "executions.json"} <= files
    assert ran.marks.find_in_tree(folder) == []
    (folder / "canary").write_text(ran.values["db_password"])
    assert [found.partition(": ")[2] for found in ran.marks.find_in_tree(folder)] == ["db_password (plain)"]
    (folder / "canary").unlink()


def test_no_plan_in_memory_holds_a_value(ran: Ran) -> None:
    """The storage in memory has calls only, after a workflow that received the values."""
    assert ran.results["memory"]["seen"] == 4
    assert '{\\"get_secret\\": \\"db_password\\"}' in json.dumps(ran.results["memory"]["held"])
    assert ran.marks.find(ran.results["memory"]["held"]) == []


def test_cloudify_prints_no_value(ran: Ran) -> None:
    """What Cloudify printed has a value only where the sample operation put one into its own error."""
    shown = [line for line in ran.err.splitlines() if ran.marks.find(line)]
    assert shown
    assert all("the operation was given fail" in line for line in shown)


def test_an_error_with_a_value_is_not_stored(ran: Ran) -> None:
    """An operation that fails fails the workflow; an error's text with a value in it is withheld."""
    result = ran.results["failure"]
    assert result["status"] == "failed"
    assert result["error"].startswith("Task failed: cloudify_operations.fail")
    assert result["withheld"] == "withheld: it holds the value of a secret"
    assert result["raised"] == "WorkflowFailed"


def test_one_request_for_all_keys(ran: Ran) -> None:
    """A workflow checks all keys of the plan at once, and obtains them at once; a computed one by itself."""
    assert ran.results["workflow"]["requests"] == {"check": [5, 1], "use": [5, 1]}
    assert ran.results["steps"]["requests"]["use"] == [5]
    assert ran.results["closed"]["requests"] == {"check": [4], "use": [4]}


def test_planning_decrypts_nothing(ran: Ran) -> None:
    """Cloudify's own planning is content with our secret method, and so are plans of ours with theirs."""
    result = ran.results["steps"]
    assert result["same"] is True
    assert result["unchanged"] is True
    assert ran.marks.find(result["plan"]) == []
    assert result["shown"] == "CloudifySecret('****')"


def test_cloudifys_functions_evaluate(ran: Ran) -> None:
    """`evaluate_functions` and `evaluate_outputs` take our storage."""
    result = ran.results["steps"]
    assert result["evaluated"]["database"] == {
        "password": ran.values["db_password"],
        "url": f"db://{ran.values['user']}@host",
    }
    assert result["outputs"] == {"owner": ran.values["db_password"]}
    assert result["missing"] == {
        "error": "SecretNotFoundError",
        "message": f"secret <from the context> was not found in tenant {TENANT!r}",
        "status": 404,
    }


def test_access_rules_hold(ran: Ran) -> None:
    """A narrowed token gets no secret beyond its keys, and the deployment is not made."""
    result = ran.results["narrowed"]
    for name in ("ours", "theirs", "started", "evaluated"):
        assert result[name]["error"] == "NotPermittedError", name
        assert result[name]["message"].endswith(
            f"may not be used in tenant {TENANT!r} by this user and token"
        )
    assert result["stored"] is False


def test_a_stranger_learns_nothing(ran: Ran) -> None:
    """One who is no member of the tenant is refused as a whole, whatever there is."""
    result = ran.results["stranger"]
    for name in ("ours", "theirs", "started", "evaluated"):
        assert result[name] == {
            "error": "NotPermittedError",
            "message": "user 'stranger' is not permitted to use secrets in tenant 'failing'",
            "status": 0,
        }
    assert result["stored"] is False


def test_a_computed_key_is_not_recorded(ran: Ran) -> None:
    """A key that came out of a secret's value stands in no record; the others do, with their places."""
    records = b"\n".join(ran.records)
    assert ran.marks.find(records) == []
    assert b"<from secret db_account, db_password, queue_password, web_text, which>" in records
    assert b"nodes[0].properties.password" in records


def test_the_example_on_the_page(ran: Ran, tmp_path: Path) -> None:
    """The page's program runs as it is, and its files hold no value."""
    (example,) = blocks((DOCS / "cloudify.md").read_text(), "python")
    shutil.copy(HERE / "blueprint.yaml", tmp_path)
    command = [str(PYTHON), "-W", "ignore", "-c", example]
    done = subprocess.run(
        command, cwd=tmp_path, env=ran.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "'install' workflow execution succeeded" in done.stdout
    assert ran.marks.find_in_tree(tmp_path / "deployments") == []


@pytest.mark.parametrize("name", ["planted", "nested"])
def test_a_secret_is_never_read_as_a_call(ran: Ran, name: str) -> None:
    """Cloudify would evaluate a call within a JSON secret; such a secret is refused. Text is text."""
    assert ran.results["planted"][name] == {
        "error": "InvalidRequestError",
        "message": f"secret {name!r} holds JSON with a function call, which Cloudify would evaluate",
        "status": 0,
    }
    assert ran.results["planted"]["plain"] == {"value": "{ get_secret: db_password }"}


def test_closing_drops_the_values(ran: Ran) -> None:
    """An object that Cloudify still has gives no value any more."""
    result = ran.results["closed"]
    assert result["length"] == len(ran.values["db_password"])
    assert result["after"]["message"] == "the run 'shop' is over, and holds no secrets any more"
    assert result["leaked"] is False
