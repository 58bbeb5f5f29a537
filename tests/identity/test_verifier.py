"""Hostile JWTs and key sets, each refused before any claim is believed."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.ports import KeySource
from resolver.core.trusts import RefusedJwtError
from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.identity import IssuerKeys, Verifier
from resolver.identity.issuers import BETWEEN, FRESH, STALE
from resolver.identity.jwks import MAX_SET, read_set
from resolver.providers import parse_allow_list
from resolver.providers.requests import RequestSender
from tests.issuer import Issuer, Key, claims_of, encoded, issuing, key_set, number, rsa_key
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ISSUER = "https://issuer.example.com"
EC, ED, RS, PS = (Key.make(name, name) for name in ("ES256", "EdDSA", "RS256", "PS256"))
ALL = (EC, ED, RS, PS)
SOURCE = KeySource(ISSUER, key_set(*ALL))
CLAIMS = claims_of(ISSUER)


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def verifier(clock: Callable[[], float] = time.monotonic, timeout: float = 10.0, **more: Any) -> Verifier:  # noqa: ANN401 - passed on
    """One that may ask loopback."""
    sender = RequestSender(parse_allow_list(["127.0.0.0/8"]), timeout=timeout, max_bytes=MAX_SET)
    return Verifier(IssuerKeys(lambda: sender, clock=clock, **more))


def verified(text: str, source: KeySource = SOURCE) -> None:
    """Read a JWT and check its signature; RefusedJwtError where that does not fit."""
    one = verifier()
    assert one.verify(one.read(text), source) is None


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_a_genuine_jwt_is_taken(key: Key) -> None:
    """By each of the algorithms; what it says of keys of its own is passed over."""
    verified(key.jwt(CLAIMS))
    verified(key.jwt(CLAIMS, {"alg": key.algorithm, "kid": key.kid}))
    own = {
        "jku": "https://evil.example",
        "x5u": "https://evil.example",
        "jwk": Key.make("x").jwk,
        "x5c": ["a"],
    }
    verified(key.jwt(CLAIMS, {"alg": key.algorithm, "kid": key.kid, "typ": "jwt", **own}))


def headed(**more: Any) -> str:  # noqa: ANN401 - of a header
    """A JWT that is signed well, and has something more in its header, or less."""
    header = {"alg": "ES256", "kid": "ES256"} | more
    return EC.jwt(CLAIMS, {name: value for name, value in header.items() if value is not ...})


def tampered(place: int, change: Callable[[str], str]) -> str:
    """A JWT with one part changed."""
    parts = EC.jwt(CLAIMS).split(".")
    parts[place] = change(parts[place])
    return ".".join(parts)


def unpadded(text: str) -> str:
    """Another spelling of the same bytes: bits behind the last byte that nobody looks at."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) | 1]


EVIL = Key("ES256", "ES256", Key.make("x").private)

