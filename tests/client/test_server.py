"""Requests to a server: what a hostile one gains, which are sent again, and which URLs are taken."""

from __future__ import annotations

import json
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from resolver.client import Client, open_client
from resolver.client.server import Server, parse_server
from resolver.core.intrinsic import Origin
from resolver.core.model import Caller
from resolver.core.permissions import SystemRole
from resolver.core.resolve import KeyUse
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    UnavailableError,
    UsageError,
)
from tests.peer import Peer, answer, serving
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PUBLIC, HIDDEN = "a1b2c3d4e5", "s" * 40
TOKEN = f"ctok-{PUBLIC}-{HIDDEN}"
VALUE = "the-value-of-the-test"
IDENTITY = {
    "username": "una",
    "system_role": "default",
    "roles": {},
    "token_id": PUBLIC,
    "narrowing": {"permissions": None, "tenants": None, "keys": None},
    "permissions": {},
    "system_permissions": [],
}


def body(data: object, status: int = 200) -> bytes:
    """An answer in JSON."""
    return answer(status, json.dumps(data).encode(), Content_Type="application/json")


def refusal(status: int, kind: str = "", code: str = "x", **more: object) -> bytes:
    """An error as a server tells it."""
    return body({"message": "no", "error_code": code, "kind": kind, "server_traceback": None, **more}, status)


def client_of(peer: Peer, pauses: list[float] | None = None) -> Client:
    """A client that waits for nothing, and notes how long it would have waited."""
    client = open_client(peer.url)
    noted: list[float] = [] if pauses is None else pauses
    client.gate._server._sleep = noted.append  # noqa: SLF001 - the clock of the edge under test
    return client


def whoami(client: Client) -> object:
    """Ask a question."""
    return client.users.whoami(client.gate.present_token(TOKEN))


def create(client: Client) -> object:
    """Change something."""
    return client.secrets.create(client.gate.present_token(TOKEN), "home", "key", VALUE)


def use(client: Client) -> object:
    """Obtain a value."""
    return client.use.use(client.gate.present_token(TOKEN), "home", [KeyUse("key", Origin())], {})


def error_of(ask: Callable[[], object]) -> ResolverError:
    """The error that something must end with; it tells no token and no value, and nothing is behind it."""
    with pytest.raises(ResolverError) as caught:
        ask()
    error = caught.value
    shown = f"{error!r} {error.message} {error.hint} {vars(error)}"
    assert HIDDEN not in shown
    assert VALUE not in shown
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [whoami, create, use])
def test_redirects_are_not_followed(status: int, ask: Callable[[Client], object]) -> None:
    """Neither token nor value goes to the place that a server names."""
    with serving(lambda _: body(IDENTITY)) as other:
        with serving(lambda _: answer(status, Location=f"{other.url}/api/v1/resolver/whoami")) as peer:
            error = error_of(lambda: ask(client_of(peer)))
        assert (type(error), other.seen) == (UnavailableError, [])
    assert error.message == (
        f"server 127.0.0.1:{peer.port} does not answer as a resolver's server of this version does"
    )


