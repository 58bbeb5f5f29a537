"""All attacks of a hostile client at once, from three addresses, while an honest one uses secrets.

    python tests/benchmarks/endurance.py [--seconds 1800]

It prints the honest client's times before and during the attacks, and the server's memory. The honest client
should stay under three times its quiet 99th percentile, the server under `MOST_MEMORY`; the exit code is 1
when one of them does not. Attackers have a lower priority than server and client (nice 10), since those of a
server elsewhere have processors of their own. On two cores they take a thirtieth of one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import FIRST_TENANT, initialise
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from tests.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ATTACKERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
MOST_MEMORY = 1024
"""Most MiB that the server may take: four processes, each with the pages that they have in common; 256 MiB of
bodies and answers in each of two; and what is made of them."""

MOST_SLOWER = 3
_FIRST = 10
"""Seconds in which the server learns who attacks; they are told apart, of half an hour too few to count."""

OWN = "/api/v1/resolver"
_PAUSE = 0.02


def request(method: str, path: str, headers: dict[str, str], body: Any) -> bytes:  # noqa: ANN401 - JSON data
    """A request as it goes over the wire."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Attacker:
    """Everything that is tried from one address, each attack in a thread of its own, over and over.

    Args:
        address: where it comes from.
        port: where the server is.
        user: a token of one who may use and make secrets in a tenant.
        viewer: one of a viewer.
    """

    def __init__(self, address: str, port: int, user: str, viewer: str) -> None:
        self._address, self._port = address, port
        self._user, self._viewer = user, viewer

    def run(self) -> None:
        """Attack until the process is ended; a line says that it begins."""
        attacks = self._attacks()
        say("begins")
        for attack in attacks:
            threading.Thread(target=self._repeat, args=[attack], daemon=True).start()
        threading.Event().wait()

    def _repeat(self, attack: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(OSError):
                attack()
            time.sleep(0.01)

    def _attacks(self) -> Sequence[Callable[[], None]]:
        mib = 1024 * 1024
        hostile = {"type": "string", "pattern": "^(a+)+$"}
        entry = {"key": "k", "tenant_name": "", "versions": [{"value": "a" * 40 + "b"}], "schema": hostile}
        concat = ", ".join(["a" * 1000] * 60)
        given, other = "x" * 30_000, "y" * 30_000
        blueprints = [
            f"a: {{get_secret: {{concat: [{concat}]}}}}",
            f"inputs: {{i: {{default: {given}}}}}\na: {{string_replace: [{{get_input: i}}, x, {other}]}}",
            "a: &a {k: 1}\n" + "".join(f"b{n}: *a\n" for n in range(20_000)),
            "k: 1\n" * 200_000,
        ]
        uploads = [
            self._ask(
                "POST",
                f"{OWN}/resolve",
                {"tenant": FIRST_TENANT, "blueprints": [{"text": text}], "evaluate": True},
            )
            for text in blueprints
        ]
        refused = {"tenant": FIRST_TENANT, "keys": [{"key": f"k{number}"} for number in range(10_000)]}
        large = {"tenant": FIRST_TENANT, "keys": [{"key": f"large{number}"} for number in range(8)]}
        session = b"POST %s/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % OWN.encode()
        before_login = session + b"Content-Length: %d\r\n\r\n" % (16 * mib) + b'{"a":' + b"[" * 16 * mib
        bodies = [
            before_login,
            self._ask("POST", f"{OWN}/use", {"tenant": FIRST_TENANT, "keys": [1] * 1_000_000}),
            self._ask("POST", f"{OWN}/use", {"a": [[]] * 4_000_000}),
            *uploads,
            self._ask("POST", f"{OWN}/import", {"tenant": FIRST_TENANT, "entries": [entry] * 50}),
            self._ask("POST", f"{OWN}/use", refused, self._viewer),
            self._ask("POST", "/api/v3.1/tokens", {"description": "one more"}, self._viewer),
            self._ask("GET", "/api/v3.1/secrets", None, "no-such-token"),
            b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 8,
            b"GET /ok HTTP/1.1\nHost: x\n\n",
        ]
        never_read = self._ask("POST", f"{OWN}/use", large)
        return [
            partial(self._hold, 70, session + b"Content-Length: 1000\r\n\r\n{", drip=b" "),
            partial(self._hold, 70, never_read),
            partial(self._hold, 370, b""),
            partial(self._hold, 70, b"GET /", drip=b"a"),
            *[partial(self._send, body) for body in bodies],
        ]

    def _ask(self, method: str, path: str, body: Any, token: str = "") -> bytes:  # noqa: ANN401 - JSON data
        headers = {"Authentication-Token": token or self._user, "Tenant": FIRST_TENANT}
        return request(method, path, headers, body)

    def _connect(self) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((self._address, 0))
        sock.settimeout(30)
        sock.connect(("127.0.0.1", self._port))
        return sock

    def _send(self, data: bytes) -> None:
        with self._connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass

    def _hold(self, count: int, data: bytes, drip: bytes = b"") -> None:
        """Hold connections for half a minute, and say a little from time to time."""
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(self._connect()) for _ in range(count)]
            for sock in held:
                with contextlib.suppress(OSError):
                    sock.sendall(data)
            for _ in range(30):
                time.sleep(1)
                for sock in held if drip else ():
                    with contextlib.suppress(OSError):
                        sock.sendall(drip)


