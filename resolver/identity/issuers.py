"""The keys of issuers: fetched off the path of requests, at a bounded rate, and kept for a while.

Keys are kept by issuer and source, never by their ids alone: an id is whatever an issuer says.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from resolver.core.trusts import RefusedJwtError
from resolver.errors import InvalidRequestError, ResolverError
from resolver.http.transport import HttpRequest, ResponseTooLargeError, tls_context
from resolver.http.url import Scheme, is_loopback, parse_url
from resolver.identity.jwks import MAX_SET, SigningKey, read_set
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.ports.trusts import KeySource
    from resolver.http.transport import HttpResponse
    from resolver.http.url import Url

FRESH = 10 * 60.0
"""Seconds after which a key set is fetched again when it is next needed; it is used meanwhile."""

STALE, MAX_STALE = 3600.0, 24 * 3600.0
"""Seconds for which the last set is used when no other can be had: by default, and at most."""

BETWEEN = 60.0
"""Seconds between two attempts to fetch one set, whatever is asked for."""

_MAX_SOURCES = 1000
_DISCOVERY = "/.well-known/openid-configuration"
_MAX_DISCOVERY = 64 * 1024
_OK = 200


class Sender(Protocol):
    """Sends requests to allowed destinations."""

    def check_allowed(self, url: Url) -> None:
        """Refuse a destination that is not allowed."""

    def send(self, url: Url, request: HttpRequest, authorities: str | None = None) -> HttpResponse:
        """Send one request; ResponseTooLargeError when there is more than a key set may have."""


class KeySearch(Struct, frozen=True):
    """A key that was looked for: the key, or what to wait for, or why there is none."""

    key: SigningKey | None = None
    pending: Fetching | None = None
    problem: str = ""


class Fetching:
    """A key set that is being fetched."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def is_done(self) -> bool:
        """Whether it has come, or won't."""
        return self.done.is_set()


class _Kept:
    """What is kept of one source: its keys, when they came, and the attempt under way."""

    def __init__(self) -> None:
        self.keys: Mapping[str, SigningKey] = {}
        self.fetched_at: float | None = None
        self.tried_at: float | None = None
        self.fetching: Fetching | None = None
        self.problem = ""


