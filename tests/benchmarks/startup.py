"""Whole processes: what the command costs beside an empty Python and beside importing what it depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from measure import alternate, children_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]

# What the console scripts of the package do, without needing it installed.
_RESOLVER = (sys.executable, "-c", "from resolver.cli.main import resolver; resolver()")
_RESOLVE = (sys.executable, "-c", "from resolver.cli.main import resolve; resolve()")


def time_processes(home: Path, repeats: int) -> dict[str, float]:
    """Time whole processes in turn, against a store with the sample secrets.

    Args:
        home: an empty directory for the store.
        repeats: how often each process is timed.

    Returns:
        The least seconds by what the process did.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RESOLVER_")}
    environ |= {"RESOLVER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    _run((*_RESOLVER, "init", "--sample"), environ)
    blueprint = str(ROOT / "sample_blueprints" / "web_shop.yaml")
    light = "import yaml, click, cryptography.fernet, sqlite3"
    commands: dict[str, Sequence[str]] = {
        "python -c pass": (sys.executable, "-c", "pass"),
        light: (sys.executable, "-c", light),
        "the same and sqlalchemy": (sys.executable, "-c", f"{light}, sqlalchemy"),
        "resolve --help": (*_RESOLVE, "--help"),
        "resolve --check --offline": (*_RESOLVE, blueprint, "-t", "default_tenant", "--check", "--offline"),
        "resolve": (*_RESOLVE, blueprint, "-t", "default_tenant"),
        "resolve --require-hardening": (*_RESOLVE, blueprint, "-t", "default_tenant", "--require-hardening"),
    }
    jobs = {name: partial(_run, command, environ) for name, command in commands.items()}
    return alternate(jobs, repeats, children_time)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        raise SystemExit(f"{command!r} ended with {done.returncode}")
