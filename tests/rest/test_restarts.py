"""A server is replaced by the next one without a lost request, and says how it is to a service manager."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from resolver.errors import UsageError
from resolver.rest import server, systemd
from resolver.rest.acceptor import Door
from resolver.rest.systemd import given_sockets, notify, watchdog_seconds
from tests.conftest import SCRIPTS, clean_environment
from tests.databases import database
from tests.rest.test_serve import SECRETS, free_port, headers_of, make_certificate, served
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTARTS = int(os.environ.get("RESOLVER_TEST_RESTARTS", "1"))
"""How often a server is replaced under load in each way."""

ACTIVATE = """
import os, sys
count = int(sys.argv[1])
for number in range(count):
    os.dup2(int(sys.argv[2 + number]), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""
"""What a service manager does between its fork and the server's start."""


def activated(*sockets: socket.socket) -> list[str]:
    """The beginning of a command that is started with sockets."""
    numbers = [str(sock.fileno()) for sock in sockets]
    return [sys.executable, "-c", ACTIVATE, str(len(numbers)), *numbers]


class Client(threading.Thread):
    """Asks on one connection again and again, and opens another one only when it is told to.

    Args:
        connect: opens a connection.
        headers: of each request.
    """

    def __init__(self, connect: object, headers: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._connect = connect
        self._headers = headers
        self.answered = 0
        self.failures: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Ask until it is over."""
        connection: http.client.HTTPConnection | None = None
        while not self.over.is_set():
            try:
                if connection is None:
                    connection = self._connect()  # type: ignore[operator]  # it opens one
                connection.request("GET", SECRETS, headers=self._headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(str(answer.status))
                if answer.will_close:
                    connection.close()
                    connection = None
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                if connection is not None:
                    connection.close()
                connection = None
            time.sleep(0.01)
        if connection is not None:
            connection.close()


@contextlib.contextmanager
def load(connect: object, headers: dict[str, str]) -> Iterator[list[Client]]:
    """Four clients at work; not one request of theirs may fail."""
    clients = [Client(connect, headers) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(60)
    assert [failure for client in clients for failure in client.failures] == []


class UnixConnection(http.client.HTTPConnection):
    """A connection by a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("resolver", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tcp", "tls", "unix", "workers"])
def test_no_request_is_lost_by_a_restart(tmp_path: Path, way: str) -> None:
    """The service manager keeps the socket: the next server answers there before the last one has ended."""
    home = tmp_path / "home"
    env = {"RESOLVER_DATABASE_URL": database("postgresql", tmp_path, empty=True)} if way == "workers" else {}
    environ = clean_environment() | {"RESOLVER_HOME": str(home)} | env
    subprocess.run([SCRIPTS / "resolver", "init"], env=environ, check=True, capture_output=True)
    options: list[str | Path] = ["--address-rate", "0", "--user-rate", "0", "--share", "100"]
    lanes = 2
    if way == "workers":
        options, lanes = [*options, "--workers", "4"], 5
    sock = socket.socket(socket.AF_UNIX if way == "unix" else socket.AF_INET)
    with sock:
        sock.bind(str(tmp_path / "s") if way == "unix" else ("127.0.0.1", 0))
        sock.listen(100)
        if way == "unix":

            def connect() -> http.client.HTTPConnection:
                return UnixConnection(str(tmp_path / "s"))

        elif way == "tls":
            certificate, key = make_certificate(tmp_path)
            options += ["--tls-cert", certificate, "--tls-key", key]
            trusting = ssl.create_default_context(cafile=certificate)

            def connect() -> http.client.HTTPConnection:
                port = sock.getsockname()[1]
                return http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusting)

        else:

            def connect() -> http.client.HTTPConnection:
                return http.client.HTTPConnection("127.0.0.1", sock.getsockname()[1], timeout=60)

        def serving() -> contextlib.AbstractContextManager[object]:
            given = {"before": activated(sock), "pass_fds": [sock.fileno()]}
            return served(home, *options, env=env, lanes=lanes, **given)  # type: ignore[arg-type]  # by name

        with contextlib.ExitStack() as stack:
            server: object = stack.enter_context(serving())
            with load(connect, headers_of(home)) as clients:
                for _ in range(RESTARTS):
                    before = sum(client.answered for client in clients)
                    server.process.send_signal(signal.SIGTERM)  # type: ignore[attr-defined]  # a Served
                    later = stack.enter_context(serving())
                    assert server.process.wait(120) == 0  # type: ignore[attr-defined]  # as above
                    until(lambda before=before: sum(one.answered for one in clients) > before + 20)  # type: ignore[misc]  # bound
                    server = later


@pytest.mark.slow
def test_it_is_not_ready_before_it_stops(home: Path) -> None:
    """For the delay it goes on, so that a balancer notices; then each answer ends its connection."""
    port = free_port()
    with served(
        home, "--port", str(port), "--drain-delay", "3", "--address-rate", "0", "--user-rate", "0"
    ) as server:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers_of(home), trust_env=False
        ) as web:
            assert web.get("/ready").status_code == 200
            server.process.send_signal(signal.SIGTERM)
            until(lambda: web.get("/ready").status_code == 503)
            assert web.get("/ready").json() == {"status": "stopping"}
            assert httpx.get(f"http://127.0.0.1:{port}/ok", trust_env=False).status_code == 200
            closing = ""
            with contextlib.suppress(httpx.HTTPError):
                while not closing:
                    answer = web.get(SECRETS)
                    assert answer.status_code == 200
                    closing = answer.headers.get("Connection", "")
            assert closing == "close"
        assert server.process.wait(120) == 0


@pytest.mark.slow
def test_ctrl_c_waits_for_nobody(home: Path) -> None:
    """Who stands before it does not want the delay."""
    with served(home, "--port", str(free_port()), "--drain-delay", "3600") as server:
        assert server.stop(signal.SIGINT) in (0, 130)


@pytest.mark.slow
def test_certificates_are_read_again(home: Path, tmp_path: Path) -> None:
    """SIGHUP takes the new one for new connections; a bad one is logged, and the old one stays."""
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    with served(home, "--port", str(port), "--tls-cert", certificate, "--tls-key", key) as server:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=60)

        old = shown()
        make_certificate(tmp_path)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: shown() == certificate.read_text())
        assert shown() != old
        certificate.write_text("no certificate")
        before = shown()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log.read_text().count("the certificate stays as it was") >= 3)
        assert shown() == before
        assert server.stop() == 0


