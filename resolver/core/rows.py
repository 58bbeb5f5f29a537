"""Rows that decide who may do what, as they are stored and as a check finds them."""

from __future__ import annotations

import enum

from msgspec import Struct

MAX_GENERATION = 2**31 - 1
"""Greater than the generation of any row."""


class RowFault(enum.StrEnum):
    """What is wrong with a row."""

    FORGED = "forged"
    OLDER = "older"
    PUT_BACK = "put back"
    MISSING = "missing"
    UNRECORDED = "unrecorded"


class RowFinding(Struct, frozen=True):
    """A row that is not as the trail tells.

    Args:
        kind: what it is, such as `user`.
        id: its id.
        fault: what is wrong: its MAC does not fit; it is an older state; it was deleted; it is not there; or
            the trail does not tell of it, because it was cut.
        floor: the generation from which on it may be believed again.
    """

    kind: str
    id: str
    fault: RowFault
    floor: int = MAX_GENERATION


class StoredRow(Struct, frozen=True):
    """An aggregate as it is stored.

    Args:
        generation: how often it was changed.
        digest: a digest of what decides in it.
        genuine: whether its MAC fits.
    """

    generation: int
    digest: str
    genuine: bool
