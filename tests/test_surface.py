"""What is public, what is imported when, and what the package brings along."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

import resolver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run

ROOT = Path(__file__).parents[1]
PACKAGE = Path(resolver.__file__).parent
HEAVY = frozenset({"sqlalchemy", "alembic", "cryptography", "jsonschema", "argon2"})
SLOW = frozenset(
    {"dataclasses", "difflib", "importlib.resources", "logging", "subprocess", "tempfile", "traceback"}
) | {
    "ssl",
    "asyncio",
    "email",
    "importlib.metadata",
    "concurrent.futures",
    "platformdirs",
    "resolver.core.trusts",
}
"""What takes a millisecond or more to import, and no run needs that reads a blueprint and finds no fault."""
READS = frozenset({"msgspec", "yaml", "resolver.dsl.problems", "resolver.delivery.memfd"})
"""What a page of help needs none of: it reads no blueprint and makes no record."""
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "resolver.")
    if ".migrations." not in module.name  # Alembic's: loaded by path, within a context
    and not module.name.startswith("resolver.orchestrators.cloudify")  # needs an extra; has tests of its own
)


def test_the_public_names_are_sorted() -> None:
    """`__all__` is a sorted table of contents."""
    assert sorted(resolver.__all__) == resolver.__all__


def test_the_public_names_are_what_is_importable() -> None:
    """Every public name can be imported, and `__all__` is what type checkers see."""
    declared: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(resolver))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("resolver."):
            declared |= {alias.name for alias in node.names}
    assert set(resolver.__all__) == declared
    assert all(getattr(resolver, name).__module__.startswith("resolver.") for name in resolver.__all__)


def test_another_name_is_not_there() -> None:
    """Looking names up lazily finds the public ones only."""
    with pytest.raises(AttributeError, match=r"^module 'resolver' has no attribute 'Store'$"):
        _ = resolver.Store


def imported_by(code: str, *arguments: str) -> set[str]:
    """Which of the heavy and slow packages a process has imported at its end."""
    report = (
        f"import atexit, sys\nlooked_for = {set(HEAVY | SLOW | READS)}\n"
        "atexit.register(lambda: print('imported', *(looked_for & sys.modules.keys()), file=sys.stderr))\n"
        f"sys.argv[1:] = {list(arguments)}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report + code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


RESOLVER = "from resolver.cli.main import resolver\nresolver()"
RESOLVE = "from resolver.cli.main import resolve\nresolve()"
QUICKSTART = "sample_blueprints/quickstart.yaml"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        pytest.param("import resolver", (), id="import resolver"),
        pytest.param(RESOLVER, ("--help",), id="resolver --help"),
        pytest.param(RESOLVER, ("--version",), id="resolver --version"),
        pytest.param(RESOLVER, ("secrets", "create", "--help"), id="resolver secrets create --help"),
        pytest.param(RESOLVE, ("--help",), id="resolve --help"),
        pytest.param(RESOLVE, (QUICKSTART, "--check", "--offline"), id="resolve --check --offline"),
    ],
)
def test_what_needs_no_store_imports_nothing_heavy(code: str, arguments: tuple[str, ...]) -> None:
    """Importing SQLAlchemy alone takes longer than all that these commands do."""
    metadata = SLOW if "--version" in arguments else frozenset()  # the version stands in the package's
    reads = READS if {"--check", "secrets"} & set(arguments) else frozenset()
    assert imported_by(code, *arguments) - metadata - reads == set()


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        pytest.param(RESOLVE, (QUICKSTART,), id="resolve"),
        pytest.param(RESOLVE, (QUICKSTART, "--check"), id="resolve --check"),
        pytest.param(RESOLVER, ("exec", QUICKSTART, "--", "true"), id="resolver exec"),
        pytest.param(RESOLVER, ("secrets", "get", "db_password", "--raw"), id="resolver secrets get"),
    ],
)
def test_a_use_imports_what_it_needs_only(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, code: str, arguments: tuple[str, ...]
) -> None:
    """A use needs the database's driver and the cipher: no SQLAlchemy, schemas or password hashes."""
    assert run("resolver", "secrets", "create", "db_password", "-s", "value").returncode == 0
    monkeypatch.setenv("RESOLVER_HOME", str(home))
    monkeypatch.delenv("RESOLVER_TOKEN", raising=False)
    monkeypatch.delenv("CI", raising=False)
    needed = {"difflib"}  # the sample has a name like that of the function
    if arguments[0] != QUICKSTART:
        needed |= {"subprocess", "tempfile", "json"}
    assert imported_by(code, *arguments) - needed - READS == {"cryptography"}


def test_what_is_public_is_described() -> None:
    """Every module, public class and public function of the package has a docstring."""
    lacking = [name for name in MODULES if not importlib.import_module(name).__doc__]
    for name in MODULES:
        lacking += [f"{name}.{found}" for found in undocumented(importlib.import_module(name))]
    assert lacking == []


def undocumented(module: object) -> Iterator[str]:
    """The public classes, methods and functions of a module that have no docstring."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", "") != getattr(module, "__name__", None):
            continue
        if inspect.isclass(member):
            for inner, part in vars(member).items():
                function = part.fget if isinstance(part, property) else getattr(part, "__func__", part)
                if not inner.startswith("_") and inspect.isfunction(function) and not function.__doc__:
                    yield f"{name}.{inner}"
        if (inspect.isclass(member) or inspect.isfunction(member)) and not member.__doc__:
            yield name


def test_missing_docstrings_are_noticed() -> None:
    """The search for undescribed names finds them."""
    module = type(sys)("made_up")
    exec("class A:\n    'd'\n    def b(self): ...\ndef c(): ...\ndef d():\n    'd'\n", vars(module))
    assert list(undocumented(module)) == ["A.b", "c"]


SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_valid(path: Path) -> None:
    """A schema says that it is of draft 2020-12, and is valid by it."""
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_package_is_typed() -> None:
    """Type checkers of those who import the package use its annotations (PEP 561)."""
    assert (PACKAGE / "py.typed").is_file()


def test_what_is_installed() -> None:
    """The wheel brings the whole package, its schemas and migrations, and nothing else."""
    if PACKAGE == ROOT / "resolver":
        pytest.skip("the package is installed as a link to this checkout, not as a wheel")
    distribution = importlib.metadata.distribution("blueprint-resolver")
    installed = {str(file) for file in distribution.files or () if file.suffix != ".pyc"}
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "resolver").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    schemas = {f"resolver/schemas/{path.name}" for path in SCHEMAS}
    assert {name for name in installed if name.startswith("resolver/")} == source | schemas
    assert {name.split("/")[0] for name in installed if not name.startswith("../")} == {
        "resolver",
        f"blueprint_resolver-{distribution.version}.dist-info",
    }
