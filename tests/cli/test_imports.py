"""Blueprints spread over files: what is refused, and what `--merge-imports` makes of them."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.resolution import BlueprintText, Options, Resolution, resolve
from tests.cli.conftest import Cli
from tests.conftest import TENANT

if TYPE_CHECKING:
    from tests.cli.prefork import Prefork

pytestmark = pytest.mark.slow

PEM = '-----BEGIN KEY-----\nline: "two" # no comment\n-----END KEY-----\n'
CAT = (sys.executable, "-c", "import sys; sys.stdout.write(open(sys.argv[1]).read())", "{}")

MAIN = """\
tosca_definitions_version: cloudify_dsl_1_3
imports:
  - cloudify/types/types.yaml
  - includes/types.yaml
node_templates:
  vm:
    type: vm
    properties: &p {password: {get_secret: plain}, same: {get_secret: {get_input: key}}}
  other:
    properties: *p
"""
TYPES = """\
imports: [more.yaml]
inputs:
  key: {default: plain}
node_types:
  vm:
    properties:
      cert: {default: {get_secret: pem}}
"""
MORE = """\
outputs:
  user: {value: {get_secret: [json, users, 0]}}
"""
MERGED = {
    "tosca_definitions_version": "cloudify_dsl_1_3",
    "imports": ["cloudify/types/types.yaml"],
    "node_templates": {
        "vm": {"type": "vm", "properties": {"password": "yes", "same": "yes"}},
        "other": {"properties": {"password": "yes", "same": "yes"}},
    },
    "inputs": {"key": {"default": "plain"}},
    "node_types": {"vm": {"properties": {"cert": {"default": PEM}}}},
    "outputs": {"user": {"value": {"name": "root", "id": 0}}},
}


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with three secrets, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    admin = Cli(prefork, home)
    admin.prints("secrets", "create", "plain", "-s", "yes")
    admin.prints("secrets", "create", "pem", "-s", PEM)
    admin.prints("secrets", "create", "json", "-s", '{"users": [{"name": "root", "id": 0}]}')
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a blueprint in three files."""
    (tmp_path / "includes").mkdir()
    (tmp_path / "main.yaml").write_text(MAIN)
    (tmp_path / "includes/types.yaml").write_text(TYPES)
    (tmp_path / "includes/more.yaml").write_text(MORE)
    return tmp_path


