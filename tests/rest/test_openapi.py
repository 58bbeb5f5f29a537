"""Requests made up from the OpenAPI document: none of them is an error of the server."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import hypothesis
import hypothesis.stateful
import pytest
import schemathesis

if TYPE_CHECKING:
    from tests.rest.conftest import Live

EXAMPLES = int(os.environ.get("RESOLVER_TEST_API_EXAMPLES", "3"))
"""How many requests are made up for each route."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library's own dependencies
def test_no_made_up_request_breaks_the_server(live: Live) -> None:
    """With all rights, and with random bodies, parameters and keys: the answer is never an internal error."""
    live.world.secret("one")
    token = live.client().token
    schema: Any = schemathesis.openapi.from_url(f"{live.url}/openapi.json", timeout=120)
    asked: list[tuple[str, str]] = []
    listed: dict[str, set[str]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        listed[operation.label] = set(operation.definition.raw["responses"])

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=EXAMPLES < 100,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:  # noqa: ANN401 - the library's
            case.headers = {**(case.headers or {}), "Authentication-Token": token, "Tenant": "home"}
            for name in ("Authorization", "authorization"):
                case.headers.pop(name, None)
            response = case.call(timeout=120)
            assert response.status_code < 500, (case.method, case.path, response.text)
            asked.append((case.operation.label, str(response.status_code)))

        ask()
    assert len(asked) > 50
    assert [(label, status) for label, status in asked if status not in listed[label]] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library's own dependencies
def test_no_made_up_sequence_breaks_the_server(live: Live) -> None:
    """Requests about what earlier ones made, changed and deleted: the statuses are those of the document."""
    live.world.secret("one")
    token = live.client().token
    schema: Any = schemathesis.openapi.from_url(f"{live.url}/openapi.json", timeout=120)
    listed = {
        operation.label: set(operation.definition.raw["responses"])
        for operation in (result.ok() for result in schema.get_all_operations())
    }
    asked: list[tuple[str, str]] = []

    class Workflow(schema.as_state_machine()):  # type: ignore[misc]  # made of the document
        """What is asked, one after the other."""

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ANN401 - the library's
            """As an administrator, who does not take these rights from himself."""
            for name in ("Authorization", "authorization"):
                (case.headers or {}).pop(name, None)
            return {"headers": {"Authentication-Token": token, "Tenant": "home"}, "timeout": 120}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:  # noqa: ANN401 - as above
            """Compare the status."""
            asked.append((case.operation.label, str(response.status_code)))
            assert response.status_code < 500, (case.method, case.path, response.text)
            assert str(response.status_code) in listed[case.operation.label], asked[-1]

    hypothesis.stateful.run_state_machine_as_test(
        Workflow,
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=8,
            deadline=None,
            database=None,
            derandomize=EXAMPLES < 100,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    assert len(asked) > EXAMPLES


def test_the_document_names_the_tenant_s_header(shared: Live) -> None:
    """Where it is needed, which is where a request without it is refused for that, and nowhere else."""
    client = shared.client()
    client.tenant = ""
    document = shared.http.get("/openapi.json").json()
    named = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "get" or not operation["security"]:
                continue
            given = operation.get("parameters", ())
            headers = [one for one in given if one["in"] == "header" and one["required"]]
            query = {"tenant": "home"} if any(one["name"] == "tenant" for one in given) else {}
            answer = client("GET", re.sub(r"\{.*?\}", "x", path), params=query)
            needs = answer.status_code == 403 and answer.json()["hint"] == "name it in the header Tenant"
            assert [one["name"] for one in headers] == (["Tenant"] if needs else []), path
            named += needs
    assert named > 5
    statuses = document["paths"]["/api/v3.1/secrets-providers"]["put"]["responses"]
    assert set(statuses) >= {"200", "204"}  # with `test` there is nothing to tell
    schemes = document["components"]["securitySchemes"]
    secured = document["paths"]["/api/v3.1/secrets"]["get"]["security"]
    assert {name for one in secured for name in one} == set(schemes)


def test_what_the_document_says_is_said_to_people_and_generators(shared: Live) -> None:
    """Names of ours, words for each field of a request, no list of nothing, nothing that is null alone."""
    document = shared.http.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/", "description": "The server that answers with this document."}]
    assert {tag["name"] for tag in document["tags"]} == {
        one["tags"][0] for path in document["paths"].values() for one in path.values()
    }
    assert all(tag["description"] for tag in document["tags"])
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    assert [name for name, schema in schemas.items() if schema.get("title", name) != name] == []
    for path, operations in document["paths"].items():
        for one in operations.values():
            assert one["summary"], path
            assert one["description"], path
            assert "security" in one, path
            assert all(each["description"] for each in one.get("parameters", ())), path
    text = json.dumps(schemas)
    assert '{"type": "null"}, "' not in text
    assert '"type": "array"}' not in text
