"""Where `get_property` leads in a topology of TOSCA."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from resolver.blueprint import read
from resolver.core.model import SecretValue
from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.dialects import TOSCA_2
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import Values

TEXT = """\
tosca_definitions_version: {version}
capability_types:
  Door:
    properties: {{port: {{}}, color: {{default: of_capability_type}}, deep: {{type: list, entry_schema: D}}}}
relationship_types:
  R: {{properties: {{x: {{}}, y: {{default: of_relationship_type}}}}}}
data_types:
  D: {{properties: {{a: {{}}, z: {{default: of_data_type}}}}}}
node_types:
  Any:
    properties: {{p: {{}}}}
    capabilities: {{door: Door, window: {{type: Door}}}}
    requirements: [{{peer: {{capability: Door}}}}]
  Host: {{derived_from: Any, properties: {{q: {{default: of_type}}, s: {{type: D, default: {{a: "1"}}}}}}}}
  Away: {{derived_from: elsewhere}}
{template}:
  relationship_templates:
    shared: {{type: R, properties: {{x: {inside}}}}}
    used_twice: {{type: R, properties: {{x: of_template}}}}
  node_templates:
    machine: {{type: Host, properties: {{m: of_machine, s: {{z: of_value}}}}}}
    server:
      type: Any
      properties: {{p: of_server, q2: of_q2}}
      capabilities: {{door: {{properties: {{port: of_door}}}}}}
      requirements:
      - host: machine
      - later: {{relationship: used_twice}}
    app:
      type: Any
      properties: {{p: of_app}}
      capabilities: {{window: {{properties: {{port: of_window, deep: [{{a: of_deep}}]}}}}}}
      requirements:
        - host: server
        - peer: {{node: server, capability: door, relationship: {{type: R, properties: {{x: {inside}}}}}}}
        - twice: {{node: server, relationship: shared}}
        - twice: machine
        - later: {{node_filter: {{}}, relationship: used_twice}}
        - counted: {{node: server, count: 2}}
        - typed: {{node: server, capability: Door}}
    away:
      type: Away
      capabilities: {{window: {{properties: {{port: of_away, deep: {{a: of_deep}}}}}}}}
      requirements: [{{peer: server}}]
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
        (["machine", "s", "z"], "of_value"),
        (["app", "door", "color"], "of_capability_type"),
        (["app", "peer", "color"], "of_capability_type"),
        (["app", "window", "deep", 0, "z"], "of_data_type"),
        (["shared", "y"], "of_relationship_type"),
        (["used_twice", "x"], "of_template"),
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
        (["away", "CAPABILITY", "window", "port"], "of_away"),
        (["app", "RELATIONSHIP", "host", 0, "TARGET", "p"], "of_server"),
        (["app", 0, "RELATIONSHIP", "twice", 0, "TARGET", "p"], "of_server"),
        (["app", "RELATIONSHIP", "twice", 1, "TARGET", "m"], "of_machine"),
        (["app", "RELATIONSHIP", "twice", "TARGET", "p"], "of_server"),
        (["app", "RELATIONSHIP", "twice", "y"], "of_relationship_type"),
        (["app", "RELATIONSHIP", "peer", "SOURCE", "p"], "of_app"),
        (["app", "RELATIONSHIP", "later", "x"], "of_template"),
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
        (["app", "typed", "port"], False),
        (["app", "later", "port"], False),
        (["away", "none"], False),
        (["away", "none", "port"], False),
        (["away", "window", "port"], False),
        (["away", "window", "deep"], False),
        (["away", "peer", "port"], False),
        (["app", "RELATIONSHIP", "later", "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "counted", "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "host", 1, "TARGET", "p"], True),
        (["app", "RELATIONSHIP", "host", "SOURCE"], True),
        (["app", "RELATIONSHIP", "host"], True),
        (["app", "CAPABILITY", "window"], True),
        (["app", "CAPABILITY", "window", "RELATIONSHIP", "SOURCE", "p"], True),
    ],
)
def test_what_is_not_known_before_deployment(call: list[Any], *, two: bool) -> None:
    """Several that may be meant, one that is chosen later, one that a type may have: none is guessed at."""
    assert key(call, two=two) == ("", Reason.NOT_KNOWN_YET)