HOSTILE: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "one part": lambda: "abc",
    "two parts": lambda: EC.jwt(CLAIMS).rpartition(".")[0],
    "four parts": lambda: EC.jwt(CLAIMS) + ".x",
    "JWE, of five parts": lambda: ".".join([encoded(b'{"alg":"dir","enc":"A256GCM"}'), "", "a", "b", "c"]),
    "no signature": lambda: EC.jwt(CLAIMS).rpartition(".")[0] + ".",
    "alg none": lambda: ".".join([encoded(b'{"alg":"none"}'), encoded(json.dumps(CLAIMS).encode()), ""]),
    "alg none with a signature": lambda: headed(alg="none"),
    "alg None in other case": lambda: headed(alg="nOnE"),
    "HS256 with the public key": lambda: RS.hs256(CLAIMS),
    "HS256 with the public EC key": lambda: EC.hs256(CLAIMS),
    "alg in other case": lambda: headed(alg="es256"),
    "alg that is no text": lambda: headed(alg=["ES256"]),
    "no alg": lambda: headed(alg=...),
    "ES384": lambda: headed(alg="ES384"),
    "the key's other algorithm": lambda: PS.jwt(CLAIMS, {"alg": "PS256", "kid": "RS256"}),
    "an algorithm of another key": lambda: EC.jwt(CLAIMS, {"alg": "ES256", "kid": "RS256"}),
    "another issuer's key of the same id": lambda: EVIL.jwt(CLAIMS),
    "a key of its own in the header": lambda: EVIL.jwt(
        CLAIMS, {"alg": "ES256", "kid": "ES256", "jwk": EVIL.jwk}
    ),
    "no kid": lambda: headed(kid=...),
    "an empty kid": lambda: headed(kid=""),
    "a kid that is no text": lambda: headed(kid=1),
    "a long kid": lambda: headed(kid="k" * 300),
    "a kid of a path": lambda: headed(kid="../../etc/passwd"),
    "a kid of SQL": lambda: headed(kid="' OR 1=1 --"),
    "crit": lambda: headed(crit=["exp"]),
    "an empty crit": lambda: headed(crit=[]),
    "b64": lambda: headed(b64=False, crit=["b64"]),
    "b64 true": lambda: headed(b64=True),
    "zip": lambda: headed(zip="DEF"),
    "enc": lambda: headed(enc="A256GCM"),
    "a nested JWT": lambda: headed(cty="JWT"),
    "another typ": lambda: headed(typ="logout+jwt"),
    "a typ that is no text": lambda: headed(typ=1),
    "an unknown header": lambda: headed(foo=1),
    "a name twice in the header": lambda: EC.jwt(CLAIMS, '{"alg":"none","alg":"ES256","kid":"ES256"}'),
    "a claim twice": lambda: EC.jwt(json.dumps(CLAIMS)[:-1] + ', "aud": "x"}'),
    "a nested claim twice": lambda: EC.jwt(json.dumps(CLAIMS)[:-1] + ', "a": {"b": 1, "b": 2}}'),
    "NaN": lambda: EC.jwt(json.dumps(CLAIMS)[:-1] + ', "a": NaN}'),
    "a number without an end": lambda: EC.jwt(json.dumps(CLAIMS)[:-1] + ', "a": 1e999}'),
    "half a character": lambda: EC.jwt(json.dumps(CLAIMS)[:-1] + ', "a": "\\ud800"}'),
    "claims that are a list": lambda: EC.jwt("[1]"),
    "claims that are no JSON": lambda: EC.jwt("{'a': 1}"),
    "something behind the claims": lambda: EC.jwt(json.dumps(CLAIMS) + "{}"),
    "claims nested deeply": lambda: EC.jwt(
        json.dumps(CLAIMS)[:-1] + ', "a": ' + "[" * 5000 + "]" * 5000 + "}"
    ),
    "no issuer": lambda: EC.jwt({name: value for name, value in CLAIMS.items() if name != "iss"}),
    "an issuer that is a list": lambda: EC.jwt(CLAIMS | {"iss": [ISSUER]}),
    "an issuer with a null character": lambda: EC.jwt(CLAIMS | {"iss": "https://a\0"}),
    "very long": lambda: EC.jwt(CLAIMS | {"a": "x" * 20_000}),
    "claims changed": lambda: tampered(1, lambda _: encoded(json.dumps(CLAIMS | {"sub": "root"}).encode())),
    "header changed": lambda: tampered(0, lambda _: encoded(b'{"alg":"ES256","kid":"ES256","typ":"JWT" }')),
    "signature of other claims": lambda: tampered(2, lambda _: EC.jwt(CLAIMS | {"a": 1}).rpartition(".")[2]),
    "signature of zeros": lambda: tampered(2, lambda _: encoded(bytes(64))),
    "a short signature": lambda: tampered(2, lambda part: encoded(b"abc") or part),
    "signature in DER": lambda: tampered(2, lambda _: encoded(bytes.fromhex("3006020101020101"))),
    "padding": lambda: EC.jwt(CLAIMS) + "==",
    "padding within": lambda: tampered(0, lambda part: part + "="),
    "another spelling of the signature": lambda: tampered(2, unpadded),
    "base64 with plus": lambda: tampered(2, lambda part: "+/" + part[2:]),
    "a line break": lambda: EC.jwt(CLAIMS) + "\n",
    "a space": lambda: " " + EC.jwt(CLAIMS),
    "a letter of another script": lambda: tampered(1, lambda part: "\u0435" + part[1:]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_jwt_is_refused(name: str) -> None:
    """With a reason for the log, which shows nothing that was signed."""
    text = HOSTILE[name]()
    with pytest.raises(RefusedJwtError) as refused:
        verified(text)
    assert len(str(refused.value)) < 400
    assert "somebody" not in str(refused.value)


RSA = RS.jwk


def keys(*jwks: Any) -> bytes:  # noqa: ANN401 - JSON data
    """A key set."""
    return json.dumps({"keys": list(jwks)}).encode()


SETS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a page": lambda: b"<html>",
    "a list": lambda: json.dumps([EC.jwk]).encode(),
    "no keys": lambda: b'{"keys": []}',
    "keys that are no list": lambda: b'{"keys": {"a": 1}}',
    "keys that are texts": lambda: b'{"keys": ["a"]}',
    "the name keys twice": lambda: keys(EC.jwk)[:-1] + b', "keys": []}',
    "an id twice": lambda: keys(EC.jwk, RS.jwk | {"kid": "ES256"}),
    "an id twice within a key": lambda: keys(EC.jwk).replace(b'"kid":', b'"kid": "x", "kid":'),
    "an id that is no text": lambda: keys(EC.jwk | {"kid": 1}),
    "no ids": lambda: keys({name: value for name, value in EC.jwk.items() if name != "kid"}),
    "a symmetric key": lambda: keys({"kty": "oct", "kid": "a", "k": encoded(b"secret"), "alg": "HS256"}),
    "RSA of 1024 bits": lambda: keys(RSA | {"n": number(rsa_key(1024).public_key().public_numbers().n)}),
    "RSA of one bit": lambda: keys(RSA | {"n": "AQ"}),
    "RSA of too many bits": lambda: keys(RSA | {"n": number(1 << 9000 | 1)}),
    "an exponent of one": lambda: keys(RSA | {"e": "AQ"}),
    "an even exponent": lambda: keys(RSA | {"e": "Ag"}),
    "a large exponent": lambda: keys(RSA | {"e": number((1 << 64) + 1)}),
    "no modulus": lambda: keys({name: value for name, value in RSA.items() if name != "n"}),
    "a point that is on no curve": lambda: keys(EC.jwk | {"y": EC.jwk["x"]}),
    "another curve": lambda: keys(EC.jwk | {"crv": "P-384"}),
    "an Ed25519 key that is too short": lambda: keys(ED.jwk | {"x": "AQ"}),
    "a key for encryption": lambda: keys(RSA | {"use": "enc"}),
    "a key that signs only": lambda: keys(RSA | {"key_ops": ["sign"]}),
    "an algorithm of another key": lambda: keys(RSA | {"alg": "ES256"}),
    "alg none": lambda: keys(RSA | {"alg": "none"}),
    "too many keys": lambda: keys(*(EC.jwk | {"kid": str(at)} for at in range(101))),
    "nested deeply": lambda: b'{"keys": ' + b"[" * 9000 + b"]" * 9000 + b"}",
    "too large": lambda: keys(EC.jwk | {"x-pad": "x" * MAX_SET}),
}


