"""TOSCA as a run reads it: versions, imports with their namespaces, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.formats import DialectName
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.values import GivenInput
from resolver.resolution import BlueprintText, Options, check

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.resolution import Check

TYPES = """\
tosca_definitions_version: {version}
data_types:
  Login:
    properties: {{user: {{type: string, default: root}}, key: {{type: string, default: k}}}}
capability_types: {{}}
node_types:
  Base:
    properties: {{base: {{type: string, default: from_base}}}}
  Database:
    derived_from: Base
    properties: {{login: {{type: Login, default: {{user: me}}}}, size: {{type: integer}}}}
topology_template: {{inputs: {{only_there: {{default: x}}}}}}
"""

MAIN = """\
tosca_definitions_version: {version}
imports: {imports}
{template}:
  inputs: {{any: {{}}}}
  node_templates:
    db: {{type: {type}}}
  outputs: {{o: {{value: {call}}}}}
"""


def checked(folder: Path, text: str, **options: Any) -> Check:  # noqa: ANN401 - fields of `Options`
    """What a check says of a text in a folder, without a store."""
    (folder / "main.yaml").write_text(text)
    return check(None, None, "t", [BlueprintText.read(folder / "main.yaml")], Options(**options))


def keys(folder: Path, text: str, **options: Any) -> list[str]:  # noqa: ANN401 - fields of `Options`
    """The keys that a text's calls use."""
    found = checked(folder, text, **options)
    assert not found.problems, found.problems
    return [call.key for call in found.calls]


def problem(folder: Path, text: str, **options: Any) -> Problem:  # noqa: ANN401 - fields of `Options`
    """The one problem of a text."""
    (found,) = checked(folder, text, **options).problems
    return found


def main(imports: str, call: str, type_name: str = "Database", *, two: bool = False) -> str:
    """A file of TOSCA 1.3 or 2.0 with imports, one node template and one output."""
    template = "service_template" if two else "topology_template"
    version = "tosca_2_0" if two else "tosca_simple_yaml_1_3"
    return MAIN.format(imports=imports, call=call, type=type_name, template=template, version=version)