@pytest.mark.parametrize(
    "call",
    [["app", "none"], ["app", "none", "port"], ["app", "door", "port"], ["shared", "none"], ["none", "p"]],
)
def test_what_is_not_there(call: list[Any]) -> None:
    """Where all types are in reach, a name that none of them has is an error."""
    assert key(call) == ("", Reason.BAD_ARGUMENT)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (["SOURCE", "p"], "of_appof_app"),
        (["TARGET", "p"], "of_serverof_server"),
        (["SELF", "y"], "of_relationship_typeof_relationship_type"),
        (["SELF", "none"], ""),
    ],
)
def test_words_within_a_relationship(call: list[Any], found: str) -> None:
    """SELF is the relationship, within a requirement and in a template that one requirement uses."""
    keys, reason = key(call, inside=True)
    assert (keys * 2 if keys else "", reason) == (found, None if found else Reason.BAD_ARGUMENT)


def test_all_of_a_requirement() -> None:
    """ALL gives the list of what every relationship of a requirement leads to."""
    text = TEXT.format(version="tosca_2_0", template="service_template", inside="x", outside="x")
    document = read(text.encode(), "b.yaml").documents[0]
    definitions = Definitions([document], dialect=TOSCA_2)
    evaluator = Evaluator(definitions, {}, Values(), DeploymentContext(), definitions.budget)
    for words, expected in (
        (["app", "RELATIONSHIP", "twice", "ALL", "y"], None),
        (["app", "RELATIONSHIP", "peer", "ALL", "TARGET", "p"], ["of_server"]),
        (["app", "RELATIONSHIP", "counted", "ALL", "TARGET", "p"], None),
    ):
        call = {"$get_property": words}
        if expected is None:
            with pytest.raises(Fault):
                evaluator.evaluate(call, ())
        else:
            assert evaluator.evaluate(call, ()).value == expected


NORMATIVE = """\
tosca_definitions_version: tosca_simple_yaml_1_{minor}
node_types:
  Mine: {{derived_from: {parent}}}
topology_template:
  node_templates:
    machine: {{type: tosca.nodes.Compute, capabilities: {{host: {{properties: {{num_cpus: 2}}}}}}}}
    mine: {{type: Mine, requirements: [{{host: machine}}]}}
    balancer: {{type: tosca:LoadBalancer}}
    disk: {{type: tosca.nodes.BlockStorage}}
  outputs: {{o: {{value: {{get_secret: {{concat: [k, {{get_property: {call}}}]}}}}}}}}
"""


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("[machine, scalable, max_instances]", "k1"),
        ("[balancer, client, network_name]", "kPUBLIC"),
        ("[balancer, client, protocol]", "ktcp"),
        ("[mine, host, num_cpus]", "k2"),
        ("[mine, component_version]", Reason.BAD_ARGUMENT),
        ("[machine, host, mem_size]", Reason.BAD_ARGUMENT),
        ("[disk, size]", Reason.NOT_KNOWN_YET),
    ],
)
@pytest.mark.parametrize("parent", ["tosca.nodes.SoftwareComponent", "tosca:DBMS"])
@pytest.mark.parametrize("minor", [0, 3])
def test_types_of_the_specification(call: str, found: str | Reason, parent: str, minor: int) -> None:
    """They are known without an import, by both of their names; the few that are read in two ways are not."""
    text = NORMATIVE.format(minor=minor, parent=parent, call=call)
    plan = Plan([read(text.encode(), "b.yaml")])
    keys = [use.key for use in plan.advance()]
    assert keys == ([] if isinstance(found, Reason) else [found])
    assert [problem.reason for problem in plan.problems] == ([found] if isinstance(found, Reason) else [])


def test_a_default_that_is_left_out() -> None:
    """A property that is declared again without its default has none that all would agree on."""
    text = """\
tosca_definitions_version: tosca_{version}
node_types:
  A: {{properties: {{p: {{type: string, default: of_a}}}}}}
  B: {{derived_from: A, properties: {{p: {{type: string}}}}}}
{template}:
  node_templates: {{b: {{type: B}}}}
  outputs: {{o: {{value: {{{sign}get_secret: {{{sign}get_property: [b, p]}}}}}}}}
"""
    one = text.format(version="simple_yaml_1_3", template="topology_template", sign="")
    plan = Plan([read(one.encode(), "b.yaml")])
    assert plan.advance() == []
    assert plan.problems[0].message == (
        "the property 'p' of node 'b' is not known as a whole: "
        "node type 'B' declares it again, without its default"
    )
    two = text.format(version="2_0", template="service_template", sign="$")
    plan = Plan([read(two.encode(), "b.yaml")])
    assert [use.key for use in plan.advance()] == ["of_a"]


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
