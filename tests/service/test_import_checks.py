"""Entries of an import: whatever they hold and whichever way they come, all requests after it work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.bootstrap.transfer import read_cloudify
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from resolver.core.transfer import (
    MAX_IMPORTED_VERSION,
    ExportRequest,
    ImportEntry,
    ImportRequest,
    VersionWithValue,
)
from resolver.errors import InvalidRequestError, NotPermittedError, ResolverError
from resolver.transfer import sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.databases import World

GOOD = VersionWithValue(1, SecretValue("value"))


def version(number: int = 1, value: str = "value", at: str | None = None) -> VersionWithValue:
    """A version of an entry."""
    return VersionWithValue(number, SecretValue(value), at)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"created_at": "2030-01-01\x1b[2J"}, "created_at"),
        ({"updated_at": "2030-01-01\n"}, "updated_at"),
        ({"updated_at": "1-01-01T00:00:00.000Z"}, "updated_at"),
        ({"expires_at": "\0"}, "expires_at"),
        ({"rotate_after": -1}, "rotate_after"),
        ({"rotate_after": 2**63}, "rotate_after"),
        ({"description": "\udc80"}, "description"),
        ({"versions": (version(2), version(1))}, "versions"),
        ({"versions": (version(1), version(1))}, "versions"),
        ({"versions": (version(0),)}, "versions"),
        ({"versions": (version(2**31 - 1),)}, "versions"),
        ({"versions": (version(at="2030-01-01\r"),)}, "versions"),
        ({"versions": (version(value="\ud800"),)}, "value"),
        ({"versions": (version(value=""),)}, "value"),
        ({"key": "a\0b"}, "key"),
        ({"tenant": "home\0"}, "tenant_name"),
        ({"provider": "\udfff"}, "provider"),
        ({"schema": '{"title": "\ud800"}'}, "schema"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_each_field_is_checked(embedded: World, fields: dict[str, Any], wrong: str, *, whole: bool) -> None:
    """A bad field is named with its entry, whichever format it comes from; the good entry is stored."""
    bad = ImportEntry(**({"key": "bad", "tenant": "home", "versions": (GOOD,), "whole": whole} | fields))
    good = ImportEntry("good", "home", (version(1), version(1_000_000_000)), whole=True)
    done = embedded.service.transfer.import_(embedded.admin, ImportRequest("home", (bad, good)))
    assert list(done.errors) == [0]
    assert wrong in done.errors[0]
    assert done.stored == 1
    everything_works(embedded)


def test_problems_of_the_sender_are_any_text(embedded: World) -> None:
    """What a client says is wrong with an entry spoils that entry only, even where a list is usual."""
    bad = ImportEntry("bad", "home", (GOOD,), problems={"missing secret fields": "x"})
    done = embedded.service.transfer.import_(embedded.admin, ImportRequest("home", (bad,)))
    assert done.errors == {0: {"missing secret fields": "x"}}
    assert not embedded.service.secrets.list(embedded.admin, "home").total


TEXTS = st.one_of(
    st.sampled_from(["", "\0", "\ud800", "\x1b[2J", "2030-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"]),
    st.sampled_from(["9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z", "2030-02-30T00:00:00.000Z"]),
    st.text(max_size=30),
)
NUMBERS = st.one_of(st.integers(-3, 5), st.sampled_from([10**9, 2**31 - 1, 2**31, 2**63, -(2**63)]))
ENTRIES = st.builds(
    ImportEntry,
    key=st.one_of(st.sampled_from(["one", "two", "Three"]), TEXTS),
    tenant=st.one_of(st.sampled_from(["home", "away"]), TEXTS),
    versions=st.lists(
        st.builds(
            VersionWithValue,
            NUMBERS,
            st.builds(SecretValue, st.one_of(st.just("value"), TEXTS)),
            st.none() | TEXTS,
            st.none() | TEXTS,
        ),
        max_size=3,
    ),
    visibility=st.sampled_from(Visibility),
    hidden=st.booleans(),
    schema=st.none() | st.sampled_from(["\0", "[", '{"title": "\\ud800"}']),
    expires_at=st.none() | TEXTS,
    rotate_after=st.none() | NUMBERS,
    owner=st.none() | st.just("admin") | TEXTS,
    created_at=st.none() | TEXTS,
    updated_at=st.none() | TEXTS,
    provider=st.none() | TEXTS,
    provider_options=st.dictionaries(TEXTS, TEXTS, max_size=2),
    whole=st.booleans(),
    description=st.none() | TEXTS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.just("home"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
CLOUDIFYS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["one", "two"]) | JSON,
            "value": st.just("value") | JSON,
            "visibility": st.sampled_from([*Visibility]) | JSON,
            "tenant_name": st.just("home") | JSON,
            "is_hidden_value": st.booleans() | JSON,
            "encrypted": st.sampled_from([False]) | JSON,
        },
        optional={
            name: st.sampled_from(["0001-01-01", "9999-12-31T23:59:59-12:00", "2030-01-01"]) | JSON
            for name in ("creator", "created_at", "updated_at", "provider", "provider_options")
        },
    ),
)


def everything_works(world: World) -> None:
    """List, look at, export, change and verify all that is stored, and read it back from an export."""
    service, admin = world.service, world.admin
    found = service.secrets.list(admin, "", all_tenants=True).items
    for secret in found:
        tenant = secret.tenant.name
        service.secrets.show(admin, tenant, secret.key)
        assert service.secrets.history(admin, tenant, secret.key)
        again = service.secrets.create(
            admin, tenant, secret.key, NewSecret(value=SecretValue("newer"), update_if_exists=True)
        )
        assert again.version == secret.version + 1
        service.usage.unused(admin, tenant)
    exported = service.transfer.export(admin, ExportRequest(all_tenants=True, all_versions=True)).secrets
    data = sealed.write(exported, lambda data, _: {"format": sealed.FORMAT, "data": data.decode()})
    entries = sealed.read(json.loads(json.dumps(data)), lambda given, _: given["data"].encode())
    done = service.transfer.import_(admin, ImportRequest("home", entries, override=True))
    assert done.stored == sum(one.secret.version <= MAX_IMPORTED_VERSION for one in exported)
    for tenant in ("", "home", "away"):
        assert service.trail.verify(admin, tenant).whole
    for secret in service.secrets.list(admin, "", all_tenants=True).items:
        service.secrets.delete(admin, secret.tenant.name, secret.key)


def imported(world: World, entries: Sequence[ImportEntry], *, override: bool) -> None:
    """Import entries twice: each is stored, collides or is reported."""
    for _ in range(2):
        done = world.service.transfer.import_(world.admin, ImportRequest("home", entries, override=override))
        told = done.stored + len(done.errors) + sum(map(len, done.colliding.values()))
        assert told >= min(1, len(entries))
        json.dumps(msgspec.to_builtins(dict(done.errors), str_keys=True))
    everything_works(world)


PROPERTY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PROPERTY
@given(entries=st.lists(ENTRIES, max_size=3), override=st.booleans())
@pytest.mark.slow
def test_any_entry_leaves_a_store_that_works(
    embedded: World, entries: list[ImportEntry], *, override: bool
) -> None:
    """Whatever entries hold, each is stored or reported, and all later requests work."""
    imported(embedded, entries, override=override)


@PROPERTY
@given(entries=st.lists(CLOUDIFYS, max_size=3), override=st.booleans())
@pytest.mark.slow
def test_any_cloudify_entry_leaves_a_store_that_works(
    embedded: World, entries: list[Any], *, override: bool
) -> None:
    """The same for whatever Cloudify's format may hold."""
    imported(embedded, read_cloudify(entries, None), override=override)