NONSENSE = {
    "HTML": answer(200, f"<html>{VALUE}</html>".encode(), Content_Type="text/html"),
    "no JSON": answer(200, f'{{"value": "{VALUE}'.encode()),
    "no UTF-8": answer(200, b"\xff\xfe"),
    "nothing": answer(200),
    "another shape": body([VALUE]),
    "a number": body(7),
    "null": body(None),
    "half a character": body({**IDENTITY, "username": "\ud800"}),
    "too little": body({"username": VALUE}),
    "another type": body({**IDENTITY, "username": [VALUE]}),
    "an unknown word": body({**IDENTITY, "system_role": VALUE}),
    "nested beyond use": answer(200, b"[" * 200_000),
    "an error in HTML": answer(502, f"<h1>{VALUE}</h1>".encode(), Content_Type="text/html"),
    "an error of another server": body({"message": VALUE, "error_code": "not_found_error"}, 404),
    "an error that is none": body({"error": VALUE}, 500),
    "a message of another type": body({"message": [VALUE], "error_code": "x", "kind": "NotFound"}, 404),
    "no such status": answer(199, b"{}"),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("ask", [whoami, create, use])
def test_an_answer_that_makes_no_sense(what: str, ask: Callable[[Client], object]) -> None:
    """It is told as such, with nothing of it."""
    with serving(lambda _: NONSENSE[what]) as peer:
        error = error_of(lambda: ask(client_of(peer)))
    assert isinstance(error, UnavailableError)
    assert error.message.startswith(f"server 127.0.0.1:{peer.port} ")


USED = {"value": VALUE, "version": 1, "may_show": True, "expired_at": None}


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        {"other": USED},
        {"key": USED, "other": USED},
        {"key": {**USED, "value": {"nested": VALUE}}},
        {"key": {**USED, "may_show": "yes"}},
        {"key": {**USED, "version": True}},
        [USED],
    ],
)
def test_values_that_were_not_asked_for(secrets: object) -> None:
    """Exactly the keys that were asked for are taken, each of the right type."""
    with serving(lambda _: body({"secrets": secrets})) as peer:
        error = error_of(lambda: use(client_of(peer)))
    assert isinstance(error, UnavailableError)


def test_a_value_that_was_asked_for() -> None:
    """With nothing wrong it is handed over, and no repr shows it."""
    with serving(lambda _: body({"secrets": {"key": USED}})) as peer:
        found: Any = use(client_of(peer))
    assert found.secrets["key"].value.reveal() == VALUE
    assert VALUE not in repr(found)


def test_errors_are_those_of_the_server() -> None:
    """Each comes back as what it was; those from before the service by their code."""
    cases: list[tuple[bytes, type[ResolverError]]] = [
        (refusal(404, "NotFound"), NotFoundError),
        (refusal(409, "Conflict"), ConflictError),
        (refusal(403, "NotPermitted"), NotPermittedError),
        (refusal(401, "Authentication"), AuthenticationError),
        (refusal(401, code="unauthorized_error"), AuthenticationError),
        (refusal(413, code="request_too_large_error"), ResolverError),
        (refusal(503, code="service_unavailable_error"), UnavailableError),
        (refusal(500, code="internal_server_error"), UnavailableError),
    ]
    for sent, kind in cases:
        with serving(lambda _, sent=sent: sent) as peer:  # type: ignore[misc]
            error = error_of(lambda peer=peer: create(client_of(peer)))  # type: ignore[misc]
        assert isinstance(error, kind), sent
        assert error.message == "no"


def refused(**keys: str) -> bytes:
    """Keys that may not be had."""
    told = [{"key": key, "reason": reason} for key, reason in keys.items()]
    return refusal(403, code="forbidden_error", refusals=told)


def test_refused_keys() -> None:
    """They are those that were asked for; anything else makes no sense, nor do they as another answer."""
    with serving(lambda _: refused(key="value_is_hidden")) as peer:
        found: Any = use(client_of(peer))
        assert {key: str(one.verdict) for key, one in found.refusals.items()} == {"key": "value_is_hidden"}
        error = error_of(lambda: create(client_of(peer)))
        assert error.message.endswith(" does not answer as a resolver's server of this version does")
    for sent in (refused(other="value_is_hidden"), refused(key="allowed"), refused(key="nonsense")):
        with serving(lambda _, sent=sent: sent) as peer:  # type: ignore[misc]
            assert type(error_of(lambda peer=peer: use(client_of(peer)))) is UnavailableError  # type: ignore[misc]


def test_a_trail_that_never_ends() -> None:
    """Each record comes after the one before it, or nothing more is asked for."""
    record = {"number": 7, "hash": "x", "at": "x", "action": "x"}
    with serving(lambda _: body({"records": [record], "more": True})) as peer:
        client = client_of(peer)
        error = error_of(lambda: list(client.trail.stream(client.gate.present_token(TOKEN))))
        assert (type(error), len(peer.seen)) == (UnavailableError, 2)


def test_a_message_is_bounded() -> None:
    """A server can't fill the terminal with one."""
    with serving(lambda _: refusal(404, "NotFound", message="x" * 10**6, hint="y" * 10**6)) as peer:
        error = error_of(lambda: create(client_of(peer)))
    assert (len(error.message), len(error.hint)) == (2000, 2000)


