"""The walls of the house: contracts on imports that bite, and one name for each thing."""

from __future__ import annotations

import ast
import copy
import itertools
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.test_words import PACKAGE, ROOT, sources

pytestmark = pytest.mark.slow

CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
CONTRACTS = {options["id"]: options for options in CONFIGURATION["contracts_options"]}
KINDS = {
    kind.type_name: kind
    for kind in (AcyclicSiblingsContract, ForbiddenContract, LayersContract, ProtectedContract)
}
EDGES = ("store", "crypto", "providers", "client", "transfer", "blueprint", "delivery")

MIGRATIONS = PACKAGE / "store" / "migrations"
"""Alembic loads these by path; their folders are no packages, so that no contract sees them."""


@pytest.fixture(scope="module")
def built() -> grimp.ImportGraph:
    """All imports of the package, those for type checkers included, as the contracts see them."""
    return grimp.build_graph(
        "resolver", include_external_packages=True, exclude_type_checking_imports=False, cache_dir=None
    )


@pytest.fixture
def graph(built: grimp.ImportGraph) -> grimp.ImportGraph:
    """A copy of it, to add to."""
    return copy.deepcopy(built)


def is_kept(contract: str, graph: grimp.ImportGraph) -> bool:
    """Whether imports keep to a contract."""
    options = CONTRACTS[contract]
    kind: Any = KINDS[options["type"]]
    checks = kind(options["name"], CONFIGURATION["session_options"], options)
    return bool(checks.check(graph, verbose=False).kept)


def module_in(graph: grimp.ImportGraph, name: str) -> str:
    """A module: the one of this name, or the last one of the room; or a library."""
    full = f"resolver.{name}"
    if full not in graph.modules:
        return name
    return max(graph.find_descendants(full), default=full)


FORBIDDEN = [
    *((one, other, "layers") for one, other in itertools.permutations(EDGES, 2)),
    *((edge, "service", "layers") for edge in EDGES),
    *(("service", edge, "layers") for edge in EDGES),
    *((edge, "resolution", "layers") for edge in EDGES),
    ("service", "resolution", "layers"),
    ("service", "config", "layers"),
    ("resolution", "bootstrap", "layers"),
    ("resolution", "plugins.manager", "layers"),
    ("bootstrap", "plugins.manager", "layers"),
    ("bootstrap", "rest", "layers"),
    ("api", "rest", "layers"),
    ("rest", "cli", "layers"),
    ("rest", "orchestrators", "layers"),
    ("plugins", "api", "layers"),
    ("dsl", "blueprint", "layers"),
    ("dsl", "validation", "layers"),
    ("dsl", "protocol", "layers"),
    ("validation", "config", "layers"),
    ("protocol", "dsl", "layers"),
    ("protocol", "client", "layers"),
    ("http", "core.policy", "layers"),
    ("http", "config", "layers"),
    ("core", "dsl", "layers"),
    ("core", "store", "layers"),
    ("core", "http", "layers"),
    ("errors", "core", "layers"),
    ("resolution", "store", "constructed"),
    ("cli", "store", "constructed"),
    ("cli", "crypto", "constructed"),
    ("cli", "providers", "constructed"),
    ("cli.login", "client", "constructed"),
    ("rest", "store", "constructed"),
    ("rest", "identity", "constructed"),
    ("identity", "store", "layers"),
    ("identity", "providers", "layers"),
    ("rest.v1.sealed_transfer", "crypto", "constructed"),
    ("rest", "client", "constructed"),
    ("api", "store", "constructed"),
    ("plugins", "providers", "constructed"),
    ("resolution", "service", "requests"),
    ("api", "service", "requests"),
    ("plugins", "service", "requests"),
    ("rest", "delivery", "delivery"),
    ("api", "delivery", "delivery"),
    ("resolution", "transfer", "transfer"),
    ("bootstrap", "blueprint", "blueprint"),
    ("rest.auth", "bootstrap", "roots"),
    ("orchestrators", "bootstrap", "roots"),
    ("orchestrators", "plugins.manager", "roots"),
    ("cli.whoami", "rest", "server"),
    ("cli", "console", "console"),
    ("rest.v1.secrets", "console", "console"),
    ("console", "core.model", "pages"),
    *(("core", library, "pure") for library in ("os", "io", "pathlib", "socket", "subprocess", "logging")),
    ("dsl", "os", "pure"),
    ("errors", "sys", "pure"),
    ("core", "yaml", "yaml"),
    ("core", "sqlalchemy", "sql"),
    ("core", "cryptography", "ciphers"),
    ("service", "joserfc", "jwt"),
    ("config", "joserfc", "jwt"),
    ("core", "click", "click"),
    ("service", "sqlalchemy", "sql"),
    ("cli", "sqlalchemy", "sql"),
    ("bootstrap", "alembic", "alembic"),
    ("store.sql", "alembic", "alembic"),
    ("transfer", "cryptography", "ciphers"),
    ("service", "argon2", "ciphers"),
    ("resolution", "yaml", "yaml"),
    ("config.profile", "yaml", "yaml"),
    ("service", "click", "click"),
    ("api", "click", "click"),
    ("service", "starlette", "starlette"),
    ("console", "uvicorn", "web"),
    ("client", "anyio", "web"),
    ("cli.serve", "uvicorn", "web"),
    ("bootstrap", "starlette", "starlette"),
    ("service", "jsonschema", "schemas"),
    ("core", "ahocorasick_rs", "searching"),
    ("cli", "detect_secrets", "detecting"),
    ("cli", "pluggy", "pluggy"),
    ("plugins", "cloudify", "cloudify"),
]
"""Imports that a contract refuses: the importing module or room, the imported one, and the contract."""