def measure(port: int, token: str, seconds: float) -> tuple[list[float], int]:
    """Times of uses of one key by the honest client, in seconds, and how many of them failed."""
    body = {"tenant": FIRST_TENANT, "keys": [{"key": "honest"}]}
    whole = request("POST", f"{OWN}/use", {"Authentication-Token": token}, body)
    times, failed = [], 0
    sock: socket.socket | None = None
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.perf_counter()
        try:
            if sock is None:
                sock = socket.create_connection(("127.0.0.1", port), timeout=30)
            sock.sendall(whole)
            answer = b""
            while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                piece = sock.recv(65536)
                if not piece:
                    raise ConnectionResetError
                answer += piece
            failed += not answer.startswith(b"HTTP/1.1 200")
        except OSError:
            failed += 1
            sock = None
        times.append(time.perf_counter() - began)
        time.sleep(_PAUSE)
    return sorted(times), failed


def memory_of(pid: int, name: str) -> int:
    """One of the numbers of a process's memory and of its children's, in MiB: a child of `serve` serves."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    own = next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{name}:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(memory_of(int(child), name) for child in children)


def prepare(home: Path) -> dict[str, str]:
    """A store with secrets and three users; the token of each."""
    settings = Settings({"RESOLVER_DATABASE_URL": f"sqlite:///{home.parent / 'endurance.db'}"}, home)
    initialise(settings, password=lambda: None, profile=True, secrets={"honest": "value"})
    token = json.loads(settings.profile_path.read_text())["token"]
    service = open_service(settings)
    admin = service.gate.authenticate_token(token)
    for number in range(8):
        service.secrets.create(
            admin, FIRST_TENANT, f"large{number}", NewSecret(value=SecretValue("v" * 1_000_000))
        )
    tokens = {"admin": token}
    for name, role in (("user", TenantRole.USER), ("viewer", TenantRole.VIEWER)):
        service.users.create(admin, name, NewUser())
        service.tenants.add_member(admin, FIRST_TENANT, name, role)
        tokens[name] = service.tokens.create(admin, NewToken(username=name)).token
    service.close()
    return tokens


def main() -> int:
    """Measure; the exit code."""
    parser = argparse.ArgumentParser(
        description="Attacks from three addresses, and what an honest client feels."
    )
    parser.add_argument("--seconds", type=float, default=1800, help="how long the attacks go on (1800)")
    parser.add_argument("--attack", nargs=4, metavar="TEXT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        os.nice(10)
        Attacker(given.attack[0], int(given.attack[1]), *given.attack[2:]).run()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        home = Path(folder) / "home"
        tokens = prepare(home)
        environment = clean_environment() | {
            "RESOLVER_HOME": str(home),
            "RESOLVER_DATABASE_URL": f"sqlite:///{Path(folder) / 'endurance.db'}",
        }
        command = [
            str(Path(sys.executable).with_name("resolver")),
            "serve",
            "--drain-delay",
            "0",
            "--port",
            str(port),
        ]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        wait_for(port)
        measure(port, tokens["admin"], 2)
        quiet, failed = measure(port, tokens["admin"], min(30, given.seconds / 3))
        base = memory_of(server.pid, "VmRSS")
        say(f"quiet:    {line(quiet)}, {failed} failed; {base} MiB")
        own = [sys.executable, __file__, "--attack"]
        attackers = []
        for address in ATTACKERS:
            command = [*own, address, str(port), tokens["user"], tokens["viewer"]]
            attackers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(attackers[-1].wait)
            stack.callback(attackers[-1].kill)
        for attacker in attackers:
            attacker.stdout.readline()
        first, failed_first = measure(port, tokens["admin"], _FIRST)
        say(f"first {_FIRST} s: {line(first)}, {failed_first} failed")
        attacked, failed = measure(port, tokens["admin"], given.seconds)
        top = memory_of(server.pid, "VmHWM")
        times = percentile(attacked, 99) / percentile(quiet, 99)
        say(f"attacked: {line(attacked)}, {failed} failed; {top} MiB at most")
        say(f"99th percentile {times:.1f} times the quiet one (under {MOST_SLOWER}), under {MOST_MEMORY} MiB")
        return int(times >= MOST_SLOWER or top > MOST_MEMORY or failed + failed_first > 0)


def wait_for(port: int) -> None:
    """Wait until something listens."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("the server does not listen")


def percentile(times: Sequence[float], percent: int) -> float:
    """The time that so many of 100 stay below."""
    return times[min(len(times) - 1, len(times) * percent // 100)]


def line(times: Sequence[float]) -> str:
    """Times in words."""
    p50, p99 = percentile(times, 50) * 1000, percentile(times, 99) * 1000
    longest = times[-1] * 1000
    return f"{len(times)} uses, median {p50:.1f} ms, 99th percentile {p99:.1f} ms, longest {longest:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
