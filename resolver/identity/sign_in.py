"""Speaks OpenID Connect with providers: where a browser goes, and what a code is worth.

Authlib writes the requests and checks the claims of ID tokens. What is sent goes to allowed destinations
only, and signatures are checked as those of workloads are.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from resolver.core.ports.trusts import KeySource
from resolver.core.sign_in import (
    MAX_SUBJECT,
    DeviceCode,
    DevicePending,
    Person,
    RefusedSignInError,
)
from resolver.core.trusts import RefusedJwtError
from resolver.errors import ResolverError
from resolver.http.transport import HttpRequest, ResponseTooLargeError
from resolver.identity.issuers import https_url
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resolver.core.sign_in import AuthorizationRequest, SignInProvider
    from resolver.http.url import Url
    from resolver.identity.issuers import IssuerKeys, Sender
    from resolver.identity.verifier import Verifier

LEEWAY = 60
"""Seconds by which clocks may differ."""

FRESH_SECONDS = 300
"""How long ago at most a person showed who it is, where that has to be fresh."""

_LONGEST = 24 * 3600
"""Longest life of an ID token, in seconds."""

_DISCOVERY_SECONDS, _RETRY_SECONDS = 600.0, 5.0
"""How long a provider's discovery is kept, and after how long it is tried again when there was none."""

_KEYS_SECONDS, _LOOK_EVERY = 12.0, 0.05
_MAX_ANSWER = 64 * 1024
_MAX_EXPIRY, _MAX_INTERVAL, _USUAL_INTERVAL = 1800, 60, 5
_MAX_SHOWN = 512
_OK, _BAD = 200, 400
_PENDING = ("authorization_pending", "slow_down")


