"""`resolver serve` as a process: where it listens, what it refuses, how it stops, what it leaves behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import signal
import socket
import stat
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from resolver.errors import UsageError
from resolver.rest.lanes import NICENESS
from resolver.rest.server import Listener, _bound_at
from tests.conftest import SCRIPTS, clean_environment
from tests.databases import database
from tests.peer import answer, serving
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conftest import Run

pytestmark = pytest.mark.slow

SECRETS = "/api/v3.1/secrets"

HARDENED = 'PROBE {"core": ["0", "0"], "dumpable": 0}'

PROBE = """
import atexit, ctypes, json, os, sys

def tell():
    with open("/proc/self/limits") as file:
        core = next(line for line in file if line.startswith("Max core file size")).split()[4:6]
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    os.write(2, ("PROBE " + json.dumps({"core": core, "dumpable": dumpable}) + chr(10)).encode())

WHEN(tell)
"""
"""What a process is made to say of itself, through the module that Python imports at its start."""


COLLECTOR_PROBE = """
import gc, os, signal

def tell():
    signal.raise_signal(signal.SIGTERM)
    found = gc.isenabled(), gc.get_freeze_count() > len(gc.get_objects()), gc.get_threshold()[0]
    os.write(2, f"PROBE {found}{chr(10)}".encode())

WHEN(tell)
"""


def probed(folder: Path, when: str, probe: str = PROBE) -> dict[str, str]:
    """An environment in which processes say something of themselves, by default how they are hardened."""
    module = folder / "probe"
    module.mkdir()
    (module / "sitecustomize.py").write_text(probe.replace("WHEN", when))
    return {"PYTHONPATH": str(module)}


class Served:
    """A server process that has begun to listen.

    Args:
        process: it.
        log: the file that its stderr goes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=250)

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def served(
    home: Path,
    *options: str | Path,
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    lanes: int = 2,
) -> Iterator[Served]:
    """A server on a store; it ends with the block."""
    log = home.parent / f"serve-{uuid.uuid4()}.log"
    environ = clean_environment() | {"RESOLVER_HOME": str(home)} | dict(env or {})
    with log.open("wb") as file:
        command = [*before, SCRIPTS / "resolver", "serve", "--drain-delay", "0", *options]
        process = subprocess.Popen(command, stderr=file, env=environ, pass_fds=pass_fds)
    try:
        server = Served(process, log)
        until(lambda: _started(server) >= lanes or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def headers_of(home: Path) -> dict[str, str]:
    """The headers of a request by the profile's user."""
    profile = json.loads((home / "profile").read_text())
    return {
        "Authentication-Token": profile["token"],
        "Tenant": profile["tenant"],
        "Content-type": "application/json",
    }


def test_a_server_serves_and_stops(home: Path) -> None:
    """On loopback, until SIGTERM; requests in work end first. The log has templates and no values."""
    port = free_port()
    with served(home, "--port", str(port)) as server:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers=headers_of(home), trust_env=False) as http:
            assert http.get("/ready").json() == {"status": "ready"}
            body = {"value": "the value itself"}
            assert http.put(f"{SECRETS}/telling_key", json=body).status_code == 200
            answer = http.get(f"{SECRETS}/telling_key?_passphrase=the+passphrase")
            assert answer.json()["value"] == "the value itself"
        assert server.stop() == 0
        lines = [line for line in server.lines() if line["logger"] == "resolver.access"]
        assert [(line["method"], line["route"], line["status"]) for line in lines] == [
            ("GET", "/ready", 200),
            ("PUT", f"{SECRETS}/{{key}}", 200),
            ("GET", f"{SECRETS}/{{key}}", 200),
        ]
        assert lines[2]["user"] == "admin"
        assert lines[2]["request"] == answer.headers["X-Request-Id"]
        text = server.log.read_text()
        for word in (
            "the value itself",
            "telling_key",
            "passphrase",
            headers_of(home)["Authentication-Token"],
        ):
            assert word not in text


