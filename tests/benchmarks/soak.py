"""Clients of two tenants that use secrets for a long time: nothing crosses, nothing fails, memory stays.

    python tests/benchmarks/soak.py [--minutes 10] [--clients 32] [--database sqlite]

Both tenants have the same keys with other values. Half of the clients are of each, and look at each answer.
The server's memory is read each second; the mean of its last tenth should be within 5 percent of that of its
second tenth, since the first one fills what is kept. Then both chains are verified. The exit code is 1 when
something is not so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from load_clients import Connection, request
from load_servers import family, resolver_server

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret

TENANTS = ("first", "second")
KEYS = [f"key{number}" for number in range(20)]
MOST_GROWN = 1.05


class Soak:
    """The clients, and what they saw.

    Args:
        port: where the server is.
        seconds: how long they ask.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._ends = port, time.monotonic() + seconds
        self.uses = 0
        self.crossed = 0
        self.failures: list[str] = []

    def run(self, number: int, tenant: str, token: str) -> None:
        """Ask for one key, then for all, over and over."""
        headers = {"Authentication-Token": token, "X-Forwarded-For": f"10.1.{number}.1"}
        asked = [
            (keys, request("POST", "/api/v1/resolver/use", headers, _body(tenant, keys)))
            for keys in (KEYS[number % len(KEYS) :][:1], KEYS)
        ]
        try:
            connection = Connection(self._port)
            for keys, whole in itertools.cycle(asked):
                if time.monotonic() > self._ends:
                    break
                secrets = connection.ask(whole)["secrets"]
                values = {key: secrets[key]["value"] for key in secrets}
                self.crossed += values != {key: _value(tenant, key) for key in keys}
                self.uses += 1
            connection.close()
        except (OSError, SystemExit, LookupError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")


def _value(tenant: str, key: str) -> str:
    return f"the value of {key} in {tenant}"


def _body(tenant: str, keys: list[str]) -> dict[str, object]:
    return {"tenant": tenant, "keys": [{"key": key} for key in keys]}


def _tokens(settings: Settings, clients: int) -> list[tuple[str, str]]:
    """A token for each client, with its tenant."""
    service = open_service(settings)
    admin = service.gate.authenticate_token(json.loads(settings.profile_path.read_text())["token"])
    for tenant in TENANTS:
        service.tenants.create(admin, tenant)
        for key in KEYS:
            new = NewSecret(value=SecretValue(_value(tenant, key)))
            service.secrets.create(admin, tenant, key, new)
    found = []
    for number, tenant in zip(range(clients), itertools.cycle(TENANTS), strict=False):
        name = f"client{number}"
        service.users.create(admin, name, NewUser())
        service.tenants.add_member(admin, tenant, name, TenantRole.USER)
        found.append((tenant, service.tokens.create(admin, NewToken(username=name)).token))
    service.close()
    return found


def _memory(pid: int) -> int:
    """What a process and its children have in memory, in KiB."""
    texts = (Path(f"/proc/{one}/status").read_text().splitlines() for one in family(pid))
    return sum(int(line.split()[1]) for text in texts for line in text if line.startswith("VmRSS:"))


def main() -> int:
    """Ask, and tell what came out."""
    parser = argparse.ArgumentParser(description="use secrets of two tenants for a long time")
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    parser.add_argument("--clients", type=int, default=32, help="how many at once, of both tenants")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="resolver-soak-") as folder,
        resolver_server(given.database, {}, Path(folder)) as server,
    ):
        home = Path(server.environment["RESOLVER_HOME"])
        settings = Settings({"RESOLVER_DATABASE_URL": server.database}, home)
        tokens = _tokens(settings, given.clients)
        soak = Soak(int(server.environment["RESOLVER_URL"].rpartition(":")[2]), given.minutes * 60)
        threads = [
            threading.Thread(target=soak.run, args=(number, *token)) for number, token in enumerate(tokens)
        ]
        for thread in threads:
            thread.start()
        memory = []
        while any(thread.is_alive() for thread in threads):
            memory.append(_memory(server.process.pid))
            time.sleep(1)
        for thread in threads:
            thread.join()
        service = open_service(settings)
        admin = service.gate.authenticate_token(json.loads(settings.profile_path.read_text())["token"])
        whole = [service.trail.verify(admin, tenant) for tenant in TENANTS]
        service.close()
    tenth = max(1, len(memory) // 10)
    first, last = (statistics.mean(part) for part in (memory[tenth : 2 * tenth] or memory, memory[-tenth:]))
    recorded = sum(found.head.number for found in whole) - len(TENANTS) * len(KEYS)
    is_whole = all(found.whole for found in whole)
    sys.stdout.write(
        f"{soak.uses} uses, {recorded} records, chains {'whole' if is_whole else 'broken'}; "
        f"{soak.crossed} crossed, {len(soak.failures)} clients failed {soak.failures[:3]}; "
        f"{first / 1024:.0f} MiB, then {last / 1024:.0f} ({last / first:.3f} times)\n"
    )
    is_good = is_whole and recorded == soak.uses and not soak.crossed and not soak.failures
    return int(not is_good or last > MOST_GROWN * first)


if __name__ == "__main__":
    sys.exit(main())
