"""One HTTP request: what is refused, and that a hostile server gains nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.errors import InvalidRequestError
from resolver.http.transport import (
    CertificateError,
    HttpRequest,
    TransportError,
    _Connection,
    is_header_text,
    json_request,
    send_patiently,
    send_request,
    tls_context,
)
from resolver.http.url import Url
from tests.peer import answer, serving
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "the-token-of-the-test"
REQUEST = HttpRequest("GET", "/v1/thing", {"X-Token": SECRET})


def test_an_answer_comes_back_whatever_its_status() -> None:
    """Status, headers and body are handed over; the request went where it should."""
    with serving(lambda _: answer(418, b"body", X_Thing="yes")) as peer:
        got = send_request(peer.parsed_url, REQUEST)
    assert (got.status, got.body, got.headers["x-thing"]) == (418, b"body", "yes")
    assert (repr(REQUEST), repr(got)) == ("HttpRequest('GET', '/v1/thing')", "HttpResponse(418)")
    assert peer.seen[0].startswith("GET /v1/thing HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{peer.port}\r\n" in peer.seen[0]


def test_a_request_with_json() -> None:
    """The data is its body, in ASCII, and the content type says so; NaN is not JSON."""
    request = json_request("POST", "/v1/thing", {"X-Token": SECRET}, {"key": "ä"})
    assert request.headers == {"X-Token": SECRET, "Content-Type": "application/json"}
    assert request.body == b'{"key": "\\u00e4"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_request("POST", "/", {}, {"key": float("nan")})


def test_text_for_a_header() -> None:
    """No space, no line break, nothing beyond ASCII, and not nothing."""
    assert is_header_text("token-~!")
    for text in ("", "a b", "a\r\nX: y", "a\n", "ä", "\x7f"):
        assert not is_header_text(text)


@pytest.mark.parametrize(
    ("status", "told", "requests"),
    [
        (503, {"Retry-After": "0"}, 3),
        (429, {"Retry-After": "0"}, 3),
        (503, {}, 1),
        (503, {"Retry-After": "60"}, 1),  # longer than there is time
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1),
        (500, {"Retry-After": "0"}, 1),
    ],
)
def test_a_server_that_says_when_is_asked_again(status: int, told: dict[str, str], requests: int) -> None:
    """Three times at most, and not when the time is over before."""
    with serving(lambda _: answer(status, **told)) as peer:
        assert send_patiently(peer.parsed_url, REQUEST, timeout=50).status == status
        assert len(peer.seen) == requests


def test_a_server_that_restarts_is_waited_for() -> None:
    """As long as it says; its second answer counts."""
    sent = iter([answer(503, **{"Retry-After": "2"}), answer(200)])
    waited: list[float] = []
    with serving(lambda _: next(sent)) as peer:
        assert send_patiently(peer.parsed_url, REQUEST, sleep=waited.append).status == 200
    assert waited == [2]


def test_no_redirect_is_followed() -> None:
    """A redirect is an answer like any other, so what went to one server goes to no second one."""
    with serving(lambda _: answer(200)) as second:
        with serving(lambda _: answer(307, Location=second.url)) as first:
            assert send_request(first.parsed_url, REQUEST).status == 307
        assert second.seen == []


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that name a proxy are passed over."""
    with serving(lambda _: answer(502)) as proxy, serving(lambda _: answer(200)) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send_request(peer.parsed_url, REQUEST).status == 200
        assert proxy.seen == []


def test_only_the_given_addresses_are_connected_to() -> None:
    """The name is not looked up again: it may mean something else by then."""
    with serving(lambda _: answer(200)) as peer:
        url = Url("http", "vault.invalid", peer.port)
        assert send_request(url, REQUEST, addresses=["127.0.0.1"]).status == 200
        assert f"Host: vault.invalid:{peer.port}" in peer.seen[0]
        with pytest.raises(TransportError, match="can't be reached: it has no address"):
            send_request(url, REQUEST, addresses=[])


def _drip(head: str) -> Iterator[bytes]:
    del head
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for _ in range(200):
        time.sleep(0.05)
        yield b"x"


@pytest.mark.parametrize("where", ["body", "head"])
def test_a_peer_that_drips_is_cut_off(where: str) -> None:
    """The time is that of the whole answer, not of one read."""

    def drip_head(_: str) -> Iterator[bytes]:
        for _ in range(200):
            time.sleep(0.05)
            yield b"H"

    with serving(_drip if where == "body" else drip_head) as peer:
        began = time.monotonic()
        with pytest.raises(TransportError, match=r"gave no proper answer: no answer in time"):
            send_request(peer.parsed_url, REQUEST, timeout=0.4)
        assert time.monotonic() - began < 5


