"""A process that works on a store until it is killed, and writes down what it is at and what it has done.

Run as a script it imports everything once and forks a victim for each order on stdin; talked to by `Victims`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from resolver.core.model import SecretValue, Visibility
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.service import Service, key_rotation
from resolver.store.sql import SqlStore
from tests.databases import PlainPasswords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.core.model import Caller

JOBS = ("create", "rotate-data", "update", "rotate-root", "import", "rotate-data")


class Victims:
    """Starts victims, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.store.victim import serve; serve()"],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, order: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def kill_one(self, order: dict[str, Any], log: Path, after: float) -> list[list[str]]:
        """Have a victim work, kill it some seconds after it began; the lines that it wrote down."""
        pid = self._ask(order | {"log": str(log)})
        deadline = time.monotonic() + 60
        while not log.exists() or not log.read_text():
            assert time.monotonic() < deadline, "the victim did not begin"
            time.sleep(0.002)
        time.sleep(after)
        assert pid > 1  # 0 and -1 would be this whole group, or everything
        os.kill(pid, signal.SIGKILL)
        status = self._ask(None)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert status == -signal.SIGKILL, lines[-1:]
        return lines

    def close(self) -> None:
        """End the process that victims are forked from."""
        self._process.communicate(timeout=100)


def serve() -> None:
    """Fork a victim for each order; `null` waits for its end."""
    pid = 0
    for line in sys.stdin:
        order = json.loads(line)
        if order is None:
            _, status = os.waitpid(pid, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = pid = os.fork()
            if pid == 0:
                _be_victim(**order)
        os.write(1, f"{answer}\n".encode())


def _be_victim(url: str, root_keys: Sequence[str], token: str, job: str, name: str, log: str) -> NoReturn:
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def note(*words: str) -> None:
            os.write(descriptor, json.dumps(words).encode() + b"\n")

        ring = KeyRing([RootKey(text, "the tests") for text in root_keys])
        service = Service(SqlStore(url), ring, PlainPasswords)
        caller = service.gate.authenticate_token(token)
        key_rotation.BATCH = 5  # many transactions to be killed in
        _work(service, caller, job, name, note)
    except BaseException as error:
        os.write(2, f"the victim failed: {type(error).__name__}: {error}\n".encode())
        raise
    finally:
        os._exit(code)


def _work(service: Service, caller: Caller, job: str, name: str, note: Callable[..., None]) -> None:
    note("began", job)
    for number in itertools.count():
        value = f"{name} wrote {number}"
        match job:
            case "create":
                key = f"{name}.{number}"
                note("begin", key, value)
                service.secrets.create(caller, "home", key, NewSecret(value=SecretValue(value)))
                note("done", key, value)
            case "update":
                key = f"k{number % 5}"
                note("begin", key, value)
                service.secrets.update(caller, "home", key, SecretChange(value=SecretValue(value)))
                note("done", key, value)
            case "import":
                keys = [f"{name}.{number}.{part}" for part in range(4)] + [f"k{number % 5}"]
                entries = [
                    ImportEntry(
                        key,
                        "home",
                        [VersionWithValue(1, SecretValue(value))],
                        Visibility.TENANT,
                        hidden=False,
                    )
                    for key in keys
                ]
                for key in keys:
                    note("begin", key, value)
                done = service.transfer.import_(caller, ImportRequest("home", entries, override=True))
                assert (done.stored, done.errors) == (5, {})
                for key in keys:
                    note("done", key, value)
            case "rotate-data":
                service.keys.rotate_data(caller, "", lambda _doing, _more: None)
            case "rotate-root":
                to = next(key.id for key in service.keys.status(caller).root_keys if not key.wraps)
                service.keys.rotate_root(caller, to, lambda _doing, _more: None)
            case _:
                raise AssertionError(job)
