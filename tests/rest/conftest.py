"""A server in a thread of the tests, on a store that they can look into, and clients for its users."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn.server

from resolver.core.account_changes import NewToken
from resolver.core.permissions import SystemRole, TenantRole
from resolver.rest.acceptor import Door
from resolver.rest.app import create_app
from resolver.rest.options import ServerOptions
from resolver.rest.routing import OWN
from resolver.rest.server import _bound_at, make_server
from tests.databases import DIALECTS, PlainPasswords, World, made_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.applications import Starlette

SECRETS = "/api/v3.1/secrets"
USE = "/api/v1/resolver/use"


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an answer; what Cloudify's client is told of the way out is left out."""
    told = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert told["server_traceback"] is None
    message, hint = told["message"], told.get("hint", "")
    if hint and not answer.request.url.path.startswith(OWN):
        assert message.endswith(f" ({hint})")
        message = message.removesuffix(f" ({hint})")
    return answer.status_code, told["error_code"], message


@dataclass
class Client:
    """Talks to a server as one user.

    Args:
        http: the connection.
        token: the user's token.
        tenant: the tenant that the header names.
    """

    http: httpx.Client
    token: str
    tenant: str = "home"

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Ask."""
        headers = {"Authentication-Token": self.token, "Content-type": "application/json"}
        if self.tenant:
            headers["Tenant"] = self.tenant
        headers |= more.pop("headers", {})
        return self.http.request(method, path, json=body, headers=headers, **more)

    def gets(self, path: str, status: int = 200, **more: Any) -> Any:  # noqa: ANN401
        """Ask for something, and be answered with a status; the body."""
        return self._expect(self("GET", path, **more), status)

    def does(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:  # noqa: ANN401
        """Ask for a change, and be answered with a status; the body."""
        return self._expect(self(method, path, body), status)

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:  # noqa: ANN401
        """Ask and be refused: status, code and message."""
        return refusal(self(method, path, body))

    @staticmethod
    def _expect(answer: httpx.Response, status: int) -> Any:  # noqa: ANN401
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@dataclass
class Live:
    """A server that runs in a thread.

    Args:
        world: the store behind it.
        url: where it is.
        app: the application.
    """

    world: World
    url: str
    app: Starlette
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=200, trust_env=False, verify=False)

    def user(
        self,
        name: str,
        home: TenantRole | None = None,
        away: TenantRole | None = None,
        system_role: SystemRole = SystemRole.DEFAULT,
    ) -> Client:
        """Make a user; a client of theirs."""
        self.world.user(name, home, away, system_role)
        return self.client(name)

    def client(self, name: str = "admin", **more: Any) -> Client:  # noqa: ANN401
        """A client with a new token of a user; more of the token on request."""
        made = self.world.service.tokens.create(self.world.admin, NewToken(username=name, **more))
        return Client(self.http, made.token)


def basic(username: str, password: str) -> str:
    """Basic credentials."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class SlowPasswords(PlainPasswords):
    """Comparisons that take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches, at last."""
        assert self.go.wait(60)
        return super().verify(password_hash, password)

    def hash(self, password: str) -> str:
        """Something to compare with, at last for a new one."""
        assert password != "a new password" or self.go.wait(60)
        return super().hash(password)


class _Impatient:
    """asyncio as uvicorn sees it: there is no hundred milliseconds' wait for a server's end."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        """Sleep for a tenth of the time."""
        await asyncio.sleep(seconds / 10)


uvicorn.server.asyncio = _Impatient()  # type: ignore[attr-defined]


@contextlib.contextmanager
def running(app: Starlette, *, proxy_protocol: bool = False) -> Iterator[str]:
    """An application in a thread, on a free port of loopback; its URL."""
    with _bound_at("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        server = make_server(app, [Door(sock, proxy_protocol=proxy_protocol)])
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            deadline = time.monotonic() + 200
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.001)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.is_hasty = server.should_exit = True
            thread.join(20)


@contextlib.contextmanager
def serving(
    world: World, options: ServerOptions | None = None, *, proxy_protocol: bool = False
) -> Iterator[Live]:
    """A server on a store."""
    app = create_app(world.service, options or ServerOptions(address_rate=0, user_rate=0))
    with running(app, proxy_protocol=proxy_protocol) as url:
        live = Live(world, url, app)
        try:
            yield live
        finally:
            live.http.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A store on SQLite; the server closes it."""
    return made_world("sqlite", tmp_path)


@pytest.fixture
def live(world: World) -> Iterator[Live]:
    """A server on SQLite without limits on how often one may ask."""
    with serving(world) as server:
        yield server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The same, for tests that change nothing and are refused anyway: one for all of them."""
    with serving(made_world("sqlite", tmp_path_factory.mktemp("shared"))) as server:
        yield server


@pytest.fixture(params=DIALECTS)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Live]:
    """The same, once for each kind of database."""
    with serving(made_world(request.param, tmp_path)) as server:
        yield server
