"""`resolver secrets diff`: what it compares, for whom, and that no value is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

DIFF = ("secrets", "diff")


def test_keys_and_metadata_differ(admin: Cli) -> None:
    """Keys of one tenant alone and differing metadata are shown; values and what is alike are not."""
    home = "default_tenant"
    admin.prints("tenants", "create", "other")
    assert admin.prints(*DIFF, home, "other", "--format", "json") == "[]\n"
    for tenant, value in ((home, "plaintext1"), ("other", "plaintext2")):
        admin.prints("secrets", "create", "same", "-t", tenant, "-s", value)
    admin.prints("secrets", "create", "mine", "-t", home, "-s", "plaintext3")
    admin.prints("secrets", "create", "world", "-t", home, "-s", "plaintext4", "-l", "global")
    admin.prints("secrets", "create", "both", "-t", home, "-s", "plaintext5")
    admin.prints("secrets", "create", "both", "-t", "other", "-s", "plaintext5", "--hidden-value")
    printed = admin.prints(*DIFF, home, "other", "--format", "json")
    assert [tuple(row.values()) for row in json.loads(printed)] == [
        ("both", "hidden", False, True),
        ("mine", "exists", True, False),
        ("world", "exists", True, False),
    ]
    table = admin.prints(*DIFF, home, "other")
    assert [line.split() for line in table.splitlines()] == [
        ["KEY", "FIELD", home, "other"],
        ["both", "hidden", "no", "yes"],
        ["mine", "exists", "yes", "no"],
        ["world", "exists", "yes", "no"],
    ]
    assert "plaintext" not in printed + table


def test_tenants_that_cannot_be_compared(admin: Cli) -> None:
    """One tenant twice is a mistake, and one that is not there is refused."""
    code, said = admin.refuses(*DIFF, "default_tenant", "default_tenant")[:2]
    assert (code, "a tenant differs in nothing from itself" in said) == (2, True)
    assert admin.refuses(*DIFF, "default_tenant", "absent")[0] != 0


def test_one_who_is_in_one_of_them_alone_is_refused(admin: Cli) -> None:
    """Whoever may not list in both tenants learns nothing of either."""
    admin.prints("tenants", "create", "other")
    admin.prints("secrets", "create", "unseen", "-t", "other", "-s", "plaintext")
    eve = admin.as_user("eve", role="user")
    for pair in (("default_tenant", "other"), ("other", "default_tenant")):
        code, said = eve.refuses(*DIFF, *pair)
        assert code == 4
        assert "unseen" not in said


def test_what_is_not_seen_counts_as_missing(admin: Cli) -> None:
    """A private secret of somebody else is in nobody else's comparison."""
    admin.prints("tenants", "create", "other")
    admin.prints("secrets", "create", "unseen", "-t", "other", "-s", "plaintext", "-l", "private")
    eve = admin.as_user("eve", role="user")
    admin.prints("tenants", "add-user", "eve", "-t", "other", "-r", "user")
    assert eve.prints(*DIFF, "default_tenant", "other", "--format", "json") == "[]\n"
    assert "unseen" in admin.prints(*DIFF, "default_tenant", "other")
