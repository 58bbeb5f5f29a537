"""A service on each database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.databases import DIALECTS, made_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World

FOLDER = Path(__file__).parent

ALL = os.environ.get("RESOLVER_TEST_POSTGRESQL") == "all"

COMPUTING = {
    "test_accounts",
    "test_approvals",
    "test_audit_rounds",
    "test_authentication",
    "test_console_sessions",
    "test_credentials",
    "test_description",
    "test_expiry",
    "test_exporting",
    "test_given_fields",
    "test_logins",
    "test_moved_tokens",
    "test_provider_values",
    "test_providers",
    "test_secrets",
    "test_sign_in",
    "test_tokens",
    "test_trusts",
    "test_unchanged",
    "test_use",
    "test_versions",
    "test_webhooks",
}
"""Modules about what is decided and computed, whichever database answers: SQLite alone in a usual run.

A test in them that sends a statement which no other one sends is marked `two_databases`.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a second database tells little of, unless RESOLVER_TEST_POSTGRESQL says all.

    The marker `two_databases` says that a test belongs to both, or that every N-th of its cases does.
    """
    left_out = {item for item in items if item.path.parent == FOLDER and _is_left_out(item)}
    if left_out and not ALL:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]


def _is_left_out(item: pytest.Item) -> bool:
    if "postgresql" not in item.name:
        return False
    marker = item.get_closest_marker("two_databases")
    if marker is None:
        return item.path.stem in COMPUTING
    indices = getattr(item, "callspec").indices  # noqa: B009 - that of a function which is parametrized
    return bool(marker.args and sum(indices.values()) % marker.args[0])


@pytest.fixture(params=DIALECTS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A service on a database of its own, once for each kind of database."""
    world = made_world(request.param, tmp_path)
    yield world
    world.service.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """A service on SQLite, for what does not depend on the database."""
    world = made_world("sqlite", tmp_path)
    yield world
    world.service.close()
