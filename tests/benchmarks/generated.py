"""Blueprints of any size, and the secrets they ask for.

Half of the calls ask for a secret of their own, the other half take parts out of one JSON secret. The text
imports nothing and declares its own types: Cloudify's parser reads the very text that the resolver reads.

Each node has two calls and ten plain properties. Real blueprints are less dense: 59 public ones have 2.7
nodes and 85 scalars for each call. More calls in the same text are worse for the resolver throughout.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS_PER_NODE = 2
"""One by key, one by path."""

_SETTINGS = 10
_JSON_KEY = "app_config"
_HOSTS = 20
_FIELDS = ("address", "port", "user", "password", "token")

_HEAD = """\
tosca_definitions_version: cloudify_dsl_1_3

relationships:
  cloudify.relationships.depends_on:
    properties:
      connection_type: { default: all_to_all }

node_types:
  bench.nodes.Service:
    properties:
      settings: { default: {} }
      password: { type: string }
      connection: { default: {} }

node_templates:
"""


@dataclass(frozen=True, slots=True)
class Generated:
    """A blueprint and its secrets.

    Args:
        calls: number of `get_secret` calls in the text.
        text: the blueprint.
        secrets: the value of every secret that the text asks for, by key.
    """

    calls: int
    text: str
    secrets: dict[str, str]


def generate(calls: int) -> Generated:
    """Make a blueprint with a number of calls.

    Args:
        calls: a multiple of `CALLS_PER_NODE`.

    Raises:
        ValueError: the number is not such a multiple.
    """
    nodes, rest = divmod(calls, CALLS_PER_NODE)
    if rest or not nodes:
        raise ValueError(f"calls: {calls} is not a positive multiple of {CALLS_PER_NODE}")
    text = _HEAD + "".join(line for node in range(nodes) for line in _node(node))
    secrets = {_own_key(node): f"password of service {node}" for node in range(nodes)}
    # Of one size whatever the number of calls: Cloudify parses the document anew for each path into it, which
    # would otherwise make its share grow with the square.
    secrets[_JSON_KEY] = json.dumps(
        {"hosts": [{field: f"{field} of host {host}" for field in _FIELDS} for host in range(_HOSTS)]},
    )
    return Generated(calls, text, secrets)


def _own_key(node: int) -> str:
    return f"service_{node}_password"


def _node(node: int) -> Iterator[str]:
    yield f"  service_{node}:\n    type: bench.nodes.Service\n    properties:\n      settings:\n"
    for number in range(_SETTINGS):
        yield f"        setting_{number}: text of setting {number}\n"
    yield f"      password: {{ get_secret: {_own_key(node)} }}\n"
    host, field = node % _HOSTS, _FIELDS[node % len(_FIELDS)]
    yield f"      connection:\n        {field}: {{ get_secret: [{_JSON_KEY}, hosts, {host}, {field}] }}\n"
    if node:
        yield "    relationships:\n      - type: cloudify.relationships.depends_on\n"
        yield f"        target: service_{node - 1}\n"
