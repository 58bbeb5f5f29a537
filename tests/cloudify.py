"""Cloudify's own code as an oracle, in a Python that has it: RESOLVER_TEST_CLOUDIFY_PYTHON says which."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("RESOLVER_TEST_CLOUDIFY_PYTHON", "")

needs_cloudify = pytest.mark.skipif(
    not PYTHON, reason="RESOLVER_TEST_CLOUDIFY_PYTHON names no Python with cloudify-common"
)


def ask(script: Path | str, question: object = None, *, timeout: float = 300) -> Any:  # noqa: ANN401 - plain data
    """What a script answers that runs there: it reads and writes JSON.

    Args:
        script: a file, or its text.
        question: plain data, all in one: to start the other Python takes a second.
        timeout: seconds.
    """
    done = subprocess.run(
        [PYTHON, "-W", "ignore", *([script] if isinstance(script, Path) else ["-c", script])],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=timeout,
        cwd="/",
    )
    return json.loads(done.stdout)
