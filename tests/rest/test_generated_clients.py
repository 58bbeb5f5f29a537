"""Clients that generators make of the OpenAPI document work, without an edit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean_environment

if TYPE_CHECKING:
    from tests.rest.conftest import Live

VARIABLE = "RESOLVER_TEST_GENERATORS_PYTHON"
"""Names the Python of an environment made from `tests/rest/generators.txt`."""

PYTHON = os.environ.get(VARIABLE, "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason=f"{VARIABLE} names no environment with generators of clients"),
]


def generate(program: str, *arguments: str | Path, folder: Path) -> None:
    """Run a generator; it must have nothing to say against the document."""
    bin_folder = Path(PYTHON).parent
    path = f"{bin_folder}:{os.environ['PATH']}"
    done = subprocess.run(
        [bin_folder / program, *arguments],
        cwd=folder,
        env=clean_environment() | {"PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "will not be generated" not in told
    assert "Unable to" not in told


@pytest.fixture
def document(live: Live, tmp_path: Path) -> Path:
    """The document of a server, as a file."""
    path = tmp_path / "openapi.json"
    path.write_bytes(live.http.get("/openapi.json").content)
    return path


def _works(kind: str, live: Live, folder: Path) -> None:
    script = Path(__file__).with_name("generated_clients.py")
    done = subprocess.run(
        [PYTHON, script, kind, folder, live.url, live.client().token],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert {"secret:create", "secret:use"} <= set(seen.pop("audited"))
    assert seen == {
        "created": "private",
        "used": "by a generated client",
        "checked": [None, "does_not_exist"],
        "resolved": 'a: "by a generated client"',
        "history": [1],
        "refused": "NotFound",
    }


def test_openapi_python_client(live: Live, document: Path, tmp_path: Path) -> None:
    """Create, use, check, resolve, history, audit, and a refusal."""
    generate(
        "openapi-python-client",
        *("generate", "--path", document, "--output-path", tmp_path / "made_client", "--meta", "none"),
        folder=tmp_path,
    )
    _works("python-client", live, tmp_path)


def test_openapi_generator_for_python(live: Live, document: Path, tmp_path: Path) -> None:
    """The same by the other generator."""
    made = ("-i", document, "-o", tmp_path / "out", "--package-name", "made_client")
    only = "models,apis,supportingFiles,apiDocs=false,modelDocs=false,apiTests=false,modelTests=false"
    arguments = ("generate", "-g", "python", *made, "--global-property", only)
    generate("openapi-generator-cli", *arguments, folder=tmp_path)
    _works("generator", live, tmp_path / "out")


def test_openapi_generator_for_typescript(document: Path, tmp_path: Path) -> None:
    """It makes a client, with a function for each operation that is named as the document names it."""
    out = tmp_path / "out"
    generate(
        "openapi-generator-cli",
        *("generate", "-g", "typescript-fetch", "-i", document, "-o", out),
        *("--global-property", "models,apis,supportingFiles,apiDocs=false,modelDocs=false"),
        folder=tmp_path,
    )
    made = "".join(path.read_text() for path in (out / "apis").iterdir())
    operations = json.loads(document.read_text())["paths"].values()
    names = [one["operationId"] for path in operations for one in path.values()]
    for name in names:
        first, *rest = name.split("_")
        assert f"async {first}{''.join(word.capitalize() for word in rest)}(" in made
