"""The program under test, in process: the one module of the benchmarks that knows its Python interface."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

sys.path.insert(
    0, str(Path(__file__).parents[2])
)  # the package that lies here, whether or not it is installed

from resolver.api import Resolver
from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import FIRST_TENANT, initialise
from resolver.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Embedded:
    """A store as `resolver init` makes it, filled with secrets, and a resolver on top of it.

    Args:
        secrets: the values to store, by key.
        directory: where the state directory is made.
    """

    def __init__(self, secrets: Mapping[str, str], directory: Path) -> None:
        settings = Settings({}, directory / "embedded")
        initialise(settings, password=lambda: None, profile=True, secrets=secrets)
        token = json.loads(settings.profile_path.read_text())["token"]
        self._service = open_service(settings)
        self._resolver = Resolver(self._service)
        self._caller = self._resolver.authenticate(token=token)

    def resolve(self, text: str) -> None:
        """Resolve a blueprint once: read, decide, record, decrypt, place, render."""
        self._resolver.resolve(text, tenant=FIRST_TENANT, caller=self._caller).text()

    def resolve_silently(self, text: str) -> None:
        """The same without the transaction that records it."""
        with mock.patch.object(self._service.trail, "commit_all"):
            self.resolve(text)

    def close(self) -> None:
        """Let go of the database."""
        self._resolver.close()
