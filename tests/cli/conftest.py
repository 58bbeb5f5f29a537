"""What the tests of commands share: runs that must succeed or be refused, and users with roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean_environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.prefork import Prefork


@dataclass(frozen=True)
class Cli:
    """The `resolver` command on one store, as one user.

    Args:
        prefork: runs console scripts.
        home: the state directory.
        env: what says who the user is; empty for user admin, by the profile.
    """

    prefork: Prefork
    home: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a console script; the first argument is its name."""
        environ = clean_environment() | {"RESOLVER_HOME": str(self.home), **self.env}
        return self.prefork.run(arguments, stdin.encode(), environ)

    def prints(self, *arguments: str, stdin: str = "", note: str = "") -> str:
        """Run a command that must succeed and say nothing on stderr but a note; what it prints."""
        done = self.run("resolver", *arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, note)
        return done.stdout

    def refuses(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        """Run a command that must fail and print nothing; its exit code and what it says."""
        done = self.run("resolver", *arguments, stdin=stdin)
        assert done.returncode != 0
        assert done.stdout == ""
        return done.returncode, done.stderr

    def as_user(self, name: str, tenant: str = "default_tenant", *, role: str = "") -> Cli:
        """Make a user, give it a role in a tenant, and go on as that user in that tenant."""
        self.prints("users", "create", name)
        if role:
            self.prints("tenants", "add-user", name, "-t", tenant, "-r", role)
        token = self.prints("tokens", "create", "--user", name, "--quiet").strip()
        return self.with_token(token, tenant)

    def with_token(self, token: str, tenant: str = "default_tenant") -> Cli:
        """Go on with another token."""
        return Cli(self.prefork, self.home, {"RESOLVER_TOKEN": token, "RESOLVER_TENANT": tenant})

    def at(self, home: Path) -> Cli:
        """Go on with another state directory, and what is found there."""
        return Cli(self.prefork, home)


@pytest.fixture
def admin(prefork: Prefork, home: Path) -> Cli:
    """The `resolver` command as user admin, whose profile it finds."""
    return Cli(prefork, home)
