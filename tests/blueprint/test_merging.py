"""Blueprints and their imports make the one document that Cloudify's parser makes of them."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from resolver.blueprint import (
    ImportTree,
    Merge,
    copy_shared_calls,
    definitions_of,
    dump,
    merge,
    read,
    read_tree,
)
from resolver.dsl.problems import Reason
from tests.cloudify import ask, needs_cloudify

MAIN = "tosca_definitions_version: cloudify_dsl_1_3\n"
ONE_FILE = "the section '{}' can't be merged: it may be in one file only"
OLD = "tosca_definitions_version: cloudify_dsl_1_2\n"


def tree_of(folder: Path, main: str, **files: str) -> ImportTree:
    """Write files and read a tree; two underscores in a name stand for a slash."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return read_tree(read(main.encode(), "main.yaml"), folder)


def merged(folder: Path, main: str, **files: str) -> dict[Any, Any]:
    """The merged document, which must raise no problem."""
    result = merge(tree_of(folder, main, **files))
    assert result.problems == ()
    return result.document


def refused(folder: Path, main: str, **files: str) -> list[tuple[str, str]]:
    """The places and messages of what keeps files from being merged."""
    result = merge(tree_of(folder, main, **files))
    assert {problem.reason for problem in result.problems} <= {Reason.IMPORT_REFUSED}
    return [
        (f"{problem.source}:{problem.position.line}:{problem.position.column}", problem.message)
        for problem in result.problems
        if problem.position
    ]


def test_sections_are_joined(tmp_path: Path) -> None:
    """The blueprint's definitions come first, then those of its imports; what only one has is taken over."""
    document = merged(
        tmp_path,
        MAIN + "imports: [a.yaml]\ninputs: {m: {}}\nnode_templates: {n: {type: t}}\n",
        a="imports: [sub/b.yaml]\ninputs: {a: {}}\nplugins: {p: {}}\n",
        sub__b="inputs: {b: {}}\npolicies: {x: {}}\n",
    )
    assert document == {
        "tosca_definitions_version": "cloudify_dsl_1_3",
        "inputs": {"m": {}, "a": {}, "b": {}},
        "node_templates": {"n": {"type": "t"}},
        "plugins": {"p": {}},
        "policies": {"x": {}},
    }
    assert list(document["inputs"]) == ["m", "a", "b"]


def test_what_the_parser_drops_is_dropped(tmp_path: Path) -> None:
    """`dsl_definitions` only hold anchors; the version is the blueprint's, merged imports are gone."""
    document = merged(
        tmp_path, MAIN + "imports: [a.yaml]\ndsl_definitions: {x: 1}\n", a=OLD + "dsl_definitions: {y: 1}\n"
    )
    assert document == {"tosca_definitions_version": "cloudify_dsl_1_3"}


def test_the_first_description_and_metadata_count(tmp_path: Path) -> None:
    """Those of the blueprint, or of the first import that has any."""
    document = merged(
        tmp_path,
        MAIN + "imports: [a.yaml, b.yaml]\ndescription: main\n",
        a="description: a\nmetadata: {of: a}\n",
        b="metadata: {of: b, more: 1}\n",
    )
    assert (document["description"], document["metadata"]) == ("main", {"of": "a"})


@pytest.mark.parametrize(
    "section",
    [
        *("inputs", "outputs", "capabilities"),
        *("data_types", "groups", "interfaces", "node_types", "plugins"),
        *("policy_triggers", "policy_types", "relationships"),
    ],
)
def test_a_name_defined_twice_is_refused(tmp_path: Path, section: str) -> None:
    """The problem stands at the second definition and names the first."""
    assert refused(
        tmp_path, f"{MAIN}imports: [a.yaml]\n{section}:\n  x: {{}}\n", a=f"{section}:\n  y: {{}}\n  x: {{}}\n"
    ) == [
        (
            "a.yaml:3:3",
            f"'x' in the section {section!r} is defined in two files, first defined at main.yaml:4:3",
        )
    ]


