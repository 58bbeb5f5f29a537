"""Signing in by an OpenID provider: who comes in, by what, and with which roles; and all that is refused."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.core.account_changes import NewToken, UserChange
from resolver.core.audit import AuditQuery, fields_of
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.sign_in import SignInAnswer
from resolver.core.times import later
from resolver.errors import AuthenticationError, InvalidRequestError, NotFoundError
from resolver.service.sign_in import SignInPurpose
from tests.issuer import Key
from tests.people import begun, let_in_by, openid_provider, provider_of, signed_in
from tests.trusting import trusting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World
    from tests.people import OpenIdProvider


@pytest.fixture
def provider(embedded: World) -> Iterator[OpenIdProvider]:
    """A provider that people sign in by to the world `embedded`."""
    with openid_provider(embedded) as made:
        yield made


def _refused(world: World, secret: str, answer: SignInAnswer, caplog: Any, why: str) -> None:  # noqa: ANN401 - pytest's
    """A sign-in is refused in one text; why is in the log, and no code or token is."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "resolver.access"), pytest.raises(AuthenticationError) as refused:
        world.service.sign_in.finish(secret, answer)
    assert refused.value.message == "the sign-in was refused"
    assert why in caplog.text
    for hidden in (answer.code, "secret words", "an access token", "a refresh token", secret):
        assert not hidden or hidden not in caplog.text + str(refused.value)


def _actions(world: World) -> list[str]:
    admin = world.service.gate.authenticate_token(world.token or "")
    return [one.action for one in world.service.trail.stream(admin, "", AuditQuery())]


@pytest.mark.two_databases
def test_a_person_signs_in(world: World) -> None:
    """The first time a user is made, with the groups' roles; the second time it is the same user."""
    with openid_provider(world) as provider:
        una = signed_in(world, provider)
        assert (una.username, una.system_role, una.interactive) == ("una", SystemRole.DEFAULT, True)
        info = world.service.users.get(world.admin, "una")
        assert info.roles == {"home": TenantRole.USER, "away": TenantRole.VIEWER}
        assert (info.user.issuer, info.user.subject) == (provider.url, "sub-una")
        assert info.user.roles_until == later(world.clock(), 12 * 3600)
        again = signed_in(world, provider, preferred_username="somebody_else")
        assert again.user_id == una.user_id
        form, told = provider.granted[-1]
        assert form["client_id"] == "resolver"
        stored = repr([world.execute(f"SELECT * FROM {name}") for name in ("user_account", "jwt_exchange")])
        stored += repr(world.execute("SELECT * FROM audit_record"))
        for hidden in (told["id_token"], "an access token", "a refresh token", form["code"]):
            assert hidden not in stored
        assert _actions(world)[-2:] == ["user:sign_in", "user:sign_in"]


def test_what_is_recorded(embedded: World, provider: OpenIdProvider) -> None:
    """The first sign-in, the roles that groups gave, and each sign-in, with who it is at the provider."""
    signed_in(embedded, provider)
    records = [fields_of(one) for one in embedded.service.trail.stream(embedded.admin, "", AuditQuery())]
    told = [(one["action"], one.get("tenant"), one.get("role"), one.get("by")) for one in records[-4:]]
    assert told == [
        ("user:create", None, "default", None),
        ("membership:set", "away", "viewer", "groups"),
        ("membership:set", "home", "user", "groups"),
        ("user:sign_in", None, None, None),
    ]
    assert {one["caller"] for one in records[-4:]} == {"una"}
    assert (records[-1]["issuer"], records[-1]["subject"]) == (provider.url, "sub-una")


def test_what_the_provider_is_asked(embedded: World, provider: OpenIdProvider) -> None:
    """PKCE by S256, a nonce, a state, and where the browser comes back to, which the settings fix."""
    start = begun(embedded)
    provider.agree(start.url)
    asked = provider.codes["code0"]
    assert asked["redirect_uri"] == "https://resolver.example.com/console/"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid profile"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"], start.secret}) == 4
    assert "max_age" not in asked
    provider.agree(begun(embedded, SignInPurpose.CONFIRM).url)
    assert (provider.codes["code1"]["max_age"], provider.codes["code1"]["prompt"]) == ("0", "login")
    assert start.secret not in repr(start)


def test_a_clients_secret(embedded: World, provider: OpenIdProvider, tmp_path: Any) -> None:  # noqa: ANN401 - a path
    """It is read from its file, and sent as it is set."""
    (tmp_path / "secret").write_text("open sesame\n")
    file = str(tmp_path / "secret")
    for way in ("basic", "post"):
        let_in_by(embedded, provider_of(provider.url, client_secret_file=file, client_authentication=way))
        signed_in(embedded, provider)
    (basic, _), (post, _) = provider.granted
    assert basic["authorization"].startswith("Basic ")
    assert "client_secret" not in basic
    assert (post["client_secret"], post["authorization"]) == ("open sesame", "")


