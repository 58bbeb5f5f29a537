"""Records as JSON data: what is written is read back, what is malformed is refused without a word of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from resolver.core.model import Owner, Scope, Secret, SecretValue, Tenant, User, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import Provider, ProviderInfo
from resolver.core.query import Page, Part
from resolver.core.results import (
    Holding,
    Identity,
    MadeToken,
    TenantInfo,
    TokenInfo,
    Usage,
    WideMember,
    WideSecret,
)
from resolver.core.transfer import ExportedSecret, ExportResult, ImportResult, VersionWithValue
from resolver.protocol.codec import MalformedError, decode, encode, parse

AT = "2030-01-01T00:00:00.000Z"
SCOPE = Scope(frozenset({Permission.SECRET_USE}), None, ("db_*",))
TOKEN = TokenInfo("id", "una", "for tests", AT, None, SCOPE, None)
SECRET = Secret(
    id="uuid",
    key="key",
    tenant=Tenant("", "home"),
    visibility=Visibility.PRIVATE,
    hidden=True,
    owner=Owner("", "una"),
    version=3,
    created_at=AT,
    updated_at=AT,
    schema='{"type": "object"}',
    rotate_after=5,
)
PROVIDER = Provider("uuid", "far", "vault", Tenant("", "home"), Visibility.TENANT, Owner("", "una"), AT, AT)
HOLDING = Holding("secret", "uuid", "key", Tenant("", "home"))
WIDE_SECRET = WideSecret("key", Visibility.GLOBAL, Visibility.TENANT)

RECORDS: list[tuple[Any, Any]] = [
    (Secret, SECRET),
    (Page, Page([SECRET], 9)),
    (Part[TokenInfo], Part([TOKEN], 1)),
    (Part[TenantInfo], Part([TenantInfo(Tenant("", "home"), None, 2, {"una": TenantRole.USER})], 1)),
    (MadeToken, MadeToken("ctok", TOKEN)),
    (
        Identity,
        Identity(
            "una",
            SystemRole.DEFAULT,
            {"home": TenantRole.VIEWER},
            "id",
            SCOPE,
            {"home": frozenset({Permission.SECRET_LIST, Permission.SECRET_SHOW})},
            frozenset(),
        ),
    ),
    (Usage, Usage(AT, [HOLDING], [WideMember("una", TenantRole.USER, None)], None, [WIDE_SECRET])),
    (ProviderInfo, ProviderInfo(PROVIDER, {"url": "https://vault.example"})),
    (ProviderInfo, ProviderInfo(PROVIDER)),
    (ExportResult, ExportResult([ExportedSecret(SECRET, [VersionWithValue(1, SecretValue("ö"))])], 1, 2)),
    (ImportResult, ImportResult(1, {"home": ["key"]}, {3: {"value": "wrong"}})),
]


@pytest.mark.parametrize(("kind", "record"), RECORDS)
def test_round_trip(kind: Any, record: Any) -> None:  # noqa: ANN401 - any record
    """Through JSON text and back; a name stands for a tenant, and ids of users are not told."""
    text = json.dumps(encode(record))
    assert decode(kind, json.loads(text)) == record


def test_ids_of_tenants_and_users_stay() -> None:
    """No server reports them, and one that does is not listened to."""
    secret = replace(SECRET, tenant=Tenant("tenant-id", "home"), owner=Owner("owner-id", "una"))
    reported = encode(secret)
    assert (reported["tenant"], reported["owner"]) == ("home", "una")
    assert "tenant-id" not in str(reported)
    assert "owner-id" not in str(reported)
    assert decode(Secret, {**reported, "owner_id": "x"}).owner.id == ""
    user = User("una", SystemRole.DEFAULT, active=True, created_at=AT, id="user-id")
    assert "id" not in encode(user.profile)


def test_unknown_fields_are_passed_over() -> None:
    """A newer server may tell more."""
    assert decode(Secret, {**encode(SECRET), "newer": {}}) == SECRET


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Secret, None),
        (Secret, []),
        (Secret, {}),
        (Secret, {**encode(SECRET), "version": "3"}),
        (Secret, {**encode(SECRET), "version": True}),
        (Secret, {**encode(SECRET), "version": 3.0}),
        (Secret, {**encode(SECRET), "hidden": 1}),
        (Secret, {**encode(SECRET), "visibility": "everyone"}),
        (Secret, {**encode(SECRET), "visibility": ["tenant"]}),
        (Secret, {**encode(SECRET), "tenant": {"name": "home"}}),
        (Secret, {**encode(SECRET), "schema": 5}),
        (SecretValue, None),
        (SecretValue, {"value": "x"}),
        (Page, {"items": {"0": encode(SECRET)}, "total": 1}),
        (Page, {"items": "", "total": 1}),
        (ImportResult, {"stored": 0, "colliding": {}, "errors": {"-1": {}}}),
        (ImportResult, {"stored": 0, "colliding": {}, "errors": {"9" * 30: {}}}),
    ],
)
def test_malformed(kind: Any, data: object) -> None:  # noqa: ANN401 - any record
    """Data is of exactly the type that a record says, or refused without a word about it."""
    with pytest.raises(MalformedError) as caught:
        decode(kind, data)
    assert str(caught.value) == "the data is not of the expected form"
    assert caught.value.__context__ is None
    for word in ("everyone", "home", "una", AT):
        assert word not in caught.value.rule
        assert word not in caught.value.path


@pytest.mark.parametrize(
    "text",
    [
        b'{"key": "one", "key": "two"}',
        b'{"a": [{"b": {"c": 1, "c": 1}}]}',
        rb'{"key": "\ud800"}',
        rb'{"\uDFFF": 1}',
        b'"\xed\xa0\x80"',
        b'{"number": NaN}',
        b'{"number": 1e999}',
        b"[-Infinity]",
        b"{",
        b'"secret text',
        b"",
    ],
)
def test_text_that_is_refused(text: bytes) -> None:
    """Duplicate keys, half characters and NaN are no JSON here, and no error repeats any of the text."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is often empty on purpose
        parse(text)
    assert caught.value.__context__ is None
    assert "secret" not in str(caught.value)


