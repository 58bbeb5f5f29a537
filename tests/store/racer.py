"""A racer does what it is told, as often as it is told, in a thread of the tests or a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from resolver.core.model import SecretValue, Visibility
from resolver.core.transfer import Incoming, MovedVersion
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import ConflictError, NotFoundError
from resolver.service import Service
from resolver.store.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller


Order = dict[str, Any]
"""What to do, in which tenant, with which key."""


class _NoPasswords:
    """Racers have tokens."""

    def hash(self, password: str) -> str:
        """Never asked for."""
        raise NotImplementedError

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Never asked for."""
        raise NotImplementedError


class Racer:
    """A service with a connection of its own."""

    def __init__(self, url: str, root_key: str, token: str) -> None:
        ring = KeyRing([RootKey(root_key, "the tests")])
        self.service = Service(SqlStore(url), ring, _NoPasswords)
        self.caller: Caller = self.service.gate.authenticate_token(token)

    def do(self, order: Order) -> str:
        """Carry out one order: what became of it."""
        secrets, tenant, key = self.service.secrets, order["tenant"], order["key"]
        try:
            match order["do"]:
                case "create":
                    secrets.create(
                        self.caller, tenant, key, "value", visibility=Visibility(order["visibility"])
                    )
                case "change":
                    wider = Visibility(order["visibility"]) if "visibility" in order else None
                    secrets.update(self.caller, tenant, key, visibility=wider, hidden=order.get("hidden"))
                case "update":
                    version = secrets.update(
                        self.caller, tenant, key, value=order["value"], if_version=order.get("if_version")
                    ).version
                    return f"version {version}"
                case "roll back":
                    version = secrets.rollback(
                        self.caller, tenant, key, order["version"], if_version=order.get("if_version")
                    ).version
                    return f"version {version}"
                case "import":
                    entry = Incoming(
                        key,
                        tenant,
                        [MovedVersion(1, SecretValue("imported"))],
                        Visibility(order["visibility"]),
                        hidden=False,
                    )
                    done = self.service.moving.import_(self.caller, tenant, [entry])
                    return "done" if done.stored else "conflict"
                case "delete":
                    secrets.delete(self.caller, tenant, key)
        except ConflictError:
            return "conflict"
        except NotFoundError:
            return "not found"
        return "done"


class Threads:
    """Racers in threads."""

    def __init__(self, racers: Sequence[Racer]) -> None:
        self._racers = racers
        self._pool = ThreadPoolExecutor(len(racers))

    def race(self, orders: Sequence[Order]) -> list[str]:
        """Give each racer its order at once; what became of them."""
        return list(self._pool.map(Racer.do, self._racers, orders))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown()
        for racer in self._racers:
            racer.service.close()


class Processes:
    """Racers in processes, which can be given one database after the other."""

    def __init__(self, count: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]

    def enter(self, url: str, root_key: str, token: str) -> None:
        """Go to a database."""
        for process in self._processes:
            self._tell(process, {"do": "enter", "start": [url, root_key, token]})
        assert {self._hear(process) for process in self._processes} == {"ready"}

    @staticmethod
    def _tell(process: subprocess.Popen[str], what: Order) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()

    @staticmethod
    def _hear(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def race(self, orders: Sequence[Order]) -> list[str]:
        """Give each racer its order at once; what became of them."""
        for process, order in zip(self._processes, orders, strict=False):
            self._tell(process, order)
        return [self._hear(process) for process, _ in zip(self._processes, orders, strict=False)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.communicate(timeout=30)


def _main() -> None:
    racer: Racer | None = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "enter":
            if racer is not None:
                racer.service.close()
            racer = Racer(*order["start"])
            answer = "ready"
        else:
            answer = racer.do(order) if racer is not None else "nowhere"
        print(answer, flush=True)  # noqa: T201 - the parent reads it
    if racer is not None:
        racer.service.close()


if __name__ == "__main__":
    _main()
