"""Checking a blueprint that is sent along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import Visibility
from resolver.core.permissions import TenantRole

if TYPE_CHECKING:
    from tests.rest.conftest import Live

CHECK = "/api/v1/resolver/check-blueprint"
RESOLVE = "/api/v1/resolver/resolve"

TEXT = """\
a: { get_secret: here }
b: { get_secret: [gone, step] }
c:
  get_secret: mine   # remark
d: { get_secret: { get_attribute: [x, y] } }
e: { get_secret: { get_secret: here } }
"""


def told(call: dict[str, Any]) -> tuple[Any, ...]:
    """State, key, and where the call begins and ends."""
    return tuple(call[name] for name in ("state", "key", "line", "column", "end_line", "end_column"))


@pytest.fixture
def live(live: Live) -> Live:
    """With two secrets, one of them private."""
    live.world.secret("here", "the value")
    live.world.secret("mine", "another value", visibility=Visibility.PRIVATE)
    return live


def test_each_call_with_its_place(live: Live) -> None:
    """Where it begins, the place behind it, its key, and what would become of it."""
    user = live.user("una", TenantRole.USER)
    found = user.does("POST", CHECK, {"text": TEXT})
    assert [told(call) for call in found["calls"]] == [
        ("usable", "here", 1, 4, 1, 24),
        ("not_found", "gone", 2, 4, 2, 32),
        ("not_found", "mine", 4, 3, 4, 19),
        ("run_time", "", 5, 4, 5, 45),
        ("depends_on_value", "", 6, 4, 6, 40),
        ("usable", "here", 6, 18, 6, 38),
    ]
    assert [call["place"] for call in found["calls"]] == ["a", "b", "c", "d", "e", "e"]
    assert found["calls"][0]["secret"]["version"] == 1
    assert found["calls"][2]["secret"] is None
    assert "value" not in str(found).replace("depends_on_value", "")
    manager = live.user("manny", TenantRole.MANAGER)
    assert manager.does("POST", CHECK, {"text": TEXT})["calls"][2]["state"] == "usable"


def test_by_roles(live: Live) -> None:
    """A viewer learns what is there and may not use it, whoever has no role learns nothing."""
    viewer = live.user("vic", TenantRole.VIEWER)
    states = [call["state"] for call in viewer.does("POST", CHECK, {"text": TEXT})["calls"]]
    assert states == [
        "not_permitted",
        "not_found",
        "not_found",
        "run_time",
        "depends_on_value",
        "not_permitted",
    ]
    stranger = live.user("eve")
    for text in (TEXT, "a: 1", "]"):
        assert stranger.refused("POST", CHECK, {"text": text})[0] == 403


def test_an_answer_is_not_much_larger_than_the_blueprint(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short calls may have long paths, each told in full; what there is no room for is counted."""
    monkeypatch.setattr("resolver.rest.v1.blueprints._ROOM", 20_000)
    text = f"{'k' * 900}:\n" + "- { get_secret: a }\n" * 50
    answer = live.user("someone", TenantRole.USER)("POST", CHECK, {"text": text})
    found = answer.json()
    assert 0 < len(found["calls"]) < 15
    assert (
        found["notes"][-1] == f"and {50 - len(found['calls'])} more calls, which this answer has no room for"
    )
    assert len(answer.content) < 30_000


def test_a_narrowed_token(live: Live) -> None:
    """Keys that it does not name are not permitted, whether they exist or not."""
    live.user("una", TenantRole.USER)
    narrowed = live.client("una", keys=("other_*",))
    states = {call["state"] for call in narrowed.does("POST", CHECK, {"text": TEXT})["calls"][:3]}
    assert states == {"not_permitted"}


def test_inputs(live: Live) -> None:
    """They name keys; what they hold is in no answer; what is no mapping is refused."""
    user = live.user("una", TenantRole.USER)
    text = "inputs: { which: {} }\na: { get_secret: { get_input: which } }\n"
    call = user.does("POST", CHECK, {"text": text, "inputs": "which: here"})["calls"][0]
    assert (call["state"], call["key"]) == ("usable", "here")
    answer = user("POST", CHECK, {"text": text, "inputs": "which: no-such-thing"})
    assert answer.json()["calls"][0]["state"] == "not_found"
    assert "no-such-thing" not in answer.text
    without = user.does("POST", CHECK, {"text": text})
    assert (without["calls"][0]["state"], without["inputs"]) == ("wrong", ["which"])
    refused = user.refused("POST", CHECK, {"text": text, "inputs": "[no-such-thing]"})
    assert refused == (400, "bad_parameters_error", "the inputs are not a mapping of names to values")
    broken = user("POST", CHECK, {"text": text, "inputs": "{no-such-thing"})
    assert broken.status_code == 400
    assert "no-such-thing" not in broken.text


