"""Secrets in this store: a provider that has nothing to connect to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.providers import Missed, Wanted
from resolver.providers.parameters import check_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.model import SecretValue


class Local:
    """The type `local`."""

    credentials: frozenset[str] = frozenset()

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """There are no connection parameters."""
        check_names("parameter", parameters)
        return {}

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """There are no options."""
        check_names("provider option", options)
        return {}

    def fetch(
        self,
        parameters: Mapping[str, str],  # noqa: ARG002 - there are none
        wanted: Mapping[str, Wanted],
        hops: int,  # noqa: ARG002 - no one else is asked
    ) -> Mapping[str, SecretValue | Missed]:
        """Nothing: the values are in the store itself."""
        return dict.fromkeys(wanted, Missed("its secrets are in this store"))

    def test(self, parameters: Mapping[str, str]) -> bool:  # noqa: ARG002 - there are none
        """It is always there."""
        return True
