"""No value, token, password, passphrase or query is in the log, in an error or in the numbers."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.account_changes import NewUser
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.protocol.codec import decode
from resolver.rest.access_log import JsonLines
from resolver.rest.cloudify.secrets import CloudifyNewSecret, CloudifySecretChange
from resolver.rest.cloudify.transfer import CloudifyImportRequest
from resolver.rest.routing import ApiCall
from resolver.rest.v1.console_session import SessionRequest
from resolver.rest.v1.sealed_transfer import OpenRequest, SealRequest
from tests.rest.conftest import SECRETS, USE, basic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rest.conftest import Live

MARK = "mark-5f1c9e7a"
"""Stands in everything that must not be told."""

RESOLVE = "/api/v1/resolver/resolve"
PROVIDERS = "/api/v3.1/secrets-providers"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that any logger says, at its most talkative, as the server writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "resolver", "uvicorn")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    for noisy in ("httpx", "httpcore"):  # the client's side
        logging.getLogger(noisy).setLevel(logging.ERROR)
    yield text
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_requests_that_carry_values_leave_none_behind(live: Live, log: io.StringIO) -> None:
    """Good and refused ones: what came in a body, a header or a query is in no line and no number."""
    admin = live.client()
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    admin.does("PUT", f"{SECRETS}/one", {"value": MARK, "is_hidden_value": True})
    pipeline.does("POST", USE, {"tenant": "home", "keys": [{"key": "one"}]})
    pipeline.does("POST", RESOLVE, {"tenant": "home", "blueprints": [{"text": "a: { get_secret: one }"}]})
    admin.gets(f"{SECRETS}/share/export?_passphrase={MARK}&_search={MARK}")
    refused: list[tuple[str, str, Any]] = [
        ("PUT", f"{SECRETS}/one", {"value": MARK}),
        ("PUT", f"{SECRETS}/two", {"value": [MARK]}),
        ("PUT", f"{SECRETS}/two", {"value": MARK, "visibility": MARK}),
        ("PUT", f"{SECRETS}/two", {"value": MARK, "is_hidden_value": MARK}),
        ("PUT", f"{SECRETS}/two", {"value": MARK, "schema": {"type": "integer"}}),
        ("PATCH", f"{SECRETS}/one", {"value": MARK, MARK: {MARK: MARK}, "visibility": [MARK]}),
        ("PUT", "/api/v3.1/users", {"username": "u", "password": MARK, "role": MARK}),
        ("POST", "/api/v3.1/users/admin", {"password": MARK * 100}),
        ("POST", f"{SECRETS}/share/import", {"secrets_list": MARK, "passphrase": MARK}),
        ("POST", RESOLVE, {"tenant": "home", "blueprints": [{"text": "a: ["}], "inputs": {"a": MARK}}),
        ("POST", RESOLVE, {"tenant": "home", "blueprints": [{"text": "a: 1"}], "context": {"labels": MARK}}),
        ("GET", f"{SECRETS}?_size={MARK}", None),
        ("GET", f"{SECRETS}?{MARK}={MARK}", None),
        ("PUT", PROVIDERS, {"name": "p", "type": MARK, "connection_parameters": {"token": MARK}}),
    ]
    told = []
    for method, path, body in refused:
        answer = admin(method, path, body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        told.append(answer.text)
    for headers in (
        {"Authentication-Token": MARK},
        {"Authorization": f"Bearer {MARK}"},
        {"Authorization": basic("admin", MARK)},
        {"Authorization": f"Basic {MARK}"},
    ):
        answer = live.http.get(f"{SECRETS}?q={MARK}", headers=headers)
        assert answer.status_code == 401
        told.append(answer.text)
    told.append(admin("GET", "/metrics").text)
    lines = log.getvalue()
    assert lines.count('"resolver.access"') > len(refused)
    assert MARK not in lines
    assert admin.token not in lines
    for text in told:
        assert MARK not in text


def test_an_internal_error_says_where_and_not_what(
    live: Live, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the type and the places, the answer a number to find it by; neither has the message."""

    async def broken(_call: ApiCall) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr(ApiCall, "read_body", broken)
    answer = live.client()("PUT", f"{SECRETS}/one", {"value": MARK})
    assert answer.status_code == 500
    assert answer.json()["message"] == "internal error"
    deadline = time.monotonic() + 100  # the line is written once the answer is sent
    while "RuntimeError" not in log.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "RuntimeError" in line]
    assert line["request"] in answer.json()["hint"]
    assert any("in broken" in frame or "broken" in frame for frame in line["frames"])
    assert MARK not in log.getvalue() + answer.text


def test_bodies_show_nothing_of_themselves() -> None:
    """The repr of a request's body, as a traceback or an assertion would show it, has no value of it."""
    bodies = [
        CloudifyNewSecret(value=MARK),
        CloudifySecretChange(value=MARK),
        CloudifyImportRequest(secrets_list=[MARK], override_collisions=False, passphrase=MARK),
        decode(NewSecret, {"value": MARK}),
        decode(SecretChange, {"value": MARK}),
        decode(NewUser, {"password": MARK}),
        SessionRequest("eve", MARK, MARK),
        SealRequest(passphrase=MARK),
        OpenRequest(text=MARK, passphrase=MARK),
    ]
    for body in bodies:
        assert MARK not in repr(body) + str(body)