@pytest.fixture(autouse=True)
def _types(tmp_path: Path) -> None:
    (tmp_path / "types.yaml").write_text(TYPES.format(version="tosca_simple_yaml_1_3"))
    (tmp_path / "types2.yaml").write_text(TYPES.format(version="tosca_2_0"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "imports: [{file: more.yaml, namespace_prefix: inner}]\n"
        "node_types: {Deep: {derived_from: 'inner:Deeper', properties: {a: {default: a}}}}\n"
    )
    (tmp_path / "sub" / "more.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "node_types: {Deeper: {properties: {b: {default: from_deeper}}}}\n"
    )


@pytest.mark.parametrize(
    ("imports", "type_name"),
    [
        ("[types.yaml]", "Database"),
        ("[{file: types.yaml}]", "Database"),
        ("[{defs: types.yaml}]", "Database"),
        ("[{defs: {file: types.yaml}}]", "Database"),
        ("[{file: types.yaml, namespace_prefix: p}]", "'p:Database'"),
        ("[{defs: {file: types.yaml, namespace_prefix: p}}]", "'p:Database'"),
    ],
)
def test_defaults_of_imported_types(tmp_path: Path, imports: str, type_name: str) -> None:
    """Every way to write an import; names are known in the namespace that the import says."""
    call = "{get_secret: {get_property: [db, login, key]}}"
    assert keys(tmp_path, main(imports, call, type_name)) == ["k"]
    call = "{get_secret: {get_property: [db, base]}}"
    assert keys(tmp_path, main(imports, call, type_name)) == ["from_base"]


def test_imports_of_tosca_2(tmp_path: Path) -> None:
    """There the keys are `url` and `namespace`, and a path from the root stands for the tree's."""
    call = "{$get_secret: {$get_property: [db, base]}}"
    assert keys(tmp_path, main("[{url: types2.yaml}]", call, two=True)) == ["from_base"]
    assert keys(tmp_path, main("[{url: /types2.yaml}]", call, two=True)) == ["from_base"]
    imports = "[{url: types2.yaml, namespace: p}]"
    assert keys(tmp_path, main(imports, call, "'p:Database'", two=True)) == ["from_base"]


def test_namespaces_within_one_another(tmp_path: Path) -> None:
    """A file's own namespaces stay its own."""
    call = "{get_secret: {get_property: [db, b]}}"
    imports = "[{file: sub/deep.yaml, namespace_prefix: outer}]"
    assert keys(tmp_path, main(imports, call, "'outer:Deep'")) == ["from_deeper"]


@pytest.mark.parametrize(
    ("imports", "type_name"),
    [
        ("[{file: types.yaml, repository: elsewhere}]", "Database"),
        ("[{file: 'https://example.com/types.yaml'}]", "Database"),
        ("['https://example.com/types.yaml']", "Database"),
        ("[none.yaml]", "Database"),
        ("[{file: more.yaml}]", "Deeper"),
        ("[{file: types.yaml, namespace_prefix: p}]", "Database"),
        ("[types2.yaml]", "Database"),
        ("[]", "Database"),
        ("[]", "tosca.nodes.BlockStorage"),
    ],
)
def test_types_out_of_reach(tmp_path: Path, imports: str, type_name: str) -> None:
    """In a repository, on a server, in no file: what such a type adds is not known yet."""
    call = "{get_secret: {get_property: [db, base]}}"
    found = problem(tmp_path, main(imports, call, type_name))
    assert found.reason is Reason.NOT_KNOWN_YET
    assert f"node type {type_name!r} is not in this blueprint" in found.message


def test_imports_that_are_left_are_named(tmp_path: Path) -> None:
    """A profile, a repository, an address: for the orchestrator."""
    imports = "[{profile: org.oasis-open.simple:2.0}, {url: x.yaml, repository: r}, 'https://example.com/y']"
    found = checked(tmp_path, main(imports, "x", two=True))
    assert [each.name for each in found.imports] == [
        "org.oasis-open.simple:2.0",
        "x.yaml",
        "https://example.com/y",
    ]
    assert not found.problems


def test_an_import_brings_no_inputs(tmp_path: Path) -> None:
    """A topology of an imported file is its own."""
    found = problem(tmp_path, main("[types.yaml]", "{get_secret: {get_input: only_there}}"))
    assert (found.reason, found.message) == (Reason.BAD_INPUT, "input 'only_there' is not declared")


@pytest.mark.parametrize(
    ("entry", "why"), [("../up.yaml", "'..'"), ("file:///etc/passwd", "a file: address")]
)
def test_no_import_leads_out(tmp_path: Path, entry: str, why: str) -> None:
    """The folder's rules are the same for every language."""
    found = problem(tmp_path, main(f"[{{file: '{entry}'}}]", "x"))
    assert found.reason is Reason.IMPORT_REFUSED
    assert why in found.message


def test_merging_is_refused(tmp_path: Path) -> None:
    """Where there is nothing to be merged, there is nothing to refuse."""
    found = problem(tmp_path, main("[types.yaml]", "x"), merge_imports=True)
    assert found.message == f"{tmp_path / 'main.yaml'}: imports of TOSCA can't be merged"
    assert keys(tmp_path, main("[]", "{get_secret: k}"), merge_imports=True) == ["k"]


def test_calls_in_imports_are_not_passed_over(tmp_path: Path) -> None:
    """They would not be resolved."""
    (tmp_path / "types.yaml").write_text(
        "tosca_definitions_version: tosca_2_0\n"
        "node_types: {T: {properties: {a: {default: {$get_secret: k}}}}}\n"
    )
    found = problem(tmp_path, main("[types.yaml]", "x", two=True))
    assert found.reason is Reason.IMPORT_HOLDS_CALLS
    assert found.hint == "move what holds the calls into the file that is resolved: TOSCA can't be merged"


def test_versions_that_are_not_known(tmp_path: Path) -> None:
    """None is guessed at; the user may say what it is."""
    text = "tosca_definitions_version: tosca_2_7\na: {$get_secret: k}\n"
    found = problem(tmp_path, text)
    assert found.reason is Reason.UNKNOWN_VERSION
    assert found.message == "the tosca_definitions_version 'tosca_2_7' is not known"
    assert found.position is not None
    assert found.position.line == 1
    assert found.hint == "--dialect says what it is read as: cloudify, tosca_1, tosca_2, yorc"
    assert keys(tmp_path, text, dialect=DialectName.TOSCA_2) == ["k"]
    assert keys(tmp_path, text, dialect=DialectName.CLOUDIFY) == []


def test_strict_says_that_it_knows_no_tosca(tmp_path: Path) -> None:
    """A check that checks nothing would be believed."""
    found = problem(tmp_path, main("[]", "x"), strict=True)
    assert (found.reason, found.hint) == (Reason.SCHEMA, "leave out --strict")
    assert found.message == "there is no schema of tosca_simple_yaml_1_3 to check with"


INPUTS = """\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    it: {declared}
  outputs: {{o: {{value: {{get_secret: {{get_input: it}}}}}}}}
"""


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        ("{type: map}", [1], "the value given for input 'it' is a list, not a mapping"),
        ("{type: range}", 1, "the value given for input 'it' is a whole number, not a list"),
        ("{type: string, value: k}", "j", "input 'it' has a fixed value, so that none can be given"),
        (
            "{type: string, constraints: [{max_length: 1}]}",
            "long",
            "the value given for input 'it' must have at most 1 characters or items",
        ),
        (
            "{type: integer, constraints: [{in_range: [1, UNBOUNDED]}]}",
            0,
            "the value given for input 'it' must be between 1 and inf",
        ),
    ],
)
def test_inputs_that_do_not_fit(tmp_path: Path, declared: str, given: object, message: str) -> None:
    """Types and constraints of TOSCA, at the place of the declaration."""
    found = checked(tmp_path, INPUTS.format(declared=declared), inputs={"it": GivenInput(given)}).problems[0]
    assert (found.reason, found.message) == (Reason.BAD_INPUT, message)
    assert found.path == ("topology_template", "inputs", "it")
    assert found.position is not None
    assert found.position.line == 4