class OpenIdClient:
    """Speaks with OpenID providers.

    Args:
        sender: makes what sends requests, once one is needed.
        keys: has the discovery of issuers.
        verifier: checks signatures.
        read_file: reads a file with a client's secret or with authorities.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        sender: Callable[[], Sender],
        keys: IssuerKeys,
        verifier: Verifier,
        read_file: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_sender = sender
        self._keys = keys
        self._verifier = verifier
        self._read_file = read_file
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Mapping[str, Any] | str]] = {}

    def authorization_url(self, provider: SignInProvider, request: AuthorizationRequest) -> str:
        """Where the browser goes.

        Raises:
            RefusedSignInError: the provider's discovery can't be had, or names no such place.
        """
        where = self._endpoint(provider, "authorization_endpoint")
        more: dict[str, object] = {"prompt": "login", "max_age": 0} if request.fresh else {}
        return str(
            prepare_grant_uri(
                where,
                provider.client_id,
                "code",
                request.redirect_uri,
                " ".join(provider.scopes),
                request.state,
                nonce=request.nonce,
                code_challenge=create_s256_code_challenge(request.verifier),
                code_challenge_method="S256",
                **more,
            )
        )

    def demands_issuer(self, provider: SignInProvider) -> bool:
        """Whether each answer of a provider names its issuer."""
        return self._discovered(provider).get("authorization_response_iss_parameter_supported") is True

    def redeem(
        self, provider: SignInProvider, code: str, request: AuthorizationRequest, now: float
    ) -> Person:
        """Give a code for an ID token, and verify it. Nothing else of the answer is kept.

        Raises:
            RefusedSignInError: the provider refuses, or its ID token is not for this sign-in.
        """
        status, answer = self._ask_for_token(
            provider,
            "authorization_code",
            code=code,
            redirect_uri=request.redirect_uri,
            code_verifier=request.verifier,
        )
        if status != _OK:
            raise RefusedSignInError(f"the provider refuses the code: {_error(answer)}")
        person = self._verified(provider, answer, request.nonce, now)
        at = person.authenticated_at
        if request.fresh and (at is None or not now - FRESH_SECONDS <= at <= now + LEEWAY):
            raise RefusedSignInError(
                "the ID token does not say that the person has just signed in (auth_time)"
            )
        return person

    def start_device(self, provider: SignInProvider) -> DeviceCode:
        """Begin a device sign-in.

        Raises:
            RefusedSignInError: the provider has none, or refuses.
        """
        where = self._endpoint(provider, "device_authorization_endpoint")
        body = f"client_id={_quoted(provider.client_id)}&scope={_quoted(' '.join(provider.scopes))}"
        status, answer = self._post(provider, where, body)
        if status != _OK:
            raise RefusedSignInError(f"the provider begins no device sign-in: {_error(answer)}")
        texts = [answer.get(name) for name in ("device_code", "user_code", "verification_uri")]
        whole = answer.get("verification_uri_complete", "")
        numbers = [answer.get("expires_in"), answer.get("interval", _USUAL_INTERVAL)]
        if not all(_is_short(text) for text in texts) or not all(type(number) is int for number in numbers):
            raise RefusedSignInError("the provider's answer to a device sign-in is not understood")
        for url in (texts[2], whole):
            if url and not (isinstance(url, str) and url.isascii() and url.isprintable()):
                raise RefusedSignInError("the provider's page for a device sign-in is no URL")
            if url:
                _https(url, "page for a device sign-in")
        return DeviceCode(
            str(texts[0]),
            str(texts[1]),
            str(texts[2]),
            str(whole),
            min(max(1, int(str(numbers[0]))), _MAX_EXPIRY),
            min(max(1, int(str(numbers[1]))), _MAX_INTERVAL),
        )

    def poll_device(self, provider: SignInProvider, device_code: str, now: float) -> Person | DevicePending:
        """Ask whether the person has agreed.

        Raises:
            RefusedSignInError: the person refused, or the time is over.
        """
        status, answer = self._ask_for_token(provider, DEVICE_CODE_GRANT_TYPE, device_code=device_code)
        if status != _OK:
            error = _error(answer)
            if error in _PENDING:
                return DevicePending(error == "slow_down")
            raise RefusedSignInError(f"the provider ends the device sign-in: {error}")
        return self._verified(provider, answer, "", now)

    # ID tokens

    def _verified(
        self, provider: SignInProvider, answer: Mapping[str, Any], nonce: str, now: float
    ) -> Person:
        """Who an ID token is about, once it is verified."""
        text, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(text, str):
            raise RefusedSignInError("the provider answers without an ID token")
        try:
            jwt = self._verifier.read(text, lone_key=True)
        except RefusedJwtError as error:
            problem = str(error)
        else:
            problem = "" if jwt.issuer == provider.issuer else "it is of another issuer"
        if problem:
            raise RefusedSignInError(f"the ID token is refused: {problem}")
        self._check_signature(jwt, self._source(provider))
        claims = jwt.claims
        if problem := _claims_problem(provider, jwt, nonce, access_token, now):
            raise RefusedSignInError(f"the ID token is refused: {problem}")
        at = claims.get("auth_time")
        is_time = type(at) is int and 0 <= at <= now + LEEWAY
        return Person(provider.issuer, claims["sub"], claims, at if is_time else None)

    def _check_signature(self, jwt: Any, source: KeySource) -> None:  # noqa: ANN401 - a JWT that was read
        deadline = self._clock() + _KEYS_SECONDS
        while True:
            try:
                pending = self._verifier.verify(jwt, source)
            except RefusedJwtError as error:
                problem = str(error)
                break
            if pending is None:
                return
            while not pending.is_done() and self._clock() < deadline:
                time.sleep(_LOOK_EVERY)
            if not pending.is_done():
                problem = "the provider's keys are not there in time"
                break
        raise RefusedSignInError(f"the ID token is refused: {problem}")

    # Requests

    def _source(self, provider: SignInProvider) -> KeySource:
        ca = None if provider.ca_file is None else self._read_file(provider.ca_file)
        return KeySource(provider.issuer, jwks_url=provider.jwks_url, ca=ca)

    def _discovered(self, provider: SignInProvider) -> Mapping[str, Any]:
        """A provider's discovery, which is fetched at a bounded rate."""
        with self._lock:
            until, known = self._known.get(provider.name, (0.0, ""))
            now = self._clock()
        if now >= until:
            try:
                known = self._keys.discover(self._source(provider))
                until = now + _DISCOVERY_SECONDS
            except (ResolverError, RefusedJwtError) as error:
                known = known or f"its discovery can't be had: {error}"
                until = now + _RETRY_SECONDS
            with self._lock:
                self._known[provider.name] = until, known
        if isinstance(known, str):
            raise RefusedSignInError(known)
        return known

    def _endpoint(self, provider: SignInProvider, name: str) -> str:
        where = self._discovered(provider).get(name)
        if not isinstance(where, str) or not where.isascii() or not where.isprintable():
            raise RefusedSignInError(f"the provider's discovery names no {name}")
        _https(where, name)
        return where

    def _token_endpoint(self, provider: SignInProvider) -> str:
        """Where codes are given for tokens: on the issuer's own host, or as it is set. Secrets go there."""
        if provider.token_url is not None:
            return provider.token_url
        where = self._endpoint(provider, "token_endpoint")
        if _host(_https(where, "token_endpoint")) != _host(_https(provider.issuer, "issuer's URL")):
            raise RefusedSignInError("the token endpoint is on another host: name it as `token_url`")
        return where

    def _ask_for_token(
        self, provider: SignInProvider, grant: str, **more: str
    ) -> tuple[int, Mapping[str, Any]]:
        where = self._token_endpoint(provider)
        return self._post(provider, where, prepare_token_request(grant, **more))

    def _post(self, provider: SignInProvider, where: str, body: str) -> tuple[int, Mapping[str, Any]]:
        """Send a form as this client; status and answer. A redirect is not followed."""
        file = provider.client_secret_file
        secret, method = "", "none"
        if file is not None:
            secret, method = self._read_file(file).strip(), f"client_secret_{provider.client_authentication}"
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        _, headers, body = ClientAuth(provider.client_id, secret, method).prepare(
            "POST", where, headers, body
        )
        problem = ""
        try:
            url = https_url(where, "provider's URL")
            ca = None if provider.ca_file is None else self._read_file(provider.ca_file)
            request = HttpRequest("POST", "" if url.prefix else "/", headers, body.encode())
            answer = self._make_sender().send(url, request, ca)
        except ResponseTooLargeError:
            problem = "it answers with too much"
        except ResolverError as error:
            problem = error.message
        if problem or len(answer.body) > _MAX_ANSWER:
            raise RefusedSignInError(f"the provider can't be asked: {problem or 'it answers with too much'}")
        found: Any = None
        try:
            found = parse(bytes(answer.body))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not (answer.status == _OK or 400 <= answer.status < 500):  # noqa: PLR2004 - RFC 6749, section 5.2
            raise RefusedSignInError(f"the provider answers with status {answer.status} and no JSON object")
        return answer.status, found


