"""Where `get_property` leads in a topology of TOSCA."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from resolver.blueprint import read
from resolver.core.model import SecretValue
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Reason

TEXT = """\
tosca_definitions_version: {version}
node_types:
  Any: {{properties: {{p: {{}}}}}}
  Host: {{derived_from: Any, properties: {{q: {{default: of_type}}}}}}
{template}:
  node_templates:
    machine: {{type: Host, properties: {{m: of_machine}}}}
    server:
      type: Any
      properties: {{p: of_server, q2: of_q2}}
      capabilities: {{door: {{properties: {{port: of_door}}}}}}
      requirements: [{{host: machine}}]
    app:
      type: Any
      properties: {{p: of_app}}
      capabilities: {{window: {{properties: {{port: of_window, deep: {{a: of_deep}}}}}}}}
      requirements:
        - host: server
        - peer: {{node: server, capability: door, relationship: {{type: R, properties: {{x: {inside}}}}}}}
        - twice: server
        - twice: machine
        - later: {{node_filter: {{}}}}
  outputs: {{o: {{value: {outside}}}}}
"""


def key(call: list[Any], *, two: bool = False, inside: bool = False) -> tuple[str, Reason | None]:
    """The key that a property names, and why there is none."""
    sign = "$" if two else ""
    written = yaml.safe_dump(
        {f"{sign}get_secret": {f"{sign}get_property": call}}, default_flow_style=True, width=999
    ).strip()
    text = TEXT.format(
        version="tosca_2_0" if two else "tosca_simple_yaml_1_3",
        template="service_template" if two else "topology_template",
        inside=written if inside else "x",
        outside="x" if inside else written,
    )
    plan = Plan([read(text.encode(), "b.yaml")])
    keys = ""
    while uses := plan.advance():
        keys += "".join(use.key for use in uses)
        plan.supply({use.key: SecretValue("value") for use in uses})
    return keys, plan.problems[0].reason if plan.problems else None


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (["app", "p"], "of_app"),
        (["app", "window", "port"], "of_window"),
        (["app", "peer", "port"], "of_door"),
        (["machine", "q"], "of_type"),
    ],
)
def test_tosca_1(call: list[Any], found: str) -> None:
    """A property; or one of a capability; or of that which a requirement names."""
    assert key(call) == (found, None)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (["app", "p"], "of_app"),
        (["app", "CAPABILITY", "window", "port"], "of_window"),
        (["app", "RELATIONSHIP", "host", "TARGET", "p"], "of_server"),
        (["app", "RELATIONSHIP", "host", 0, "TARGET", "p"], "of_server"),
        (["app", "RELATIONSHIP", "twice", 0, "TARGET", "p"], "of_server"),
        (["app", "RELATIONSHIP", "peer", "CAPABILITY", "port"], "of_door"),
        (["app", "RELATIONSHIP", "host", "TARGET", "RELATIONSHIP", "host", "TARGET", "m"], "of_machine"),
        (["app", "RELATIONSHIP", "host", "TARGET", "CAPABILITY", "door", "port"], "of_door"),
    ],
)
def test_paths_of_tosca_2(call: list[Any], found: str) -> None:
    """There, keywords say what comes next."""
    assert key(call, two=True) == (found, None)


@pytest.mark.parametrize(
    ("call", "two"),
    [
        (["app", "twice", "port"], False),
        (["app", "host", "port"], False),
        (["app", "later", "port"], False),
        (["app", "window", "none"], False),
        (["app", "none", "port"], False),
        (["app", "window", "deep"], False),
        (["app", "RELATIONSHIP", "twice", "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "later", "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "host", 1, "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "host", "SOURCE", "p"], True),
        (["app", "RELATIONSHIP", "host"], True),
        (["app", "CAPABILITY", "window"], True),
    ],
)
def test_what_is_not_known_before_deployment(call: list[Any], *, two: bool) -> None:
    """Several that may be meant, one that is chosen later, one that a type may have: none is guessed at."""
    assert key(call, two=two) == ("", Reason.NOT_KNOWN_YET)


@pytest.mark.parametrize(
    ("call", "found"), [(["SOURCE", "p"], "of_app"), (["TARGET", "p"], "of_server"), (["SELF", "p"], "")]
)
def test_words_within_a_relationship(call: list[Any], found: str) -> None:
    """SELF is the relationship there, and not the node that it begins at."""
    assert key(call, inside=True) == (found, None if found else Reason.NOT_KNOWN_YET)


def test_hosts() -> None:
    """HOST is the nearest of the hosts that has the property; it means nothing outside of a node."""
    text = TEXT.format(
        version="tosca_simple_yaml_1_3", template="topology_template", inside="x", outside="x"
    ).replace(
        "p: of_app", "p: {get_secret: {get_property: [HOST, q]}}, r: {get_secret: {get_property: [HOST, p]}}"
    )
    plan = Plan([read(text.encode(), "b.yaml")])
    assert [use.key for use in plan.advance()] == ["of_type", "of_server"]
    assert key(["HOST", "p"]) == ("", Reason.NOT_KNOWN_YET)
