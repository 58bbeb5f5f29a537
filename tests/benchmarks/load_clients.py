"""Clients that ask a server over and over: kept connections, and as little of their own work as can be."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import hvac
from requests import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RECEIVED = 256 * 1024


class Connection:
    """One kept connection to a server on loopback. Whole requests are prepared beforehand.

    Args:
        port: where the server listens.
        source: the address to come from; any by default.
    """

    def __init__(self, port: int, source: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> Any:  # noqa: ANN401 - JSON data
        """Send a request; the JSON data of its answer, which has to be a good one. None for an empty one."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        status = lines[0].split()[1]
        if status == b"204":
            return None
        if status != b"200":
            raise SystemExit(f"a server answered {lines[0].decode()}: {body[:300]!r}")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        parts = [body]
        missing = length - len(body)
        while missing > 0:
            parts.append(self._received())
            missing -= len(parts[-1])
        return json.loads(b"".join(parts))

    def _received(self) -> bytes:
        data = self._socket.recv(_RECEIVED)
        if not data:
            raise SystemExit("a server hung up")
        return data

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def request(method: str, path: str, headers: dict[str, str], body: Any = None) -> bytes:  # noqa: ANN401 - JSON data
    """The bytes of a request."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(data)}"]
    if data:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


class Client(Protocol):
    """One who asks a server for the values of some keys, again and again."""

    def run(self) -> None:
        """Ask for all of them once."""

    def close(self) -> None:
        """Hang up."""


class Lean:
    """Sends requests that are ready, and looks at each answer: as little work as a client can have.

    Args:
        port: where the server listens.
        requests: what to send, one after the other.
        look: takes values out of an answer; KeyError when they are not there.
    """

    def __init__(self, port: int, requests: Sequence[bytes], look: Callable[[Any], object]) -> None:
        self._connection = Connection(port)
        self._requests = requests
        self._look = look

    def run(self) -> None:
        """Ask for all of them once."""
        for one in self._requests:
            self._look(self._connection.ask(one))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Hvac:
    """Reads key by key with hvac, the Python client that most would take.

    Args:
        port: where OpenBao listens.
        token: its token.
        keys: what to read.
    """

    def __init__(self, port: int, token: str, keys: Sequence[str]) -> None:
        self._session = Session()
        self._session.trust_env = False
        client = hvac.Client(f"http://127.0.0.1:{port}", token, session=self._session)
        self._read = client.secrets.kv.v2.read_secret_version
        self._keys = keys

    def run(self) -> None:
        """Read all of them once."""
        for key in self._keys:
            self._read(key, raise_on_deleted_version=True)["data"]["data"]["value"]

    def close(self) -> None:
        """Hang up."""
        self._session.close()


@dataclass(frozen=True)
class Load:
    """What clients saw in some seconds.

    Args:
        rate: batches a second, of all clients.
        p50: the median time of a batch, in seconds.
        p99: the time that all but one in a hundred batches were done in.
        cpu: the processor time that the server used for a batch, in seconds.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


def put_load(
    make_client: Callable[[], Client], clients: int, seconds: float, cpu_of: Callable[[], float]
) -> Load:
    """Let clients ask over and over, each on a connection of its own, and time it.

    Args:
        make_client: makes one.
        clients: how many.
        seconds: for how long; what has begun is finished, and each client asks once untimed before.
        cpu_of: the server's processor time until now.
    """
    times: list[list[float]] = [[] for _ in range(clients)]
    ready = threading.Barrier(clients + 1)

    def work(mine: list[float]) -> None:
        client = make_client()
        client.run()
        ready.wait()
        ends = time.perf_counter() + seconds
        while (started := time.perf_counter()) < ends:
            client.run()
            mine.append(time.perf_counter() - started)
        client.close()

    threads = [threading.Thread(target=work, args=(mine,), daemon=True) for mine in times]
    for thread in threads:
        thread.start()
    ready.wait(timeout=60)
    cpu, started = cpu_of(), time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed, used = time.perf_counter() - started, cpu_of() - cpu
    done = sorted(taken for mine in times for taken in mine)
    return Load(len(done) / elapsed, _part(done, 50), _part(done, 99), used / len(done))


def _part(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
