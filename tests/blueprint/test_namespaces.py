"""A file that is imported into a namespace is renamed as Cloudify's parser renames it."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.blueprint import Merge, dump, merge, read, read_tree
from resolver.blueprint.namespaces import SECTIONS, Entries, Fields, Items, Leaf, NamespacedBlueprint, Rule
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import InputType
from resolver.errors import BudgetError
from tests.cloudify import ask, needs_cloudify

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = """
tosca_definitions_version: cloudify_dsl_1_0
node_types:
  cloudify.nodes.Root:
    interfaces: {cloudify.interfaces.lifecycle: {create: {}, start: {}}}
    properties: {base: {default: 1}}
relationships:
  cloudify.relationships.depends_on: {properties: {connection_type: {default: all_to_all}}}
workflows: {install: {mapping: p.install}}
plugins: {p: {executor: central_deployment_agent, install: false}}
"""

TREES = int(os.environ.get("RESOLVER_TEST_TREES", "8"))
"""How many trees are compared; each takes Cloudify's parser a quarter of a second."""


def renamed(text: str, namespace: str = "ns") -> NamespacedBlueprint:
    """A text in a namespace."""
    return NamespacedBlueprint(read(text.encode(), "a.yaml"), namespace, Budget())


def document(text: str) -> Any:  # noqa: ANN401 - plain data
    """The document of a text in the namespace `ns`, which must raise no problem."""
    result = renamed(text)
    assert result.problems == ()
    return result.documents[0]


def problems(text: str) -> list[tuple[int, str]]:
    """The lines and messages of what keeps a text from being renamed."""
    return [(each.position.line, each.message) for each in renamed(text).problems if each.position]


def _as_data(rule: Rule) -> Any:  # noqa: ANN401 - plain data
    """A rule in the form in which `cloudify_names.py` prints the parser's, without what is never renamed."""
    match rule:
        case Leaf():
            return "name" if rule.is_name else "data"
        case Fields():
            fields = {name: _as_data(field) for name, field in rule.of.items()}
            return {"fields": fields, "or_name": rule.or_name}
        case Entries():
            return {"entries": _as_data(rule.of), "are_names": rule.are_names}
        case Items():
            return {"items": _as_data(rule.of)}


@needs_cloudify
def test_the_rules_are_those_of_the_parser() -> None:
    """All that its schema knows of, but for numbers, booleans, lists and texts that are never renamed."""
    assert ask(Path(__file__).with_name("cloudify_names.py")) == {
        "sections": {section: _as_data(rule) for section, rule in SECTIONS.items()},
        "types": sorted(map(str, InputType)),
    }