def _claims_problem(
    provider: SignInProvider,
    jwt: Any,  # noqa: ANN401 - a JWT that was read and verified
    nonce: str,
    access_token: object,
    now: float,
) -> str:
    """What is wrong with the claims of an ID token; empty when nothing is."""
    claims = jwt.claims
    for name in ("exp", "iat", "nbf"):
        if name in claims and type(claims[name]) is not int:
            return f"its {name} is no whole number"
    audience = claims.get("aud")
    if isinstance(audience, list) and len(set(map(str, audience))) != len(audience):
        return "its aud names one twice"
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    params: dict[str, object] = {"client_id": provider.client_id, "nonce": nonce or None}
    if isinstance(access_token, str):
        params["access_token"] = access_token
    token = CodeIDToken(claims, {"alg": jwt.algorithm}, options, params)
    problem = ""
    try:
        token.validate(int(now), LEEWAY)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        problem = f"its claims do not fit: {getattr(error, 'claim', '') or type(error).__name__}"
    if problem:
        return problem
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        return "its sub is no short text"
    if not subject.isascii() or not subject.isprintable():
        return "its sub has characters that it can't have"
    if claims["iat"] > now + LEEWAY or claims["exp"] - claims["iat"] > _LONGEST:
        return "it is from a time to come, or lives for more than a day"
    return ""


def _error(answer: Mapping[str, Any]) -> str:
    """An error's code, and never more of an answer (RFC 6749, section 5.2)."""
    code = answer.get("error")
    return code if isinstance(code, str) and code.isidentifier() and len(code) <= 64 else "unknown"  # noqa: PLR2004 - as long as any


def _is_short(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _MAX_SHOWN and text.isascii() and text.isprintable()


def _https(text: str, what: str) -> Url:
    try:
        return https_url(text, what)
    except ResolverError as error:
        problem = error.message
    raise RefusedSignInError(problem)


def _host(url: Url) -> tuple[object, ...]:
    return url.scheme, url.host, url.port


def _quoted(text: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - for one kind of request

    return quote(text, safe="")
