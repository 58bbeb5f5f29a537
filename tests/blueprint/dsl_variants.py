"""Variants of blueprints with one mistake each: kinds of what Cloudify's parser refuses, beyond the form.

Each is made of `whole_dsl.yaml` by changing some places, given as paths with `/` between the steps.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

WHOLE = Path(__file__).with_name("whole_dsl.yaml").read_text(encoding="utf-8")
"""A blueprint with every word of the DSL, which Cloudify's parser accepts."""

DELETED = object()

VM = "node_templates/vm"
RELATIONSHIP = f"{VM}/relationships/0"
CONTAINED = "cloudify.relationships.contained_in"

_CHAIN = {f"C{n}": {"derived_from": f"C{n + 1}"} for n in range(3)}

BROKEN: dict[str, dict[str, Any]] = {
    # names that nothing defines
    "node type": {f"{VM}/type": "TT"},
    "node type, misspelt": {"node_templates/host/type": "cloudify.nodes.Computer"},
    "relationship type": {f"{RELATIONSHIP}/type": "RR"},
    "relationship target": {f"{RELATIONSHIP}/target": "hosts"},
    "relationship target, itself": {f"{RELATIONSHIP}/target": "vm"},
    "parent of a node type": {"node_types/cloudify.nodes.Compute/derived_from": "X"},
    "parent of a relationship type": {"relationships/R/derived_from": "X"},
    "parent of a data type": {"data_types/my.More/derived_from": "my.Dta"},
    "type of a property": {"node_types/T/properties/a": {"type": "my.Dat"}},
    "type of a runtime property": {"node_types/T/runtime_properties/q/type": "strin"},
    "type of a relationship's property": {"relationships/R/properties": {"x": {"type": "no"}}},
    "type of a data type's property": {"data_types/my.Data/properties/p/type": "int"},
    "type of an input": {"inputs/c/type": "my.Dat"},
    "type of an operation's input": {"node_types/T/interfaces/i/create/inputs/z/type": "int"},
    "type of a parameter": {"workflows/w2/parameters/x/type": "str"},
    "type of a plugin's property": {"plugins/p/properties/r/type": "str"},
    "type of a policy type's property": {"policy_types/pt/properties/x": {"type": "no"}},
    "type of a trigger's parameter": {"policy_triggers/tr/parameters/x": {"type": "no"}},
    "group member": {"groups/g/members": ["vmm"]},
    "policy type": {"groups/g/policies/p1/type": "ptt"},
    "policy trigger": {"groups/g/policies/p1/triggers/t1/type": "trr"},
    "scaling target": {"policies/s/targets": ["gg"]},
    "scaling target, a node": {"policies/s/targets": ["vm"]},
    "group and node of one name": {"groups/host": {"members": ["vm"]}},
    # circles
    "node types in a circle": {"node_types/T/derived_from": "cloudify.nodes.Compute"},
    "node type of itself": {"node_types/T/derived_from": "T"},
    "relationship types in a circle": {f"relationships/{CONTAINED}/derived_from": "R"},
    "data types in a circle": {"data_types/my.Data/derived_from": "my.More"},
    "data type with itself in it": {"data_types/my.Data/properties/p": {"type": "my.Data"}},
    "data types in one another": {"data_types/my.Data/properties/q": {"type": "my.More"}},
    "long circle": {
        "node_types": {**_CHAIN, "C3": {"derived_from": "C0"}},
        "node_templates": {},
        "groups": None,
    }
    | {"policies": None},
    "relationships in a circle": {
        "node_templates/host/relationships": [{"type": "R", "target": "vm"}],
    },
    "relationships in a long circle": {
        "node_templates/host/relationships": [{"type": "R", "target": "host2"}],
        "node_templates/host2/relationships": [{"type": "R", "target": "vm"}],
    },
    # properties
    "property that the type lacks": {f"{VM}/properties/aa": 1},
    "property of a node that is required": {"node_types/T/properties/c": {}},
    "derived property that is required": {"node_types/T/properties/c": {"type": "string"}},
    "property declared by nothing": {"node_types/T/properties/b": None},
    "data type's property declared by nothing": {"data_types/my.Data/properties/q": None},
    "relationship's property declared by nothing": {"relationships/R/properties": {"q": None}},
    "property of another type": {"node_types/T/properties/c": {"type": "integer"}, f"{VM}/properties/c": "x"}
    | {"node_templates/host/properties": {"c": 1}, "node_templates/host2/properties": {"c": 1}},
    "default of another type": {"node_types/T/properties/a": {"type": "integer", "default": "x"}},
    "default of a boolean": {
        "node_types/T/properties/use_external_resource": {"type": "boolean", "default": 1}
    },
    "default null of an integer": {"node_types/T/properties/c": {"type": "integer", "default": None}},
    "default of a list": {"node_types/T/properties/c": {"type": "list", "default": {}}},
    "default of a dict": {"node_types/T/properties/c": {"type": "dict", "default": []}},
    "default of a float": {"node_types/T/properties/c": {"type": "float", "default": "1"}},
    "default of a regex": {"node_types/T/properties/c": {"type": "regex", "default": "("}},
    "default of a data type": {"node_types/T/properties/c": {"type": "my.Data", "default": 5}},
    "default with a property too many": {
        "node_types/T/properties/c": {"type": "my.Data", "default": {"x": 1}}
    },
    "default of a data type's property": {"data_types/my.Data/properties/p/default": "x"},
    "value of a data type": {"node_types/T/properties/c": {"type": "my.Data"}, f"{VM}/properties/c": []},
    "value with a property too many": {
        "node_types/T/properties/c": {"type": "my.Data"},
        f"{VM}/properties/c": {"pp": 1},
    },
    "value with a part of another type": {
        "node_types/T/properties/c": {"type": "my.Data"},
        f"{VM}/properties/c": {"p": "x"},
    },
    "value with a part missing": {
        "data_types/my.Data/properties/z": {"type": "string"},
        "inputs/c/default": {"p": 3, "z": "x"},
        "node_types/T/properties/c": {"type": "my.Data"},
    },
    "input's default with a part missing": {"data_types/my.Data/properties/z": {"type": "string"}},
    "input's default with a part too many": {"inputs/c/default": {"p": 3, "zz": "x"}},
    "input's default of another type": {"inputs/a/default": "x"},
    "input's default that breaks a constraint": {"inputs/a/default": 50},
    "input's default, a call under a constraint": {"inputs/a/default": {"get_secret": "k"}},
    "input's item, a call under a constraint": {"inputs/l/default": [{"get_secret": "k"}]},
    "input's item of another type": {"inputs/l/item_type": "integer"},
    "input of a node's id with a default": {"inputs/n": {"type": "node_id", "default": "x"}},
    "input of a secret's key with a default": {"inputs/n": {"type": "secret_key", "default": "x"}},
    "input of a deployment's id with a default": {"inputs/o/default": "x"},
    "items of secrets' keys with a default": {
        "inputs/n": {"type": "list", "item_type": "secret_key", "default": ["x"]}
    },
    "external resource, a call": {f"{VM}/properties/use_external_resource": {"get_input": "a"}},
    "external resource, a call by default": {
        "node_types/T/properties/use_external_resource/default": {"get_input": "a"}
    },
    "relationship's property that the type lacks": {f"{RELATIONSHIP}/properties/ww": 2},
    "relationship's property that is required": {f"relationships/{CONTAINED}/properties/v": {}},
    "relationship's property of another type": {
        f"relationships/{CONTAINED}/properties/w": {"type": "string", "default": "x"},
        "relationships/R/properties": {"w": {"type": "integer", "default": 1}},
        f"{RELATIONSHIP}/properties/w": "x",
    },
    "policy's property that the type lacks": {"groups/g/policies/p1/properties/y": 1},
    "policy's property that is required": {"policy_types/pt/properties/y": {"type": "string"}},
    "trigger's parameter that the type lacks": {"groups/g/policies/p1/triggers/t1/parameters/y": 1},
    "trigger's parameter that is required": {"policy_triggers/tr/parameters/y": {}},
    "policy's property of another type": {
        "policy_types/pt/properties/x": {"type": "boolean", "default": True},
        "groups/g/policies/p1/properties/x": 2,
    },
    "operation's input by default of another type": {
        "node_types/T/interfaces/i/create/inputs/z/default": "x"
    },
    "parameter's default of another type": {"workflows/w2/parameters/x": {"type": "integer", "default": "x"}},
    "parameter's default with a part missing": {
        "data_types/my.Data/properties/z": {"type": "string"},
        "inputs/c/default": {"p": 3, "z": "x"},
        "workflows/w2/parameters/x": {"type": "my.Data", "default": {"p": 1}},
    },
    # operations
    "plugin": {"node_types/T/interfaces/i/delete": "pp.m.g"},
    "plugin of a node's operation": {f"{VM}/interfaces/i/extra/implementation": "pp.m.f"},
    "plugin of a relationship's operation": {f"{RELATIONSHIP}/target_interfaces/i/g": "pp.m.g"},
    "plugin of a relationship type's operation": {f"relationships/{CONTAINED}/source_interfaces/i/f": "x.f"},
    "plugin of an unused relationship type": {
        "relationships/U": {"target_interfaces": {"i": {"f": "x.f"}}},
    },
    "plugin of a workflow": {"workflows/w": "pp.m.w"},
    "plugin of a long workflow": {"workflows/w2/mapping": "m.w"},
    "plugin without a function": {"workflows/w": "p"},
    "script that is not there": {f"{VM}/interfaces/i/extra": "scripts/none.sh"},
    "script of a workflow that is not there": {"workflows/w": "scripts/none.py"},
    "script in the text without a plugin": {f"{VM}/interfaces/i/extra": "#!/bin/sh\necho 1\n"},
    "script at an address without a plugin": {"workflows/w": "https://example.com/w.py"},
    "script with a path beside": {
        "plugins/script": {"executor": "host_agent", "install": False},
        f"{VM}/interfaces/i/extra": {"implementation": "a\nb", "inputs": {"script_path": "x"}},
    },
    "workflow's script with a path beside": {
        "plugins/script": {"executor": "host_agent", "install": False},
        "workflows/w2": {"mapping": "a\nb", "parameters": {"script_path": {"default": 1}}},
    },
    "plugin that two names fit": {"plugins/p.m": {"executor": "host_agent", "install": False}},
    "operation's input without a value": {"node_types/T/interfaces/i/create/inputs/zz": {"type": "integer"}},
    "operation's input without a value, not required": {
        "node_types/T/interfaces/i/create/inputs/zz": {"required": False},
    },
    "derived operation's input without a value": {
        f"relationships/{CONTAINED}/source_interfaces/i/f": {
            "implementation": "p.m.f",
            "inputs": {"y": {"type": "string"}},
        },
    },
    "plugin of a host on no host": {"node_types/T/interfaces/i/create/executor": "host_agent"}
    | {f"{VM}/relationships": []},
    "operation of a host on no host": {
        f"{VM}/interfaces/i/extra/executor": "host_agent",
        f"{VM}/relationships": [],
        "node_types/T/interfaces": {},
    },
    "operation of a host at the other end": {
        "node_templates/other": {"type": "Other", "relationships": [{"type": "Uses", "target": "other2"}]},
        "node_templates/other2": {"type": "Other"},
        "node_types/Other": {},
        "relationships/Uses": {
            "target_interfaces": {"i": {"x": {"implementation": "p.x", "executor": "host_agent"}}}
        },
    },
    "contained in two nodes": {
        f"{VM}/relationships": [{"type": "R", "target": "host"}, {"type": CONTAINED, "target": "host2"}],
    },
    "operation of the target that is missing": {
        "relationships/cloudify.relationships.depends_on_lifecycle_operation": {
            "properties": {"operation": {"type": "string"}}
        },
        f"{VM}/relationships": [
            {
                "type": "cloudify.relationships.depends_on_lifecycle_operation",
                "target": "host",
                "properties": {"operation": "precreate"},
            }
        ],
    },
    # scaling
    "fewer by default than at least": {"policies/s/properties": {"default_instances": 1, "min_instances": 2}},
    "more by default than at most": {"policies/s/properties": {"default_instances": 3, "max_instances": 2}},
    "more at least than at most": {
        "policies/s/properties": {
            "min_instances": 3,
            "max_instances": 2,
            "default_instances": {"get_input": "a"},
        }
    },
    "fewer than by default unsaid": {"policies/s/properties": {"min_instances": 2}},
    "node's default more than at most": {
        "node_templates/host/capabilities/scalable/properties/default_instances": 5
    },
    "node's default fewer than at least": {
        "node_templates/host/capabilities/scalable/properties/default_instances": 0
    },
    "instances that are data": {"policies/s/properties/min_instances": {"a": 1}},
    "groups in a circle": {
        "groups/g/members": ["h"],
        "groups/h": {"members": ["g"]},
        "policies/s/targets": ["g", "h"],
    },
    "group in itself": {"groups/g/members": ["g"]},
    "member of two groups": {"groups/h": {"members": ["vm"]}, "policies/s/targets": ["g", "h"]},
    "members on different hosts": {
        "node_templates/vm2": {"type": "T", "relationships": [{"type": "R", "target": "host2"}]},
        "groups/g/members": ["vm", "vm2"],
    },
    "a member on a host and one beside it": {"groups/g/members": ["vm", "host2"]},
    # calls
    "input of a call": {f"{VM}/properties/a": {"get_input": "aa"}},
    "input of an inner call": {f"{VM}/properties/a": {"x": [{"concat": ["a", {"get_input": ["aa", "b"]}]}]}},
    "input in an output": {"outputs/o/value": {"get_input": "zz"}},
    "input in a capability": {"capabilities/c/value": [{"get_input": "zz"}]},
    "input in a label": {"labels/l/values": [{"get_input": "zz"}]},
    "input in a policy": {"policies/s/properties/max_instances": {"get_input": "zz"}},
    "input in an operation": {f"{VM}/interfaces/i/extra/inputs/z": {"get_input": "zz"}},
    "input in a relationship's operation": {
        f"{RELATIONSHIP}/source_interfaces/i/f/inputs/k": {"get_input": "zz"}
    },
    "input in a type's default": {"node_types/T/properties/a/default": {"get_input": "zz"}},
    "input in a type's operation": {
        "node_types/T/interfaces/i/create/inputs/y": {"default": {"get_input": "zz"}},
        f"{VM}/interfaces/i/create": {"inputs": {"z": 2}},
    },
    "input in the display name": {"deployment_settings/display_name": {"get_input": "zz"}},
    "node of get_property": {f"{VM}/properties/a": {"get_property": ["hosts", "a"]}},
    "property of get_property": {f"{VM}/properties/a": {"get_property": ["host", "aa"]}},
    "own property of get_property": {f"{VM}/properties/a": {"get_property": ["SELF", "aa"]}},
    "path of get_property": {
        "node_templates/host/properties": {"a": {"x": [1]}},
        f"{VM}/properties/a": {"get_property": ["host", "a", "x", 1]},
    },
    "path into a text of get_property": {
        "node_templates/host/properties": {"a": "text"},
        f"{VM}/properties/a": {"get_property": ["host", "a", "x"]},
    },
    "path into a call of get_property": {
        "node_templates/host/properties": {"a": {"get_input": "c"}},
        f"{VM}/properties/a": {"get_property": ["host", "a", "p", "q"]},
    },
    "SELF in an output": {"outputs/o/value": {"get_property": ["SELF", "a"]}},
    "SELF of get_attribute in an output": {"outputs/o/value": {"get_attribute": ["SELF", "a"]}},
    "SELF in a relationship": {
        f"{RELATIONSHIP}/source_interfaces/i/f/inputs/k": {"get_property": ["SELF", "a"]}
    },
    "SOURCE in a node": {f"{VM}/properties/a": {"get_property": ["SOURCE", "a"]}},
    "TARGET of get_attribute in a node": {f"{VM}/properties/a": {"get_attribute": ["TARGET", "a"]}},
    "property of TARGET": {
        f"{RELATIONSHIP}/source_interfaces/i/f/inputs/k": {"get_property": ["TARGET", "aa"]}
    },
    "property of SOURCE": {
        f"{RELATIONSHIP}/source_interfaces/i/f/inputs/k": {"get_property": ["SOURCE", "aa"]}
    },
    "SELF in a capability": {"capabilities/c/value": {"get_attribute": ["SELF", "a"]}},
    "node of get_attribute": {"outputs/o/value": {"get_attribute": ["vmm", "x"]}},
    "node of get_attributes_list": {"outputs/o/value": {"get_attributes_list": ["vmm", "x"]}},
    "node of get_attributes_dict": {"outputs/o/value": {"get_attributes_dict": ["vmm", "x"]}},
    "an attribute twice": {"outputs/o/value": {"get_attributes_dict": ["vm", "x", "x"]}},
    "fact of get_sys": {f"{VM}/properties/a": {"get_sys": ["deployment", "size"]}},
    "fact about a tenant": {f"{VM}/properties/a": {"get_sys": ["tenant", "id"]}},
    # schedules
    "weekday": {"deployment_settings/default_schedules/s/weekdays": ["xx"]},
    "time": {"deployment_settings/default_schedules/s/since": "sometime"},
    "end": {"deployment_settings/default_schedules/s/until": "sometime"},
    "recurrence": {"deployment_settings/default_schedules/s/recurrence": "often"},
    "delta": {"deployment_settings/default_schedules/s/since": "+1 parsecs"},
    "runtime property in a schedule": {
        "deployment_settings/default_schedules/s/workflow_parameters": {"a": {"get_attribute": ["vm", "a"]}}
    },
    # others
    "letters that are not ASCII": {"description": "größer"},
    "availability": {"workflows/w2/availability_rules/node_instances_active": ["some"]},
}
"""Changes of the whole blueprint, by the mistake that they make."""


LEFT: dict[str, dict[str, Any]] = {
    "time zone, of which machines know different ones": {
        "deployment_settings/default_schedules/s/timezone": "Nowhere/None",
    },
    "import that the manager may have": {"imports": ["none.yaml"]},
}
"""Changes that Cloudify's parser refuses, and that are let through, as more is known to it."""


_WHOLE: dict[str, Any] = yaml.safe_load(WHOLE)
_WHOLE["inputs"]["t"]["constraints"].pop(0)  # the pattern, which a process of its own compiles each time


def varied(changes: dict[str, Any]) -> dict[str, Any]:
    """The whole blueprint with some places changed, added or deleted."""
    document: dict[str, Any] = copy.deepcopy(_WHOLE)
    for path, value in changes.items():
        node: Any = document
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        for step in steps:
            if isinstance(node, dict) and node.get(step) is None:
                node[step] = {}
            node = node[step]
        if value is DELETED:
            del node[last]
        else:
            node[last] = copy.deepcopy(value)
    return document