def test_a_peer_that_says_nothing_is_left() -> None:
    """No answer ends with the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = Url("http", "127.0.0.1", silent.getsockname()[1])
        with pytest.raises(TransportError, match="no answer in time"):
            send_request(url, REQUEST, timeout=0.3)


EARLY, NOT_HTTP = "the connection ended too early", "it is not HTTP"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", EARLY),
        (b"nonsense\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", EARLY),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", EARLY),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, "it is too large"),
    ],
    ids=["nothing", "no HTTP", "cut off", "many headers", "bad chunk", "too large"],
)
def test_an_answer_that_is_none_is_an_error_without_a_secret(sent: bytes, why: str) -> None:
    """Whatever comes, the error is ours, says why, and repeats neither request nor answer."""
    with serving(lambda _: sent) as peer, pytest.raises(TransportError) as raised:
        send_request(peer.parsed_url, REQUEST, max_bytes=1000)
    assert raised.value.message == f"127.0.0.1:{peer.port} gave no proper answer: {why}"
    assert SECRET not in repr(raised.value) + repr(raised.value.__context__) + repr(REQUEST)


@contextlib.contextmanager
def _listening(context: ssl.SSLContext | None, sent: bytes) -> Iterator[int]:
    """The port of a server that sends something after a request's head, and hangs up without the body."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            # Else what is sent may wait for an acknowledgement, and be lost when the connection is reset.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(connection, server_side=True) if context else connection as peer:
                peer.recv(1024)
                peer.sendall(sent)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """What a server with a certificate for 127.0.0.1 needs, and the file with that certificate."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)


LARGE = HttpRequest("PUT", "/v1/thing", body=b"x" * 32 * 1024 * 1024)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_refuses_before_the_body_is_there(certified: tuple[ssl.SSLContext, str], scheme: str) -> None:
    """A refusal that comes early is the answer; nothing else that comes early is."""
    context, authority = certified
    used = context if scheme == "https" else None
    with _listening(used, answer(413, b"too large", Connection="close")) as port:
        got = send_request(Url(scheme, "127.0.0.1", port), LARGE, tls=tls_context(authority_file=authority))
        assert (got.status, got.body) == (413, b"too large")
    with (
        _listening(used, answer(200, b"done", Connection="close")) as port,
        pytest.raises(TransportError) as caught,
    ):
        send_request(Url(scheme, "127.0.0.1", port), LARGE, tls=tls_context(authority_file=authority))
    assert (caught.value.cause, caught.value.sent) == (f"gave no proper answer: {EARLY}", True)


def test_nothing_goes_out_in_the_clear_when_time_is_up(
    certified: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is still encrypted when it is shut: another thread may just be sending a value."""
    context, authority = certified
    versions: list[object] = []
    monkeypatch.setattr(socket.socket, "shutdown", lambda sock, _: versions.append(sock.version()))
    with _listening(context, answer(200)) as port:
        connection = _Connection(socket.create_connection(("127.0.0.1", port)), time.monotonic() + 60)
        connection.start_tls(tls_context(authority_file=authority), "127.0.0.1")
        connection._shut()  # noqa: SLF001 - what the timer does
        assert versions == ["TLSv1.3"]
        connection.close()


def test_no_thread_is_left() -> None:
    """A process that forks next has but one."""
    with serving(lambda _: answer(200)) as peer:
        before = threading.active_count()
        assert send_request(peer.parsed_url, REQUEST).status == 200
        assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert threading.active_count() <= before