class Generator:
    """Makes a blueprint with a file, and a file of that, in namespaces, with calls wherever they may stand.

    Args:
        seed: the number of the tree.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._shared: list[Any] = []
        self._has_aliases = self._is(0.3)
        self._flat: list[Callable[[str, int], Any]] = [
            lambda x, _: {"get_input": f"{x}i"},
            lambda x, _: {"get_input": [f"{x}i", f"{x}f"]},
            lambda x, _: {"get_property": [self._pick(f"{x}n", f"{x}m"), "base"]},
            lambda x, _: {"get_attribute": [self._pick(f"{x}n", "SELF"), "a", {"get_input": f"{x}i"}]},
            lambda x, _: {
                "get_secret": self._pick("k", {"get_input": f"{x}i"}, ["k", {"get_input": f"{x}j"}])
            },
            lambda _x, _: self._pick("n", "t", "i", "string", "cloudify.n", 1, None),
            lambda x, _: {"get_capability": [f"{x}n", {"get_input": f"{x}i"}]},
            lambda x, _: {"get_attributes_list": [f"{x}n", "a"]},
        ]
        self._deep: list[Callable[[str, int], Any]] = [
            *self._flat,
            lambda x, depth: {"concat": ["n", self._value(x, depth), self._value(x, depth)]},
            lambda x, depth: [self._value(x, depth), self._value(x, depth)],
            *[lambda x, depth: {f"k{n}": self._value(x, depth) for n in range(self._random.randint(1, 3))}]
            * 4,
        ]

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _pick(self, *items: Any) -> Any:  # noqa: ANN401 - plain data
        return self._random.choice(items)

    def files(self) -> dict[str, dict[str, Any]]:
        """The files' documents by name."""
        inner = self._pick("b.yaml", "in--b.yaml")
        before = "" if inner == "b.yaml" else "in--"
        return {
            "main.yaml": {
                "tosca_definitions_version": "cloudify_dsl_1_5",
                "imports": ["cloudify/types/types.yaml", "ns--a.yaml", *(["two--a.yaml"] * self._is(0.1))],
                "inputs": {name: {"default": "k"} for name in ("i", "j", "bi", "bj")},
                "node_templates": {
                    **{name: {"type": "cloudify.nodes.Root"} for name in ("n", "bn", "bm")},
                    "m": {"type": "ns--t", "properties": {"q": {"get_property": ["ns--n", "q"]}}},
                    **(
                        {"ns--more": {"relationships": [self._relationship("ns--n")]}}
                        if self._is(0.3)
                        else {}
                    ),
                },
            },
            "a.yaml": self._document([self._pick("cloudify/types/types.yaml", inner), inner], before),
            "b.yaml": self._document([], ""),
        }

    def _document(self, imports: list[str], inner: str) -> dict[str, Any]:
        """A file of which all may refer to `n`, `m` and `i`; the other file's have names of their own."""
        x = "" if imports else "b"
        data = {
            "imports": list(dict.fromkeys(imports)),
            "metadata": {f"{x}of": "x"},
            "description": "n",
            "dsl_definitions": {"x": self._value(x)},
            "inputs": {
                f"{x}i": self._pick(
                    {"type": "string"}, {"type": f"{x}d", "default": {f"{x}f": "k"}}, {"type": "cloudify.d"}
                ),
                f"{x}j": {"default": self._value(x)},
                f"{x}k": {"type": "list", "item_type": "string", "constraints": [{"max_length": 9}]},
                f"{x}l": None,
            },
            "data_types": {
                f"{x}d": {"properties": {f"{x}f": {"type": "string", "default": "k"}}, "description": "n"},
                f"{x}e": {"derived_from": f"{x}d", "properties": {"g": {"type": f"{x}d"}}},
                "cloudify.d": {"properties": {"f": {"default": 1}}},
            },
            "plugins": {
                f"{x}p": {
                    "executor": "central_deployment_agent",
                    "install": False,
                    "properties": {"h": {"type": "string", "description": "n"}},
                }
            },
            "node_types": {
                f"{x}t": {
                    "derived_from": "cloudify.nodes.Root",
                    "properties": {
                        "q": {"default": self._value(x)},
                        "r": {"type": f"{x}e", "default": {"g": {}}},
                        "s": {"type": "string", "required": False},
                    },
                    "interfaces": {
                        "o": {
                            "a": f"{x}p.a",
                            "b": {
                                "implementation": f"{x}p.b",
                                "executor": "central_deployment_agent",
                                "inputs": {
                                    "v": {"default": self._value(x)},
                                    "w": {"type": "string", "default": {"get_input": f"{x}j"}},
                                },
                            },
                        }
                    },
                },
                f"{x}u": {"derived_from": f"{x}t"},
            },
            "relationships": {
                f"{x}r": {
                    "derived_from": "cloudify.relationships.depends_on",
                    "properties": {"z": {"default": self._value(x)}},
                    "source_interfaces": {"o": {"c": {"implementation": f"{x}p.c", "inputs": {}}}},
                }
            },
            "node_templates": {
                f"{x}n": self._node(x, inner),
                f"{x}m": {"type": "cloudify.nodes.Root", "properties": {"base": self._value(x)}},
                f"{x}more": {"type": f"{x}u", "relationships": [self._relationship(f"{x}n")]},
                "cloudify.n": {"type": f"{x}t"},
            },
            "groups": {f"{x}g": {"members": [f"{x}n", f"{x}m"]}, "cloudify.g": {"members": [f"{x}n"]}},
            "policies": {
                f"{x}y": {
                    "type": "cloudify.policies.scaling",
                    "targets": [f"{x}g"],
                    "properties": {"default_instances": 2},
                }
            },
            "workflows": {
                f"{x}w": f"{x}p.w",
                f"{x}v": {
                    "mapping": f"{x}p.v",
                    "parameters": {"c": {"default": self._value(x)}, "e": {"type": "string"}},
                },
            },
            "outputs": {f"{x}o": {"description": "n", "value": self._value(x)}, f"{x}p": {"value": "n"}},
            "capabilities": {f"{x}c": {"value": self._value(x)}},
            "labels": {f"{x}l": {"values": ["n", {"get_input": f"{x}i"}]}},
        }
        optional = {"metadata", "policies", "capabilities", "labels", "description", "workflows"}
        left_out = {name for name in optional if self._is(0.5)} | ({"policies"} if x else set())
        return {name: part for name, part in data.items() if name not in left_out}

    def _node(self, x: str, inner: str) -> dict[str, Any]:
        return {
            "type": self._pick(f"{x}t", f"{x}u"),
            "properties": {"q": self._value(x), "s": self._pick("n", {"get_input": f"{x}i"})},
            "interfaces": {
                "o": {
                    "a": {"inputs": {"p": self._value(x), "s": self._value(x)}},
                    "b": {"inputs": {"v": {"get_property": ["SELF", "q"]}}},
                    "c": self._pick(f"{x}p.z", {"implementation": f"{x}p.z"}, {}),
                }
            },
            "relationships": [
                self._relationship(f"{x}m", f"{x}r"),
                *([] if x else [self._relationship(f"{inner}bm")]),
            ],
            "capabilities": {"scalable": {"properties": {"default_instances": 1}}},
        }

    def _relationship(self, target: str, kind: str = "cloudify.relationships.depends_on") -> dict[str, Any]:
        return {"type": kind, "target": target} | ({"properties": {}} if self._is(0.5) else {})

    def _value(self, x: str, depth: int = 0) -> Any:  # noqa: ANN401 - plain data
        """A value of any kind, sometimes one that stands elsewhere, too."""
        if not x and self._shared and self._has_aliases and self._is(0.3):
            return self._pick(*self._shared)
        value: Any = self._pick(*(self._deep if depth < 4 else self._flat))(x, depth + 1)
        if not x and not isinstance(value, (int, type(None))):
            self._shared.append(value)
        return value