def test_text_that_is_read() -> None:
    """Whole characters that are written as pairs, and the same key in different objects."""
    assert parse(rb'[{"a": "\ud83d\ude00"}, {"a": 1.5, "b": null}]') == [
        {"a": "\U0001f600"},
        {"a": 1.5, "b": None},
    ]


def test_the_first_error_ends_it() -> None:
    """A large list of wrong things costs no more than its first."""
    wrong = [{**encode(SECRET), "version": "x"}] * 3
    with pytest.raises(MalformedError) as caught:
        decode(Page, {"items": wrong, "total": 3})
    assert caught.value.path == ("items", "0", "version")
    assert caught.value.rule == "Expected `int`, got `str`"


def test_query_text() -> None:
    """Numbers and booleans in a URL are text."""
    assert decode(dict[str, int | bool], {"a": "5", "b": "true"}, from_text=True) == {"a": 5, "b": True}
    with pytest.raises(MalformedError):
        decode(dict[str, int], {"a": "5"})


def test_order() -> None:
    """Objects keep their order, in which messages are shown; sets, which have none, are sorted."""
    result = ImportResult(0, {}, {1: {"key": "wrong", "b": "too"}, 0: {"z": "wrong"}})
    assert json.dumps(encode(result)["errors"]) == '{"1": {"key": "wrong", "b": "too"}, "0": {"z": "wrong"}}'
    assert encode(frozenset(Permission)) == sorted(Permission)


def test_what_is_no_record() -> None:
    """Nothing else is written out by accident."""
    for thing in (object(), Secret):
        with pytest.raises(TypeError):
            encode(thing)