def test_texts_that_are_none(live: Live) -> None:
    """Their problems are told with their places, and there are no calls."""
    user = live.user("una", TenantRole.USER)
    for text in ("a: [", "", "a: 1\na: 2"):
        found = user.does("POST", CHECK, {"text": text})
        assert found["calls"] == []
        assert len(found["problems"]) == 1
    assert user.does("POST", CHECK, {"text": "a: 1"})["problems"] == []


def test_nothing_is_recorded(live: Live) -> None:
    """A check is no use."""
    user = live.user("una", TenantRole.USER)
    before = len(live.world.service.trail.records(live.world.admin, "home"))
    user.does("POST", CHECK, {"text": TEXT})
    assert len(live.world.service.trail.records(live.world.admin, "home")) == before


YORC = """\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    db:
      type: Database
      properties:
        password: { get_vault_secret: [team/db, data=password] }
"""


def test_a_dialect_is_named(live: Live) -> None:
    """It says what an upload is read as whose version leaves that open; an unknown one is refused."""
    live.world.secret("team--db", '{"password": "the value"}')
    user = live.user("una", TenantRole.USER)
    asked = {"tenant": "home", "blueprints": [{"name": "b.yaml", "text": YORC}]}
    assert user.does("POST", RESOLVE, asked)["text"] == YORC
    found = user.does("POST", RESOLVE, asked | {"dialect": "yorc"})
    assert 'password: "the value"' in found["text"]
    assert [use["key"] for use in found["uses"]] == ["team--db"]
    checked = user.does("POST", CHECK, {"text": YORC, "dialect": "yorc"})
    assert [(call["state"], call["key"]) for call in checked["calls"]] == [("usable", "team--db")]
    assert user.does("POST", CHECK, {"text": YORC})["calls"] == []
    for path, body in ((RESOLVE, asked), (CHECK, {"text": YORC})):
        assert user.refused("POST", path, body | {"dialect": "french"})[0] == 400


def test_warnings_and_duplicate_keys(live: Live) -> None:
    """Warnings are notes, or errors where the request says so; the last of two values may count."""
    user = live.user("una", TenantRole.USER)
    twice, near = "a: 1\na: { get_secret: here }\n", "a: { get_secrets: here }\n"
    checked = user.does("POST", CHECK, {"text": near, "name": "b.yaml"})
    assert (checked["problems"], len(checked["notes"])) == ([], 1)
    (problem,) = user.does("POST", CHECK, {"text": near, "fail_on": ["near_miss"]})["problems"]
    assert problem["reason"] == "near_miss"
    assert user.does("POST", CHECK, {"text": twice})["problems"][0]["reason"] == "duplicate_key"
    assert user.does("POST", CHECK, {"text": twice, "allow_duplicate_keys": True})["problems"] == []
    body = {"tenant": "home", "blueprints": [{"text": near}]}
    assert len(user.does("POST", RESOLVE, body)["notes"]) == 1
    refused = user("POST", RESOLVE, {**body, "fail_on": ["undeclared_input", "near_miss"]})
    assert (refused.status_code, refused.json()["problems"][0]["reason"]) == (400, "near_miss")
    assert user("POST", RESOLVE, {**body, "fail_on": ["syntax"]}).status_code == 400
    # Only a check compares with what the tenant has.
    assert user("POST", RESOLVE, {**body, "fail_on": ["secret_unused"]}).status_code == 400
    body["blueprints"] = [{"text": twice}]
    assert user("POST", RESOLVE, body).json()["problems"][0]["reason"] == "duplicate_key"
    answer = user.does("POST", RESOLVE, {**body, "allow_duplicate_keys": True})
    assert answer["text"].splitlines()[1] == 'a: "the value"'
