"""`resolver config show`: where each setting comes from, and that no credential is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def shown(admin: Cli, *more: str, **env: str) -> dict[str, tuple[object, str | None, bool]]:
    """What the command says of each setting."""
    someone = type(admin)(admin.prefork, admin.home, {**admin.env, **env})
    found = json.loads(someone.prints("config", "show", "--format", "json", *more))
    return {one["setting"]: (one["value"], one["source"], one["hidden"]) for one in found}


def test_each_setting_has_its_source(admin: Cli) -> None:
    """The environment goes before the profile, and that before config.yaml."""
    (admin.home / "config.yaml").write_text("tenant: other\nkeep_versions: 5\n")
    found = shown(admin)
    assert found["tenant"] == ("default_tenant", "profile", False)
    assert found["keep_versions"] == (5, "config.yaml", False)
    assert found["home"] == (str(admin.home), "RESOLVER_HOME", False)
    assert found["token"] == (None, "profile", True)
    assert "refuse_expired" not in found
    assert shown(admin, RESOLVER_TENANT="mine")["tenant"] == ("mine", "RESOLVER_TENANT", False)
    assert shown(admin, "--all")["refuse_expired"] == (None, None, False)


def test_no_credential_is_shown(admin: Cli) -> None:
    """Neither a token, a key, a command's words, nor a password in an address or in what is nested."""
    (admin.home / "config.yaml").write_text(
        "key_command: [print, kept1]\nkey_transit: {url: https://kept2@h, key: k, token_file: /f}\n"
    )
    env = {
        "RESOLVER_TOKEN": "kept3",
        "RESOLVER_KEY": "kept4",
        "RESOLVER_DATABASE_URL": "postgresql://user:kept5@host/db?password=kept6",
        "RESOLVER_IDENTITY": "command:print kept7",
    }
    someone = type(admin)(admin.prefork, admin.home, env)
    for form in ("table", "json"):
        text = someone.prints("config", "show", "--all", "--format", form)
        assert "kept" not in text
        assert "postgresql://****@host/db?****" in text
    # Nor what was given where its file or its address belongs.
    (admin.home / "config.yaml").write_text("provider_destinations: ['https://kept8@vault']\n")
    env = {"RESOLVER_KEY_FILE": "kept9" * 9, "RESOLVER_DATABASE_URL": "kept10"}
    someone = type(admin)(admin.prefork, admin.home, env)
    for form in ("table", "json"):
        assert "kept" not in someone.prints("config", "show", "--all", "--format", form)


def test_a_mistake_is_reported_as_everywhere(admin: Cli) -> None:
    """A variable that is set and empty, and a file that breaks its schema."""
    (admin.home / "config.yaml").write_text("unknown: 1\n")
    assert admin.refuses("config", "show")[0] == 2