def _endless(_head: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for _ in range(70):
        yield b"x" * 1024 * 1024


def test_an_endless_answer_is_left() -> None:
    """After 64 MiB nothing more is read."""
    with serving(_endless) as peer:
        error = error_of(lambda: create(client_of(peer)))
    assert error.message == f"server 127.0.0.1:{peer.port} gave no proper answer: ValueError"


def _dropped(_head: str) -> bytes:
    return b""


@pytest.mark.parametrize(("ask", "sent"), [(whoami, 3), (create, 1), (use, 1)])
def test_only_a_question_is_asked_again(ask: Callable[[Client], object], sent: int) -> None:
    """What may have been done is never sent twice; a question is asked three times at most."""
    pauses: list[float] = []
    with serving(_dropped) as peer:
        error = error_of(lambda: ask(client_of(peer, pauses)))
        assert len(peer.seen) == sent
    assert isinstance(error, UnavailableError)
    assert pauses == [0.2, 0.8][: sent - 1]


def test_what_was_not_sent_is_tried_again() -> None:
    """A change, too, when nothing took the connection."""
    with serving(_dropped) as peer:
        pass
    pauses: list[float] = []
    error = error_of(lambda: create(client_of(peer, pauses)))
    assert error.message == f"server 127.0.0.1:{peer.port} can't be reached: Connection refused"
    assert (
        error.hint
        == "RESOLVER_URL or the profile names the server; see that it runs and can be reached from here"
    )
    assert pauses == [0.2, 0.8]


@pytest.mark.parametrize(
    ("told", "waited"), [("1", 1), ("600", 3), ("-1", 0.2), ("soon", 0.2), ("9" * 400, 0.2), ("0", 0)]
)
def test_who_asks_too_often_waits(told: str, waited: float) -> None:
    """As long as the server says, up to three seconds; what was refused so is sent again."""
    pauses: list[float] = []
    answers = iter([answer(429, b"{}", Retry_After=told), body({"secrets": {"key": USED}})])
    with serving(lambda _: next(answers)) as peer:
        use(client_of(peer, pauses))
        assert len(peer.seen) == 2
    assert pauses == [waited]


def test_the_token_is_all_that_says_who_asks() -> None:
    """No cookie, no password of the URL, no proxy's header goes along."""
    with serving(lambda _: answer(200, json.dumps(IDENTITY).encode(), Set_Cookie="a=b")) as peer:
        client = client_of(peer)
        whoami(client)
        whoami(client)
    for head in peer.seen:
        names = {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line}
        assert names == {"host", "connection", "accept", "authentication-token"}


def test_a_caller_of_another_store_is_refused() -> None:
    """A caller is bound to what identified them."""
    stranger = Caller("id", "una", SystemRole.DEFAULT)
    with serving(lambda _: body(IDENTITY)) as peer:
        error = error_of(lambda: client_of(peer).users.whoami(stranger))
        assert (type(error), peer.seen) == (UsageError, [])
    assert error.message == "the caller was identified by another store"
    with serving(lambda _: body(IDENTITY)) as peer, serving(lambda _: body(IDENTITY)) as other:
        of_other = client_of(other).gate.present_token(TOKEN)
        error = error_of(lambda: client_of(peer).users.whoami(of_other))
        assert (type(error), peer.seen) == (UsageError, [])


def test_a_password_that_http_can_not_say() -> None:
    """A colon ends a user name in HTTP, so there is no such user."""
    with serving(lambda _: body(IDENTITY)) as peer:
        for name in ("", "a:b"):
            error = error_of(lambda name=name: client_of(peer).gate.authenticate_password(name, VALUE))  # type: ignore[misc]
            assert isinstance(error, AuthenticationError)
        assert peer.seen == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://secrets.example", "https://secrets.example:443"),
        ("https://secrets.example:8443/team/", "https://secrets.example:8443/team"),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ("http://[::1]:8200", "http://[::1]:8200"),
        ("http://localhost", "http://localhost:80"),
        ("unix:/run/resolver/socket", "unix:/run/resolver/socket"),
    ],
)
def test_urls(text: str, shown: str) -> None:
    """HTTPS anywhere, plain HTTP to this machine; shown as they are taken."""
    assert str(parse_server(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "secrets.example",
        "ftp://secrets.example",
        f"https://una:{VALUE}@secrets.example",
        f"https://secrets.example/?token={VALUE}",
        f"https://secrets.example/#{VALUE}",
        "https://",
        "https://secrets.example:0x50",
        "https://a b",
        "https://secrets.example\r\nX: y",
    ],
)
def test_malformed_urls(text: str) -> None:
    """They are refused in words that don't repeat them: a password may be in one."""
    error = error_of(lambda: parse_server(text))
    assert (type(error), error.message) == (UsageError, "RESOLVER_URL is malformed")


