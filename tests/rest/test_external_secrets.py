"""The request that `deploy/kubernetes/external-secrets.yaml` has the External Secrets Operator make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from resolver.core.account_changes import NewToken
from resolver.core.permissions import Permission, TenantRole
from tests.told import told

if TYPE_CHECKING:
    from tests.rest.conftest import Live

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "external-secrets.yaml"


def ask(live: Live, token: str, key: str) -> tuple[int, Any]:
    """What the operator gets for a key: the status, and what the path of its provider finds in the answer."""
    store, _ = yaml.safe_load_all(MANIFEST.read_text())
    webhook = store["spec"]["provider"]["webhook"]

    def filled(text: str) -> str:
        return text.replace("{{ .token.value }}", token).replace("{{ .remoteRef.key }}", key)

    answer = httpx.request(
        webhook["method"],
        live.url + httpx.URL(webhook["url"]).path,
        headers={name: filled(value) for name, value in webhook["headers"].items()},
        content=filled(webhook["body"]).replace("prod", "home"),
    )
    assert webhook["result"]["jsonPath"] == '$.secrets["{{ .remoteRef.key }}"].value'
    found = answer.json().get("secrets", {}).get(key, {}).get("value")
    return answer.status_code, found


def test_one_key_by_a_token_that_has_no_other(live: Live) -> None:
    """The value of its key, as a use on record; every other key is refused, and not as if it were deleted."""
    live.world.secret("db.password-1", "the value")
    live.world.secret("other", "another value")
    live.user("pipeline", TenantRole.OPERATIONS)
    narrowed = NewToken(
        username="pipeline",
        tenants=frozenset({"home"}),
        keys=("db.password-1",),
        permissions=frozenset({Permission.SECRET_USE}),
    )
    token = live.world.service.tokens.create(live.world.admin, narrowed).token
    assert ask(live, token, "db.password-1") == (200, "the value")
    assert ask(live, token, "other") == (403, None)
    records = told(live.world.service.trail.records(live.world.admin, "home"))
    uses = [(record["key"], record["decision"]) for record in records if record["action"] == "secret:use"]
    assert uses == [("db.password-1", "allowed"), ("other", "refused")]
