"""A small mutator of YAML texts, for many inputs without a fuzzing engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

LONGEST = 1000
"""Longest input, in bytes: it should be the reader that takes the time."""


def mutated(random: Random, texts: Sequence[bytes], pieces: Sequence[str]) -> bytes:
    """One of the texts with some pieces put in, cut out, repeated, moved, or bytes of it changed."""
    data = bytearray(random.choice(texts))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 6))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((1, 1, 2, 5, 20, 100)))
        match random.randrange(7):
            case 0 | 1 | 2:
                data[start:start] = random.choice(pieces).encode()
            case 3:
                del data[start:end]
            case 4:
                data[start:end] = random.choice(pieces).encode()
            case 5:
                data[start:start] = bytes(data[start:end]) * random.choice((1, 2, 30))
            case 6 if data:
                data[min(start, len(data) - 1)] = random.randrange(256)
    return bytes(data[:LONGEST])
