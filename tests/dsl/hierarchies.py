"""Generated hierarchies of types: node, relationship and data types that override one another in all ways."""

from __future__ import annotations

from random import Random
from typing import Any

PRIMITIVES = ("string", "integer", "list", "dict", None)
KEYS = ("a", "b", "c", "d")
LEVELS = 4


class Hierarchy:
    """A blueprint of four levels of derived types, with data types within data types.

    Args:
        seed: says which.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.data_types: dict[str, dict[str, Any]] = {}
        for number in range(self._random.randrange(2, 6)):
            self._derive(self.data_types, f"d{number}", data=True)
        self.node_types = self._chain("t", {})
        base = {"properties": {"connection_type": {"default": "all_to_all"}}}
        self.relationships = self._chain("r", {"cloudify.relationships.depends_on": base})
        self.document: dict[str, Any] = {
            "tosca_definitions_version": "cloudify_dsl_1_3",
            "data_types": self.data_types,
            "node_types": self.node_types,
            "relationships": self.relationships,
            "inputs": self._inputs(),
            "node_templates": {
                "one": self._user(self.node_types),
                "two": self._user(self.node_types),
            },
        }
        self.document["node_templates"]["two"]["relationships"] = [
            self._user(self.relationships) | {"target": "one"}
        ]
        self.given = {
            name: self._value(declared.get("type"), depth=0, calls=False)
            for name, declared in self.document["inputs"].items()
            if name not in ("s", "m") and self._chance(0.3)
        }

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _chain(self, letter: str, types: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for level in range(LEVELS):
            self._derive(types, f"{letter}{level}", data=False)
        return types

    def _derive(self, types: dict[str, dict[str, Any]], name: str, *, data: bool) -> None:
        """Add a type, which may derive from one of those before it."""
        properties: dict[str, Any] = {}
        declared: dict[str, Any] = {"properties": properties}
        parent = None
        if types and (not data or self._chance(0.6)):
            # Node types and relationships are one chain each; data types branch.
            parent = self._random.choice(list(types)) if data else list(types)[-1]
            declared["derived_from"] = parent
        inherited = self.flat(types, parent)
        for key in self._random.sample(KEYS, self._random.randrange(len(KEYS))):
            properties[key] = self._declaration(inherited.get(key, self))
        types[name] = declared

    def _declaration(self, inherited: object) -> dict[str, Any]:
        """A property: often of the type that it overrides, with or without a default."""
        if inherited is not self and self._chance(0.75):
            type_name: Any = inherited
        elif self.data_types and self._chance(0.6):
            type_name = self._random.choice(list(self.data_types))
        else:
            type_name = self._random.choice(PRIMITIVES)
        declaration: dict[str, Any] = {} if type_name is None else {"type": type_name}
        has_default = self._chance(0.6)
        if has_default:
            declaration["default"] = self._value(type_name, depth=0)
            if type_name in (None, "string", *self.data_types) and self._chance(0.08):
                declaration["default"] = None
        if not has_default and self._chance(0.97):
            declaration["required"] = False
        return declaration

    def flat(self, types: dict[str, dict[str, Any]], name: str | None) -> dict[str, Any]:
        """The types of all properties that a type has."""
        merged: dict[str, Any] = {}
        while name in types:
            for key, declaration in types[name]["properties"].items():
                merged.setdefault(key, declaration.get("type"))
            name = types[name].get("derived_from")
        return merged

    def _value(self, type_name: Any, depth: int, *, calls: bool = True) -> Any:  # noqa: ANN401 - plain data
        """A value that fits a type, or a call."""
        if calls and self._chance(0.12):
            return self._call()
        if type_name in self.data_types:
            return {
                key: self._value(inner, depth + 1, calls=calls)
                for key, inner in self.flat(self.data_types, type_name).items()
                if self._chance(0.4)
            }
        if type_name is None:
            type_name = self._random.choice(PRIMITIVES[:4])
        match type_name:
            case "string":
                return self._random.choice(("u", "v w", ""))
            case "integer":
                return self._random.randrange(9)
            case "list":
                return self._random.choice(([], [1, {"a": "x", "b": {"c": 1}}], [["y"]]))
        return self._random.choice(({}, {"a": 1}, {"b": {"c": ["z"], "d": {}}}, {"type": "q"}))

    def _call(self) -> dict[str, Any]:
        return self._random.choice(
            (
                {"get_input": "s"},
                {"concat": ["x", {"get_input": "s"}]},
                {"get_input": "s", "type": "string"},
                {"get_input": ["m", "a", "b"]},
            )
        )

    def _inputs(self) -> dict[str, Any]:
        inputs: dict[str, Any] = {"s": {"default": "text"}, "m": {"default": {"a": {"b": "deep"}}}}
        for number in range(3):
            type_name = self._random.choice([*self.data_types, *PRIMITIVES])
            declared = inputs[f"i{number}"] = {"required": False}
            if type_name is not None:
                declared["type"] = type_name
            if self._chance(0.6):
                declared["default"] = self._value(type_name, depth=0)
        return inputs

    def _user(self, types: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """What has a type and gives some of its properties."""
        name = self._random.choice(list(types)[1:])
        return {
            "type": name,
            "properties": {
                key: self._value(type_name, depth=0)
                for key, type_name in self.flat(types, name).items()
                if key in KEYS and self._chance(0.5)
            },
        }

    def within_reach(self) -> dict[str, Any]:
        """The same blueprint as one sees it who lacks some of the types."""
        document = dict(self.document)
        for section in ("data_types", "node_types", "relationships"):
            kept = {name: declared for name, declared in document[section].items() if self._chance(0.7)}
            document[section] = kept
        return document
