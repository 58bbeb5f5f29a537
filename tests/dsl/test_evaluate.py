"""Generated blueprints, evaluated and rendered, are what Cloudify's own evaluation makes of them.

`EVALUATION_EXAMPLES` raises how many are compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.blueprint import read, render
from resolver.core.model import SecretValue
from resolver.dsl.plan import Plan
from resolver.dsl.values import GivenInput
from resolver.dsl.walk import rebuild
from tests.cloudify import ask, needs_cloudify
from tests.dsl.siblings import Siblings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

pytestmark = pytest.mark.slow

VALUES_OF = Path(__file__).parents[1] / "corpus" / "cloudify_values.py"
EXAMPLES = int(os.environ.get("EVALUATION_EXAMPLES", "12"))

SECRETS = {
    "text": "plain",
    "pem": "-----BEGIN-----\n  a b\n\n-----END-----\n",
    "odd": 'it\'s "odd": {x} # & *y [z], \\ \t %',
    "number": "0012",
    "name": "text",
    "json": '{"user": "eve", "ports": [80, 8080], "deep": {"a": {"b": null, "c": true}}, "rate": 1.5}',
}
STEPS = ("user", "ports, 1", "ports, -1", "ports", "deep, a", "deep, a, b", "rate")
SCALARS = (
    *("word", "two words", "true", "No", "~", "12", "0o17", "017", "-1.5", "1e5", "1:30", "a:b", "a#b"),
    *("''", "'it''s # {x}'", r'"a\tb\x41\n"', '"get_secret: x"', "'{ get_secret: text }'", '""'),
)
TEXTS = ("word", "two words", "'it''s'", '"a-b-c"', "'A b'")


class Writer:
    """Writes one blueprint whose calls are all well formed.

    Args:
        seed: says which.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.siblings = Siblings(Random(seed))
        self.anchors: dict[str, list[str]] = {"mapping": [], "any": []}
        self.count = 0

    def name(self, letter: str) -> str:
        """A new name."""
        self.count += 1
        return f"{letter}{self.count}"

    def blueprint(self) -> str:
        """The text."""
        lines = [
            "tosca_definitions_version: cloudify_dsl_1_5",
            "dsl_definitions:  # { get_secret: not_a_call }",
        ]
        lines += [f"  {self.name('d')}: {self.anchored('mapping', self.mapping, 2)}" for _ in range(3)]
        lines += ["inputs:"]
        lines += [
            f"  first: {{default: {self.random.choice(TEXTS)}}}",
            f"  second: {{default: {self.text()}}}",
        ]
        lines += ["  third: {default: {a: [1, {b: word}], c: {get_secret: text}}}"]
        lines += [f"  {name}: {json.dumps(each)}" for name, each in self.siblings.inputs().items()]
        lines += [f"{name}: {json.dumps(section)}" for name, section in self.siblings.types().items()]
        lines += ["node_templates:"]
        for node in ("one", "two"):
            lines += [f"  {node}:", "    type: t", "    properties:"]
            lines += [f"      cfg: {json.dumps(self.siblings.property())}"]
            lines += [f"      r{number}: {self.siblings.read(in_node=True)}" for number in range(3)]
            if self.anchors["mapping"] and self.random.randrange(2):
                lines += [f"      <<: {self.merged()}"]
            for number in range(3):
                lines += self.block(f"p{number}", "      ", 3)
        lines += ["outputs:", f"  all: {{value: {{get_property: [one, p{self.random.randrange(3)}]}}}}"]
        lines += [f"  {self.name('o')}: {{value: {self.call(0)}}}" for _ in range(2)]
        lines += [f"  {self.name('o')}: {{value: {self.siblings.read(in_node=False)}}}" for _ in range(3)]
        ending = self.random.choice(("\n", "\n", "\r\n"))
        return ending.join([*lines, ""])

    def block(self, key: str, indent: str, depth: int) -> list[str]:
        """A key and its value, in block style where that can be."""
        kind = self.random.randrange(6 if depth else 3)
        inner = indent + "  "
        if kind == 3:
            head = f"{indent}{key}:{self.new_anchor()}"
            return [head, *(f"{inner}- {self.value(depth - 1)}" for _ in range(2)), f"{indent}# note"]
        if kind == 4:
            lines = [f"{indent}{key}:", *(f"{inner}# comment" for _ in range(self.random.randrange(2)))]
            for _ in range(2):
                lines += self.block(self.name("k"), inner, depth - 1)
            return lines
        if kind == 5:
            style = self.random.choice("|>") + self.random.choice(("", "-", "+"))
            return [f"{indent}{key}: {style}", f"{inner}text {{ get_secret: x }}", f"{inner}# more"]
        return [f"{indent}{key}: {self.value(depth)}  # end"]

    def value(self, depth: int) -> str:
        """A value in flow style."""
        kind = self.random.randrange(10 if depth > 0 else 4)
        match kind:
            case 0 | 1:
                return self.random.choice(SCALARS)
            case 2 if self.anchors["any"]:
                return f"*{self.random.choice(self.anchors['any'])}"
            case 4 | 5:
                return self.anchored("mapping", self.mapping, depth - 1)
            case 6:
                return self.anchored("any", self.sequence, depth - 1)
        return self.anchored("any", self.call, depth)

    def new_anchor(self) -> str:
        """Sometimes the anchor of a value that nothing names."""
        return f" &{self.name('x')}" if self.random.randrange(4) == 0 else ""

    def anchored(self, kind: str, write: Callable[[int], str], depth: int) -> str:
        """A value, sometimes with an anchor."""
        text = write(depth)
        if self.random.randrange(3):
            return text
        name = self.name("x")
        self.anchors["any"].append(name)
        if kind == "mapping":
            self.anchors["mapping"].append(name)
        return f"&{name} {text}"

    def merged(self) -> str:
        """What a merge key takes."""
        names = [
            f"*{self.random.choice(self.anchors['mapping'])}" for _ in range(self.random.choice((1, 1, 2)))
        ]
        return names[0] if len(names) == 1 else f"[{', '.join(names)}]"

    def mapping(self, depth: int) -> str:
        """A mapping that is no call."""
        # Chosen first: what is merged stands before this mapping.
        merged = f"<<: {self.merged()}" if self.anchors["mapping"] and self.random.randrange(2) else ""
        parts = [f"{self.random.choice('abc')}{number}: {self.value(depth)}" for number in range(2)]
        if merged:
            parts.insert(self.random.randrange(3), merged)
        return "{" + ", ".join(parts) + "}"

    def sequence(self, depth: int) -> str:
        """A list; a single pair in it is a call without braces."""
        parts = [self.value(depth) for _ in range(2)]
        if self.random.randrange(3) == 0:
            parts.append("get_secret: text")
        return "[" + ", ".join(parts) + "]"

    def text(self) -> str:
        """A text, or a call that gives one."""
        key = self.random.choice(("text", "pem", "odd", "number", "name"))
        return self.random.choice(
            (
                self.random.choice(TEXTS),
                f"{{get_secret: {key}}}",
                f"{{\"get_secret\": '{key}'}}",
                "{ get_secret: {get_secret: name} }",
            )
        )

    def static(self) -> str:
        """A text that needs no secret: Cloudify's functions of text take no other."""
        text = self.random.choice(TEXTS)
        return self.random.choice((text, "{get_input: first}", f"{{concat: [{text}, {{get_input: first}}]}}"))

    def call(self, _: int) -> str:
        """A call."""
        return self.random.choice(
            (
                self.text(),
                f"{{get_secret: [json, {self.random.choice(STEPS)}]}}",
                "{get_secret: [json, {concat: [us, er]}]}",
                f"{{get_input: {self.random.choice(('first', 'second', 'third'))}}}",
                f"{{get_input: [third, {self.random.choice(('a', 'a, 1, b', 'c', 'a, -1'))}]}}",
                f"{{concat: [{self.text()}, {self.random.choice(SCALARS)}, {{get_input: first}}]}}",
                f"{{merge: [{{a: {self.text()}}}, {{b: 1}}, {{get_secret: [json, deep]}}]}}",
                f"{{string_find: [{self.static()}, a]}}",
                f"{{string_replace: [{self.static()}, a, {self.static()}]}}",
                f"{{string_split: [{self.static()}, ' ', 0]}}",
                f"{{string_split: [{self.static()}, '-']}}",
                f"{{string_upper: {self.static()}}}",
                f"{{string_lower: {{concat: [{self.static()}, A]}}}}",
            )
        )


