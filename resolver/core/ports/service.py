"""What a run needs of the service, wherever that is: in this process, or behind a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.query import Page
    from resolver.core.results import KeyStatus, UseAnswer, WantedKey


class ConfirmsCallers(Protocol):
    """Confirms that a caller is known."""

    def confirm(self, caller: Caller) -> None:
        """Do nothing for a caller who is known; AuthenticationError for another."""


class ListsSecrets(Protocol):
    """Lists secrets without their values."""

    def list(self, caller: Caller, tenant: str) -> Page:
        """The secrets of a tenant that the caller may see, and the global ones."""


class UsesSecrets(Protocol):
    """Obtains values for blueprints."""

    def use(
        self, caller: Caller, tenant: str, uses: Sequence[WantedKey], digests: Mapping[str, str]
    ) -> UseAnswer:
        """Obtain all values that one round needs, or the refusals; NotPermittedError without any right."""

    def check(self, caller: Caller, tenant: str, keys: Iterable[str]) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used, without decrypting or using anything."""


class ResolvingService(Protocol):
    """The part of the service that resolving and checking blueprints needs."""

    @property
    def gate(self) -> ConfirmsCallers:
        """Identifies callers."""

    @property
    def secrets(self) -> ListsSecrets:
        """Manages secrets."""

    @property
    def use(self) -> UsesSecrets:
        """Obtains values for blueprints."""