def resolves(admin: Cli, *arguments: str) -> str:
    """What a resolve that must succeed writes."""
    done = admin.run("resolve", *arguments, "-t", TENANT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refuses(admin: Cli, *arguments: str) -> tuple[int, str]:
    """The exit code and messages of a resolve that must write nothing."""
    done = admin.run("resolve", *arguments, "-t", TENANT)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_calls_in_imports_are_refused_without_merging(admin: Cli, folder: Path) -> None:
    """Each file that holds calls is named at the import that leads to it, and the hint says what to do."""
    code, said = refuses(admin, str(folder / "main.yaml"))
    assert code == 3
    assert f"{folder}/main.yaml:4:5" in said
    assert f"{folder}/includes/types.yaml:1:11" in said
    assert said.count("hint: --merge-imports resolves both as one document") == 2


def test_merging_resolves_all_files_as_one_document(admin: Cli, folder: Path) -> None:
    """Calls of all files get their values, and what belongs to the manager stays listed."""
    assert yaml.safe_load(resolves(admin, str(folder / "main.yaml"), "--merge-imports")) == MERGED


def test_merging_in_json(admin: Cli, folder: Path) -> None:
    """The same document."""
    text = resolves(admin, str(folder / "main.yaml"), "--merge-imports", "--format", "json")
    assert json.loads(text) == MERGED


def test_exec_hands_over_the_merged_document(admin: Cli, folder: Path) -> None:
    """A command reads one file, whose imports are those of the manager only."""
    arguments = (str(folder / "main.yaml"), "-t", TENANT, "--merge-imports", "--", *CAT)
    done = admin.run("resolver", "exec", *arguments)
    assert (done.returncode, yaml.safe_load(done.stdout)) == (0, MERGED)


def test_without_anything_to_merge_the_text_stays(admin: Cli, folder: Path) -> None:
    """A blueprint whose imports are all the manager's keeps its comments and lines."""
    path = folder / "alone.yaml"
    path.write_text("imports: [plugin:x]   # comment\na: { get_secret: plain }\n")
    assert resolves(admin, str(path), "--merge-imports") == 'imports: [plugin:x]   # comment\na: "yes"\n'


def test_imported_definitions_are_seen_without_merging(admin: Cli, folder: Path) -> None:
    """An input may be declared, and a type's default defined, in a file that is only imported."""
    path = folder / "main.yaml"
    path.write_text("imports: [lib.yaml]\na: {get_secret: {get_input: name}}\n")
    (folder / "lib.yaml").write_text("inputs: {name: {default: plain}}\n")
    assert resolves(admin, str(path)) == 'imports: [lib.yaml]\na: "yes"\n'
    (folder / "lib.yaml").write_text("inputs: {other: {default: plain}}\n")
    assert refuses(admin, str(path))[0] == 3


def test_a_missing_secret_is_reported_in_its_file(admin: Cli, folder: Path) -> None:
    """The place is that in the imported file, with its line."""
    (folder / "includes/more.yaml").write_text("outputs:\n  x: {value: {get_secret: absent}}\n")
    code, said = refuses(admin, str(folder / "main.yaml"), "--merge-imports")
    assert code == 5
    assert (
        f"--> {folder}/includes/more.yaml:2:14  outputs.x.value\n2 |   x: {{value: {{get_secret: absent}}}}"
        in said
    )


def test_calls_in_imports_are_decided_with_the_rest(admin: Cli, folder: Path) -> None:
    """A viewer may use no secret, wherever the call stands."""
    (folder / "main.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\nimports: [includes/types.yaml]"
    )
    viewer = admin.as_user("vic", role="viewer")
    code, said = refuses(viewer, str(folder / "main.yaml"), "--merge-imports")
    assert code == 4
    assert "yes" not in said


def test_a_conflict_names_both_places(admin: Cli, folder: Path) -> None:
    """One name in two files is refused before any secret is asked for."""
    (folder / "includes/more.yaml").write_text("inputs:\n  key: {}\n")
    code, said = refuses(admin, str(folder / "main.yaml"), "--merge-imports")
    assert code == 3
    assert (
        "error: 'key' in the section 'inputs' is defined in two files, "
        f"first defined at {folder}/includes/types.yaml:3:3"
    ) in said
    assert f"--> {folder}/includes/more.yaml:2:3" in said


def test_a_namespaced_import_with_calls_is_merged(admin: Cli, folder: Path) -> None:
    """In each of its namespaces a call has a value of its own; without calls it stays listed, by its path."""
    path = folder / "main.yaml"
    path.write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\nimports: [one--lib.yaml, two--lib.yaml]\n"
        "node_templates: {one--m: {type: one--t}, two--m: {type: two--t, relationships: []}}\n"
    )
    (folder / "lib.yaml").write_text(
        "inputs: {key: {default: plain}}\nnode_templates:\n"
        "  n: {type: t, properties: {k: plain, p: &c {get_secret: {get_input: key}}, q: *c,"
        " r: {get_secret: {get_property: [SELF, k]}}}}\n"
    )
    document = yaml.safe_load(resolves(admin, str(path), "--merge-imports", "-i", "two--key=pem"))
    nodes = document["node_templates"]
    assert [nodes[name]["properties"] for name in ("one--n", "two--n")] == [
        {"k": "plain", "p": "yes", "q": "yes", "r": "yes"},
        {"k": "plain", "p": PEM, "q": PEM, "r": "yes"},
    ]
    assert nodes["two--n"]["type"] == "two--t"
    table = resolves(admin, str(path), "--merge-imports", "--check")
    assert table.count(f"{folder}/lib.yaml:3:") == 4
    assert "imports" not in document
    path.write_text(MAIN)
    (folder / "includes/types.yaml").write_text(TYPES.replace("more", "ns--more"))
    (folder / "includes/more.yaml").write_text("outputs: {}")
    document = yaml.safe_load(resolves(admin, str(path), "--merge-imports"))
    assert document["imports"] == ["cloudify/types/types.yaml", "ns--includes/more.yaml"]