@pytest.mark.parametrize("section", ["inputs", "outputs", "capabilities", "node_templates", "labels"])
def test_some_sections_are_merged_from_1_3_on(tmp_path: Path, section: str) -> None:
    """In an older blueprint they may be in one file only."""
    files = {"a": f"{section}: {{x: {{}}}}\n"}
    assert list(merged(tmp_path, f"{MAIN}imports: [a.yaml]\n{section}: {{y: {{}}}}\n", **files)[section]) == [
        "y",
        "x",
    ]
    result = merge(tree_of(tmp_path, f"{OLD}imports: [a.yaml]\n{section}: {{y: {{}}}}\n", **files))
    (problem,) = result.problems
    assert problem.message == (f"{ONE_FILE.format(section)}, first defined at main.yaml:3:1")
    assert problem.hint == "from cloudify_dsl_1_3 on, this section may be in several files"
    assert merged(tmp_path, f"{OLD}imports: [a.yaml]\n", **files)[section] == {"x": {}}


def test_other_sections_may_be_in_one_file_only(tmp_path: Path) -> None:
    """In any version."""
    main = MAIN + "imports: [a.yaml]\npolicies: {x: {}}\n"
    assert refused(tmp_path, main, a="policies: {y: {}}\n") == [
        (
            "a.yaml:1:1",
            f"{ONE_FILE.format('policies')}, first defined at main.yaml:3:1",
        )
    ]


@pytest.mark.parametrize("entries", ["", "[x]", "{get_secret: k}", "{concat: [a]}"])
def test_a_section_that_is_no_mapping_is_refused(tmp_path: Path, entries: str) -> None:
    """Neither a call, whose value would be something else, nor nothing at all; alone it is taken over."""
    files = {"a": f"inputs: {entries}\n"}
    ((place, message),) = refused(tmp_path, MAIN + "imports: [a.yaml]\ninputs: {m: {}}\n", **files)
    assert place == "a.yaml:1:1"
    assert message == (
        "the section 'inputs' can't be merged: it is not a mapping in both files, "
        "first defined at main.yaml:3:1"
    )
    assert merged(tmp_path, MAIN + "imports: [a.yaml]\n", **files)["inputs"] == yaml.safe_load(entries)


@pytest.mark.parametrize("section", ["labels", "blueprint_labels", "resource_tags"])
def test_the_first_of_two_labels_counts(tmp_path: Path, section: str) -> None:
    """Labels and tags of one name are no conflict."""
    main = f"{MAIN}imports: [a.yaml]\n{section}: {{x: main}}\n"
    assert merged(tmp_path, main, a=f"{section}: {{x: a, y: a}}\n")[section] == {"x": "main", "y": "a"}


def test_workflows_are_filled_up(tmp_path: Path) -> None:
    """What one definition leaves open is taken from the next; two that are no mappings are a conflict."""
    main = MAIN + "imports: [a.yaml]\nworkflows: {w: {mapping: m}, v: p.v}\n"
    assert merged(tmp_path, main, a="workflows: {w: {mapping: a, parameters: {}}}\n")["workflows"] == {
        "w": {"mapping": "m", "parameters": {}},
        "v": "p.v",
    }
    for workflow in ("p.v", "{mapping: a}", "{get_secret: k}"):
        assert len(refused(tmp_path, main, a=f"workflows: {{v: {workflow}}}\n")) == 1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "{type: t, relationships: [1]}",
            "{relationships: [2]}",
            {"type": "t", "relationships": [1, 2]},
        ),
        ("{relationships: [1]}", "{relationships: [2]}", {"relationships": [1, 2]}),
        (
            "{relationships: [1]}",
            "{type: t, properties: {}, relationships: [2], x: 1}",
            {"relationships": [1, 2], "type": "t", "properties": {}},
        ),
        ("{relationships: [1]}", "{type: t}", {"relationships": [1], "type": "t"}),
        ("{type: t}", "{relationships: [2]}", None),
        ("{type: t, relationships: [1]}", "{type: t}", None),
        ("{relationships: [1]}", "{properties: {}}", None),
        ("{relationships: {get_secret: k}}", "{relationships: [2]}", None),
        ("{relationships: [1]}", "{relationships: {get_secret: k}}", None),
        ("{get_secret: k}", "{relationships: [2]}", None),
        ("{relationships: [1]}", "t", None),
    ],
)
def test_relationships_are_added_to_a_node(
    tmp_path: Path, first: str, second: str, expected: dict[str, Any] | None
) -> None:
    """A node may be in two files when one of them adds relationships and nothing else."""
    main = f"{MAIN}imports: [a.yaml]\nnode_templates: {{n: {first}}}\n"
    files = {"a": f"node_templates: {{n: {second}}}\n"}
    if expected is None:
        assert len(refused(tmp_path, main, **files)) == 1
    else:
        assert merged(tmp_path, main, **files)["node_templates"]["n"] == expected


