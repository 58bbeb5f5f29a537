"""`python -m resolver`, for where scripts are not on PATH."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import clean_environment


def test_the_package_is_a_program() -> None:
    """It is the `resolver` command, exit codes included."""
    for arguments, code in ((["--version"], 0), (["nothing"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "resolver", *arguments],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert (done.stdout + done.stderr).startswith(("resolver ", "error: no such command"))
