"""An issuer of JWTs of the tests' own: keys that are made once, JWTs of any kind, a server for the keys."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import hmac
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

AUDIENCE = "https://resolver.example.com"


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int = 0) -> str:
    """A number of a JWK."""
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8))


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key, made once."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Key:
    """A key of an issuer.

    Args:
        kid: its id.
        algorithm: what it signs with.
        private: the key.
    """

    kid: str
    algorithm: str
    private: Any

    @classmethod
    def make(cls, kid: str, algorithm: str = "ES256") -> Key:
        """A new key; the RSA key is the same for all."""
        match algorithm:
            case "ES256":
                return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
            case "EdDSA":
                return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
            case _:
                return cls(kid, algorithm, rsa_key())

    def sign(self, data: bytes) -> bytes:
        """A signature as JWS has it."""
        match self.algorithm:
            case "ES256":
                pair = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
                return b"".join(part.to_bytes(32) for part in pair)
            case "EdDSA":
                return bytes(self.private.sign(data))
            case "PS256":
                return bytes(
                    self.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
                )
            case _:
                return bytes(self.private.sign(data, padding.PKCS1v15(), hashes.SHA256()))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part, for a set."""
        public = self.private.public_key()
        common = {"kid": self.kid, "alg": self.algorithm, "use": "sig"}
        match self.algorithm:
            case "ES256":
                at = public.public_numbers()
                return {**common, "kty": "EC", "crv": "P-256", "x": number(at.x, 32), "y": number(at.y, 32)}
            case "EdDSA":
                raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
                return {**common, "kty": "OKP", "crv": "Ed25519", "x": encoded(raw)}
            case _:
                of = public.public_numbers()
                return {**common, "kty": "RSA", "n": number(of.n), "e": number(of.e)}

    @property
    def pem(self) -> bytes:
        """The public part as attackers use it for a symmetric key."""
        return bytes(
            self.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def jwt(self, claims: Mapping[str, Any] | str, header: Mapping[str, Any] | str | None = None) -> str:
        """A JWT; claims and header may be any text."""
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} if header is None else header
        signed = ".".join(
            encoded((part if isinstance(part, str) else json.dumps(part)).encode()) for part in (head, claims)
        )
        return f"{signed}.{encoded(self.sign(signed.encode()))}"

    def hs256(self, claims: Mapping[str, Any]) -> str:
        """A JWT whose symmetric key is this key's public part."""
        signed = ".".join(
            encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": self.kid}, claims)
        )
        return f"{signed}.{encoded(hmac.new(self.pem, signed.encode(), hashlib.sha256).digest())}"


def key_set(*keys: Key) -> str:
    """A key set."""
    return json.dumps({"keys": [key.jwk for key in keys]})


def claims_of(issuer: str, audience: str = AUDIENCE, now: float | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON data
    """The claims that each JWT has, and more."""
    at = int(time.time() if now is None else now)
    return {
        "iss": issuer,
        "aud": audience,
        "sub": "somebody",
        "iat": at,
        "nbf": at,
        "exp": at + 300,
        "jti": f"{time.perf_counter_ns()}",
        **more,
    }


@dataclass
class Issuer:
    """A server with the keys of an issuer, whose answers tests change.

    Args:
        url: where it is.
        keys: its keys.
        answers: answers of others than its own, by path: status, headers and body, or what makes them.
        asked: the paths that were asked for.
        posts: what answers POST, by path: of headers and body.
    """

    url: str
    keys: list[Key] = field(default_factory=lambda: [Key.make("one")])
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    posts: dict[str, Callable[[Mapping[str, str], bytes], Any]] = field(default_factory=dict)

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Answer a request."""
        self.asked.append((path, headers))
        given: Any = self.answers.get(path) or self.answers.get(path.partition("?")[0])
        if callable(given):
            make: Callable[[], Any] = given
            given = make()
        if given is not None:
            status, more, body = given
            return status, more, body
        match path:
            case "/.well-known/openid-configuration":
                return 200, {}, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
            case "/keys":
                return 200, {}, key_set(*self.keys).encode()
            case _:
                return 404, {}, b""

    def jwt(self, **more: Any) -> str:  # noqa: ANN401 - JSON data
        """A JWT of its newest key."""
        return self.keys[-1].jwt(claims_of(self.url, **more))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that does not trust the certificate goes away: that is what is tested."""


@contextlib.contextmanager
def issuing(certificate: tuple[Path, Path] | None = None) -> Iterator[Issuer]:
    """An issuer on a free port of loopback; over TLS with a certificate and its key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*issuer.answer(self.path, {k.lower(): v for k, v in self.headers.items()}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {k.lower(): v for k, v in self.headers.items()}
            self._send(*issuer.posts[self.path](headers, body))

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # Each connection shakes hands in its own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    issuer = Issuer(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
