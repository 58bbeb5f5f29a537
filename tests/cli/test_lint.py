"""`resolver lint`: what is found in a folder of blueprints and in a tenant's secrets together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

HEAD = "tosca_definitions_version: cloudify_dsl_1_3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two blueprints, a file that one imports, one that is no blueprint, and hidden ones."""
    root = tmp_path / "blueprints"
    for name, text in {
        "shop.yaml": f"{HEAD}imports: [lib/types.yaml]\n"
        "inputs: {n: {}}\na: { get_secret: db_user }\n"
        "b: { get_secret: db_host }\nc: { get_secret: db_password }\n",
        "lib/types.yaml": f"{HEAD}node_types: {{ t: {{ properties: {{ p: {{ get_input: n }} }} }} }}\n",
        "lib/web.yml": f"{HEAD}a: {{ get_secret: missing }}\n",
        "values.yaml": "a: { get_secret: nothing }\n",
        ".git/old.yaml": f"{HEAD}a: {{ get_secret: nothing }}\n",
        "broken.txt": "a: [\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def found(admin: Cli, *arguments: str, code: int = 0) -> dict[str, list[tuple[str, str]]]:
    """The reasons and keys of what is found, by level."""
    done = admin.run("resolver", "lint", "--diagnostics", "json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    return {
        level: sorted((one["reason"], one["key"] or "") for one in report[level])
        for level in ("problems", "warnings")
    }


def make(admin: Cli, *keys: str) -> None:
    """Store secrets."""
    for key in keys:
        admin.prints("secrets", "create", key, "-s", "value")


def test_a_repository(admin: Cli, folder: Path) -> None:
    """Missing and unused secrets, keys that are alike, parts of one; an import is looked at as one."""
    make(admin, "db_user", "db_host", "db_password", "DB-User", "idle")
    admin.prints("exec", str(folder / "shop.yaml"), "-i", "n=1", "--", "true")
    assert found(admin, str(folder), code=5) == {
        "problems": [("secret_not_found", "missing")],
        "warnings": [
            ("secret_in_parts", "db_user"),
            ("secret_too_visible", "db_host"),
            ("secret_too_visible", "db_password"),
            ("secret_too_visible", "db_user"),
            ("secret_unused", "DB-User"),
            ("secret_unused", "idle"),
            ("similar_keys", "db_user"),
        ],
    }
    (folder / "lib" / "web.yml").unlink()
    assert len(found(admin, str(folder))["warnings"]) == 7
    for kind in ("similar-keys", "too-visible", "in-parts", "unused", "any"):
        found(admin, str(folder), "--fail-on", kind, code=3)
    found(admin, str(folder), "--fail-on", "near-miss")
    done = admin.run("resolver", "lint", str(folder))
    assert done.stdout.endswith("0 problems and 7 warnings in 1 blueprint\n")
    assert "value" not in done.stdout.replace("values", "")


def test_what_may_not_be_looked_at(admin: Cli, folder: Path) -> None:
    """Who may not read the trail is told what was left out; who may do nothing here is refused."""
    make(admin, "db_user", "db_host", "db_password", "missing")
    user = admin.as_user("una", role="user")
    done = user.run("resolver", "lint", str(folder))
    assert done.returncode == 0
    assert "note: you may not read the audit trail: secrets that too many may know of" in done.stderr
    assert admin.as_user("out").run("resolver", "lint", str(folder)).returncode == 4


def test_nothing_to_look_at(admin: Cli, tmp_path: Path) -> None:
    """A folder without blueprints, and one that is not there."""
    code, said = admin.refuses("lint", str(tmp_path))
    assert (code, said.splitlines()[0]) == (2, "error: there is no blueprint")
    assert admin.refuses("lint", str(tmp_path / "none"))[0] == 2
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [\n")
    assert found(admin, str(broken), code=3)["problems"] == [("syntax", "")]
