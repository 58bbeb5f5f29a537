"""Plugins for tests: packages with an entry point, as an installer leaves them on the path."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample_plugin")


def install_sample(folder: Path) -> Path:
    """Put the sample package into a folder of its own, as pip installed it; the folder."""
    shutil.copytree(_installed(), folder, dirs_exist_ok=True)
    return folder


@functools.cache
def _installed() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sample"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--disable-pip-version-check", "--target", folder, SAMPLE),
        ],
        check=True,
        timeout=120,
    )
    return folder


def plant(folder: Path, name: str, source: str, *, package: str = "") -> str:
    """Write a package that brings the plugin `name`, with a module of this source; the module's name."""
    package = package or f"package-{name}"
    module = f"planted_{package.replace('-', '_')}"
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[blueprint_resolver.plugins]\n{name} = {module}\n")
    return module


HEAD = "from resolver import PluginError\nfrom resolver.plugins import hookimpl\n"
TAKES = "@hookimpl\ndef resolver_deliver(delivery):\n    "
TELLS = "@hookimpl\ndef resolver_facts(request):\n    "
"""How the source of a plugin begins, and its hooks; a body follows."""
