"""Requests made up from the OpenAPI document: none of them is an error of the server."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis

if TYPE_CHECKING:
    from tests.rest.conftest import Live

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("RESOLVER_TEST_API_EXAMPLES", "3"))
"""How many requests are made up for each route."""


@pytest.mark.filterwarnings("ignore")  # of the library's own dependencies
def test_no_made_up_request_breaks_the_server(live: Live) -> None:
    """With all rights, and with random bodies, parameters and keys: the answer is never an internal error."""
    live.world.secret("one")
    token = live.client().token
    schema: Any = schemathesis.openapi.from_url(f"{live.url}/openapi.json", timeout=120)
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=EXAMPLES < 100,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:  # noqa: ANN401 - the library's
            nonlocal asked
            asked += 1
            case.headers = {**(case.headers or {}), "Authentication-Token": token, "Tenant": "home"}
            for name in ("Authorization", "authorization"):
                case.headers.pop(name, None)
            response = case.call(timeout=120)
            assert response.status_code < 500, (case.method, case.path, response.text)

        ask()
    assert asked > 50


def test_the_document_names_the_tenant_s_header(shared: Live) -> None:
    """Where it is needed, which is where a request without it is refused for that, and nowhere else."""
    client = shared.client()
    client.tenant = ""
    document = shared.http.get("/openapi.json").json()
    named = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "get" or "security" not in operation:
                continue
            given = operation.get("parameters", ())
            headers = [one for one in given if one["in"] == "header" and one["required"]]
            answer = client("GET", re.sub(r"\{.*?\}", "x", path), params={"tenant": "home"})
            needs = answer.status_code == 403 and answer.json()["message"] == "no tenant was named"
            wanted = [{"name": "Tenant", "in": "header", "required": True, "schema": {"type": "string"}}]
            assert headers == (wanted if needs else []), path
            named += needs
    assert named > 5
    statuses = document["paths"]["/api/v3.1/secrets-providers"]["put"]["responses"]
    assert set(statuses) >= {"200", "204"}  # with `test` there is nothing to tell
    schemes = document["components"]["securitySchemes"]
    secured = document["paths"]["/api/v3.1/secrets"]["get"]["security"]
    assert {name for one in secured for name in one} == set(schemes)