def test_a_server_sends_events(run: Run, home: Path) -> None:
    """What was changed without a server, and then with one, reaches a webhook; the log shows no value."""
    (home / "config.yaml").write_text('webhook_destinations: ["127.0.0.0/8"]\n', encoding="utf-8")
    port = free_port()
    with serving(lambda _head: answer(204)) as peer:
        create = ("webhooks", "create", "h", "--url", peer.url, "--event", "secret.created", "--quiet")
        assert run("resolver", *create).returncode == 0
        assert run("resolver", "secrets", "create", "first", stdin="the value itself").returncode == 0
        with served(home, "--port", str(port)) as server:
            until(lambda: len(peer.bodies) == 1, 60)
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=headers_of(home), trust_env=False) as http:
                body = {"value": "the value itself"}
                assert http.put(f"{SECRETS}/second", json=body).status_code == 200
                until(lambda: len(peer.bodies) == 2, 60)
                # They are counted once the answer is there.
                counted = 'resolver_webhook_events_total{result="delivered"} 2.0'
                until(lambda: counted in http.get("/metrics").text, 60)
            assert server.stop() == 0
            assert "the value itself" not in server.log.read_text() + str(peer.bodies)
    assert [json.loads(body)["data"]["key"] for body in peer.bodies] == ["first", "second"]


