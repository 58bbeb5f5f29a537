"""Changes that are meant for one version: `ETag` and `If-Match`, of RFC 9110."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.permissions import TenantRole
from resolver.rest.routing import OWN
from tests.rest.conftest import SECRETS

if TYPE_CHECKING:
    from tests.rest.conftest import Live

OURS = f"{OWN}/secrets"
CHANGES: list[tuple[str, str, str, Any]] = [
    (SECRETS, "PATCH", "", {"value": "newer"}),
    (SECRETS, "PATCH", "/set-visibility", {"visibility": "global"}),
    (SECRETS, "DELETE", "", None),
    (OURS, "PATCH", "", {"value": "newer"}),
    (OURS, "POST", "/rollback", {"version": 1}),
    (OURS, "DELETE", "", None),
]


@pytest.mark.parametrize(("secrets", "method", "step", "body"), CHANGES)
def test_a_change_is_made_of_the_version_it_is_meant_for_only(
    live: Live, secrets: str, method: str, step: str, body: object
) -> None:
    """The tag of another one is 412, and nothing is changed; the current one's is as good as none."""
    live.world.secret("one", "old")
    admin = live.client()
    old = admin("GET", f"{secrets}/one").headers["ETag"]
    newer = admin("PATCH", f"{secrets}/one", {"value": "new"}).headers["ETag"]
    assert (old, newer) == ('"1"', '"2"')
    for stale in (old, 'W/"2"', '"x"', '"99999999999"'):
        answer = admin(method, f"{secrets}/one{step}", body, headers={"If-Match": stale})
        assert (answer.status_code, answer.json()["error_code"]) == (412, "conflict_error")
    assert admin("GET", f"{secrets}/one").headers["ETag"] == newer
    answer = admin(method, f"{secrets}/one{step}", body, headers={"If-Match": newer})
    assert answer.status_code in (200, 204)


@pytest.mark.parametrize("secrets", [SECRETS, OURS])
def test_conditions_that_can_not_be_kept_are_refused(live: Live, secrets: str) -> None:
    """Several versions, one that is given twice, one where no version is looked at."""
    live.world.secret("one", "old")
    admin = live.client()
    several = admin("PATCH", f"{secrets}/one", {"value": "v"}, headers={"If-Match": '"1", "2"'})
    created = admin("PUT", f"{secrets}/one", {"value": "v"}, headers={"If-Match": '"1"'})
    assert (several.status_code, created.status_code) == (400, 400)
    if secrets != SECRETS:
        twice = admin("DELETE", f"{secrets}/one?if_version=1", headers={"If-Match": '"1"'})
        assert twice.status_code == 400
    assert admin("GET", f"{secrets}/one").headers["ETag"] == '"1"'
    assert admin("DELETE", f"{secrets}/one", headers={"If-Match": "*"}).status_code == 204


def test_who_may_not_change_a_secret_learns_nothing_of_its_version(live: Live) -> None:
    """Right and wrong tags are answered alike."""
    live.world.secret("one", "old")
    viewer = live.user("viewer", TenantRole.VIEWER)
    answers = [
        viewer("PATCH", f"{SECRETS}/{key}", {"value": "v"}, headers={"If-Match": tag})
        for key in ("one", "none")
        for tag in ('"1"', '"2"')
    ]
    assert {(answer.status_code, answer.json()["message"]) for answer in answers} == {
        (403, answers[0].json()["message"])
    }
