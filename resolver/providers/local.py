"""Provider type `local`: secrets in this store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.providers import FetchFailure, ProviderRequest
from resolver.providers.parameters import check_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.model import SecretValue


class Local:
    """The provider type `local`, which has nothing to connect to."""

    credentials: frozenset[str] = frozenset()

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Refuse all connection parameters: there are none."""
        check_names("parameter", parameters)
        return {}

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """Refuse all options: there are none."""
        check_names("provider option", options)
        return {}

    def fetch(
        self,
        parameters: Mapping[str, str],  # noqa: ARG002 - there are none
        wanted: Mapping[str, ProviderRequest],
        forwards: int,  # noqa: ARG002 - nothing is sent
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Fetch nothing: the values are in the store itself."""
        return dict.fromkeys(wanted, FetchFailure("its secrets are in this store"))

    def path_of(self, wanted: ProviderRequest) -> str:
        """The secret's key: its value is in the store itself."""
        return wanted.key

    def test(self, parameters: Mapping[str, str]) -> bool:  # noqa: ARG002 - there are none
        """Always true."""
        return True
