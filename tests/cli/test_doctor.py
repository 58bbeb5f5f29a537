"""`resolver doctor`: what is sound is said so, and each fault is found with what to do."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def found(admin: Cli, state: str, code: int) -> list[tuple[str, str, str]]:
    """What was found in a state: about what, the text and the hint."""
    done = admin.run("resolver", "doctor", "--format", "json")
    assert (done.returncode, done.stderr) == (code, "")
    return [
        (one["about"], one["text"], one["hint"]) for one in json.loads(done.stdout) if one["state"] == state
    ]


def test_a_sound_store(admin: Cli) -> None:
    """Everything that is looked at is named."""
    assert found(admin, "failed", 0) == []
    assert {about for about, _, _ in found(admin, "ok", 0)} >= {"versions", "files", "store", "access"}
    assert "ok      access: user admin, 1 tenant\n" in admin.run("resolver", "doctor").stdout


def test_a_root_key_that_others_read_and_a_wrong_clock(admin: Cli) -> None:
    """Both are warnings, with a command that mends the one."""
    (key,) = (admin.home / "keys").iterdir()
    key.chmod(0o644)
    later = time.time() + 86_400
    os.utime(admin.home / "data" / "resolver.db", (later, later))
    done = admin.run("resolver", "doctor", "--format", "json")
    warned = {one["text"]: one["hint"] for one in json.loads(done.stdout) if one["state"] == "warning"}
    assert warned[f"others may read the root key {str(key)!r}"] == f"chmod 600 {key}"
    assert "the database was changed in the future" in warned


def test_what_does_not_work_is_found(admin: Cli) -> None:
    """Without its root key the store fails; with a wrong token, the access alone. No token is shown."""
    wrong = admin.with_token("kept_secret")
    assert [about for about, _, _ in found(wrong, "failed", 6)] == ["access"]
    assert "kept_secret" not in wrong.run("resolver", "doctor").stdout
    (key,) = (admin.home / "keys").iterdir()
    key.unlink()
    assert "store" in [about for about, _, _ in found(admin, "failed", 6)]
