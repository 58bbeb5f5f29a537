"""Generated service templates of TOSCA 1.x: types, nodes on hosts, and calls of all kinds between them."""

from __future__ import annotations

from random import Random
from typing import Any

VERSIONS = tuple(f"tosca_simple_yaml_1_{minor}" for minor in (0, 2, 3))  # those that tosca-parser has
TEXTS = ("left_right", "a-b", "x_y_z")
PARTS = {"a": "string", "b": "string", "n": "integer"}


class ServiceTemplate:
    """A service template whose values depend on one another in one direction only.

    It leaves out what `tosca-parser` reads in its own way: defaults that are false, what derived data types
    and capability types inherit, and SELF inside of a list or map that is read by another node.

    Args:
        seed: says which.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.node_types: dict[str, Any] = {}
        self._nodes: dict[str, Any] = {}
        self._texts: list[list[Any]] = []
        """What texts can be read from so far, as the argument of `get_property`."""
        parent = self._choice(("tosca.nodes.Root", "tosca.nodes.SoftwareComponent"))
        for level in range(3):
            self._add_type(f"t{level}", parent)
            parent = f"t{level}"
        self.inputs = {
            "i": {"type": "string", "default": self._choice(TEXTS)},
            "g": {"type": "string"},
            "j": {"type": "integer", "default": self._random.randrange(1, 9)},
        }
        self.given = {"g": self._choice(TEXTS)}
        self._nodes["machine"] = {"type": "tosca.nodes.Compute"}
        hosts = ["machine"]
        for number in range(self._random.randrange(2, 6)):
            name = f"n{number}"
            self._add_node(name, hosts)
            hosts.append(name)
        self.document: dict[str, Any] = {
            "tosca_definitions_version": self._choice(VERSIONS),
            "data_types": {"d": self._data_type({}), "e": self._data_type({"inner": "d"})},
            "capability_types": {"door": self._door()},
            "node_types": self.node_types,
            "topology_template": {
                "inputs": self.inputs,
                "node_templates": self._nodes,
                "outputs": {
                    f"o{number}": {"value": self._text("", depth=0)} for number in range(len(self._nodes))
                },
            },
        }

    def _choice(self, options: Any) -> Any:  # noqa: ANN401 - of any type
        return self._random.choice(options)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _data_type(self, more: dict[str, str]) -> dict[str, Any]:
        declared: dict[str, Any] = {}
        for name, type_name in (PARTS | more).items():
            declared[name] = {"type": type_name, "required": False}
            if name != "inner" and self._chance(0.6):
                declared[name]["default"] = self._value(type_name)
        return {"derived_from": "tosca.datatypes.Root", "properties": declared}

    def _door(self) -> dict[str, Any]:
        port = {"type": "integer", "default": self._random.randrange(1, 99)}
        label = {"type": "string", "default": self._choice(TEXTS)}
        return {"derived_from": "tosca.capabilities.Root", "properties": {"port": port, "label": label}}

    def _value(self, type_name: str) -> Any:  # noqa: ANN401 - plain data
        """A plain value of a type."""
        match type_name:
            case "string":
                return self._choice(TEXTS)
            case "integer":
                return self._random.randrange(1, 99)
            case "list":
                return [self._choice(TEXTS), {"k": self._choice(TEXTS)}]
            case "map":
                return {"k": self._choice(TEXTS), "l": [self._choice(TEXTS)]}
        parts = {name: self._value(inner) for name, inner in PARTS.items() if self._chance(0.5)}
        return parts | ({"inner": self._value("d")} if type_name == "e" and self._chance(0.6) else {})

    def _add_type(self, name: str, parent: str) -> None:
        properties: dict[str, Any] = {}
        for key, type_name in (("p", "string"), ("q", "string"), ("m", "map"), ("c", "e"), ("l", "list")):
            if parent.startswith("tosca.") or self._chance(0.3):
                declared = properties[key] = {"type": type_name, "required": False}
                if self._chance(0.8):
                    declared["default"] = self._value(type_name)
        properties[f"ds{name}"] = {"type": "list", "entry_schema": {"type": "d"}, "required": False}
        whole: dict[str, Any] = {"derived_from": parent, "properties": properties}
        if parent.startswith("tosca."):
            whole["capabilities"] = {
                "host": {"type": "tosca.capabilities.Container"},
                "door": {"type": "door"},
            }
            host = {
                "capability": "tosca.capabilities.Container",
                "node": "tosca.nodes.Root",
                "relationship": "tosca.relationships.HostedOn",
                "occurrences": [0, "UNBOUNDED"],
            }
            connects = {
                "capability": "door",
                "node": "tosca.nodes.Root",
                "relationship": "tosca.relationships.ConnectsTo",
                "occurrences": [0, "UNBOUNDED"],
            }
            whole["requirements"] = [{"host": host}, {"door": connects}]
        self.node_types[name] = whole

    def _declared(self, type_name: str) -> dict[str, Any]:
        """All properties of a node type, by name; the nearest declaration counts."""
        found: dict[str, Any] = {}
        while type_name in self.node_types:
            declared = self.node_types[type_name]
            found = declared["properties"] | found
            type_name = declared["derived_from"]
        return found

    def _add_node(self, name: str, hosts: list[str]) -> None:
        type_name = self._choice(list(self.node_types))
        declared = self._declared(type_name)
        host = self._choice(hosts)
        requirements: list[Any] = [{"host": host if self._chance(0.5) else {"node": host}}]
        node: dict[str, Any] = {"type": type_name, "properties": {}, "requirements": requirements}
        peer = self._choice(hosts)
        if peer != "machine" and self._chance(0.7):
            named = {"capability": "door"} if self._chance(0.5) else {}
            of_peer = [["TARGET", *words[1:]] for words in self._texts if words[0] == peer]
            inputs = {
                "near": self._text("", depth=1, words=[["SOURCE", "p"]]),
                "far": self._text("", depth=1, words=of_peer),
            }
            operation = {"implementation": "do.sh", "inputs": inputs}
            relationship = {
                "type": "tosca.relationships.ConnectsTo",
                "interfaces": {"Configure": {"pre_configure_source": operation}},
            }
            requirements.append({"door": {"node": peer, "relationship": relationship, **named}})
        if self._chance(0.5):
            node["capabilities"] = {"door": {"properties": {"label": self._choice(TEXTS)}}}
        self._nodes[name] = node
        for key in ("p", "q", "m", "l", "c", f"ds{type_name}"):
            kind = "ds" if key.startswith("ds") else declared[key]["type"]
            if key == "p" or self._chance(0.6):
                node["properties"][key] = self._given(name, kind, on=host)
            if kind == "string" and (key in node["properties"] or "default" in declared[key]):
                self._texts.append([name, key])
            if kind == "map" and key in node["properties"]:
                self._texts += [[name, key, "k"], [name, key, "l", 0]]
        self._texts.append([name, "door", "label"])
        if len(requirements) > 1:
            self._texts.append([name, "door", "label"])

    def _given(self, node: str, kind: str, on: str) -> Any:  # noqa: ANN401 - plain data
        words = [
            [node if self._chance(0.5) else "SELF", *each[1:]] for each in self._texts if each[0] == node
        ]
        if on != "machine":
            words += [["HOST", "p"]]
        match kind:
            case "string":
                return self._text(node, depth=0, words=words)
            case "map":
                return {"k": self._text(node, depth=1), "l": [self._text(node, depth=1), {"z": 1}]}
            case "list":
                return [self._text(node, depth=1), self._value("map")]
            case "ds":
                return [self._value("d") for _ in range(self._random.randrange(3))]
        return self._value(kind)

    def _text(self, node: str, depth: int, words: list[list[Any]] | None = None) -> Any:  # noqa: ANN401 - same
        """A text, or a call that gives one."""
        readable = [*(words or ()), *self._texts]
        kinds = ["text", "get_input", *(["get_property"] * 4 if readable else [])]
        if depth < 3:
            kinds += ["concat", "join", "token"]
        match self._choice(kinds):
            case "get_input":
                return {"get_input": self._choice(("i", "g"))}
            case "get_property":
                return {"get_property": self._choice(readable)}
            case "concat":
                number = {"get_input": "j"}
                items = [self._text(node, depth + 1, words), self._choice(("-", number))]
                return {"concat": [*items, self._text(node, depth + 1, words)]}
            case "join":
                items = [self._text(node, depth + 1, words) for _ in range(self._random.randrange(1, 4))]
                return {"join": [items, *self._choice(([], ["_"], ["."]))]}
            case "token":
                return {"token": [{"concat": [self._text(node, depth + 1, words), "_", "end"]}, "_", 0]}
        return self._choice(TEXTS)
