"""The API that Cloudify's own client talks to: one module for each kind of thing."""

from resolver.rest.cloudify import accounts, providers, secrets, tokens, transfer

__all__ = ["accounts", "providers", "secrets", "tokens", "transfer"]