@needs_cloudify
def test_cloudify_makes_the_same_plan(tmp_path: Path) -> None:
    """Cloudify plans the merged document as it plans the files, and refuses those that are refused here."""
    questions: list[dict[str, Any]] = []
    results: list[Merge] = []
    for seed in range(TREES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, content in Generator(seed).files().items():
            (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
        path = folder / "main.yaml"
        tree = read_tree(read(path.read_bytes(), "main.yaml"), folder)
        assert tree.problems == ()
        results.append(merge(tree))
        (folder / "merged.yaml").write_text(dump(results[-1].document))
        questions += [
            {"path": str(folder / name), "manager": {"cloudify/types/types.yaml": TYPES}}
            for name in ("main.yaml", "merged.yaml")
        ]
    answers = iter(ask(Path(__file__).with_name("cloudify_plans.py"), questions))
    same = 0
    for seed, (result, files, merged) in enumerate(zip(results, answers, answers, strict=True)):
        if "error" in files:
            assert result.problems or "error" in merged, seed
        elif not result.problems:
            assert merged == files, seed
            same += "plan" in files
    assert same >= TREES / 3  # or the comparison would say little


def test_names_and_references_are_renamed() -> None:
    """Cloudify's own names and those of plain types are not."""
    assert document(
        "inputs: {i: {type: string, default: {get_input: j}}, j: {type: d, item_type: integer}}\n"
        "data_types: {d: {derived_from: e, properties: {p: {type: d}}}, cloudify.d: {derived_from: d}}\n"
        "workflows: {w: p.w}\n"
        "policies: {s: {targets: [cloudify.g]}}\n"
        "imports: [x]\n"
    ) == {
        "inputs": {
            "ns--i": {"type": "string", "default": {"get_input": "ns--j"}},
            "ns--j": {"type": "ns--d", "item_type": "integer"},
        },
        "data_types": {
            "ns--d": {"derived_from": "ns--e", "properties": {"p": {"type": "ns--d"}}},
            "cloudify.d": {"derived_from": "ns--d"},
        },
        "workflows": {"ns--w": "ns--p.w"},
        "policies": {"ns--s": {"targets": ["ns--cloudify.g"]}},
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{get_input: [i, {get_input: j}]}", {"get_input": ["ns--i", {"get_input": "ns--j"}]}),
        ("{get_property: [SELF, {get_input: j}]}", {"get_property": ["SELF", {"get_input": "ns--j"}]}),
        ("{get_attribute: [n, a]}", {"get_attribute": ["ns--n", "a"]}),
        ("{get_capability: [n, a]}", {"get_capability": ["n", "a"]}),
        ("{get_secret: [k, {get_input: j}]}", {"get_secret": ["k", {"get_input": "ns--j"}]}),
        ("{a: [{concat: [x, {get_input: 5}]}]}", {"a": [{"concat": ["x", {"get_input": "ns--5"}]}]}),
        ("[{get_input: j}]", [{"get_input": "j"}]),
    ],
)
def test_calls_are_renamed_where_the_parser_does(value: str, expected: object) -> None:
    """Not in a list that is a whole default, which the parser does not look into."""
    text = f"node_types: {{t: {{properties: {{p: {{default: {value}}}}}}}}}"
    assert document(text)["node_types"]["ns--t"]["properties"]["p"]["default"] == expected


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("outputs:\n  o: {value: {get_input: {get_input: i}}}", 2, "a computed input can't be renamed"),
        (
            "outputs:\n  o: {value: {get_property: [{get_input: i}, p]}}",
            2,
            "a computed node can't be renamed",
        ),
        ("outputs:\n  o: {value: {get_input: []}}", 2, "a call without an input can't be renamed"),
        ("inputs: {5: {}}", 1, "a name that is not text can't be put into a namespace"),
        ("inputs: {get_secret: k}", 1, "a section that is a call can't be renamed"),
        (
            "outputs:\n  o: {value: &c {get_input: i}}\n  p: {value: [*c]}",
            2,
            "what an alias stands for is renamed in one place and not in another",
        ),
        (
            "outputs:\n  o: {value: &c {x: 1}}\n  p: {value: {a: *c, b: {get_input: i}}}",
            3,
            "what an alias stands for is renamed in one place and not in another",
        ),
        (
            "node_templates:\n  n: {type: &t tt}\n  m: {type: *t, properties: {a: *t}}",
            3,
            "what an alias stands for is renamed in one place and not in another",
        ),
    ],
)
def test_what_can_not_be_renamed(text: str, line: int, why: str) -> None:
    """The parser refuses it, or makes something of it that depends on the order of the text."""
    assert (line, f"{why}, so the file can't be merged into the namespace 'ns'") in problems(text)


