"""Our own API: one module for each kind of thing."""

from resolver.rest.v1 import (
    accounts,
    approvals,
    audit,
    blueprints,
    console_session,
    providers,
    sealed_transfer,
    secrets,
    sign_in,
    transfer,
    trusts,
    usage,
    use,
    webhooks,
)

__all__ = [
    "accounts",
    "approvals",
    "audit",
    "blueprints",
    "console_session",
    "providers",
    "sealed_transfer",
    "secrets",
    "sign_in",
    "transfer",
    "trusts",
    "usage",
    "use",
    "webhooks",
]