def test_cloudifys_own_names_are_replaced(tmp_path: Path) -> None:
    """A later definition of a name that begins with `cloudify.` wins, and so does a whole file of types."""
    main = MAIN + "imports: [a.yaml]\nnode_types: {cloudify.nodes.X: {of: main}}\nplugins: {p: {of: main}}\n"
    mine = "node_types: {cloudify.nodes.X: {of: a}}\n"
    assert merged(tmp_path, main, a=mine)["node_types"] == {"cloudify.nodes.X": {"of": "a"}}
    assert len(refused(tmp_path, main, a=mine + "plugins: {p: {of: a}}\n")) == 1
    types = "node_types: {cloudify.nodes.Root: {}}\nplugins: {p: {of: a}}\n"
    assert merged(tmp_path, main, a=types)["plugins"] == {"p": {"of": "a"}}


@pytest.mark.parametrize(
    ("main", "imported", "is_fine"),
    [
        ("cloudify_dsl_1_3", "cloudify_dsl_1_3", True),
        ("cloudify_dsl_1_3", "cloudify_dsl_1_0", True),
        ("cloudify_dsl_1_3", "cloudify_dsl_1_4", False),
        ("cloudify_dsl_1_3", "tosca_simple_yaml_1_0", False),
        ("cloudify_dsl_1_3", "{get_secret: k}", False),
    ],
)
def test_versions_are_compared(tmp_path: Path, main: str, imported: str, *, is_fine: bool) -> None:
    """An imported file's version is that of the blueprint or an earlier one."""
    key = "tosca_definitions_version"
    found = refused(tmp_path, f"{key}: {main}\nimports: [a.yaml]", a=f"x: 1\n{key}: {imported}")
    message = f"the {key} of an imported file must not be later than cloudify_dsl_1_3, that of the blueprint"
    assert found == ([] if is_fine else [("a.yaml:2:1", message)])


@pytest.mark.parametrize("version", ["", "tosca_definitions_version: cloudify_dsl_2_0\n"])
def test_the_blueprint_states_its_version(tmp_path: Path, version: str) -> None:
    """Without one that is known it can't be told how to merge."""
    ((place, message),) = refused(tmp_path, version + "imports: [a.yaml]", a="x: 1")
    assert (place, message) == (
        "main.yaml:1:1",
        "merging needs a blueprint that states its tosca_definitions_version",
    )


def test_only_single_mappings_are_merged(tmp_path: Path) -> None:
    """Texts of several documents, lists and calls are refused by name, on both sides."""
    several = "a text of several documents can't be merged with another one"
    shapeless = "only a document that is a mapping of sections can be merged"
    for text, message in (
        ("x: 1\n---\ny: 1\n", several),
        ("- 1\n", shapeless),
        ("get_secret: k\n", shapeless),
        ("{get_secret: k, y: 1}\n", shapeless),
    ):
        assert refused(tmp_path, MAIN + "imports: [a.yaml]", a=text) == [("a.yaml:1:1", message)]
    assert refused(tmp_path, "imports: [a.yaml]\n---\nx: 1\n", a="x: 1") == [("main.yaml:1:1", several)]


def test_custom_tags_are_refused(tmp_path: Path) -> None:
    """What they mean isn't known here, so they can't be written anew."""
    assert refused(tmp_path, MAIN + "imports: [a.yaml]\nx: [!mine {a: b}]\n", a="y: !mine z\n") == [
        ("main.yaml:3:5", "a document with custom tags can't be merged and written anew"),
        ("a.yaml:1:1", "a document with custom tags can't be merged and written anew"),
    ]


def test_deferred_imports_stay_listed(tmp_path: Path) -> None:
    """Each once, in order, with its properties; what a namespaced file imports comes with that file."""
    document = merged(
        tmp_path,
        MAIN + "imports: [types.yaml, sub/a.yaml, {'plugin:p': {x: 1}}]",
        sub__a="imports: [types.yaml, 'plugin:p', 'ns--b.yaml', 'http://h/x.yaml']",
        sub__b="imports: [other.yaml]",
    )
    assert document["imports"] == [
        "types.yaml",
        {"plugin:p": {"x": 1}},
        "ns--sub/b.yaml",
        "http://h/x.yaml",
    ]


