"""What `deploy/` has for those who run and watch a server: valid, confined, and with options that exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import kubernetes_validate
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from resolver.cli.main import resolver_group
from resolver.rest.metrics import Metrics
from resolver.rest.v1.use import GROUP

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPLOY = Path(__file__).parents[1] / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
OF_PROMETHEUS = {"up"}
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


def selectors(node: Any) -> list[Any]:  # noqa: ANN401 - the library's
    """All selectors of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    parts += list(getattr(node, "args", ()))
    return [found for part in parts if part is not None for found in selectors(part)]


def names() -> set[str]:
    """All series that a server has."""
    metrics = Metrics()
    metrics.requests.labels("GET", "/ok", "200").inc()
    metrics.seconds.labels("/ok").observe(1)
    metrics.limited.labels("address").inc()
    metrics.count_values("batch", 1, expired=1, due=1)
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name for family in families for sample in family.samples}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_are_of_numbers_that_there_are(expression: str) -> None:
    """A name that a later version drops would make an alert that never comes."""
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    found = selectors(parsed)
    assert found
    assert {one.name for one in found} <= names() | OF_PROMETHEUS


def test_routes_that_are_named_exist() -> None:
    """As labels have them."""
    routes = {operation.path for operation in GROUP.operations}
    named = {route for text in EXPRESSIONS for route in re.findall(r'route="([^"]+)"', text)}
    assert named
    assert named <= routes


def test_alerts_say_what_to_do() -> None:
    """Each with what is wrong and what next."""
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


MANIFESTS = {
    f"{path.stem}-{manifest['kind']}": manifest
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
}
PODS = {
    name: manifest["spec"]["template"]["spec"]
    for name, manifest in MANIFESTS.items()
    if "template" in manifest["spec" if "spec" in manifest else "metadata"]
}
OLDEST = "1.29"
"""A version of Kubernetes by whose schemas manifests are judged; later ones only add to them."""


def options(arguments: Sequence[str]) -> dict[str, Any]:
    """What a command line of `resolver` gives its command, which is not run."""
    group = click.Context(resolver_group, **resolver_group.context_settings)
    command = resolver_group.get_command(group, arguments[0])
    assert command is not None
    return command.make_context(arguments[0], list(arguments[1:]), parent=group).params


@pytest.mark.parametrize("name", [name for name in MANIFESTS if not name.startswith("external-secrets-")])
def test_manifests_are_what_kubernetes_takes(name: str) -> None:
    """Without a field that it would drop in silence."""
    kubernetes_validate.validate(MANIFESTS[name], OLDEST, strict=True)


@pytest.mark.parametrize("name", PODS)
def test_pods_are_confined(name: str) -> None:
    """No root, no right, nothing to write to, no credential of the cluster; and only options that exist."""
    (container,) = PODS[name]["containers"]
    assert PODS[name]["automountServiceAccountToken"] is False
    assert PODS[name]["enableServiceLinks"] is False
    assert PODS[name]["securityContext"]["runAsNonRoot"] is True
    assert PODS[name]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in PODS[name]["volumes"]
    }
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    files = [value for value in options(container["args"]).values() if isinstance(value, Path)]
    assert all(str(file.parent) in mounted for file in files)


def test_a_pod_is_out_of_the_service_before_it_stops() -> None:
    """It accepts until the probes have failed, and is not killed before what is in work has ended."""
    pod = PODS["server-Deployment"]
    (container,) = pod["containers"]
    given = options(container["args"])
    probe = container["readinessProbe"]
    assert given["drain_delay"] >= probe["periodSeconds"] * probe["failureThreshold"] + 2
    assert pod["terminationGracePeriodSeconds"] > given["drain_delay"] + 2 + 30
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert given["health_listen"] == f"0.0.0.0:{ports['health']}"
    assert given["port"] == ports["https"]
    assert (container["livenessProbe"]["httpGet"], probe["httpGet"]) == (
        {"path": "/ok", "port": "health"},
        {"path": "/ready", "port": "health"},
    )


def test_the_image_is_made_by_the_rules() -> None:
    """The linter finds nothing; it runs as nobody, and starts a server with options that there are."""
    path = DEPLOY / "Containerfile"
    linter = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or "hadolint"
    linted = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")
    found = dict(
        line.split(maxsplit=1) for line in path.read_text().splitlines() if re.match("[A-Z]+ ", line)
    )
    assert found["USER"] == "65532:65532"
    assert json.loads(found["ENTRYPOINT"]) == ["resolver"]
    given = options(json.loads(found["CMD"]))
    assert [str(given["port"]), given["health_listen"].rpartition(":")[2]] == found["EXPOSE"].split()


def test_the_unit_starts_what_there_is() -> None:
    """With options of the command; the socket is the one that the proxy's documentation names."""
    units = {}
    for kind in ("service", "socket"):
        units[kind] = configparser.ConfigParser(strict=False, interpolation=None)
        units[kind].read(DEPLOY / "systemd" / f"resolver.{kind}")
    program, *arguments = shlex.split(units["service"]["Service"]["ExecStart"])
    assert Path(program).name == "resolver"
    assert options(arguments)["trusted_proxies"] == ("unix",)
    documentation = (DEPLOY.parent / "docs" / "server.md").read_text()
    assert f"http://unix:{units['socket']['Socket']['ListenStream']};" in documentation
