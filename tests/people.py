"""An OpenID provider of the tests' own, and a world that people sign in to by it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from msgspec.structs import replace

from resolver.core.login_rules import LoginRules
from resolver.core.permissions import TenantRole
from resolver.core.sign_in import GroupRole, SignInAnswer, SignInProvider
from resolver.core.times import read_time
from resolver.service.sign_in import SignInPurpose
from tests.issuer import Issuer, claims_of, encoded, issuing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resolver.core.model import Caller
    from resolver.core.sign_in import StartedSignIn
    from tests.databases import World

CLIENT = "resolver"
PUBLIC_URL = "https://resolver.example.com"
GROUPS = (
    GroupRole("devs", "home", TenantRole.USER),
    GroupRole("leads", "home", TenantRole.MANAGER),
    GroupRole("devs", "away", TenantRole.VIEWER),
)


@dataclass
class OpenIdProvider:
    """An OpenID provider, which lets in whom a test names.

    Args:
        issuer: its keys and its server.
        now: the time, in seconds since 1970.
        granted: what is asked for a token with, and what it is answered, latest last.
        claims: claims of the next ID token, beside the usual ones; None leaves one out.
        answer: more of the next answer of the token endpoint.
    """

    issuer: Issuer
    now: Callable[[], float]
    granted: list[tuple[Mapping[str, str], Mapping[str, Any]]] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    device: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.issuer.answers["/.well-known/openid-configuration"] = self._discovery
        self.issuer.posts["/token"] = self._token
        self.issuer.posts["/device"] = self._device

    @property
    def url(self) -> str:
        """Its issuer."""
        return self.issuer.url

    def _discovery(self) -> tuple[int, Mapping[str, str], bytes]:
        told = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            **self.discovery,
        }
        return 200, {}, json.dumps(told).encode()

    def agree(self, url: str, subject: str = "sub-una") -> SignInAnswer:
        """What a person's browser brings back from a URL of this provider."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"code{len(self.codes)}"
        self.codes[code] = asked | {"sub": subject}
        return SignInAnswer(state=asked["state"], code=code)

    def _token(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        status, told = self._grant(form)
        self.granted.append((form | {"authorization": headers.get("authorization", "")}, told))
        return status, {}, json.dumps(told).encode()

    def _grant(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        if form["grant_type"] != "authorization_code":
            status, told = self.device.pop(0)
            if status != 200:
                return status, told
            asked: Mapping[str, str] = {"sub": "sub-una", "nonce": ""}
        else:
            asked = self.codes.pop(form["code"], {})
            verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
            if not asked or encoded(verifier) != asked["code_challenge"]:
                return 400, {"error": "invalid_grant", "error_description": "secret words"}
            assert form["redirect_uri"] == asked["redirect_uri"]
        access = "an access token"
        half = base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
        usual: dict[str, Any] = claims_of(self.url, CLIENT, self.now(), sub=asked["sub"], at_hash=half)
        usual |= {"preferred_username": asked["sub"].removeprefix("sub-"), "groups": ["devs"]}
        if asked["nonce"]:
            usual["nonce"] = asked["nonce"]
        if "max_age" in asked:
            usual["auth_time"] = int(self.now())
        claims = {name: value for name, value in (usual | self.claims).items() if value is not None}
        told = {"access_token": access, "token_type": "Bearer", "refresh_token": "a refresh token"}
        return 200, told | {"id_token": self.issuer.keys[-1].jwt(claims)} | self.answer

    def _device(self, _headers: Mapping[str, str], _body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        told = {
            "device_code": "a device code",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{self.url}/type",
            "expires_in": 600,
            "interval": 1,
        }
        return 200, {}, json.dumps(told).encode()


def provider_of(issuer: str, **more: Any) -> SignInProvider:  # noqa: ANN401 - the record's fields
    """A provider as the settings have it."""
    fields: dict[str, Any] = {"create_users": True, "groups": GROUPS, "label": "Example"} | more
    return SignInProvider(name="example", issuer=issuer, client_id=CLIENT, **fields)


def let_in_by(world: World, *providers: SignInProvider, public_url: str = PUBLIC_URL, **more: Any) -> None:  # noqa: ANN401 - of the rules
    """Have a world's service let people in by providers."""
    world.rules = replace(world.rules, sign_in=LoginRules(providers, public_url=public_url, **more))
    world.service = world.reopened()


@contextlib.contextmanager
def openid_provider(world: World, **more: Any) -> Iterator[OpenIdProvider]:  # noqa: ANN401 - as above
    """A provider on loopback, by which people sign in to a world; more of its settings on request."""
    with issuing() as issuer:
        made = OpenIdProvider(issuer, lambda: read_time(world.clock()).timestamp())
        let_in_by(world, provider_of(made.url, **more))
        yield made


def begun(world: World, purpose: SignInPurpose = SignInPurpose.OPEN, **more: Any) -> StartedSignIn:  # noqa: ANN401 - passed on
    """A sign-in that begins."""
    return world.service.sign_in.begin("example", purpose, **more)


def signed_in(world: World, provider: OpenIdProvider, subject: str = "sub-una", **claims: Any) -> Caller:  # noqa: ANN401 - claims
    """A person who has signed in, with these claims of the ID token, now and later."""
    provider.claims = claims
    start = begun(world)
    return world.service.sign_in.finish(start.secret, provider.agree(start.url, subject)).caller