@pytest.mark.parametrize("name", SETS)
def test_a_hostile_key_set_is_refused(name: str) -> None:
    """As a whole: who publishes one weak key may have others."""
    with pytest.raises(RefusedJwtError):
        read_set(SETS[name]())


def test_keys_for_something_else_are_passed_over() -> None:
    """And a private key's private part is."""
    private = {"kty": "oct", "kid": "b", "k": "AAAA"}
    found = read_set(keys(EC.jwk, private, {"kty": "new", "kid": "c"}, RSA | {"d": "AQAB"}))
    assert set(found) == {"ES256", "RS256"}
    assert not found["RS256"].key.is_private


# Keys that are fetched


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer on loopback."""
    with issuing() as made:
        yield made


def settled(one: Verifier, text: str, source: KeySource) -> str:
    """What comes of a JWT once all keys that it waits for have come; empty when it is taken."""
    for _ in range(3):
        try:
            pending = one.verify(one.read(text), source)
        except RefusedJwtError as error:
            return str(error)
        if pending is None:
            return ""
        until(pending.is_done)
    return "still pending"


def asked(issuer: Issuer) -> int:
    """How often the keys were asked for."""
    return sum(path == "/keys" for path, _ in issuer.asked)


def test_keys_are_fetched_once_and_rotated(issuer: Issuer) -> None:
    """A new key is fetched when a JWT names it, an old one goes with the next set; once a minute at most."""
    clock = Time()
    one, source, old = verifier(clock), KeySource(issuer.url), issuer.jwt()
    assert settled(one, old, source) == ""
    assert [settled(one, issuer.jwt(), source) for _ in range(5)] == [""] * 5
    assert asked(issuer) == 1
    issuer.keys = [Key.make("two")]
    new = issuer.jwt()
    assert "has no key 'two'" in settled(one, new, source)  # within the minute
    for at in range(50):
        settled(one, Key.make(f"made up {at}").jwt(claims_of(issuer.url)), source)
    assert asked(issuer) == 1
    clock.now += BETWEEN
    assert settled(one, new, source) == ""
    assert asked(issuer) == 2
    assert "has no key 'one'" in settled(one, old, source)


def test_a_key_that_was_withdrawn_ends_when_the_issuer_is_out_of_reach(issuer: Issuer) -> None:
    """Its last keys serve for the time that the setting says, and not for ever."""
    clock = Time()
    one, source = verifier(clock), KeySource(issuer.url)
    text = issuer.jwt()
    assert settled(one, text, source) == ""
    issuer.answers["/keys"] = issuer.answers["/.well-known/openid-configuration"] = (503, {}, b"")
    clock.now += FRESH + 1
    assert settled(one, text, source) == ""
    until(lambda: len(issuer.asked) >= 3)  # it was asked behind that
    clock.now += STALE - FRESH - 2
    assert settled(one, text, source) == ""
    assert one.ages()[issuer.url] == pytest.approx(STALE - 1)
    clock.now += 2
    assert "answered with status 503" in settled(one, text, source)
    assert one.ages() == {}


def test_rotation_under_load(issuer: Issuer) -> None:
    """Many at once wait for one request, and all are taken."""
    gate = threading.Event()
    issuer.answers["/keys"] = lambda: gate.wait(60) and (200, {}, key_set(*issuer.keys).encode())
    one, source = verifier(), KeySource(issuer.url)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(settled(one, issuer.jwt(), source))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(60)
    assert found == [""] * 20
    assert asked(issuer) == 1


DISCOVERY = "/.well-known/openid-configuration"


def told(**more: Any) -> Callable[[Issuer], Any]:  # noqa: ANN401 - JSON data
    """A discovery with changes."""
    return lambda issuer: (
        200,
        {},
        json.dumps({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"} | more).encode(),
    )


ANSWERS: dict[str, tuple[str, Callable[[Issuer], Any], str]] = {
    "a redirect": ("/keys", lambda issuer: (302, {"Location": f"{issuer.url}/other"}, b""), "status 302"),
    "a redirect of discovery": (
        DISCOVERY,
        lambda issuer: (307, {"Location": f"{issuer.url}/o"}, b""),
        "status 307",
    ),
    "10 MB": ("/keys", lambda _: (200, {}, b" " * 10_000_000), "more than"),
    "1 MB of discovery": (DISCOVERY, lambda _: (200, {}, b" " * 1_000_000), "more than"),
    "an error page": ("/keys", lambda _: (500, {}, b"<html>"), "status 500"),
    "no JSON": (DISCOVERY, lambda _: (200, {}, b"<html>"), "not its own"),
    "discovery of another issuer": (DISCOVERY, told(issuer="https://other.example"), "not its own"),
    "discovery with a slash": (
        DISCOVERY,
        lambda issuer: told(issuer=f"{issuer.url}/")(issuer),
        "not its own",
    ),
    "keys on another host": (DISCOVERY, told(jwks_uri="http://127.0.0.2:9/keys"), "another host"),
    "keys in a file": (DISCOVERY, told(jwks_uri="file:///etc/passwd"), "malformed"),
    "keys at the metadata service": (DISCOVERY, told(jwks_uri="http://169.254.169.254/x"), "plain HTTP"),
    "a URL with a password": (DISCOVERY, told(jwks_uri="http://a:b@127.0.0.1/keys"), "malformed"),
    "no URL": (DISCOVERY, told(jwks_uri=None), "no jwks_uri"),
    "a name twice": (
        DISCOVERY,
        lambda issuer: (200, {}, f'{{"issuer": "{issuer.url}", "issuer": "x"}}'.encode()),
        "not its own",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_gives_no_keys(issuer: Issuer, name: str) -> None:
    """And is not asked for again at once."""
    path, answer, problem = ANSWERS[name]
    issuer.answers[path] = answer(issuer)
    one, source = verifier(), KeySource(issuer.url)
    assert problem in settled(one, issuer.jwt(), source)
    before = len(issuer.asked)
    assert problem in settled(one, issuer.jwt(), source)
    assert len(issuer.asked) == before
    assert not [path for path, _ in issuer.asked if path in ("/other", "/o")]


def test_slow_keys_hold_nobody(issuer: Issuer) -> None:
    """Whoever asks meanwhile learns that they are pending; the attempt ends by itself."""
    gate = threading.Event()
    issuer.answers["/keys"] = lambda: gate.wait(60) and (200, {}, b"")
    one, source = verifier(timeout=0.3), KeySource(issuer.url)
    read = one.read(issuer.jwt())
    pending = one.verify(read, source)
    assert pending is not None
    assert one.verify(read, source) is pending
    until(pending.is_done)
    gate.set()
    with pytest.raises(RefusedJwtError, match="no answer in time"):
        one.verify(read, source)


def test_keys_of_one_source_are_none_of_another(issuer: Issuer) -> None:
    """Nor of another issuer, whatever their ids."""
    given = Key.make("one")
    one = verifier()
    text = issuer.jwt()
    assert settled(one, text, KeySource(issuer.url)) == ""
    assert "signature" in settled(one, text, KeySource(issuer.url, key_set(given)))
    assert settled(one, given.jwt(claims_of(issuer.url)), KeySource(issuer.url, key_set(given))) == ""
    assert "signature" in settled(one, given.jwt(claims_of(issuer.url)), KeySource(issuer.url))
    assert settled(one, text, KeySource(issuer.url, jwks_url=f"{issuer.url}/keys")) == ""


def test_a_token_for_discovery_goes_to_the_issuer_alone(issuer: Issuer) -> None:
    """And not to where its keys are, when that is another server."""
    with issuing() as other:
        other.keys = issuer.keys
        one = verifier(discovery_token=lambda asked: "the token" if asked == issuer.url else None)
        assert settled(one, issuer.jwt(), KeySource(issuer.url)) == ""
        assert {headers["authorization"] for _, headers in issuer.asked} == {"Bearer the token"}
        assert settled(one, issuer.jwt(), KeySource(issuer.url, jwks_url=f"{other.url}/keys")) == ""
        assert not any("authorization" in headers for _, headers in other.asked)


@pytest.mark.parametrize(
    ("source", "error", "problem"),
    [
        (KeySource("http://issuer.example.com"), InvalidRequestError, "plain HTTP"),
        (KeySource("issuer.example.com"), InvalidRequestError, "malformed"),
        (KeySource("https://issuer.example.com?x=1"), InvalidRequestError, "malformed"),
        (KeySource("https://a:b@issuer.example.com"), InvalidRequestError, "malformed"),
        (KeySource("https://issuer.example.com"), NotPermittedError, "not allowed"),
        (KeySource("https://169.254.169.254"), NotPermittedError, "not allowed"),
        (KeySource(ISSUER, jwks_url="https://keys.example.com"), NotPermittedError, "not allowed"),
        (KeySource(ISSUER, jwks_url="file:///etc/passwd"), InvalidRequestError, "malformed"),
        (KeySource(ISSUER, jwks="{}"), InvalidRequestError, "key set"),
        (KeySource("https://127.0.0.1:1", ca="no certificate"), InvalidRequestError, "authorities"),
    ],
)
def test_a_trust_names_no_source_that_may_not_be_asked(
    source: KeySource, error: type[Exception], problem: str
) -> None:
    """Nothing is sent to find that out."""
    with pytest.raises(error, match=re.escape(problem)):
        verifier().check_source(source)
    verifier().check_source(SOURCE)