@pytest.mark.parametrize(
    ("declared", "given", "key"),
    [
        ("{type: string, default: k}", None, "k"),
        ("{type: string, value: k}", None, "k"),
        ("{type: string, required: true}", "j", "j"),
        ("{type: scalar-unit.size, constraints: [{greater_or_equal: 2 GB}]}", "900 MB", None),
        ("{type: version, constraints: [{greater_than: 10.0}]}", "nine", None),
        ("{type: integer, constraints: [{in_range: [1, UNBOUNDED]}]}", 5, None),
        ("{type: UnknownData}", "j", "j"),
        ("{}", "j", "j"),
    ],
)
def test_inputs_that_fit(tmp_path: Path, declared: str, given: object, key: str | None) -> None:
    """What has a unit or a version's order is not compared as text."""
    inputs = {} if given is None else {"it": GivenInput(given)}
    found = checked(tmp_path, INPUTS.format(declared=declared), inputs=inputs)
    if key is None:
        assert [each.reason for each in found.problems if "must" in each.message] == []
    else:
        assert not found.problems
        assert found.calls[0].location.path == ("topology_template", "outputs", "o", "value")


IN_PLACES = """\
tosca_definitions_version: {version}
{template}:
  inputs:
    both: {{type: string, default: of_template}}
    own: {{type: string, default: of_template}}
  node_templates:
    db:
      type: Unknown
      properties: {{size: a_size, node_filter: {{size: {own_filter}}}}}
      node_filter: {filter}
      requirements:
        - host: {{node_filter: {filter}}}
  workflows:
    backup:
      inputs: {{both: {{type: string}}}}
      steps:
        first: {{activities: [{{call_operation: {{operation: x, inputs: {{place: {place}}}}}}}]}}
"""


@pytest.mark.parametrize("two", [False, True])
def test_words_that_mean_something_else_in_their_place(tmp_path: Path, two: bool) -> None:  # noqa: FBT001
    """A workflow's inputs hide those of the template; SELF in a node filter is not the node that has it."""
    mark, template = ("$", "service_template") if two else ("", "topology_template")
    given = {"version": "tosca_2_0" if two else "tosca_simple_yaml_1_3", "template": template}

    def secret(function: str, argument: str) -> str:
        return f"{{{mark}get_secret: {{{mark}{function}: {argument}}}}}"

    own, hidden = secret("get_input", "own"), secret("get_input", "both")
    here, size = secret("get_property", "[SELF, size]"), "[{size: 1}]"
    text = IN_PLACES.format(**given, own_filter=here, filter=size, place=own)
    assert keys(tmp_path, text) == ["a_size", "of_template"]
    found = problem(tmp_path, IN_PLACES.format(**given, own_filter=1, filter=size, place=hidden))
    assert found.reason is Reason.NOT_KNOWN_YET
    assert found.message.endswith("input 'both' is one of the workflow, which is given when that is run")
    found_all = checked(tmp_path, IN_PLACES.format(**given, own_filter=1, filter=f"[{here}]", place=own))
    assert [each.reason for each in found_all.problems] == [Reason.NOT_KNOWN_YET] * 2
    assert all("in a node filter it means each node" in each.message for each in found_all.problems)


@pytest.mark.parametrize("two", [False, True])
def test_inputs_that_nothing_declares(tmp_path: Path, two: bool) -> None:  # noqa: FBT001
    """Are warnings, but for a workflow's own, and in files of types, whose importers have inputs."""
    mark, version = ("$", "tosca_2_0") if two else ("", "tosca_simple_yaml_1_3")
    template = "service_template" if two else "topology_template"
    call = f"{{{mark}get_input: nope}}"
    head = f"tosca_definitions_version: {version}\n"
    outputs = f"{head}{template}: {{outputs: {{o: {{value: {call}}}}}}}\n"
    (warning,) = checked(tmp_path, outputs).warnings
    assert (warning.reason, warning.message) == (Reason.UNDECLARED_INPUT, "input 'nope' is not declared")
    workflow = f"{{workflows: {{w: {{inputs: {{nope: {{}}}}, steps: {{s: {{x: {call}}}}}}}}}}}"
    assert checked(tmp_path, f"{head}{template}: {workflow}\n").warnings == ()
    types = f"{head}node_types: {{N: {{properties: {{p: {{type: string, default: {call}}}}}}}}}\n"
    assert checked(tmp_path, types).warnings == ()
    used = types.replace(call, f"{{{mark}get_secret: {call}}}")
    found = problem(tmp_path, used)
    assert found.reason is Reason.NOT_KNOWN_YET
    assert found.message.endswith("input 'nope' may be declared by what imports this file")