@pytest.mark.parametrize(
    "text", ["http://secrets.example", "http://10.0.0.1:8200", "http://localhost.example", "http://0.0.0.0"]
)
def test_plain_http_stays_on_this_machine(text: str) -> None:
    """Tokens and values would be readable on the way."""
    error = error_of(lambda: parse_server(text))
    assert (type(error), error.message) == (UsageError, "RESOLVER_URL is plain HTTP to another machine")


def test_a_unix_socket_needs_a_path() -> None:
    """A relative one would depend on the working directory."""
    assert parse_server("unix:/run/resolver/socket").unix_socket == "/run/resolver/socket"
    for text in ("unix:", "unix:socket", "unix:/a\nb"):
        assert error_of(lambda text=text: parse_server(text)).message == "RESOLVER_URL names no socket"  # type: ignore[misc]


def test_localhost_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is what a hosts file says; this one may mean nothing but this machine."""
    with serving(lambda _: body(IDENTITY)) as peer:
        asked: list[object] = []
        monkeypatch.setattr(
            "resolver.client.server.exchange", lambda *_, addresses, **__: asked.append(addresses)
        )
        server = Server(parse_server(f"http://localhost:{peer.port}"))
        with pytest.raises(AttributeError):  # what stands in for the exchange answers nothing
            server.demand_ready()
    assert asked == [("127.0.0.1", "::1")]


class TlsServer:
    """Takes TLS connections with a certificate for 127.0.0.1, and counts what was said within one."""

    def __init__(self, certificate: Path, key: Path) -> None:
        import socket  # noqa: PLC0415

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.port = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    with self._context.wrap_socket(connection, server_side=True) as secured:
                        self.heard.append(secured.recv(65536))
                        secured.sendall(body(IDENTITY))
                except OSError:
                    continue

    def close(self) -> None:
        """Stop."""
        self._socket.shutdown(2)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TlsServer, Path]]:
    """A server with a certificate of its own for 127.0.0.1, and that certificate."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    server = TlsServer(certificate, key)
    yield server, certificate
    server.close()


def test_tls_is_verified(certified: tuple[TlsServer, Path], tmp_path: Path) -> None:
    """With the authority that is named it works; without, or under another name, nothing is said."""
    server, certificate = certified
    client = open_client(f"https://127.0.0.1:{server.port}", str(certificate))
    assert client.users.whoami(client.gate.present_token(TOKEN)).username == "una"
    assert len(server.heard) == 1
    for url, ca_file in (
        (f"https://127.0.0.1:{server.port}", None),
        (f"https://localhost:{server.port}", str(certificate)),
    ):
        error = error_of(lambda url=url, ca_file=ca_file: whoami(open_client(url, ca_file)))  # type: ignore[misc]
        assert isinstance(error, UnavailableError)
        assert error.message.startswith(f"server {url.removeprefix('https://')} is not trusted: ")
        assert error.hint == "RESOLVER_CA_FILE names the authority that signed its certificate"
    assert len(server.heard) == 1
    for name, text in (("absent.pem", None), ("empty.pem", ""), ("key.pem", "-----BEGIN KEY-----")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        url = f"https://127.0.0.1:{server.port}"
        error = error_of(lambda path=path, url=url: whoami(open_client(url, str(path))))  # type: ignore[misc]
        assert (type(error), error.message) == (
            UsageError,
            "RESOLVER_CA_FILE: the certificate authorities can't be read",
        )
    assert len(server.heard) == 1
