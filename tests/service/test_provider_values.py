"""Secrets that are kept with providers: used like others, fetched together, failing by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.providers import MAX_FORWARDS, NewProvider, ProviderChange
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest
from resolver.dsl.problems import Reason
from resolver.dsl.values import GivenInput
from resolver.errors import (
    BlueprintError,
    ConflictError,
    InvalidRequestError,
    MisplacedTokenError,
    NotAtProviderError,
    NotFoundError,
    NotPermittedError,
    ProviderError,
    TamperedRowError,
)
from resolver.resolution import BlueprintText, Options, resolve
from tests.peer import Peer, answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Caller
    from tests.databases import World

VALUE = "kept-elsewhere-2f81"


def _entries(head: str) -> bytes:
    """A Vault with two entries."""
    if "/secret/data/team/shop " in head:
        return answer(200, json.dumps({"data": {"data": {"db": VALUE, "port": 5432}}}).encode())
    if "/secret/data/team/other " in head:
        return answer(200, json.dumps({"data": {"data": {"queue": "q"}}}).encode())
    return answer(200 if "lookup-self" in head else 404)


@pytest.fixture
def vault(world: World) -> Iterator[Peer]:
    """A provider `v` of the tenant, and secrets that are kept with it: db and port in one entry, queue."""
    with serving(_entries) as peer:
        parameters = {"url": peer.url, "token": "t", "path": "team"}
        world.service.providers.create(world.admin, "home", "v", NewProvider("vault", parameters))
        for key, path in (("db", "shop"), ("port", "shop"), ("queue", "other")):
            _keep(world, key, {"path": path})
        yield peer


def _keep(world: World, key: str, options: dict[str, str], caller: Caller | None = None) -> None:
    world.service.secrets.create(
        caller or world.admin, "home", key, NewSecret(provider="v", provider_options=options)
    )


def _resolved(world: World, text: str, caller: Caller | None = None, **inputs: str) -> Any:  # noqa: ANN401
    options = Options({name: GivenInput(value) for name, value in inputs.items()})
    blueprint = BlueprintText("b.yaml", text.encode(), None)
    return resolve(world.service, caller or world.admin, "home", [blueprint], options).blueprints[0].data


ALL = "[" + ", ".join(f"{{ get_secret: {key} }}" for key in ("db", "port", "queue", "here", "db")) + "]"


def test_values_are_fetched_together(world: World, vault: Peer) -> None:
    """One request for each entry, however many secrets and calls; values of this store beside them."""
    world.secret("here", "local value")
    assert _resolved(world, ALL) == [VALUE, "5432", "q", "local value", VALUE]
    assert len(vault.seen) == 2


def test_nothing_of_it_is_in_the_store(world: World, vault: Peer) -> None:
    """Neither before nor after a use; options and parameters are sealed."""
    _resolved(world, "{ get_secret: db }")
    tables = ("secret", "secret_version", "secrets_provider", "audit_record")
    stored = repr([world.execute(f"SELECT * FROM {table}") for table in tables])
    for text in (VALUE, str(vault.port), "shop"):
        assert text not in stored


def test_the_rules_of_access_hold_for_them(world: World, vault: Peer) -> None:
    """A viewer may see and not use, operations may use, a stranger nothing; what is hidden is not shown."""
    world.service.secrets.create(
        world.admin,
        "home",
        "hid",
        NewSecret(hidden=True, provider="v", provider_options={"path": "shop", "key": "db"}),
    )
    viewer, operator = world.user("w", TenantRole.VIEWER), world.user("o", TenantRole.OPERATIONS)
    stranger = world.user("s", away=TenantRole.MANAGER)
    shown = world.service.secrets.show(viewer, "home", "db")[1]
    assert shown is not None
    assert shown.reveal() == VALUE
    seen = len(vault.seen)
    assert world.service.secrets.show(viewer, "home", "hid")[1] is None
    for caller in (viewer, stranger):
        with pytest.raises(NotPermittedError):
            _resolved(world, "{ get_secret: db }", caller)
    assert len(vault.seen) == seen
    assert _resolved(world, "{ get_secret: hid }", operator) == VALUE


def test_a_failing_provider_fails_its_own_calls_by_name(world: World, vault: Peer) -> None:
    """All of them together with what else is wrong, and no other secret is asked for then."""
    _keep(world, "gone", {"path": "nowhere"})
    with pytest.raises(BlueprintError) as raised:
        _resolved(world, "[{ get_secret: gone }, { get_secret: db }]")
    (problem,) = raised.value.problems
    assert problem.reason is Reason.NOT_AT_PROVIDER
    with pytest.raises(NotAtProviderError, match=r"and there is no entry at this path$") as missing:
        world.service.secrets.show(world.admin, "home", "gone")
    _keep(world, "half", {"path": "shop", "key": "no_such"})
    with pytest.raises(NotAtProviderError) as without:
        world.service.secrets.show(world.admin, "home", "half")
    for error in (missing.value, without.value, *raised.value.problems):
        assert VALUE not in f"{error!r} {error} {vars(error) if hasattr(error, '__dict__') else ''}"
    assert problem.message == (
        "secret 'gone' of tenant 'home' is kept elsewhere: provider 'v': there is no entry at this path"
    )
    world.service.providers.update(
        world.admin, "home", "v", ProviderChange(parameters={"url": "http://127.0.0.1:1", "token": "t"})
    )
    vault.seen.clear()
    with pytest.raises(BlueprintError) as raised:
        _resolved(world, "[{ get_secret: db }, { get_secret: missing }, { get_secret: queue }]")
    assert [problem.reason for problem in raised.value.problems] == [
        Reason.PROVIDER,
        Reason.NOT_FOUND,
        Reason.PROVIDER,
    ]
    assert "127.0.0.1" not in repr(raised.value.problems)
    assert vault.seen == []
    with pytest.raises(
        ProviderError, match=r"^secret 'db' is kept with provider 'v', and it can't be reached"
    ):
        world.service.secrets.show(world.admin, "home", "db")


def test_a_refused_run_asks_for_no_secret(world: World, vault: Peer) -> None:
    """It only finds out whether the provider answers."""
    with pytest.raises(BlueprintError):
        _resolved(world, "[{ get_secret: db }, { get_secret: missing }]")
    assert [head.split()[1] for head in vault.seen] == ["/v1/auth/token/lookup-self"]


def test_a_computed_key_does_not_tell_its_provider(world: World, vault: Peer) -> None:
    """The message has neither the key nor where it leads."""
    world.secret("which", "gone")
    _keep(world, "gone", {"path": "nowhere"})
    with pytest.raises(BlueprintError) as raised:
        _resolved(world, "{ get_secret: { get_secret: which } }")
    (problem,) = raised.value.problems
    assert "<from secret which>" in problem.message
    assert "'v'" not in problem.message
    assert vault.seen


def test_a_request_that_came_too_far_ends(embedded: World) -> None:
    """A manager that is asked through several others asks no further one."""
    with serving(lambda _: answer(200, b'{"value": "x"}')) as peer:
        login = {"host": "127.0.0.1", "port": str(peer.port), "protocol": "http", "tenant": "t", "token": "x"}
        embedded.service.providers.create(embedded.admin, "home", "c", NewProvider("cloudify", login))
        embedded.service.secrets.create(embedded.admin, "home", "k", NewSecret(provider="c"))
        value = embedded.service.secrets.show(embedded.admin, "home", "k", forwards=MAX_FORWARDS - 1)[1]
        assert value is not None
        assert len(peer.seen) == 1
        with pytest.raises(ProviderError, match="came through 3 managers already"):
            embedded.service.secrets.show(embedded.admin, "home", "k", forwards=MAX_FORWARDS)
        assert len(peer.seen) == 1


@pytest.mark.usefixtures("vault")
def test_what_may_not_be_created(world: World) -> None:
    """A second value, none for this store, options that lead out, a schema, an unseen provider."""
    create = world.service.secrets.create
    world.service.providers.create(world.admin, "home", "l", NewProvider("local"))
    value = SecretValue("x")
    for new, message in (
        (NewSecret(value=value, provider="v"), "provider 'v' has the value, so none can be given here"),
        (NewSecret(provider="l"), "the value is empty"),
        (NewSecret(provider="v", provider_options={"path": "../sys"}), "must be a path of plain steps"),
        (NewSecret(provider="v", schema="{}"), "can't be checked against a schema"),
        (NewSecret(value=value, provider_options={"path": "a"}), "options were given without a provider"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            create(world.admin, "home", "k", new)
    with pytest.raises(NotFoundError, match="secrets provider 'v' was not found in tenant 'away'"):
        create(world.admin, "away", "k", NewSecret(provider="v"))
    create(world.admin, "home", "k", NewSecret(value=value, provider="l"))
    assert _resolved(world, "{ get_secret: k }") == "x"


@pytest.mark.usefixtures("vault")
def test_changes_of_what_is_kept_elsewhere(world: World) -> None:
    """Options and provider can change; a value, a version or a schema has no place there."""
    secrets = world.service.secrets
    secrets.update(
        world.admin, "home", "db", SecretChange(provider_options={"path": "other", "key": "queue"})
    )
    assert _resolved(world, "{ get_secret: db }") == "q"
    for refused in (
        lambda: secrets.update(world.admin, "home", "db", SecretChange(value=SecretValue("x"))),
        lambda: secrets.create(
            world.admin, "home", "db", NewSecret(value=SecretValue("x"), update_if_exists=True)
        ),
        lambda: secrets.rollback(world.admin, "home", "db", 2),
    ):
        with pytest.raises(
            InvalidRequestError, match=r"^the value of secret 'db' is kept with provider 'v'$"
        ):
            refused()
    world.service.providers.create(world.admin, "home", "l", NewProvider("local"))
    with pytest.raises(InvalidRequestError, match="so a value has to be given, too"):
        secrets.update(world.admin, "home", "db", SecretChange(provider="l"))
    secrets.update(world.admin, "home", "db", SecretChange(provider="l", value=SecretValue("here now")))
    assert _resolved(world, "{ get_secret: db }") == "here now"
    secrets.update(world.admin, "home", "db", SecretChange(provider="v", provider_options={"path": "shop"}))
    assert _resolved(world, "{ get_secret: db }") == VALUE
    assert [secret.provider for secret in secrets.list(world.admin, "home").items] == ["v"] * 3


@pytest.mark.usefixtures("vault")
def test_a_provider_in_use_stays(world: World) -> None:
    """It is not deleted with the secrets that are kept with it; those who administer are told their keys."""
    user = world.user("u", TenantRole.USER)
    with pytest.raises(ConflictError, match=r"^secrets are kept with provider 'v': db, port, queue$"):
        world.service.providers.delete(world.admin, "home", "v")
    with pytest.raises(ConflictError, match=r"^secrets are kept with provider 'v'$"):
        world.service.providers.delete(user, "home", "v")
    for key in ("db", "port", "queue"):
        world.service.secrets.delete(world.admin, "home", key)
    world.service.providers.delete(world.admin, "home", "v")


def test_options_moved_to_another_secret_do_not_open(world: World, vault: Peer) -> None:
    """An error and a record of their own."""
    world.execute(
        "UPDATE secret SET provider_options = (SELECT provider_options FROM secret WHERE key = 'queue')"
        " WHERE key = 'db'"
    )
    with pytest.raises(TamperedRowError):
        world.service.secrets.show(world.admin, "home", "db")
    world.vouch("secret")
    with pytest.raises(MisplacedTokenError):
        world.service.secrets.show(world.admin, "home", "db")
    last = json.loads(world.service.trail.records(world.admin, "home")[-1].body)
    assert (last["action"], last["reason"]) == ("provider:unreadable", "MisplacedTokenError")
    assert vault.seen == []


def test_an_export_leaves_them_out(world: World, vault: Peer) -> None:
    """And counts them: their values are not this store's to give away."""
    world.secret("here")
    found = world.service.transfer.export(world.admin, ExportRequest("home"))
    assert [one.secret.key for one in found.secrets] == ["here"]
    assert (found.left_out, found.external) == (0, 3)
    world.secret("db", tenant="away")  # of the same name, and here
    found = world.service.transfer.export(world.admin, ExportRequest(all_tenants=True))
    assert sorted((one.secret.tenant.name, one.secret.key) for one in found.secrets) == [
        ("away", "db"),
        ("home", "here"),
    ]
    assert found.external == 3
    assert vault.seen == []