def test_aliases_that_are_renamed_alike_are_fine() -> None:
    """Every place gets the same."""
    text = (
        "node_templates:\n  a: &a {type: t, properties: &p {x: {get_input: i}}}\n"
        "  b: *a\n  c: {type: u, properties: *p}\n  d: {<<: *a, type: v}\n"
    )
    properties = {"x": {"get_input": "ns--i"}}
    assert document(text)["node_templates"] == {
        "ns--a": {"type": "ns--t", "properties": properties},
        "ns--b": {"type": "ns--t", "properties": properties},
        "ns--c": {"type": "ns--u", "properties": properties},
        "ns--d": {"type": "ns--v", "properties": properties},
    }


def test_calls_keep_their_places() -> None:
    """Each is a new object, with the place of the one that was read; equal ones of an alias are one."""
    text = "outputs:\n  o: {value: &c {get_secret: k}}\n  p: {value: *c}\n  q: {value: {get_secret: k}}\n"
    source = renamed(text)
    (root,) = source.documents
    calls = [root["outputs"][f"ns--{name}"]["value"] for name in "opq"]
    assert calls[0] is calls[1] is not calls[2]
    assert [str(source.position_of(call)) for call in calls[1:]] == [
        str(source.blueprint.position_of(source.blueprint.documents[0]["outputs"][name]["value"]))
        for name in "pq"
    ]
    assert calls[0] is not source.blueprint.documents[0]["outputs"]["o"]["value"]


def test_renaming_costs_what_the_text_expands_to() -> None:
    """A small text whose aliases expand to much is refused before that is made."""
    lines = "".join(f"  x{n}: &x{n} {{interfaces: {{a: *i, b: *i, c: *i, d: *i}}}}\n" for n in range(100))
    text = (
        f"dsl_definitions: {{i: &i {{{', '.join(f'o{n}: {{implementation: p.o}}' for n in range(200))}}}}}\n"
    )
    blueprint = read((text + "node_types:\n" + lines).encode(), "a.yaml")
    with pytest.raises(BudgetError):
        NamespacedBlueprint(blueprint, "ns", Budget(steps=100_000))
