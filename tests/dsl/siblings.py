"""Generated values with calls of every kind beside what is read from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Read = Callable[..., dict[str, Any]]

READABLE = (("key",), ("same",), ("chain",), ("deep", "a", 1, "b"), ("deep", "c"), ("name",))
"""Paths whose values need nothing but inputs, properties and secrets."""


def beside(random: Random, read: Read, *, unused: bool) -> dict[str, Any]:
    """A mapping with what is read, and other calls beside that.

    Args:
        random: chooses.
        read: makes the call that reads a path in this mapping.
        unused: whether it may have calls that fail when they are evaluated.
    """
    late = {"get_attribute": ["one", "ip"]}
    parts: dict[str, Any] = {
        "key": random.choice(("word", "two words", "x-y")),
        "name": "text",
        "same": {"concat": ["x", read("key")]},
        "chain": {"concat": [read("same"), "y"]},
        "deep": {
            "a": [late, {"b": read("key"), "c": {"get_secret": "odd"}}],
            "c": {"concat": [read("key"), read("name")]},
        },
        "secret": {"get_secret": ["json", "user"]},
        "secrets": [{"get_secret": {"get_secret": "name"}}, read("deep", "a", 1, "b")],
        "late": late,
        "later": {"concat": [{"get_capability": ["d", "c"]}, read("late"), read("key")]},
        "system": {"get_sys": ["deployment", "id"]},
        "far": {"get_property": ["one", "cfg", "key"]},
    }
    if unused:
        parts |= {
            "own": {"get_property": ["SELF", "cfg", "key"]},
            "cycle": {"concat": [read("cycle"), read("round")]},
            "round": read("cycle"),
            "all": read(),
            "none": {"get_property": ["none", "p"]},
            "undeclared": {"get_input": "undeclared"},
            "wrong": {"string_split": [1]},
        }
        parts["deep"]["a"][1]["d"] = read("deep")
    needed = {"key", "name", "same", "chain", "deep", "late", *(["own"] if unused else [])}
    names = [name for name in parts if name in needed or random.randrange(2)]
    random.shuffle(names)
    return {name: parts[name] for name in names}


def input_reader(name: str) -> Read:
    """What makes calls of `get_input` for one input."""
    return lambda *path: {"get_input": [name, *path] if path else name}


def property_reader(*words: str) -> Read:
    """What makes calls of `get_property` for one property."""
    return lambda *path: {"get_property": [*words, *path]}


class Siblings:
    """The inputs, types and properties of a blueprint, and calls that read parts of them.

    Args:
        random: chooses.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.given = {"given": beside(random, input_reader("given"), unused=True)}

    def inputs(self) -> dict[str, Any]:
        """The inputs to declare."""
        return {
            "given": {},
            "written": {"default": beside(self._random, input_reader("written"), unused=True)},
            "typed": {"type": "of_inputs", "default": {"key": "two words"}},
            "merged": {"type": "of_inputs"},
        }

    def types(self) -> dict[str, Any]:
        """The sections of types."""
        others = ("cfg", "via", "p0", "p1", "p2", "r0", "r1", "r2")
        return {
            "data_types": {
                "of_inputs": _data_type(beside(self._random, input_reader("typed"), unused=True)),
                "of_nodes": _data_type(beside(self._random, property_reader("SELF", "typed"), unused=False)),
            },
            "node_types": {
                "base": {
                    "properties": {"typed": {"type": "of_nodes", "default": {"name": "number", "key": "K"}}}
                },
                "t": {
                    "derived_from": "base",
                    "properties": {
                        "typed": {"type": "of_nodes", "default": {"key": "word"}},
                        **{name: {"required": False} for name in others},
                    },
                },
            },
        }

    def property(self) -> dict[str, Any]:
        """The property that is read."""
        return beside(self._random, property_reader("SELF", "cfg"), unused=False)

    def read(self, *, in_node: bool) -> str:
        """A call that reads a part of an input or a property, as text."""
        choose = self._random.choice
        path = choose(READABLE)
        node = choose(("one", "two", *(["SELF"] if in_node else [])))
        calls = [
            {"get_input": [choose(("given", "written", "typed", "merged")), *path]},
            {"get_property": [node, choose(("cfg", "typed")), *path]},
            {"get_secret": {"get_input": [choose(("given", "written")), "name"]}},
            {"get_secret": {"get_property": [node, choose(("cfg", "typed")), "name"]}},
            {"concat": [{"get_input": ["given", *path]}, {"get_property": ["two", "typed", *path]}]},
            *([{"get_input": [choose(("given", "written")), "own"]}] if in_node else []),
        ]
        return json.dumps(choose(calls))


def _data_type(defaults: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {name: {"default": value} for name, value in defaults.items()}}
