"""The same job done by Cloudify's own parser. Runs by the Python of an environment with `cloudify-common`.

    python cloudify_job.py BLUEPRINT TOKENS REPEATS

TOKENS is a JSON file: `{"key": Fernet key, "tokens": {secret: token}}`. Prints a JSON object: `seconds` of
processor time, the least of the repeats; `parts`, the same of its three steps; `decrypted`, how many
decryptions one made.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from cryptography.fernet import Fernet
from dsl_parser import functions, parser, tasks  # type: ignore[import-not-found]  # in that environment only


class Secrets:
    """What Cloudify asks for values: decrypts at each request, as its manager does."""

    def __init__(self, key: str, tokens: dict[str, str]) -> None:
        self._fernet = Fernet(key)
        self._tokens = tokens
        self.decrypted = 0

    def value_of(self, key: str) -> str:
        """One value; the `get_secret_method` of the parser."""
        self.decrypted += 1
        return self._fernet.decrypt(self._tokens[key]).decode()

    def get_secret(self, key: str) -> SimpleNamespace:
        """One secret; what evaluation asks of its storage."""
        return SimpleNamespace(value=self.value_of(key))


def resolve(text: str, secrets: Secrets) -> list[float]:
    """Resolve the text once; the seconds of parsing, planning and evaluating."""
    marks = [time.process_time()]
    plan = parser.parse(text)
    marks.append(time.process_time())
    deployment = tasks.prepare_deployment_plan(plan, get_secret_method=secrets.value_of)
    marks.append(time.process_time())
    # One payload of all nodes, so that its cache of values serves the whole deployment.
    payload = {node["name"]: node["properties"] for node in deployment["nodes"]}
    functions.evaluate_functions(payload, {}, secrets)
    marks.append(time.process_time())
    if "get_secret" in json.dumps(payload):
        raise AssertionError("a call was left in the deployment plan")
    return [later - earlier for earlier, later in itertools.pairwise(marks)]


def main(blueprint: str, tokens: str, repeats: str) -> None:
    """Resolve the blueprint a number of times and print what it took."""
    text = Path(blueprint).read_text(encoding="utf-8")
    stored = json.loads(Path(tokens).read_text(encoding="utf-8"))
    runs = []
    for _ in range(int(repeats)):
        secrets = Secrets(**stored)
        runs.append(resolve(text, secrets))
    result = {
        "seconds": min(map(sum, runs)),
        "parts": [min(part) for part in zip(*runs, strict=True)],
        "decrypted": secrets.decrypted,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
