"""Secrets that are kept elsewhere, by the type of the place: `local`, `vault`, `cloudify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.providers.allow_list import AllowList, parse_allow_list
from resolver.providers.cloudify import Cloudify
from resolver.providers.local import Local
from resolver.providers.requests import Calls
from resolver.providers.vault import Vault

if TYPE_CHECKING:
    from resolver.core.providers import ProviderType

__all__ = ["AllowList", "make_types", "parse_allow_list"]


def make_types(allowed: AllowList) -> dict[str, ProviderType]:
    """The types of providers that come with the program, by name.

    Args:
        allowed: where providers may be.
    """
    calls = Calls(allowed)
    return {"local": Local(), "vault": Vault(calls), "cloudify": Cloudify(calls)}
