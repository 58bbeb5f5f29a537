"""The types of secrets providers that come with the program: `local`, `vault`, `cloudify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.providers import LOCAL
from resolver.providers.allow_list import AllowList, parse_allow_list
from resolver.providers.cloudify import Cloudify
from resolver.providers.local import Local
from resolver.providers.requests import RequestSender
from resolver.providers.vault import Vault

if TYPE_CHECKING:
    from resolver.core.providers import ProviderType

__all__ = ["AllowList", "make_types", "parse_allow_list"]


def make_types(allowed: AllowList) -> dict[str, ProviderType]:
    """The types of providers, by name.

    Args:
        allowed: the allowed destinations.
    """
    sender = RequestSender(allowed)
    return {LOCAL: Local(), "vault": Vault(sender), "cloudify": Cloudify(sender)}