def test_a_certificate_whose_key_is_still_the_old_one_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it came just after both were looked at: who connects meanwhile gets the old one."""
    certificate, key = make_certificate(tmp_path)
    listener = server.Listener(certificate=certificate, private_key=key)
    door = Door(socket.socket(), server._make_tls(listener))  # noqa: SLF001 - as a server makes it
    old, old_key = certificate.read_text(), key.read_bytes()
    monkeypatch.setattr(server, "_check_tls", lambda *_: None)
    make_certificate(tmp_path)
    key.write_bytes(old_key)
    server._read_certificate_again(listener, [door])  # noqa: SLF001 - at a moment that can't be met
    assert _shown_by(door) == old
    new, _ = make_certificate(tmp_path)
    server._read_certificate_again(listener, [door])  # noqa: SLF001 - as above
    assert _shown_by(door) == new.read_text()
    door.sock.close()


def _shown_by(door: Door) -> str:
    """The certificate that a connection of a door begins with."""
    assert door.tls is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client_in, server_in = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(client_in, server_in)
    serving = door.tls.wrap_bio(server_in, client_in, server_side=True)
    for _ in range(3):
        for side in (client, serving):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


@pytest.mark.slow
def test_a_socket_is_removed_by_the_server_whose_it_is(home: Path, tmp_path: Path) -> None:
    """Not by the one before it, which ends later."""
    path = tmp_path / "resolver.sock"
    with served(home, "--unix-socket", path) as first:
        path.unlink()
        with served(home, "--unix-socket", path) as second:
            assert first.stop() == 0
            assert path.exists()
            assert second.stop() == 0
        assert not path.exists()


@pytest.mark.slow
def test_it_says_how_it_is(home: Path, tmp_path: Path) -> None:
    """Ready, alive again and again, and stopping; a socket of systemd that may not be plain is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        with served(home, "--port", str(free_port()), env=env) as server:
            words = [told.recv(100)]
            while words.count(b"WATCHDOG=1") < 3:
                words.append(told.recv(100))
            assert words.count(b"READY=1") == 1
            server.process.send_signal(signal.SIGTERM)
            while told.recv(100) != b"STOPPING=1":
                pass
            assert server.process.wait(120) == 0
    with socket.create_server(("0.0.0.0", 0)) as sock:
        command = [*activated(sock), SCRIPTS / "resolver", "serve"]
        environ = clean_environment() | {"RESOLVER_HOME": str(home)}
        done = subprocess.run(
            command, env=environ, pass_fds=[sock.fileno()], capture_output=True, text=True, check=False
        )
        assert (done.returncode, "would send values over the network unencrypted" in done.stderr) == (2, True)


@pytest.mark.parametrize("count", ["1", "3", "9" * 5000])
def test_sockets_that_are_none_are_told(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    """Too many, or what the environment says of another program."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)
    with Path(os.devnull).open("rb") as file:
        monkeypatch.setattr(systemd, "_FIRST", file.fileno())
        with pytest.raises(UsageError):
            given_sockets()
    monkeypatch.setenv("WATCHDOG_USEC", "9" * 5000)
    assert watchdog_seconds() > 0


def test_sockets_are_taken_by_the_process_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of the server, which has the same environment, takes none; what is no number is none."""
    for pid, count in (("1", "1"), ("", "1"), (str(os.getpid()), "x"), (str(os.getpid()), "0")):
        monkeypatch.setenv("LISTEN_PID", pid)
        monkeypatch.setenv("LISTEN_FDS", count)
        assert given_sockets() == []
        assert "LISTEN_FDS" not in os.environ
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "nonsense")
    notify("READY=1")
    assert watchdog_seconds() == 0
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert watchdog_seconds() == 1.5
