"""A racer does what it is told, as often as it is told, in a thread of the tests or a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from resolver.core.account_changes import UserChange
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange, unless_none
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import AuthenticationError, ConflictError, NotFoundError, NotPermittedError
from resolver.service import Service
from resolver.store.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller
    from resolver.service.keys import Rotated


Order = dict[str, Any]
"""What to do, in which tenant, with which key or user; with which token, when it is not everyone's."""


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

    def __init__(self, url: str, root_keys: str, token: str) -> None:
        ring = KeyRing([RootKey(root_key, "the tests") for root_key in root_keys.split()])
        self.service = Service(SqlStore(url), ring, _NoPasswords)
        self.caller: Caller = self.service.gate.authenticate_token(token)

    def do(self, order: Order) -> str:
        """Carry out one order: what became of it."""
        try:
            caller = self.caller
            if "token" in order:
                caller = self.service.gate.authenticate_token(order["token"])
            if "user" in order:
                return self._with_a_user(caller, order)
            if "key" in order:
                return self._with_a_secret(caller, order)
            return self._with_all(caller, order)
        except ConflictError:
            return "conflict"
        except NotFoundError:
            return "not found"
        except (NotPermittedError, AuthenticationError):
            return "not permitted"

    def _with_a_user(self, caller: Caller, order: Order) -> str:
        users, tenants, name = self.service.users, self.service.tenants, order["user"]
        match order["do"]:
            case "demote":
                users.update(caller, name, UserChange(system_role=SystemRole.DEFAULT))
            case "deactivate":
                users.update(caller, name, UserChange(active=False))
            case "delete user":
                users.delete(caller, name)
            case "add member":
                tenants.add_member(caller, order["tenant"], name, TenantRole(order["role"]))
            case "remove member":
                tenants.remove_member(caller, order["tenant"], name)
        return "done"

    def _with_all(self, caller: Caller, order: Order) -> str:
        keys, quiet = self.service.keys, lambda _doing, _more: None
        match order["do"]:
            case "rotate data":
                return self._rotated(keys.rotate_data(caller, order["tenant"], quiet))
            case "rotate root":
                return self._rotated(keys.rotate_root(caller, order["to"], quiet))
            case "import":
                entries = [_entry(key, order["tenant"], "tenant", order["value"]) for key in order["keys"]]
                done = self.service.transfer.import_(
                    caller, ImportRequest(order["tenant"], entries, override=order["override"])
                )
                late = [list(error.values()) for error in done.errors.values()]
                assert all(text.endswith("at the same time") for texts in late for text in texts), late
                return f"stored {done.stored}"
        raise AssertionError(order)

    @staticmethod
    def _rotated(done: Rotated) -> str:
        return f"unreadable {done.unreadable}" if done.unreadable else "done"

    def _with_a_secret(self, caller: Caller, order: Order) -> str:
        secrets, tenant, key = self.service.secrets, order["tenant"], order["key"]
        match order["do"]:
            case "create":
                secrets.create(
                    caller,
                    tenant,
                    key,
                    NewSecret(value=SecretValue("value"), visibility=Visibility(order["visibility"])),
                )
            case "change":
                wider = Visibility(order["visibility"]) if "visibility" in order else None
                change = SecretChange(visibility=unless_none(wider), hidden=unless_none(order.get("hidden")))
                secrets.update(caller, tenant, key, change)
            case "update":
                change = SecretChange(
                    value=SecretValue(order["value"]), if_version=unless_none(order.get("if_version"))
                )
                return f"version {secrets.update(caller, tenant, key, change).version}"
            case "roll back":
                to, seen = order["version"], order.get("if_version")
                return f"version {secrets.rollback(caller, tenant, key, to, if_version=seen).version}"
            case "import":
                entry = _entry(key, tenant, order["visibility"], "imported")
                done = self.service.transfer.import_(caller, ImportRequest(tenant, [entry]))
                return "done" if done.stored else "conflict"
            case "delete":
                secrets.delete(caller, tenant, key)
        return "done"


def _entry(key: str, tenant: str, visibility: str, value: str) -> ImportEntry:
    return ImportEntry(
        key, tenant, [VersionWithValue(1, SecretValue(value))], Visibility(visibility), hidden=False
    )


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
            process.communicate(timeout=100)


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
