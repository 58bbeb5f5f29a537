"""Names that our own API does not have: fields of bodies at any depth, and parameters of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from resolver.core.transfer import VersionWithValue
from resolver.rest.app import GROUPS
from resolver.rest.routing import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rest.conftest import Live

LENIENT = {VersionWithValue: "answers have it, too, and who reads those takes fields that it does not know"}
"""Records of requests that take unknown fields, each with the reason."""


def records_in(info: msgspec.inspect.Type) -> Iterator[type]:
    """All records that a type is made of."""
    match info:
        case msgspec.inspect.StructType():
            yield info.cls
            for field in info.fields:
                yield from records_in(field.type)
        case msgspec.inspect.CollectionType():
            yield from records_in(info.item_type)
        case msgspec.inspect.DictType():
            yield from records_in(info.value_type)
        case msgspec.inspect.UnionType():
            for one in info.types:
                yield from records_in(one)


def test_all_records_of_our_requests_forbid_unknown_names() -> None:
    """One that did not would drop what is misspelt, and nobody would know."""
    kinds = {
        record
        for group in GROUPS
        for operation in group.operations
        if operation.path.startswith(OWN)
        for name in ("body", "query")
        if name in operation.parameters
        for record in records_in(msgspec.inspect.type_info(operation.kinds[name]))
    }
    assert {kind for kind in kinds if not kind.__struct_config__.forbid_unknown_fields} == set(LENIENT)


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        (
            "PUT",
            "/secrets/new",
            {"value": "most secret", "visibilty": "private"},
            "the body has a name that is not known: did you mean 'visibility'?",
        ),
        (
            "POST",
            "/use",
            {"tenant": "home", "keys": [{"key": "new", "calls": [{"source": "b", "lines": 3}]}]},
            "the `keys.0.calls.0` argument has a name that is not known: did you mean 'line'?",
        ),
        (
            "POST",
            "/check",
            {"tenant": "home", "keys": [], "most secret": 1},
            "the body has a name that is not known: it takes 'keys', 'tenant'",
        ),
        ("DELETE", "/secrets/new?if_verson=3", None, "did you mean 'if_version'?"),
        ("GET", "/secrets?visibilty=private", None, "did you mean 'visibility'?"),
        ("GET", "/tenants/home?purge=true", None, "the query has a name that is not known: it takes none"),
        (
            "GET",
            "/tokens?most+secret=1",
            None,
            "the query has a name that is not known: it takes 'offset', 'size'",
        ),
    ],
)
def test_unknown_names_are_refused(shared: Live, method: str, path: str, body: Any, told: str) -> None:  # noqa: ANN401
    """With what may have been meant, without what was sent; nothing is made."""
    admin = shared.client()
    status, code, message = admin.refused(method, f"{OWN}{path}", body)
    assert (status, code) == (400, "bad_parameters_error")
    assert told in message
    assert "secret" not in message
    assert admin("GET", f"{OWN}/secrets/new").status_code == 404


def test_cloudifys_api_passes_over_unknown_names_as_cloudify_does(live: Live) -> None:
    """Its clients are of many versions."""
    live.client().does("PUT", "/api/v3.1/secrets/one", {"value": "v", "visibilty": "private"})


def test_parts_of_lists_have_two_names(live: Live) -> None:
    """Cloudify's, with an underscore, and ours."""
    for name in ("one", "two", "three"):
        live.world.secret(name)
    admin = live.client()
    for query in ("size=1&offset=1", "_size=1&_offset=1", "_size=1&offset=1"):
        page = admin.gets(f"{OWN}/secrets?{query}")
        assert ([item["key"] for item in page["items"]], page["total"]) == (["three"], 3)
        assert len(admin.gets(f"{OWN}/tokens?{query}")["items"]) <= 1
    assert admin.refused("GET", f"{OWN}/tokens?_size=-1")[0] == 400