def test_no_file_gets_the_keys_of_a_connection(
    certified: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE is passed over: with such a file, what was recorded on the way could be read."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context, authority = certified
    for tls in (tls_context(authority_file=authority), tls_context()):
        assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    with _listening(context, answer(413, Connection="close")) as port:
        tls = tls_context(authority_file=authority)
        assert send_request(Url("https", "127.0.0.1", port), LARGE, tls=tls).status == 413
    assert list(tmp_path.iterdir()) == []


def test_why_a_certificate_is_not_trusted(certified: tuple[ssl.SSLContext, str]) -> None:
    """Another authority helps against an unknown one, and against nothing else."""
    context, authority = certified
    for host, tls, cause, hint in (
        (
            "127.0.0.1",
            tls_context(),
            "self-signed certificate",
            "give the authority that signed its certificate",
        ),
        (
            "localhost",
            tls_context(authority_file=authority),
            "the certificate is for another name",
            "",
        ),
    ):
        with _listening(context, answer(200)) as port, pytest.raises(CertificateError) as caught:
            send_request(Url("https", host, port), REQUEST, addresses=["127.0.0.1"], tls=tls)
        assert (caught.value.cause, caught.value.hint) == (f"is not trusted: {cause}", hint)


def test_only_ciphers_with_forward_secrecy_and_aead(certified: tuple[ssl.SSLContext, str]) -> None:
    """A server that has TLS 1.2 with CBC only gets nothing, and one with TLS 1.1 neither."""
    _, authority = certified
    tls = tls_context(authority_file=authority)
    names = [cipher["name"] for cipher in tls.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert names
    assert all(name.startswith("ECDHE-") and ("-GCM-" in name or "CHACHA20" in name) for name in names)
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    weak.load_cert_chain(*(Path(authority).with_name(name) for name in ("cert.pem", "key.pem")))
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE+AES:!AESGCM:!AESCCM")
    with _listening(weak, answer(200)) as port, pytest.raises(TransportError):
        send_request(Url("https", "127.0.0.1", port), REQUEST, tls=tls)
    weak.set_ciphers("ECDHE+AESGCM")
    with _listening(weak, answer(200)) as port:
        assert send_request(Url("https", "127.0.0.1", port), REQUEST, tls=tls).status == 200


def test_plain_http_does_not_pass_for_https() -> None:
    """A server that speaks no TLS gets no request."""
    with serving(lambda _: answer(200)) as peer:
        with pytest.raises(TransportError, match="gave no proper answer: "):
            send_request(Url("https", "127.0.0.1", peer.port), REQUEST, timeout=2)
        assert SECRET not in "".join(peer.seen)


def test_another_protocol_is_distinguished_from_a_broken_one() -> None:
    """As when the URL says https and the server speaks plain HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_in_plain() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=answer_in_plain)
        thread.start()
        with pytest.raises(TransportError, match=r"gave no proper answer: it does not speak TLS$"):
            send_request(Url("https", "127.0.0.1", listening.getsockname()[1]), REQUEST)
        thread.join()


def test_a_closed_port_can_not_be_reached() -> None:
    """The message says where and why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransportError, match=f"^127.0.0.1:{port} can't be reached: Connection refused$"):
        send_request(Url("http", "127.0.0.1", port), REQUEST)


def test_many_addresses_have_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a name has, and none answers, they are tried one by one until the time is up."""
    now, tried = 1000.0, []

    def never(address: tuple[str, int], timeout: float) -> socket.socket:
        nonlocal now
        now += timeout
        tried.append((address[0], timeout))
        raise TimeoutError

    found = [(0, 0, 0, "", (f"192.0.2.{number}", 443)) for number in range(20)]
    monkeypatch.setattr("resolver.http.transport.time.monotonic", lambda: now)
    monkeypatch.setattr("resolver.http.transport.socket.getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr("resolver.http.transport.socket.create_connection", never)
    with pytest.raises(TransportError, match=r"^many\.example:443 can't be reached: no answer in time$"):
        send_request(Url("https", "many.example", 443), REQUEST, timeout=12)
    assert tried == [("192.0.2.0", 5), ("192.0.2.1", 5), ("192.0.2.2", 2)]


def test_a_name_without_addresses() -> None:
    """The message has the reason in the words of the system; `.invalid` has none (RFC 2606)."""
    with pytest.raises(TransportError, match=r"^name\.invalid:443 can't be reached: [A-Z]"):
        send_request(Url("https", "name.invalid", 443), REQUEST, timeout=12)


def test_a_socket_whose_path_is_too_long() -> None:
    """The message has the words of Python, which refuses it itself."""
    with pytest.raises(TransportError, match=r"can't be reached: AF_UNIX path too long$"):
        send_request(Url("http", "localhost", 80, unix_socket=f"/{'x' * 200}"), REQUEST)


def test_authorities_must_be_certificates() -> None:
    """Text that holds none is refused, and not taken for the system's authorities."""
    for text in ("no certificate", ""):
        with pytest.raises(InvalidRequestError, match=r"^the certificate authorities can't be read$"):
            tls_context(text)
    with pytest.raises(
        InvalidRequestError, match=r"^the certificate authorities in '/nowhere' can't be read: No"
    ):
        tls_context(authority_file="/nowhere")