@pytest.mark.parametrize(("importer", "imported", "contract"), FORBIDDEN)
def test_a_forbidden_import_breaks_a_contract(
    graph: grimp.ImportGraph, importer: str, imported: str, contract: str
) -> None:
    """One import more, and the contract that is to refuse it does."""
    graph.add_import(importer=module_in(graph, importer), imported=module_in(graph, imported))
    assert not is_kept(contract, graph)


def test_a_circle_breaks_a_contract(graph: grimp.ImportGraph) -> None:
    """Neither may modules of one room import one another."""
    graph.add_import(importer="resolver.service.base", imported="resolver.service.secrets")
    assert not is_kept("circles", graph)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_is_kept_and_can_be_broken(graph: grimp.ImportGraph, contract: str) -> None:
    """The tree as it is keeps every contract; for each there is an import above that breaks it."""
    assert is_kept(contract, graph)
    assert contract in {tried for _, _, tried in FORBIDDEN} | {"circles"}


def lint(tree: Path) -> tuple[int, str]:
    """What `lint-imports` says of a tree, as it is run before each commit."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copytree(PACKAGE, tmp_path / "resolver", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_clean_copy_keeps_all_contracts(tree: Path) -> None:
    """The contracts of pyproject.toml hold."""
    status, said = lint(tree)
    assert (status, f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said) == (0, True), said


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        pytest.param(
            "resolver/service/secrets.py",
            "def late() -> None:\n    from resolver.store import sql\n",
            "resolver.service.secrets -> resolver.store.sql",
            id="within a function",
        ),
        pytest.param(
            "resolver/core/policy.py",
            "if TYPE_CHECKING:\n    from resolver.service import Service\n",
            "resolver.core.policy -> resolver.service",
            id="for type checkers",
        ),
        pytest.param("resolver/cli/login.py", "import resolver.client\n", "resolver.cli.login", id="login"),
        pytest.param("resolver/loose.py", "'''In no layer.'''\n", "- resolver.loose", id="a loose module"),
        pytest.param(
            "resolver/attic/__init__.py", "'''In no layer.'''\n", "- resolver.attic", id="another room"
        ),
    ],
)
def test_the_command_refuses_a_tree(tree: Path, path: str, source: str, said: str) -> None:
    """What breaks a contract fails the command, which names it."""
    file = tree / path
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as text:
        text.write(source)
    status, output = lint(tree)
    assert (status, said in output) == (1, True), output


def layers() -> list[str]:
    """The rooms that are in layers, each as often as it is named."""
    return [name.strip() for line in CONTRACTS["layers"]["layers"] for name in line.split("|")]


def test_every_module_is_in_one_layer(built: grimp.ImportGraph) -> None:
    """Each module belongs to a room, and each room to one layer."""
    rooms = {module.split(".")[1] for module in built.modules if module.startswith("resolver.")} - {
        "__main__"
    }
    assert sorted(layers()) == sorted(rooms)


def test_no_module_lies_loose(built: grimp.ImportGraph) -> None:
    """At the top there are rooms, and beside them two modules only, and the program."""
    loose = {module for module in built.find_children("resolver") if not built.find_children(module)}
    assert {module for module in loose if not (PACKAGE / module.partition(".")[2]).is_dir()} == {
        "resolver.__main__",
        "resolver.api",
        "resolver.errors",
    }


def test_no_file_escapes_the_contracts(built: grimp.ImportGraph) -> None:
    """Every file is a module that the contracts see: none is in a folder without `__init__.py`."""
    seen = {module for module in built.modules if module.partition(".")[0] == "resolver"}
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources()
        if MIGRATIONS not in path.parents
    }
    assert files == seen


MIGRATIONS_MAY = {
    "0005_index_of_audit_records": {"msgspec.structs", "resolver.core.audit", "resolver.core.audit_rounds"}
}
"""What single migrations import besides: the index is made of the records, and a later form of it is, too."""


def test_migrations_know_the_store_only() -> None:
    """What Alembic loads by path imports the two libraries, and the tables."""
    always = {"__future__", "alembic", "sqlalchemy", "resolver.store.tables"}
    for path, nodes in sources().items():
        allowed = always | MIGRATIONS_MAY.get(path.stem, set())
        for node in nodes if MIGRATIONS in path.parents else ():
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module in allowed, path


def test_nothing_is_imported_by_its_name_as_text() -> None:
    """Contracts see imports only: two tables of names are all that is loaded otherwise."""
    words = {"import_module", "__import__"}
    found = {
        str(path.relative_to(PACKAGE))
        for path, nodes in sources().items()
        for node in nodes
        if (isinstance(node, ast.Name) and node.id in words)
        or (isinstance(node, ast.Attribute) and node.attr in words)
        or (isinstance(node, ast.ImportFrom) and words & {alias.name for alias in node.names})
    }
    assert found == {
        "__init__.py",  # the public names, which are loaded when asked for
        "cli/main.py",  # a command's module, loaded when it runs
    }


def test_no_circle_of_modules(built: grimp.ImportGraph) -> None:
    """There is an order in which every module is loaded after all that it imports."""
    modules = [module for module in built.modules if module.startswith("resolver")]
    order = TopologicalSorter({module: built.find_modules_directly_imported_by(module) for module in modules})
    order.prepare()  # CycleError names the circle


def test_every_library_has_a_home(built: grimp.ImportGraph) -> None:
    """A library that is in no contract fails here by name. Records are made of `msgspec`, everywhere."""
    ours = {"resolver", "msgspec", *sys.stdlib_module_names}
    imported = {module for module in built.modules if module.partition(".")[0] not in ours}
    homes = [name for options in CONTRACTS.values() for name in options.get("protected_modules", ())]
    assert sorted(imported) == sorted(name for name in homes if not name.startswith("resolver."))
