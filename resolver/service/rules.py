"""What whoever runs the store has decided for all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of a store.

    Args:
        keep_versions: how many versions of each secret are kept, the current one included; 0 keeps all.
        refuse_expired: whether an expired secret is refused, rather than used with a warning.
    """

    keep_versions: int = 0
    refuse_expired: bool = False


DEFAULT_RULES = Rules()
