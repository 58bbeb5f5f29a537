"""What `deploy/` has for those who watch a server: valid expressions of numbers that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from resolver.rest.metrics import Metrics
from resolver.rest.v1.use import GROUP

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