def test_properties_of_an_import_are_refused_where_they_count(tmp_path: Path) -> None:
    """They set properties of plugins; in a file without any they mean nothing and are dropped."""
    main = MAIN + "imports:\n  - a.yaml: {x: 1}\n"
    assert merged(tmp_path, main, a="plugins: {p: {executor: host_agent}}")["plugins"] == {
        "p": {"executor": "host_agent"}
    }
    plugins = {"p": {"properties": {"x": {}}}}
    assert merged(tmp_path, MAIN + "imports: [a.yaml]", a=f"plugins: {plugins}")["plugins"] == plugins
    assert refused(tmp_path, main, a=f"plugins: {plugins}") == [
        ("main.yaml:3:5", "the import 'a.yaml' sets properties of plugins, and so can't be merged")
    ]


def test_a_change_of_order_is_noted(tmp_path: Path) -> None:
    """What replaced a kept import's definitions comes before them now."""
    files = {"a": "node_types: {cloudify.nodes.X: {}, y: {}}\ndescription: a\n"}
    (note,) = merge(tree_of(tmp_path, MAIN + "imports: [types.yaml, a.yaml]", **files)).notes
    assert note == (
        "a.yaml: merged into the blueprint, its cloudify.nodes.X, description now comes before types.yaml, "
        "not after it"
    )
    assert merge(tree_of(tmp_path, MAIN + "imports: [a.yaml, types.yaml]", **files)).notes == ()


def test_all_conflicts_are_reported(tmp_path: Path) -> None:
    """Not only the first."""
    main = MAIN + "imports: [a.yaml, b.yaml]\ninputs: {x: {}, y: {}}\n"
    assert len(refused(tmp_path, main, a="inputs: {x: {}, y: {}}", b="inputs: {x: {}}")) == 3


def test_calls_stay_the_same_objects(tmp_path: Path) -> None:
    """So that a result found for a call in its file can be put in its place in the merged document."""
    tree = tree_of(
        tmp_path,
        MAIN + "imports: [a.yaml]\nnode_templates: {n: {relationships: [{get_secret: m}]}}\n",
        a="node_templates: {n: {type: t, relationships: [{get_secret: a}]}}\n",
    )
    relationships = merge(tree).document["node_templates"]["n"]["relationships"]
    for blueprint, call in zip(tree.merged, relationships, strict=True):
        assert call is blueprint.documents[0]["node_templates"]["n"]["relationships"][0]


def test_nothing_that_was_read_is_changed(tmp_path: Path) -> None:
    """Merging makes new mappings and lists where files meet."""
    main = MAIN + "imports: [a.yaml]\nnode_templates: {n: {relationships: [1]}}\nworkflows: {w: {a: 1}}\n"
    tree = tree_of(tmp_path, main, a="node_templates: {n: {relationships: [2]}}\nworkflows: {w: {b: 1}}\n")
    before = [json.dumps(blueprint.documents) for blueprint in tree.merged]
    merge(tree)
    assert [json.dumps(blueprint.documents) for blueprint in tree.merged] == before


def test_a_shared_call_can_have_two_results() -> None:
    """Its places get calls of their own; other calls stay the same objects."""
    blueprint = read(b"a: &c {get_secret: k}\nb: [*c]\nc: {get_secret: l}\n", "main.yaml")
    original = blueprint.documents[0]
    document, copies = copy_shared_calls(blueprint, [id(original["c"])], [("a",), ("b", 0)])
    assert document == original
    assert document["a"] is copies[("a",)] is not document["b"][0]
    assert document["b"][0] is copies[("b", 0)]
    assert document["c"] is original["c"]


TYPES = """
tosca_definitions_version: cloudify_dsl_1_0
node_types: {cloudify.nodes.Root: {properties: {base: {default: 1}}}}
relationships: {cloudify.relationships.depends_on: {properties: {connection_type: {default: all_to_all}}}}
workflows: {install: {mapping: p.install}}
plugins: {p: {executor: central_deployment_agent, install: false}}
"""
"""What a manager has under `cloudify/types/types.yaml`, cut down to what the trees below need."""


TREES = int(os.environ.get("RESOLVER_TEST_TREES", "16"))
"""How many trees are compared; each takes Cloudify's parser a quarter of a second."""


