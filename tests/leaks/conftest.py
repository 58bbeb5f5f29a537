"""A store in this process, and commands run in it, for tests that look at what is said and raised."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from resolver.api import Resolver, open_resolver
from resolver.bootstrap.embedded import open_service
from resolver.cli.context import App
from resolver.cli.exit_codes import run
from resolver.cli.main import resolver_group
from resolver.cli.resolve import resolve_command
from resolver.config.settings import Settings
from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret
from tests.conftest import TENANT, clean_environment
from tests.leaks.marks import Marks
from tests.statements import share_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from resolver.core.model import Caller
    from resolver.service import Service


share_statements()


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class _Piped:
    """What was written to a descriptor."""

    text = ""


@contextmanager
def _piped(descriptor: int) -> Iterator[_Piped]:
    """Make a descriptor, and the stream of `sys` for it, a pipe of their own: a file would be refused."""
    name = {1: "stdout", 2: "stderr"}[descriptor]
    before, stream, (reading, writing) = os.dup(descriptor), getattr(sys, name), os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)  # nobody reads before the end
    piped = _Piped()
    os.dup2(writing, descriptor)
    os.close(writing)
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as ours:
            setattr(sys, name, ours)
            yield piped
    finally:
        setattr(sys, name, stream)
        os.dup2(before, descriptor)
        os.close(before)
        with os.fdopen(reading, "rb") as file:
            piped.text = file.read().decode()


class Logs(logging.Handler):
    """Keeps every record of every logger."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, formatted and with its parts."""
        self.texts.append(f"{self.format(record)} {record.args!r} {record.__dict__!r}")


@dataclass
class World:
    """A store with marked values.

    Args:
        home: the state directory.
        folder: where blueprints, inputs and other files are written.
        marks: the marks of this test.
        logs: what was logged.
    """

    home: Path
    folder: Path
    marks: Marks
    logs: Logs
    _closing: list[Callable[[], None]] = field(default_factory=list)

    def file(self, name: str, content: str | bytes) -> str:
        """Write a file; its path."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def run(self, *arguments: str) -> Said:
        """Run `resolve` or `resolver` in this process, as its console script does but for the hardening."""
        script, *rest = arguments
        command = resolve_command if script == "resolve" else resolver_group
        command.context_settings["obj"] = App(arguments=rest)
        with _piped(1) as out, _piped(2) as err:
            code = run(command, rest)
        return Said(code, out.text, err.text)

    def service(self, env: Mapping[str, str] | None = None) -> Service:
        """The opened store; closed at the test's end."""
        service = open_service(Settings(env or os.environ))
        self._closing.append(service.close)
        return service

    def resolver(self) -> Resolver:
        """The Python interface; closed at the test's end."""
        resolver = open_resolver(self.home)
        self._closing.append(resolver.close)
        return resolver

    @property
    def token(self) -> str:
        """The profile's token."""
        profile = Settings(os.environ).profile()
        assert profile is not None
        return profile.token

    def caller(self, service: Service, token: str = "") -> Caller:
        """The user of a token, by default of the profile."""
        return service.gate.authenticate_token(token or self.token)

    def secret(self, key: str, value: str) -> str:
        """Store a secret; its value."""
        service = self.service()
        service.secrets.create(self.caller(service), TENANT, key, NewSecret(value=SecretValue(value)))
        return value

    def close(self) -> None:
        """Give back connections."""
        for close in self._closing:
            close()


@pytest.fixture
def world(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A store that this process works on, with every logger at DEBUG."""
    for name in os.environ.keys() - clean_environment():
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESOLVER_HOME", str(home))
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    logs = Logs()
    root = logging.getLogger()
    level = root.level
    root.addHandler(logs)
    root.setLevel(logging.DEBUG)
    world = World(home, folder, Marks(), logs)
    yield world
    world.close()
    root.removeHandler(logs)
    root.setLevel(level)