def test_a_sealed_file_of_other_types_is_none() -> None:
    """A number where text should be makes it no file of ours, without a traceback."""
    entry = {"key": 1}
    with pytest.raises(ResolverError, match="not a list of secrets"):
        sealed.read({"format": sealed.FORMAT}, lambda _, __: json.dumps({"secrets": [entry]}).encode())


@pytest.fixture
def slow_children(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What each child was given; none gets to an end, as with a hostile pattern."""
    given: list[bytes] = []

    def never_ends(
        _code: str, data: bytes, _seconds: float, _cpu_seconds: int, *, packages: bool
    ) -> tuple[bytes, None]:
        del packages
        given.append(data)
        return b"", None

    monkeypatch.setattr("resolver.validation.sandbox._run", never_ends)
    return given


@pytest.mark.slow
def test_an_import_checks_no_longer_than_it_has_time(embedded: World, slow_children: list[bytes]) -> None:
    """However many entries have a schema that takes for ever; the others are stored."""
    hostile = [
        ImportEntry(f"evil{number}", "home", (GOOD,), schema=json.dumps({"pattern": f"^(a+)+{number}$"}))
        for number in range(300)
    ]
    plain = [ImportEntry(f"good{number}", "home", (GOOD,)) for number in range(300)]
    entries = [entry for pair in zip(hostile, plain, strict=True) for entry in pair]
    done = embedded.service.transfer.import_(embedded.admin, ImportRequest("home", entries))
    assert done.stored == 300
    assert list(done.errors) == list(range(0, 600, 2))
    assert all(
        "can't be checked in the time there is for it" in each["schema"] for each in done.errors.values()
    )
    # 6 seconds, and a hundredth for each entry; 2 for each child.
    assert len(slow_children) == 6


def test_who_may_not_create_has_no_schema_checked(embedded: World, slow_children: list[bytes]) -> None:
    """A check takes a process of its own, so the right comes first."""
    embedded.user("eve", TenantRole.VIEWER)
    new = NewSecret(value=SecretValue("1"), schema='{"type": "integer"}')
    with pytest.raises(NotPermittedError):
        embedded.service.secrets.create(embedded.caller("eve"), "home", "k", new)
    entry = ImportEntry("k", "away", (GOOD,), schema='{"type": "integer"}')
    embedded.user("mallory", TenantRole.USER)
    done = embedded.service.transfer.import_(embedded.caller("mallory"), ImportRequest("home", [entry]))
    assert list(done.errors[0]) == ["tenant_name"]
    assert slow_children == []
    with pytest.raises(InvalidRequestError):
        embedded.service.secrets.create(embedded.caller("mallory"), "home", "k", new)
    assert len(slow_children) == 1