def test_state_and_cookie_belong_together(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong state, another browser's cookie, and one that was never given out."""
    mine, other = begun(embedded), begun(embedded)
    answer = provider.agree(mine.url)
    _refused(embedded, mine.secret, replace(answer, state="wrong"), caplog, "state is not that")
    _refused(embedded, mine.secret, replace(answer, state="ü\ud800"), caplog, "state is not that")
    _refused(embedded, other.secret, answer, caplog, "state is not that")
    changed = mine.secret.replace("open", "confirm")
    _refused(embedded, changed, answer, caplog, "state is not that")
    for secret in ("", "x", "a.b.c.d.e", "other.open.0.1.x", "example.open.0.1.ü", "example.open.-1.1.x"):
        with pytest.raises(AuthenticationError, match="this browser has begun no sign-in"):
            embedded.service.sign_in.finish(secret, answer)
    assert provider.granted == []  # the code went nowhere


def test_each_ends_once(embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a code nor a sign-in is good twice, even if the provider gave another code."""
    start = begun(embedded)
    answer = provider.agree(start.url)
    embedded.service.sign_in.finish(start.secret, answer)
    _refused(embedded, start.secret, answer, caplog, "refuses the code: invalid_grant")
    _refused(embedded, start.secret, provider.agree(start.url), caplog, "it has ended already")


def test_it_ends_after_ten_minutes(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the cookie says by then."""
    start = begun(embedded)
    embedded.clock.now = later(embedded.clock(), 601)
    _refused(embedded, start.secret, provider.agree(start.url), caplog, "longer than ten minutes")


def test_the_code_of_another_sign_in(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A code that was put into one's browser: PKCE fits another sign-in, and the nonce does."""
    mine, other = begun(embedded), begun(embedded)
    stolen = provider.agree(other.url).code
    answer = replace(provider.agree(mine.url), code=stolen)
    _refused(embedded, mine.secret, answer, caplog, "refuses the code: invalid_grant")
    provider.codes["careless"] = provider.codes["code1"] | {"nonce": provider.codes["code1"]["nonce"] + "x"}
    _refused(embedded, mine.secret, replace(answer, code="careless"), caplog, "claims do not fit: nonce")


def test_another_issuer_answers(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """`iss` of the answer has to be the provider's, where it is there or has to be."""
    start = begun(embedded)
    answer = provider.agree(start.url)
    _refused(embedded, start.secret, replace(answer, iss=provider.url + "/"), caplog, "of another issuer")
    assert embedded.service.sign_in.finish(start.secret, replace(answer, iss=provider.url))
    provider.discovery["authorization_response_iss_parameter_supported"] = True
    let_in_by(embedded, provider_of(provider.url))
    start = begun(embedded)
    _refused(embedded, start.secret, provider.agree(start.url), caplog, "or does not say of which")


def test_the_person_says_no(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider answers with an error, with or without a code."""
    start = begun(embedded)
    answer = provider.agree(start.url)
    for one in (replace(answer, error="access_denied"), replace(answer, code="")):
        _refused(embedded, start.secret, one, caplog, "said no")


_HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example.com"}, "of another issuer"),
    "a slash more": ({"iss": "http://127.0.0.1/"}, "of another issuer"),
    "another audience": ({"aud": "other"}, "aud"),
    "an audience list of others": ({"aud": ["other", "another"], "azp": "resolver"}, "aud"),
    "several audiences without azp": ({"aud": ["resolver", "other"]}, "azp"),
    "an audience twice": ({"aud": ["resolver", "resolver"]}, "aud names one twice"),
    "another party": ({"azp": "other"}, "azp"),
    "another nonce": ({"nonce": "other"}, "nonce"),
    "no nonce": ({"nonce": None}, "nonce"),
    "expired": ({"exp": 1_893_455_900}, "exp"),
    "an end that is no number": ({"exp": "never"}, "exp is no whole number"),
    "from a time to come": ({"iat": 1_893_459_600, "exp": 1_893_459_900}, ""),
    "not yet valid": ({"nbf": 1_893_459_600}, "nbf"),
    "a life of a year": ({"exp": 1_925_000_000}, "more than a day"),
    "no end": ({"exp": None}, "exp"),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    "nobody": ({"sub": None}, ""),
    "an empty subject": ({"sub": ""}, ""),
    "a subject that is no text": ({"sub": 7}, "sub"),
    "a subject with a look-alike": ({"sub": "sub-\u0443na"}, "sub has characters"),
    "a long subject": ({"sub": "x" * 256}, "sub is no short text"),
    "no groups": ({"groups": None}, "no list of groups"),
    "groups that are a text": ({"groups": "devs"}, "no list of groups"),
    "groups that are numbers": ({"groups": [7]}, "no list of groups"),
    "groups somewhere else": ({"groups": None, "_claim_names": {"groups": "src1"}}, "somewhere else"),
    "too many groups": ({"groups": [f"g{n}" for n in range(501)]}, "more than 500 groups"),
    "no name": ({"preferred_username": None}, "no user name"),
    "a name that is none": ({"preferred_username": "7"}, "no user name"),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_id_tokens(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Each is signed by the provider's own key, and refused all the same; nobody is made."""
    provider.claims, why = _HOSTILE[name]
    start = begun(embedded)
    _refused(embedded, start.secret, provider.agree(start.url), caplog, why)
    assert len(provider.granted) == 1
    assert embedded.service.users.list(embedded.admin).total == 1


def test_signatures(embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Another key under the same id, no signature, a symmetric one, and no ID token at all."""
    own, other = provider.issuer.keys[0], Key.make("one")

    def forged(make: Any, why: str) -> None:  # noqa: ANN401 - a function
        start = begun(embedded)
        answer = provider.agree(start.url)
        nonce = provider.codes[answer.code]["nonce"]
        claims = {
            "iss": provider.url,
            "aud": "resolver",
            "sub": "sub-una",
            "nonce": nonce,
            "groups": ["devs"],
        }
        at = int(provider.now())
        provider.answer = {"id_token": make({**claims, "iat": at, "exp": at + 60})}
        _refused(embedded, start.secret, answer, caplog, why)

    forged(other.jwt, "not that of the issuer's key")
    forged(own.hs256, "signed otherwise")
    forged(lambda claims: own.jwt(claims, {"alg": "none"}), "signed otherwise")
    forged(lambda _: None, "without an ID token")
    forged(lambda _: "a.b.c", "is refused")
    forged(lambda claims: other.jwt(claims, {"alg": "ES256"}), "not that of the issuer's key")


def test_an_id_token_without_a_key_id(
    embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """It is taken while the issuer has one key, as OpenID Connect has it, and refused with several."""
    own = provider.issuer.keys[0]
    provider.issuer.keys[0] = Key(own.kid, own.algorithm, own.private)
    usual = Key.jwt

    def without(key: Key, claims: Any, header: Any = None) -> str:  # noqa: ANN401 - as it is
        return usual(key, claims, header or {"alg": key.algorithm})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Key, "jwt", without)
        assert signed_in(embedded, provider).username == "una"
        provider.issuer.keys.insert(0, Key.make("two"))
        let_in_by(embedded, provider_of(provider.url))
        del embedded._issuer_keys  # noqa: SLF001 - a server that was started anew
        embedded.service = embedded.reopened()
        start = begun(embedded)
        _refused(embedded, start.secret, provider.agree(start.url), caplog, "has no key ''")


def test_a_provider_that_is_not_there(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is told apart from a wrong one in the log alone; one that is not allowed, too."""
    for issuer in ("http://127.0.0.1:1", "https://10.1.2.3"):
        let_in_by(embedded, provider_of(issuer))
        with caplog.at_level(logging.WARNING, "resolver.access"), pytest.raises(AuthenticationError):
            begun(embedded)
        assert "discovery can't be had" in caplog.text
        caplog.clear()
    with pytest.raises(NotFoundError):
        embedded.service.sign_in.begin("other", SignInPurpose.OPEN)


@pytest.mark.parametrize("name", ["token_endpoint", "authorization_endpoint", "issuer"])
def test_hostile_discovery(embedded: World, provider: OpenIdProvider, name: str) -> None:
    """Codes and secrets go to no other host; nothing is plain HTTP; the issuer is the one that was asked."""
    value = {
        "token_endpoint": "https://evil.example.com/token",
        "authorization_endpoint": "http://evil.example.com/",
        "issuer": provider.url + "/",
    }[name]
    provider.discovery[name] = value
    with pytest.raises(AuthenticationError, match="sign-in was refused"):
        signed_in(embedded, provider)
    assert provider.granted == []


def test_users_are_not_made_unless_that_is_set(embedded: World) -> None:
    """Then a sys_admin makes and links them; the person is told the subject for that."""
    with openid_provider(embedded, create_users=False) as provider:
        with pytest.raises(AuthenticationError, match="you have no user here") as refused:
            signed_in(embedded, provider)
        assert "'sub-una'" in refused.value.hint
        assert embedded.service.users.list(embedded.admin).total == 1


def test_a_person_without_a_role_gets_no_user(embedded: World, provider: OpenIdProvider) -> None:
    """Where groups give the roles, a person of none of them is nobody here."""
    with pytest.raises(AuthenticationError, match="you have no user here"):
        signed_in(embedded, provider, groups=["others"])
    assert embedded.service.users.list(embedded.admin).total == 1


def test_a_name_is_no_identity(embedded: World, provider: OpenIdProvider) -> None:
    """Whoever is called like a user here, in whatever case, is not that user, nor with the same address."""
    embedded.user("una")
    for name in ("una", "UNA", "admin"):
        with pytest.raises(AuthenticationError, match="who is not linked to you"):
            signed_in(embedded, provider, preferred_username=name, email="admin@example.com")
    assert signed_in(embedded, provider, preferred_username="una@example.com").username == "una-example.com"
    other = signed_in(embedded, provider, "sub-other", preferred_username="other")
    with pytest.raises(AuthenticationError, match="who is not linked to you"):
        signed_in(embedded, provider, "sub-third", preferred_username="other")
    assert signed_in(embedded, provider, "sub-other").user_id == other.user_id


def test_the_same_subject_of_another_issuer(embedded: World, provider: OpenIdProvider) -> None:
    """It is another person."""
    una = signed_in(embedded, provider)
    with openid_provider(embedded) as other:
        with pytest.raises(AuthenticationError, match="who is not linked to you"):
            signed_in(embedded, other)
        found = signed_in(embedded, other, preferred_username="una2")
    assert found.user_id != una.user_id


def test_a_user_who_is_not_active(embedded: World, provider: OpenIdProvider) -> None:
    """Who was deactivated here stays out, whatever the provider says; sessions ended with that."""
    una = signed_in(embedded, provider)
    secret = embedded.service.sessions.open_for(una).secret
    embedded.service.users.update(embedded.admin, "una", UserChange(active=False))
    with pytest.raises(AuthenticationError, match="not active"):
        embedded.service.sessions.authenticate(secret)
    with pytest.raises(AuthenticationError, match="your user is not active"):
        signed_in(embedded, provider)


def test_groups_are_brought_up_to_date(embedded: World, provider: OpenIdProvider) -> None:
    """A group that one left takes its role away, the widest of several holds, and all may go."""
    una = signed_in(embedded, provider, groups=["devs", "leads"])
    users = embedded.service.users
    assert users.get(embedded.admin, "una").roles == {"home": TenantRole.MANAGER, "away": TenantRole.VIEWER}
    signed_in(embedded, provider, groups=["leads"])
    assert users.get(embedded.admin, "una").roles == {"home": TenantRole.MANAGER}
    assert signed_in(embedded, provider, groups=[]).user_id == una.user_id
    assert users.get(embedded.admin, "una").roles == {}
    with pytest.raises(AuthenticationError, match="sign-in was refused"):
        signed_in(embedded, provider, groups=None)


def test_roles_of_groups_end(embedded: World, provider: OpenIdProvider) -> None:
    """Twelve hours after the sign-in, for tokens and sessions alike; the next sign-in gives them anew."""
    una = signed_in(embedded, provider)
    token = embedded.service.tokens.create(embedded.admin, NewToken(username="una")).token
    gate, tenants = embedded.service.gate, embedded.service.tenants
    embedded.clock.now = later(embedded.clock(), 12 * 3600 - 1)
    caller = gate.authenticate_token(token)
    assert tenants.list(caller).total == 2
    embedded.clock.now = later(embedded.clock(), 1)
    assert tenants.list(caller).total == 0
    assert gate.authenticate_token(token).roles == {}
    with embedded.service._store.read() as session:  # noqa: SLF001 - what a session would be
        assert gate.current(session, una).roles == {}
    signed_in(embedded, provider)
    assert tenants.list(caller).total == 2


def test_sys_admin_by_group(embedded: World) -> None:
    """Only where a setting says so; it is taken away, and the last one is never."""
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        assert signed_in(embedded, provider, groups=["ops"]).system_role is SystemRole.SYS_ADMIN
        assert signed_in(embedded, provider).system_role is SystemRole.DEFAULT
        signed_in(embedded, provider, groups=["ops"])
        embedded.service.users.update(embedded.admin, "admin", UserChange(active=False), even_last=True)
        with pytest.raises(AuthenticationError, match="sign-in was refused"):
            signed_in(embedded, provider)
        assert signed_in(embedded, provider, groups=["ops"]).system_role is SystemRole.SYS_ADMIN


@pytest.mark.parametrize("hours", [1, 13])
def test_roles_that_ended_do_not_come_back(embedded: World, hours: int) -> None:
    """Where groups give none any more, those last that still hold."""
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        signed_in(embedded, provider, groups=["ops", "devs"])
        let_in_by(embedded, provider_of(provider.url, groups=None))
        embedded.clock.now = later(embedded.clock(), hours * 3600)
        una = signed_in(embedded, provider)
        assert una.system_role is (SystemRole.SYS_ADMIN if hours == 1 else SystemRole.DEFAULT)
        assert bool(una.roles) is (hours == 1)


@pytest.mark.parametrize("at", [10**18, -(10**18), -1])
def test_a_time_that_is_none(embedded: World, provider: OpenIdProvider, at: int) -> None:
    """An ID token may say a time that no clock shows; it is as good as none."""
    assert signed_in(embedded, provider, auth_time=at).confirmed_at == ""


def test_no_sys_admin_without_the_setting(embedded: World, provider: OpenIdProvider) -> None:
    """A group of that name is a group like any other."""
    assert signed_in(embedded, provider, groups=["devs", "sys_admin"]).system_role is SystemRole.DEFAULT


def test_confirming(embedded: World, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture) -> None:
    """The person has to have just shown who it is, by the provider's word."""
    sessions = embedded.service.sessions
    secret = sessions.open_for(signed_in(embedded, provider)).secret
    assert sessions.authenticate(secret).confirmed_at == ""
    start = begun(embedded, SignInPurpose.CONFIRM)
    done = embedded.service.sign_in.finish(start.secret, provider.agree(start.url))
    sessions.confirm_by(secret, done.caller)
    assert sessions.authenticate(secret).confirmed_at == embedded.clock()
    for claims in ({"auth_time": None}, {"auth_time": int(provider.now()) - 301}, {"auth_time": "now"}):
        provider.claims = claims
        start = begun(embedded, SignInPurpose.CONFIRM)
        _refused(embedded, start.secret, provider.agree(start.url), caplog, "")
    provider.claims = {}
    other = signed_in(embedded, provider, "sub-other", auth_time=int(provider.now()))
    with pytest.raises(AuthenticationError, match="another person's"):
        sessions.confirm_by(secret, other)


def test_a_provider_that_was_removed(embedded: World, provider: OpenIdProvider) -> None:
    """Sessions that it opened end."""
    secret = embedded.service.sessions.open_for(signed_in(embedded, provider)).secret
    assert embedded.service.sessions.authenticate(secret)
    let_in_by(embedded)
    with pytest.raises(AuthenticationError):
        embedded.service.sessions.authenticate(secret)


def test_ports_are_for_commands(embedded: World, provider: OpenIdProvider) -> None:
    """Where the browser comes back to is no choice of whoever begins; commands only where that is set."""
    for purpose, port in (
        (SignInPurpose.OPEN, 4000),
        (SignInPurpose.LOOPBACK, 0),
        (SignInPurpose.LOOPBACK, 4000),
    ):
        with pytest.raises(InvalidRequestError):
            begun(embedded, purpose, port=port)
    let_in_by(embedded, provider_of(provider.url, loopback=True))
    provider.agree(begun(embedded, SignInPurpose.LOOPBACK, port=4000).url)
    assert provider.codes["code0"]["redirect_uri"] == "http://127.0.0.1:4000/"


@pytest.mark.parametrize(("port", "loopback"), [(4000, False), (0, True), (0, False)])
def test_a_commands_sign_in_that_was_never_begun(
    embedded: World, provider: OpenIdProvider, port: int, *, loopback: bool
) -> None:
    """A secret that somebody makes up ends none that could not be begun, whatever the provider agrees to."""
    let_in_by(embedded, provider_of(provider.url, loopback=loopback))
    secret = f"example.loopback.{port}.{int(provider.now())}.made-up"
    state = hmac.new(secret.encode(), b"sign-in state", hashlib.sha256).hexdigest()
    with pytest.raises(AuthenticationError, match="this browser has begun no sign-in"):
        embedded.service.sign_in.finish(secret, SignInAnswer(state, "code0"))


def test_no_trust_takes_what_people_sign_in_with(embedded: World, provider: OpenIdProvider) -> None:
    """The audience of ID tokens is no trust's: whoever has one would be a workload by it."""
    assert provider.url
    with pytest.raises(InvalidRequestError, match="that of people who sign in"):
        trusting(embedded, audience="resolver")
    assert trusting(embedded).audience != "resolver"
