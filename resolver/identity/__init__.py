"""Identities of workloads and people: JWTs, the keys of their issuers, and OpenID providers.

Whether a trust fits is decided by `core/trusts.py`; here is what happens before any claim is believed.
"""

from __future__ import annotations

from resolver.identity.issuers import IssuerKeys
from resolver.identity.jwks import MAX_SET
from resolver.identity.verifier import Verifier

__all__ = ["MAX_SET", "IssuerKeys", "Verifier"]
