"""Puts leaks into the program, to show that the search finds them. The variable SABOTAGE names them.

Python imports this module at its start when its folder is on PYTHONPATH. Every value passes through
`FernetDataKey.open` when it is decrypted, and leaks from there.
"""

from __future__ import annotations

import base64
import functools
import mmap
import os
import runpy
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.core.binding import Place
    from resolver.core.model import SecretValue
    from resolver.crypto.keyring import FernetDataKey


def _temporary_file(text: str) -> None:
    with tempfile.NamedTemporaryFile(prefix="one-") as file:
        file.write(text.encode())


def _two_writes(text: str) -> None:
    with tempfile.NamedTemporaryFile(prefix="two-", buffering=0) as file:
        file.write(text[:9].encode())
        file.write(text[9:].encode())


def _log(text: str) -> None:
    with Path(tempfile.gettempdir(), "debug.log").open("ab") as file:
        file.write(base64.b64encode(f"value: {text}".encode()))


def _mapped(text: str) -> None:
    data = text.encode()
    with Path(os.environ["RESOLVER_HOME"], "cache").open("w+b") as file:
        file.truncate(len(data))
        with mmap.mmap(file.fileno(), len(data)) as mapped:
            mapped[:] = data


def _moved(text: str) -> None:
    memory = os.memfd_create("cache")
    os.write(memory, text.encode())
    with tempfile.TemporaryFile() as file:
        os.sendfile(file.fileno(), memory, 0, len(text.encode()))


def _file_name(text: str) -> None:
    path = Path(tempfile.gettempdir(), text)
    path.touch()
    path.unlink()


def _argument(text: str) -> None:
    subprocess.run(["/bin/true", text], check=True)


def _database(text: str) -> None:
    connection = sqlite3.connect(Path(os.environ["RESOLVER_HOME"], "data", "resolver.db"))
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS cache (value TEXT)")
        connection.execute("INSERT INTO cache VALUES (?)", [text.encode().hex()])
    connection.close()


def _stderr(text: str) -> None:
    sys.stderr.write(text)


def _raise(text: str) -> None:
    raise RuntimeError(text)


LEAKS: dict[str, Callable[[str], None]] = {
    "temporary_file": _temporary_file,
    "two_writes": _two_writes,
    "log": _log,
    "mapped": _mapped,
    "moved": _moved,
    "file_name": _file_name,
    "argument": _argument,
    "database": _database,
    "stderr": _stderr,
    "raise": _raise,
}


def _install(leaks: list[Callable[[str], None]]) -> None:
    from resolver.crypto.keyring import FernetDataKey  # noqa: PLC0415 - only a sabotaged process needs it

    original = FernetDataKey.open

    @functools.wraps(original)
    def leaking(self: FernetDataKey, place: Place, token: str) -> SecretValue:
        value = original(self, place, token)
        for leak in leaks:
            leak(value.reveal())
        return value

    FernetDataKey.open = leaking  # type: ignore[method-assign]


if (_chosen := os.environ.get("SABOTAGE")) is not None:
    _install([LEAKS[name] for name in _chosen.split()])

runpy.run_path(str(Path(__file__).parents[1] / "dumpable" / "sitecustomize.py"))  # and leaves it to be traced