class IssuerKeys:
    """The keys of all issuers that trusts name.

    Args:
        sender: makes what sends requests, once one is needed.
        stale: seconds for which the last set of an issuer is used when no other can be had.
        discovery_token: the token that an issuer's discovery asks for; None for most.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        sender: Callable[[], Sender],
        stale: float = STALE,
        discovery_token: Callable[[str], str | None] = lambda _issuer: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_sender = sender
        self._stale = min(stale, MAX_STALE)
        self._token = discovery_token
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[KeySource, _Kept] = {}

    def find(self, source: KeySource, key_id: str) -> KeySearch:
        """A key of an issuer. Whoever asks never waits: a set is fetched in a thread of its own.

        Without an id it is the only key there is; of several none is taken.
        """
        with self._lock:
            kept = self._of(source)
            now = self._clock()
            age = None if kept.fetched_at is None else now - kept.fetched_at
            if source.jwks is None and age is not None and age > self._stale:
                kept.keys, age = {}, None  # what was withdrawn meanwhile must not be good for ever
            key = kept.keys.get(key_id or _lone(kept.keys))
            if source.jwks is None and (key is None or age is None or age > FRESH):
                self._start(source, kept, now)
            if key is not None:
                return KeySearch(key)
            if kept.fetching is not None:
                return KeySearch(pending=kept.fetching)
            return KeySearch(problem=kept.problem or f"the issuer has no key {key_id!a}")

    def _of(self, source: KeySource) -> _Kept:
        kept = self._kept.get(source)
        if kept is None:
            if len(self._kept) >= _MAX_SOURCES:
                self._kept.clear()  # far more than there are trusts: most of them are gone
            kept = self._kept[source] = _Kept()
            if source.jwks is not None:
                try:
                    kept.keys = read_set(source.jwks.encode())
                except RefusedJwtError as error:
                    kept.problem = str(error)
        return kept

    def _start(self, source: KeySource, kept: _Kept, now: float) -> None:
        """Fetch a set, unless that is under way or was tried a moment ago."""
        recently = kept.tried_at is not None and now - kept.tried_at < BETWEEN
        if kept.fetching is not None or recently:
            return
        kept.tried_at, kept.fetching = now, Fetching()
        # A daemon, so that the process does not wait for it when it ends.
        threading.Thread(target=self._run, args=(source, kept, kept.fetching), daemon=True).start()

    def _run(self, source: KeySource, kept: _Kept, fetching: Fetching) -> None:
        try:
            self._renew(source, kept)
        except RefusedJwtError as error:
            kept.problem = str(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must learn that it ended
            kept.problem = f"the issuer's keys can't be fetched: {type(error).__name__}"
        finally:
            with self._lock:
                kept.fetching = None
            fetching.done.set()

    def _renew(self, source: KeySource, kept: _Kept) -> None:
        keys = self._fetched(source)
        with self._lock:
            kept.keys, kept.fetched_at, kept.problem = keys, self._clock(), ""

    def fetch(self, source: KeySource) -> Sequence[str]:
        """Fetch a set now, for who may have that done; the ids of its keys.

        Raises:
            RefusedJwtError: there is none.
        """
        with self._lock:
            kept = self._of(source)
        if source.jwks is None:
            self._renew(source, kept)
        elif kept.problem:
            raise RefusedJwtError(kept.problem)
        return sorted(kept.keys)

    def check_source(self, source: KeySource) -> None:
        """See that keys may be fetched where a trust says; nothing is sent.

        Raises:
            InvalidRequestError: a URL is malformed, or the keys or authorities are.
            NotPermittedError: the allow-list does not have it.
        """
        url = https_url(source.issuer, "issuer's URL")
        if source.jwks is not None:
            try:
                read_set(source.jwks.encode())
            except RefusedJwtError as error:
                fault = str(error)
            else:
                return
            raise InvalidRequestError(fault, hint="give the issuer's JWKS as its jwks_uri answers it")
        if source.jwks_url is not None:
            url = https_url(source.jwks_url, "key set's URL")
        if source.ca is not None:
            tls_context(source.ca)
        self._make_sender().check_allowed(url)

    def ages(self) -> Mapping[str, float]:
        """How many seconds ago the oldest keys that are in use were fetched, by issuer."""
        with self._lock:
            now = self._clock()
            found: dict[str, float] = {}
            for source, kept in self._kept.items():
                if kept.fetched_at is not None and kept.keys:
                    found[source.issuer] = max(found.get(source.issuer, 0.0), now - kept.fetched_at)
        return found

    # Fetching

    def _fetched(self, source: KeySource) -> Mapping[str, SigningKey]:
        token = self._token(source.issuer)
        try:
            if source.jwks_url is not None:
                url = https_url(source.jwks_url, "key set's URL")
            else:
                url = self._discovered(source, token)
            # The token goes to the issuer's own host alone.
            own = https_url(source.issuer, "issuer's URL")
            is_own = (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)
            data = self._get(url, "", source.ca, token if is_own else None, MAX_SET)
        except ResolverError as error:
            fault = error.message
        else:
            return read_set(data)
        raise RefusedJwtError(f"the issuer's keys can't be fetched: {fault}")

    def _discovered(self, source: KeySource, token: str | None) -> Url:
        """Where the key set is, as the issuer's discovery says."""
        issuer = https_url(source.issuer, "issuer's URL")
        found = self._discovery(source, token)
        where = found.get("jwks_uri")
        if not isinstance(where, str):
            raise RefusedJwtError("the issuer's discovery names no jwks_uri")
        url = https_url(where, "jwks_uri")
        if url.host != issuer.host or url.scheme != issuer.scheme:
            raise RefusedJwtError(
                "the issuer's discovery names a jwks_uri on another host: name it with --jwks-url"
            )
        return url

    def discover(self, source: KeySource) -> Mapping[str, Any]:
        """An issuer's discovery, fetched now.

        Raises:
            RefusedJwtError: it is not its own, or can't be had.
            ResolverError: it can't be reached, or may not be.
        """
        return self._discovery(source, self._token(source.issuer))

    def _discovery(self, source: KeySource, token: str | None) -> Mapping[str, Any]:
        """What an issuer says of itself (OpenID Connect Discovery 1.0)."""
        issuer = https_url(source.issuer, "issuer's URL")
        data = self._get(issuer, _DISCOVERY, source.ca, token, _MAX_DISCOVERY)
        found: Any = None
        try:
            found = parse(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("issuer") != source.issuer:
            raise RefusedJwtError("the issuer's discovery is not its own: 'issuer' in it is another one")
        return found

    def _get(self, url: Url, path: str, ca: str | None, token: str | None, most: int) -> bytes:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = HttpRequest("GET", path or ("" if url.prefix else "/"), headers)
        try:
            answer = self._make_sender().send(url, request, ca)
        except ResponseTooLargeError:
            answer = None
        if answer is None or len(answer.body) > most:
            raise RefusedJwtError(f"{url.address} answers with more than {most} bytes")
        if answer.status != _OK:  # a redirect as well: it is not followed
            raise RefusedJwtError(f"{url.address} answered with status {answer.status}")
        return bytes(answer.body)


def _lone(keys: Mapping[str, SigningKey]) -> str:
    """The id of the only key of a set; empty when there are several, or none."""
    return next(iter(keys)) if len(keys) == 1 else ""


def https_url(text: str, what: str) -> Url:
    """A URL with TLS, or of this machine.

    Raises:
        InvalidRequestError: it is malformed, or plain HTTP to another machine.
    """
    url = parse_url(text, what)
    if url.scheme is not Scheme.HTTPS and not is_loopback(url.host):
        raise InvalidRequestError(f"the {what} is plain HTTP to another machine", hint="name one with https")
    return url
