"""Requests to a server: what a hostile one gains, which are sent again, and which URLs are taken."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from resolver.client import Client, open_client
from resolver.client.session import ServerSession
from resolver.core.model import Caller, SecretValue
from resolver.core.permissions import SystemRole
from resolver.core.provenance import Provenance
from resolver.core.query import Choice, Listing, TenantField, TokenField, UserField
from resolver.core.secret_changes import NewSecret
from resolver.dsl.key_use import KeyUse
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NoSuchTenantError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    UnavailableError,
    UsageError,
)
from resolver.http import transport
from resolver.http.url import parse_server_url
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


NO_SENSE = "does not answer as a resolver's server of this version does"


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
    return client.secrets.create(
        client.gate.present_token(TOKEN), "home", "key", NewSecret(value=SecretValue(VALUE))
    )


def show(client: Client) -> object:
    """Ask for a value."""
    return client.secrets.show(client.gate.present_token(TOKEN), "home", "key")


def delete(client: Client) -> None:
    """Change something that is answered with nothing."""
    client.secrets.delete(client.gate.present_token(TOKEN), "home", "key")


def use(client: Client) -> object:
    """Obtain a value."""
    return client.use.use(client.gate.present_token(TOKEN), "home", [KeyUse("key", Provenance())], {})


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
    assert error.message == f"server 127.0.0.1:{peer.port} {NO_SENSE} (status {status})"


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
    "an error that is a success": body({"message": VALUE, "error_code": "x", "kind": "NotFound"}, 302),
    "another secret": body(
        {
            "id": "i",
            "key": "other",
            "tenant": "home",
            "visibility": "tenant",
            "hidden": False,
            "owner": "una",
            "version": 1,
            "created_at": "x",
            "updated_at": "x",
            "value": VALUE,
        }
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("ask", [whoami, create, use, show, delete])
def test_an_answer_that_makes_no_sense(what: str, ask: Callable[[Client], object]) -> None:
    """It is told as such, with nothing of it."""
    with serving(lambda _: NONSENSE[what]) as peer:
        error = error_of(lambda: ask(client_of(peer)))
    assert isinstance(error, UnavailableError)
    assert error.message.startswith(f"server 127.0.0.1:{peer.port} ")


def test_a_change_that_is_made() -> None:
    """It is answered with 204 and nothing else."""
    with serving(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n") as peer:
        delete(client_of(peer))
        assert peer.seen[0].startswith("DELETE /api/v1/resolver/secrets/key HTTP/1.1\r\n")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_a_server_is_told(status: int) -> None:
    """A proxy that can't reach the server is another trouble than a wrong URL."""
    with serving(lambda _: answer(status, b"<h1>Bad Gateway</h1>")) as peer:
        error = error_of(lambda: create(client_of(peer)))
    assert isinstance(error, UnavailableError)
    assert error.message == (
        f"server 127.0.0.1:{peer.port} does not answer the proxy before it (status {status})"
    )
    assert error.hint == "see that the server runs; the proxy's log tells more"


def test_another_status_is_told() -> None:
    """What answers so is no server of this kind."""
    with serving(lambda _: answer(418, b"<h1>Teapot</h1>")) as peer:
        error = error_of(lambda: create(client_of(peer)))
    assert error.message == f"server 127.0.0.1:{peer.port} {NO_SENSE} (status 418)"
    assert error.hint.startswith("RESOLVER_URL or the profile names the server")


@pytest.mark.parametrize("part", ["tenants", "users", "tokens"])
def test_lists_of_people_are_not_searched_or_sorted(part: str) -> None:
    """The routes have no words for it, so it is refused rather than left out; nothing is sent."""
    listed = {"tenants": TenantField.NAME, "users": UserField.NAME, "tokens": TokenField.ID}
    with serving(lambda _: body({"items": [], "total": 0})) as peer:
        client = client_of(peer)
        caller = client.gate.present_token(TOKEN)
        for choice in (Choice(search="a"), Choice(order=[(listed[part], True)])):
            with pytest.raises(InvalidRequestError, match=r"in their own order, all of them$"):
                getattr(client, part).list(caller, choice)
        assert peer.seen == []
        assert getattr(client, part).list(caller, Choice(2, 1)).total == 0
        assert peer.seen[0].startswith(f"GET /api/v1/resolver/{part}?offset=1&size=2 HTTP/1.1\r\n")