class Generator:
    """Makes trees of files whose names meet now and then.

    Args:
        seed: the number of the tree.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._version = self._pick("1_2", "1_3", "1_3", "1_5")
        self._names = ["main.yaml"]
        for number in range(self._random.randint(1, 4)):
            self._names.append(f"{self._pick('', 'sub/')}f{number}.yaml")
        # Cloudify never ends on a circle that leads through a namespace.
        self._has_namespaces = self._is(0.4)

    def files(self) -> dict[str, dict[str, Any]]:
        """The files' documents by name."""
        return {name: self._document(number, name) for number, name in enumerate(self._names)}

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _pick(self, *items: str) -> str:
        return self._random.choice(items)

    def _some(self, letter: str, most: int = 20) -> list[str]:
        return [f"{letter}{self._random.randint(1, most)}" for _ in range(self._random.randint(1, 2))]

    def _document(self, number: int, name: str) -> dict[str, Any]:
        document: dict[str, Any] = {"imports": self._imports(number, name)}
        if number == 0 or self._is(0.2):
            document["tosca_definitions_version"] = f"cloudify_dsl_{self._version}"
        sections = {
            "inputs": {key: {"default": name} for key in self._some("i")},
            "outputs": {key: {"value": {"get_secret": name}} for key in self._some("o")},
            "capabilities": {key: {"value": name} for key in self._some("c")},
            "labels": {key: {"values": [name]} for key in self._some("l", 3)},
            "blueprint_labels": {key: {"values": [name]} for key in self._some("l", 3)},
            "dsl_definitions": {"x": {"get_secret": name}},
            "plugins": {
                key: {"executor": "central_deployment_agent", "install": False} for key in self._some("p")
            },
            "workflows": {key: self._workflow(name) for key in self._some("w", 4)},
            "node_types": {
                key: {"derived_from": "cloudify.nodes.Root", "properties": {"q": {"default": name}}}
                for key in [*self._some("t"), *(["cloudify.nodes.mine"] if self._is(0.3) else [])]
            },
            "node_templates": {key: self._node(key, name) for key in [*self._some("n"), *self._some("m", 3)]},
            "groups": {key: {"members": ["m0"]} for key in self._some("g")},
            "policies": {},
        }
        document |= {
            section: entries
            for section, entries in sections.items()
            if self._is(0.05 if section == "policies" else 0.3)
        }
        if number == 0:
            nodes = document.setdefault("node_templates", {})
            for key in ("m0", "m1", "m2", "m3"):
                nodes[key] = {"type": "cloudify.nodes.Root", "relationships": [self._relationship()]}
            del nodes["m0"]["relationships"]
        return document

    def _imports(self, number: int, name: str) -> list[str]:
        found = []
        for index, other in enumerate(self._names):
            is_back = index <= number
            if (is_back and self._has_namespaces) or not self._is(0.7 if number == 0 else 0.3):
                continue
            beside = other.removeprefix("sub/") if name.startswith("sub/") else other
            namespace = f"ns{index}--" if self._has_namespaces and self._is(0.3) else ""
            found.append(namespace + self._pick(other, beside))
        if number == 0:
            found.insert(0, "cloudify/types/types.yaml")
            self._random.shuffle(found)
        return found

    def _workflow(self, name: str) -> dict[str, Any]:
        whole = {"mapping": f"p.of_{name[-6]}", "parameters": {"a": {"default": name}}, "is_cascading": False}
        return {key: whole[key] for key in whole if key == "mapping" or self._is(0.5)}

    def _node(self, key: str, name: str) -> dict[str, Any]:
        more = {"relationships": [self._relationship()]}
        if key.startswith("m"):
            return more
        node = {"type": "cloudify.nodes.Root", "properties": {"base": {"get_secret": name}}}
        return node | more if self._is(0.3) else node

    @staticmethod
    def _relationship() -> dict[str, Any]:
        return {"type": "cloudify.relationships.depends_on", "target": "m0"}


@needs_cloudify
def test_cloudify_makes_the_same_plan(tmp_path: Path) -> None:
    """Cloudify plans the merged document as it plans the files, and refuses those that are refused here."""
    questions: list[dict[str, Any]] = []
    results: list[Merge] = []
    for seed in range(TREES):
        folder = tmp_path / str(seed)
        for name, document in Generator(seed).files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(document, sort_keys=False))
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
    same = refusals = 0
    for seed, (result, files, document) in enumerate(zip(results, answers, answers, strict=True)):
        if result.problems:
            assert "error" in files, seed
            refusals += 1
        elif "error" in files:
            assert "error" in document, seed
        elif result.notes:
            assert "plan" in document, seed
        else:
            assert document == files, seed
            same += 1
    # Enough of both, or the comparison would say little.
    assert same >= TREES / 6
    assert refusals >= TREES / 6