def test_a_stop_lets_requests_end(home: Path) -> None:
    """A body that is still on its way when the server is told to stop is answered; nobody new is let in."""
    port = free_port()
    with served(home, "--port", str(port)) as server:
        body = b'{"value": "the value itself"}'
        lines = [f"PUT {SECRETS}/late HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers_of(home).items()]
        with socket.create_connection(("127.0.0.1", port), timeout=100) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[:5])
            until(lambda: "resolver_http_requests_in_work 2.0" in _metrics(home, port))
            server.process.send_signal(signal.SIGTERM)
            until(lambda: "Waiting for connections" in server.log.read_text())
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", port), timeout=100).close()
            connection.sendall(body[5:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.process.wait(timeout=200) == 0


def _metrics(home: Path, port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers_of(home), trust_env=False).text


def test_answers_are_sent_at_once() -> None:
    """Connections don't hold an answer's second part back until its first one is acknowledged."""
    with (
        _bound_at("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_process_is_hardened(home: Path, tmp_path: Path) -> None:
    """Like every command it leaves no core file, and nobody reads its memory. Ctrl-C is a good end."""
    with served(home, "--port", "0", env=probed(tmp_path, "atexit.register")) as server:
        assert server.stop(signal.SIGINT) == 0
        assert server.log.read_text().splitlines()[-1] == HARDENED


def test_garbage_is_collected_but_not_among_what_was_loaded(home: Path, tmp_path: Path) -> None:
    """A server, unlike a command, collects; most objects are older than the first request, and left alone.

    So are new ones until a large request has made its own: by default Python looks at 700 already. A second
    stop, when a worker is about to end, does not kill it.
    """
    at_end = "(lambda do, end=os._exit: setattr(os, '_exit', lambda code: (do(), end(code))))"  # of a worker
    with served(home, "--port", "0", env=probed(tmp_path, at_end, COLLECTOR_PROBE)) as server:
        assert server.stop() == 0
        assert server.log.read_text().count("PROBE (True, True, 10000)\n") == 2


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "resolver.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


def test_tls_on_any_address(home: Path, tmp_path: Path) -> None:
    """With a certificate it listens on other addresses, too; plain HTTP gets nothing there."""
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    options = ("--host", "0.0.0.0", "--port", str(port), "--tls-cert", certificate, "--tls-key", key)
    with served(home, *options) as server:
        import ssl  # noqa: PLC0415 - for this test alone

        trusting = ssl.create_default_context(cafile=certificate)
        with httpx.Client(verify=trusting, trust_env=False) as http:
            answer = http.get(f"https://127.0.0.1:{port}{SECRETS}", headers=headers_of(home))
            assert answer.json()["items"] == []
        with pytest.raises(httpx.HTTPError), httpx.Client(trust_env=False) as http:
            http.get(f"http://127.0.0.1:{port}/ok")
        assert server.stop() == 0


def test_tls_offers_no_weak_cipher(home: Path, tmp_path: Path) -> None:
    """A client that has TLS 1.2 without AEAD is not served, whatever the libraries' defaults are."""
    import ssl  # noqa: PLC0415 - for these tests alone

    certificate, key = make_certificate(tmp_path)
    port = free_port()
    with served(home, "--port", str(port), "--tls-cert", certificate, "--tls-key", key):
        client = ssl.create_default_context(cafile=certificate)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        for ciphers, is_taken in (
            ("ECDHE+AESGCM", True),
            ("ECDHE+AES:!AESGCM:!AESCCM", False),
            ("AESGCM:!ECDHE:!DHE", False),
        ):
            client.set_ciphers(ciphers)
            plain = socket.create_connection(("127.0.0.1", port))
            with plain, contextlib.nullcontext() if is_taken else pytest.raises(ssl.SSLError):
                client.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_a_unix_socket(home: Path, tmp_path: Path) -> None:
    """It is for its owner and group, one left behind is replaced, and it goes at the end."""
    path = tmp_path / "resolver.sock"
    with served(home, "--unix-socket", path, "--trusted-proxy", "unix") as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://resolver") as http:
            assert http.get("/ok", headers={"X-Forwarded-For": "192.0.2.7"}).json() == "OK"
        until(lambda: "resolver.access" in server.log.read_text())
        assert server.lines()[-1]["client"] == "192.0.2.7"
        (serving,) = _children(server.process.pid)
        lanes = _children(serving)
        server.process.kill()
        server.process.wait()
        until(lambda: not any(_runs(pid) for pid in (serving, *lanes)))
    assert path.exists()
    with served(home, "--unix-socket", path) as server:
        assert server.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (
            ["--host", "0.0.0.0"],
            2,
            (
                "error: plain HTTP on '0.0.0.0' would send values over the network unencrypted\n"
                "  hint: give --tls-cert and --tls-key; or listen on 127.0.0.1 or a --unix-socket\n"
            ),
        ),
        (
            ["--tls-cert", "cert.pem"],
            2,
            "error: TLS needs a certificate and its key\n  hint: give --tls-cert and --tls-key\n",
        ),
        (
            ["--tls-cert", "absent.pem", "--tls-key", "absent.pem"],
            2,
            "error: the certificate 'absent.pem' can't be read: No such file or directory\n",
        ),
        (
            ["--workers", "2"],
            2,
            (
                "error: several workers can't share a SQLite database\n"
                "  hint: leave out --workers, or use PostgreSQL by RESOLVER_DATABASE_URL\n"
            ),
        ),
        (
            ["--trusted-proxy", "unix"],
            2,
            ("error: there is no unix socket that a proxy could come by\n  hint: give --unix-socket\n"),
        ),
        (
            ["--trusted-proxy", "proxy"],
            2,
            (
                "error: the trusted proxy 'proxy' is neither an address nor a network\n"
                "  hint: give one like 10.0.0.1 or 10.0.0.0/24; `unix` stands for who comes by the socket\n"
            ),
        ),
        (
            ["--trusted-proxy", "10.0.0.1/8"],
            2,
            (
                "error: the trusted proxy '10.0.0.1/8' is neither an address nor a network\n"
                "  hint: give one like 10.0.0.1 or 10.0.0.0/24; `unix` stands for who comes by the socket\n"
            ),
        ),
        (["--host", "no.such.host.invalid"], 2, "error: the host 'no.such.host.invalid' is not known\n"),
    ],
)
def test_what_would_be_unsafe_is_refused(run: Run, options: list[str], code: int, said: str) -> None:
    """Before anything listens, in words, with a hint."""
    done = run("resolver", "serve", "--port", "0", *options)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_files_for_tls_are_told_apart(tmp_path: Path) -> None:
    """What is wrong with a certificate or its key is said of that file, without a word of what is in it."""
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = make_certificate(tmp_path / "other")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    cut = tmp_path / "cut.pem"
    cut.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    def said(certificate: Path, key: Path) -> tuple[str, str]:
        with pytest.raises(UsageError) as refused:
            Listener(certificate=certificate, private_key=key).check()
        return refused.value.message, refused.value.hint

    assert said(key, certificate) == (f"there is no certificate in '{key}'", "give one in PEM")
    assert said(certificate, certificate) == (
        f"there is no private key in '{certificate}'",
        "give one in PEM",
    )
    assert said(certificate, tmp_path) == (f"'{tmp_path}' can't be read: Is a directory", "")
    assert said(certificate, encrypted) == (
        f"the private key in '{encrypted}' is encrypted",
        "nobody is asked for its passphrase; `openssl pkey -in FILE -out OTHER` writes one that has none",
    )
    assert said(certificate, other) == (
        f"the private key in '{other}' is not that of the certificate in '{certificate}'",
        "a chain begins with the server's own certificate",
    )
    message, _ = said(cut, key)
    assert message.startswith(f"the certificate in '{cut}' and the key in '{key}' can't be used: ")
    Listener(certificate=certificate, private_key=key).check()


def test_proxies_are_addresses_and_networks() -> None:
    """Of either version."""
    Listener(trusted_proxies=("10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8")).check()


def test_an_address_in_use_is_said(run: Run) -> None:
    """A second server on a port ends in words."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        done = run("resolver", "serve", "--port", str(port))
    assert done.returncode == 6
    assert (
        done.stderr.splitlines()[-1] == f"error: can't listen on '127.0.0.1:{port}': Address already in use"
    )


def test_a_server_without_a_store_does_not_start(run: Run, tmp_path: Path) -> None:
    """It says what there is not."""
    done = run("resolver", "serve", env={"RESOLVER_HOME": str(tmp_path / "none")})
    assert done.returncode == 6
    assert done.stderr.startswith("error: there is no store in ")


def test_workers_share_a_database(tmp_path: Path) -> None:
    """Several processes serve one PostgreSQL; one that is killed is replaced; all stop together."""
    home = tmp_path / "home"
    env = {"RESOLVER_DATABASE_URL": database("postgresql", tmp_path, empty=True)}
    environ = clean_environment() | {"RESOLVER_HOME": str(home)} | env
    subprocess.run([SCRIPTS / "resolver", "init"], env=environ, check=True, capture_output=True)
    port = free_port()
    env |= probed(tmp_path, "(lambda do: os.register_at_fork(after_in_child=do))")
    with served(home, "--port", str(port), "--workers", "2", env=env) as server:
        until(lambda: _started(server) == 3)
        with httpx.Client(headers=headers_of(home), trust_env=False) as http:
            url = f"http://127.0.0.1:{port}"
            assert http.put(f"{url}{SECRETS}/one", json={"value": "v"}).status_code == 200
        (serving,) = _children(server.process.pid)  # the process that was started stands in for it
        first, second, heavy = _children(serving)
        nice = os.getpriority(os.PRIO_PROCESS, second)
        assert os.getpriority(os.PRIO_PROCESS, heavy) == min(nice + NICENESS, 19)  # 19 is the lowest there is
        os.kill(first, signal.SIGKILL)
        until(lambda: _started(server) == 4)
        values = set()
        for _ in range(8):
            with httpx.Client(headers=headers_of(home), trust_env=False) as http:
                values.add(http.get(f"{url}{SECRETS}/one").json()["value"])
                numbers = http.get(f"{url}/metrics").text
        assert values == {"v"}
        assert f'requests_total{{method="GET",route="{SECRETS}/{{key}}",status="200"}} 8.0' in numbers
        assert [line for line in server.log.read_text().splitlines() if "PROBE" in line] == [HARDENED] * 5
        assert server.stop() == 0
        assert not Path(f"/proc/{second}").exists()


def test_workers_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """No worker goes on alone, with the address taken and with nobody to stop it."""
    home = tmp_path / "home"
    env = {"RESOLVER_DATABASE_URL": database("postgresql", tmp_path, empty=True)}
    environ = clean_environment() | {"RESOLVER_HOME": str(home)} | env
    subprocess.run([SCRIPTS / "resolver", "init"], env=environ, check=True, capture_output=True)
    with served(home, "--port", str(free_port()), "--workers", "2", env=env) as server:
        until(lambda: _started(server) == 3)
        (serving,) = _children(server.process.pid)
        workers = _children(serving)
        os.kill(server.process.pid, signal.SIGKILL)
        until(lambda: not any(_runs(pid) for pid in (serving, *workers)))
        server.process.wait()


def _runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _started(server: Served) -> int:
    return server.log.read_text().count("Application startup complete")