def test_imports_within_a_named_tree(admin: Cli, folder: Path) -> None:
    """`--root` lets them lead out of the blueprint's folder; what stays listed is named from there."""
    (folder / "app").mkdir()
    path = folder / "app/main.yaml"
    path.write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        "imports: [../lib.yaml, ns--../more.yaml]\na: {get_secret: plain}\n"
    )
    (folder / "lib.yaml").write_text("outputs: {o: {value: {get_secret: plain}}}\n")
    (folder / "more.yaml").write_text("inputs: {}\n")
    code, said = refuses(admin, str(path))
    assert code == 3
    assert "hint: --root DIR" in said
    document = yaml.safe_load(resolves(admin, str(path), "--merge-imports", "--root", str(folder)))
    assert document["outputs"] == {"o": {"value": "yes"}}
    assert document["imports"] == ["ns--../more.yaml"]
    assert refuses(admin, str(path), "--root", str(folder / "includes"))[0] == 2


def test_a_check_lists_the_calls_of_all_files(admin: Cli, folder: Path) -> None:
    """Under the name of the file that each stands in."""
    table = resolves(admin, str(folder / "main.yaml"), "--merge-imports", "--check")
    for place in ("main.yaml:8:", "includes/types.yaml:7:", "includes/more.yaml:2:"):
        assert f"{folder}/{place}" in table


def test_two_blueprints_may_share_an_import(admin: Cli, folder: Path) -> None:
    """Each gets a document of its own."""
    (folder / "second.yaml").write_text(MAIN.replace("vm:", "machine:"))
    names = (str(folder / "main.yaml"), str(folder / "second.yaml"))
    first, second = yaml.safe_load_all(resolves(admin, *names, "--merge-imports"))
    assert first == MERGED
    assert second["node_types"] == MERGED["node_types"]
    assert "machine" in second["node_templates"]


def test_a_call_that_depends_on_its_place_has_its_value_at_each(admin: Cli, folder: Path) -> None:
    """SELF means the node that an anchored call is merged into, in an imported file as in the blueprint."""
    (folder / "includes/types.yaml").write_text(
        "node_templates:\n"
        "  a: {type: t, properties: {key: plain, s: &s {get_secret: {get_property: [SELF, key]}}}}\n"
        "  b: {type: t, properties: {key: pem, s: *s}}\n"
    )
    (folder / "main.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\nimports: [includes/types.yaml]\n"
        "node_templates: {c: {type: t, properties: {p: {get_secret: plain}}}}\n"
    )
    nodes = yaml.safe_load(resolves(admin, str(folder / "main.yaml"), "--merge-imports"))["node_templates"]
    assert [nodes[name]["properties"].get("s") for name in "abc"] == ["yes", PEM, None]


def resolved(home: Path, path: Path) -> Resolution:
    """What the Python side gives for a merged blueprint, as user admin."""
    settings = Settings({}, home)
    with closing(open_service(settings)) as service:
        caller = service.gate.authenticate_token(json.loads(settings.profile_path.read_text())["token"])
        text = BlueprintText(path.name, path.read_bytes(), path.parent)
        return resolve(service, caller, TENANT, [text], Options(merge_imports=True))


def test_a_merged_blueprint_can_be_shown(home: Path, folder: Path) -> None:
    """Masked as a blueprint of one file is, with no value in it or in its repr; `show` writes values out."""
    (blueprint,) = resolved(home, folder / "main.yaml").blueprints
    masked = blueprint.redacted()
    assert "password: !masked plain\n" in masked
    assert "default: !masked pem\n" in masked
    assert "BEGIN" not in masked + repr(blueprint)
    assert yaml.safe_load(blueprint.redacted(show=True)) == blueprint.data == MERGED
    assert (blueprint.documents, blueprint.written_out) == ([MERGED], ())