def test_a_secret_without_versions() -> None:
    """There is none."""
    with serving(lambda _: body({"versions": []})) as peer:
        client = client_of(peer)
        error = error_of(lambda: client.secrets.history(client.gate.present_token(TOKEN), "home", "key"))
    assert error.message == f"server 127.0.0.1:{peer.port} {NO_SENSE}"


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_of_very_many_parts_is_not_read(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory a list is some thirty times as large as its two brackets."""
    read: list[int] = []
    monkeypatch.setattr("resolver.client.session.parse", lambda data: read.append(len(data)))
    with serving(lambda _: answer(status, b"[" + b"[]," * 4_000_000 + b"1]")) as peer:
        error = error_of(lambda: whoami(client_of(peer)))
    assert (error.message, read) == (f"server 127.0.0.1:{peer.port} {NO_SENSE}", [])


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
        assert error.message.endswith(NO_SENSE)
    for sent in (refused(other="value_is_hidden"), refused(key="allowed"), refused(key="nonsense")):
        with serving(lambda _, sent=sent: sent) as peer:  # type: ignore[misc]
            assert type(error_of(lambda peer=peer: use(client_of(peer)))) is UnavailableError  # type: ignore[misc]


def test_what_a_provider_lacks_is_told_to_the_client() -> None:
    """It is not found there, while another failure may be over soon."""
    for missing in (True, False):
        key = {"key": "key", "reason": "provider_failed", "cause": "provider 'v': no"}
        sent = refusal(
            404, code="not_found_error", refusals=[key | ({"is_missing": True} if missing else {})]
        )
        with serving(lambda _, sent=sent: sent) as peer:  # type: ignore[misc]
            found: Any = use(client_of(peer))
        assert found.refusals["key"].is_missing is missing


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
    """After 64 MiB nothing more is read, and it is not asked for again."""
    with serving(_endless) as peer:
        error = error_of(lambda: show(client_of(peer)))
        assert (len(peer.seen), error.hint) == (1, "ask for less at once")
    assert error.message == f"server 127.0.0.1:{peer.port} gave no proper answer: it is too large"


def _dropped(_head: str) -> bytes:
    return b""


def test_a_server_that_took_long_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for one answer as long as one may wait does not wait for another."""
    now, asked = 1000.0, 0

    def late(origin: transport.Url, *_: object, **_more: object) -> transport.HttpResponse:
        nonlocal now, asked
        now, asked = now + 30, asked + 1
        raise transport.TransportError(origin, "gave no proper answer: no answer in time", sent=True)

    monkeypatch.setattr("resolver.client.session.send_request", late)
    monkeypatch.setattr("resolver.client.session.time", SimpleNamespace(monotonic=lambda: now))
    with serving(lambda _: answer(200)) as peer:
        error = error_of(lambda: whoami(client_of(peer)))
    assert (error.message.endswith("no answer in time"), asked) == (True, 1)


SEE_IT = (
    "RESOLVER_URL or the profile names the server; "
    "see that it runs, can be reached from here, and speaks http or https as its URL says"
)
LOOK = "the change may have been made all the same: look before you ask for it again"


@pytest.mark.parametrize(
    ("ask", "sent", "hint"),
    [(whoami, 3, SEE_IT), (create, 1, LOOK), (delete, 1, LOOK), (use, 1, SEE_IT), (show, 3, SEE_IT)],
)
def test_only_a_question_is_asked_again(ask: Callable[[Client], object], sent: int, hint: str) -> None:
    """What may have been done is told so, and never sent twice; a question is asked three times at most."""
    pauses: list[float] = []
    with serving(_dropped) as peer:
        error = error_of(lambda: ask(client_of(peer, pauses)))
        assert len(peer.seen) == sent
    assert isinstance(error, UnavailableError)
    assert (error.message, error.hint) == (
        f"server 127.0.0.1:{peer.port} gave no proper answer: the connection ended too early",
        hint,
    )
    assert pauses == [0.2, 0.8][: sent - 1]


def test_what_was_not_sent_is_tried_again() -> None:
    """A change, too, when nothing took the connection."""
    with serving(_dropped) as peer:
        pass
    pauses: list[float] = []
    error = error_of(lambda: create(client_of(peer, pauses)))
    assert error.message == f"server 127.0.0.1:{peer.port} can't be reached: Connection refused"
    assert error.hint == SEE_IT
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


OWN_ERROR = json.dumps(
    {"message": "busy", "error_code": "service_unavailable_error", "server_traceback": None}
).encode()


@pytest.mark.parametrize(
    ("text", "attempt", "sent"),
    [
        (b"", use, 2),
        (OWN_ERROR, use, 2),
        (OWN_ERROR, create, 2),
        (b"<html>", create, 1),
    ],
    ids=[
        "a proxy, to a question",
        "a server, to a question",
        "a server, to a change",
        "a proxy, to a change",
    ],
)
def test_a_server_that_restarts_is_asked_again(
    text: bytes, attempt: Callable[[Client], object], sent: int
) -> None:
    """With 503 and `Retry-After`; a change only where a server of ours says that it did nothing."""
    pauses: list[float] = []
    answers = iter([answer(503, text, Retry_After="1"), body({"secrets": {"key": USED}})])
    with serving(lambda _: next(answers)) as peer:
        with contextlib.suppress(ResolverError):
            attempt(client_of(peer, pauses))
        assert len(peer.seen) == sent
    assert pauses == [1] * (sent - 1)


def test_unavailable_for_good_is_not_asked_again() -> None:
    """Without `Retry-After` an answer is an answer, and with it after two more attempts."""
    for more, sent in (({}, 1), ({"Retry_After": "0"}, 3)):
        with serving(lambda _, more=more: answer(503, b"", **more)) as peer:
            error = error_of(lambda peer=peer: use(client_of(peer, [])))
            assert len(peer.seen) == sent
        assert error.message.endswith("does not answer the proxy before it (status 503)")


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
    """A colon ends a user name in HTTP, and a header has an end, so there is no such user."""
    with serving(lambda _: body(IDENTITY)) as peer:
        for name, password in (("", VALUE), ("a:b", VALUE), ("una", VALUE * 100), ("una" * 1000, VALUE)):
            gate = client_of(peer).gate
            error = error_of(lambda a=name, b=password, gate=gate: gate.authenticate_password(a, b))  # type: ignore[misc]
            assert isinstance(error, AuthenticationError)
        assert peer.seen == []


def test_half_a_character_is_asked_for() -> None:
    """A file's name may have one; no secret has, so it is asked for as bytes that are no UTF-8."""
    with serving(lambda _: body({"items": [], "total": 0})) as peer:
        client = client_of(peer)
        found = client.secrets.list(client.gate.present_token(TOKEN), "home", Listing(search="a\udcff"))
        assert (found.total, "_search=a%ED%B3%BF&" in peer.seen[0]) == (0, True)


@pytest.mark.parametrize("name", [" home", "home ", "hömé", "a\r\nX: y", "\udcff"])
def test_a_tenant_that_no_header_can_name(name: str) -> None:
    """There is none of that name; without its spaces it would be another."""
    with serving(lambda _: body({"items": [], "total": 0})) as peer:
        client = client_of(peer)
        error = error_of(lambda: client.secrets.list(client.gate.present_token(TOKEN), name))
        assert (type(error), peer.seen) == (NoSuchTenantError, [])
    assert error.message == f"tenant {name!r} does not exist"


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
    assert str(parse_server_url(text)) == shown


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
    error = error_of(lambda: parse_server_url(text))
    assert (type(error), error.message) == (UsageError, "RESOLVER_URL is malformed")


@pytest.mark.parametrize(
    "text", ["http://secrets.example", "http://10.0.0.1:8200", "http://localhost.example", "http://0.0.0.0"]
)
def test_plain_http_stays_on_this_machine(text: str) -> None:
    """Tokens and values would be readable on the way."""
    error = error_of(lambda: parse_server_url(text))
    assert (type(error), error.message) == (UsageError, "RESOLVER_URL is plain HTTP to another machine")


def test_a_unix_socket_needs_a_path() -> None:
    """A relative one would depend on the working directory."""
    assert parse_server_url("unix:/run/resolver/socket").unix_socket == "/run/resolver/socket"
    for text in ("unix:", "unix:socket", "unix:/a\nb"):
        assert error_of(lambda text=text: parse_server_url(text)).message == "RESOLVER_URL names no socket"  # type: ignore[misc]


def test_localhost_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is what a hosts file says; this one may mean nothing but this machine."""
    with serving(lambda _: body(IDENTITY)) as peer:
        asked: list[object] = []
        monkeypatch.setattr(
            "resolver.client.session.send_request", lambda *_, addresses, **__: asked.append(addresses)
        )
        server = ServerSession(parse_server_url(f"http://localhost:{peer.port}"))
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
    for url, ca_file, hint in (
        (
            f"https://127.0.0.1:{server.port}",
            None,
            "RESOLVER_CA_FILE names the authority that signed its certificate",
        ),
        (
            f"https://localhost:{server.port}",
            str(certificate),
            "the certificate has to be in date, and to name the server as RESOLVER_URL or the profile does",
        ),
    ):
        error = error_of(lambda url=url, ca_file=ca_file: whoami(open_client(url, ca_file)))  # type: ignore[misc]
        assert isinstance(error, UnavailableError)
        assert error.message.startswith(f"server {url.removeprefix('https://')} is not trusted: ")
        assert error.hint == hint
    assert len(server.heard) == 1
    for name, text, why in (
        ("absent.pem", None, ": No such file or directory"),
        ("empty.pem", "", ""),
        ("key.pem", "-----BEGIN KEY-----", ""),
    ):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        url = f"https://127.0.0.1:{server.port}"
        error = error_of(lambda path=path, url=url: whoami(open_client(url, str(path))))  # type: ignore[misc]
        assert (type(error), error.message) == (
            UsageError,
            f"the certificate authorities in {str(path)!r} can't be read{why}",
        )
        assert error.hint.startswith("RESOLVER_CA_FILE or the profile names the file; ")
    assert len(server.heard) == 1
