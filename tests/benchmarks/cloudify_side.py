"""Runs Cloudify's parser over a generated blueprint, in a virtual environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from generated import Generated

_JOB = Path(__file__).with_name("cloudify_job.py")
# cloudify-common imports pkg_resources, which later setuptools no longer bring.
REQUIREMENTS = ("cloudify-common==7.0.5", "networkx", "PyYAML!=6.0.4", "cryptography", "setuptools<81")


@dataclass(frozen=True, slots=True)
class CloudifyResult:
    """What one measurement of Cloudify's parser gave.

    Args:
        seconds: least processor time of a whole resolve; Python's start and imports are not in it.
        parse: of that, the seconds of parsing.
        decrypted: how many decryptions one resolve made.
    """

    seconds: float
    parse: float
    decrypted: int


def make_environment(directory: Path) -> Path:
    """Make a virtual environment with Cloudify's parser; needs the network once.

    Returns:
        The path of its Python.
    """
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    return python


def measure(
    python: Path, blueprint: Generated, directory: Path, *, repeats: int, timeout: float
) -> CloudifyResult | None:
    """Time Cloudify's parser on a blueprint.

    Args:
        python: the Python of an environment that has `cloudify-common`.
        blueprint: the text and its secrets.
        directory: where the two files for the other process are put.
        repeats: how often.
        timeout: seconds after which it is given up.

    Returns:
        What it took, or None when it did not finish in time.
    """
    key = Fernet.generate_key()
    fernet = Fernet(key)
    tokens = {name: fernet.encrypt(value.encode()).decode() for name, value in blueprint.secrets.items()}
    text_file = directory / f"cloudify-{blueprint.calls}.yaml"
    text_file.write_text(blueprint.text, encoding="utf-8")
    tokens_file = directory / f"cloudify-{blueprint.calls}.json"
    tokens_file.write_text(json.dumps({"key": key.decode(), "tokens": tokens}), encoding="utf-8")
    command: list[str | Path] = [python, "-W", "ignore", _JOB, text_file, tokens_file, str(repeats)]
    try:
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return None
    result = json.loads(done.stdout)
    return CloudifyResult(result["seconds"], result["parts"][0], result["decrypted"])