def resolved(text: str, given: Mapping[str, Any], *, evaluate: bool = True) -> Any:  # noqa: ANN401 - plain data
    """The document with its calls resolved; the rendered text loads as the same."""
    blueprint = read(text.encode(), "generated.yaml")
    inputs = {name: GivenInput(value) for name, value in given.items()}
    plan = Plan([blueprint], inputs, evaluate=evaluate)
    while uses := plan.advance():
        plan.supply({use.key: SecretValue(SECRETS[use.key]) for use in uses})
    assert plan.problems == [], (text, plan.problems)
    results = plan.results(blueprint)
    assert not results.by_path
    values = {node: placement.value for node, placement in results.by_node.items()}
    document = rebuild(blueprint.documents[0], values)
    assert yaml.safe_load(render(blueprint, values).text) == document, text
    return document


def test_calls_are_generated_and_resolved() -> None:
    """No call is left, rendered texts load as what was evaluated, and without results nothing changes."""
    for seed in range(EXAMPLES):
        writer = Writer(seed)
        text = writer.blueprint()
        document = resolved(text, writer.siblings.given)
        for node in document["node_templates"].values():
            del node["properties"]["cfg"]  # holds calls that are answered at run time
        # It stays where that is null: the parser refuses an output that is written as nothing.
        nothing = {"value": {"get_property": ["one", "p2"]}}
        outputs = [output for output in document["outputs"].values() if output != nothing]
        assert '{"get_' not in json.dumps([document["node_templates"], outputs]), text
        blueprint = read(text.encode(), "generated.yaml")
        assert render(blueprint, {}).text == text


