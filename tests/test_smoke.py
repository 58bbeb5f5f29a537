"""The main job, end to end, through the console scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import start_script

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_is_placed(home: Path, tmp_path: Path) -> None:
    """A created secret stands in the place of its call, and the rest of the text is as it was."""
    created = start_script(home, "resolver", "secrets", "create", "test", "-s", "test_value")
    assert (created.returncode, created.stdout) == (0, "Secret `test` created\n")
    blueprint = tmp_path / "b.yaml"
    blueprint.write_text("a: { get_secret: test }  # kept\n")
    done = start_script(home, "resolve", blueprint, "--tenant", "default_tenant")
    assert (done.returncode, done.stdout) == (0, 'a: "test_value"  # kept\n')