def test_definitions_are_those_of_the_merged_document(tmp_path: Path) -> None:
    """A node that two files make up is found whole; where files can't be merged, the first one counts."""
    main = MAIN + "imports: [a.yaml]\nnode_templates: {n: {relationships: []}}\n"
    tree = tree_of(tmp_path, main, a="node_templates: {n: {type: t}}\n")
    (document,) = definitions_of(tree)
    assert document["node_templates"]["n"] == {"relationships": [], "type": "t"}
    tree = tree_of(tmp_path, main, a="node_templates: {n: {properties: {}}}\n")
    assert definitions_of(tree) == [tree.main.documents[0], tree.imported[0].documents[0]]


def test_definitions_in_a_namespace_have_its_prefix(tmp_path: Path) -> None:
    """But for Cloudify's own names; the names in calls have it, too."""
    tree = tree_of(
        tmp_path,
        MAIN + "imports: [ns--a.yaml]\n",
        a="inputs: {x: {default: 1}, y: {default: {z: {get_input: x}}}}\n"
        "node_templates: {n: {type: t}, m: {type: cloudify.nodes.Root}}\n"
        "node_types: {t: {derived_from: cloudify.nodes.Root}}\n",
    )
    (document,) = definitions_of(tree)
    assert document["inputs"] == {
        "ns--x": {"default": 1},
        "ns--y": {"default": {"z": {"get_input": "ns--x"}}},
    }
    assert document["node_templates"] == {
        "ns--n": {"type": "ns--t"},
        "ns--m": {"type": "cloudify.nodes.Root"},
    }
    assert document["node_types"] == {"ns--t": {"derived_from": "cloudify.nodes.Root"}}


FIRST = "first defined at main.yaml:3:18"
NAMESPACED = "node_templates: {n: {type: t, properties: {p: {get_secret: k}}}}\n"


def test_a_namespaced_file_with_calls_is_merged(tmp_path: Path) -> None:
    """What it imports itself is listed for the manager in the same namespace, but for the base types."""
    document = merged(
        tmp_path,
        MAIN + "imports: [ns--sub/a.yaml]\nnode_templates: {m: {type: ns--t}}\n",
        sub__a=NAMESPACED + "imports: [cloudify/types/types.yaml, 'plugin:x', other.yaml, b.yaml]\n",
        sub__b="node_types: {t: {}}\n",
    )
    assert document == {
        "tosca_definitions_version": "cloudify_dsl_1_3",
        "imports": ["cloudify/types/types.yaml", "ns--plugin:x", "ns--other.yaml"],
        "node_templates": {
            "m": {"type": "ns--t"},
            "ns--n": {"type": "ns--t", "properties": {"p": {"get_secret": "k"}}},
        },
        "node_types": {"ns--t": {}},
    }


def test_what_a_namespace_can_not_express_is_refused(tmp_path: Path) -> None:
    """A name twice, a namespace within one that the manager would have to follow, one of Cloudify's types."""
    main = MAIN + "imports: [ns--a.yaml]\n"
    assert refused(tmp_path, main + "node_templates: {ns--n: {type: t}}", a=NAMESPACED) == [
        (
            "a.yaml:1:18",
            "'ns--n' in the section 'node_templates' is defined in two files, " + FIRST,
        )
    ]
    assert refused(tmp_path, main, a=NAMESPACED + "imports: ['in--blueprint:x']") == [
        (
            "a.yaml:2:11",
            "the import 'in--blueprint:x' has a namespace within 'ns', which one file can't express",
        )
    ]
    added = "is in a namespace, and can't be added to from a file that has none, first defined at a.yaml:1:18"
    more = "node_templates: {ns--n: {relationships: []}}"
    with_list = NAMESPACED.replace("type: t", "type: t, relationships: []")
    assert refused(tmp_path, MAIN + "imports: [ns--a.yaml, b.yaml]\n", a=with_list, b=more) == [
        ("b.yaml:1:18", f"'ns--n' {added}")
    ]
    types = "node_types: {cloudify.nodes.Root: {properties: {p: {default: {get_secret: k}}}}}"
    assert refused(tmp_path, main, a=types) == [
        ("main.yaml:2:11", "the import 'ns--a.yaml' has a namespace that is not for Cloudify's own types")
    ]
    assert refused(tmp_path, MAIN + "imports: [a--b--a.yaml]\n", a=NAMESPACED) == [
        ("main.yaml:2:11", "the import 'a--b--a.yaml' has a namespace that holds '--'")
    ]