@needs_cloudify
def test_cloudify_evaluates_to_the_same() -> None:
    """Properties and outputs of generated blueprints are what Cloudify's parser evaluates.

    So they are when it evaluates what was resolved, with `--evaluate` and without.
    """
    writers = [Writer(seed) for seed in range(EXAMPLES)]
    texts = [(writer.blueprint(), writer.siblings.given) for writer in writers]
    accepted = [
        (text, given, answer["values"])
        for (text, given), answer in zip(texts, _answers(texts, SECRETS), strict=True)
        if "values" in answer
    ]
    assert len(accepted) > 0.9 * EXAMPLES
    again: list[tuple[str, Mapping[str, Any]]] = []
    expected: list[Any] = []
    for text, given, values in accepted:
        document = resolved(text, given)
        for name, node in document["node_templates"].items():
            # The other one holds calls that are answered at run time.
            left = {key: value for key, value in node["properties"].items() if key != "cfg"}
            assert left == {key: values["nodes"][name][key] for key in left}, (text, name)
        for name, output in document["outputs"].items():
            # A null stays a call: the parser refuses an output that is written as nothing.
            if values["outputs"][name] is not None or "get_property" not in output["value"]:
                assert output["value"] == values["outputs"][name], (text, name)
        if None not in values["outputs"].values():  # the parser refuses an output that is written as nothing
            again.append((json.dumps(document), given))
            again.append((json.dumps(resolved(text, given, evaluate=False)), given))
            expected += [values, values]
    for (text, _), answer, values in zip(again, _answers(again, {}), expected, strict=True):
        for part in ("nodes", "outputs"):
            assert answer["values"][part] == values[part], (text, part)


def _answers(texts: Sequence[tuple[str, Mapping[str, Any]]], secrets: Mapping[str, str]) -> Any:  # noqa: ANN401 - plain data
    """What Cloudify's parser makes of texts with values given for their inputs."""
    return ask(
        VALUES_OF, [{"text": text, "secrets": secrets, "inputs": given} for text, given in texts], timeout=600
    )
