"""Bounds on a blueprint's size, which keep a hostile or broken text from using up the machine."""

from __future__ import annotations

import enum

import msgspec

MIB = 1024 * 1024

MAX_PROBLEMS = 100
"""A text with more problems than this is probably no blueprint; the rest is not looked for."""


class DuplicateKeys(enum.Enum):
    """What becomes of a key that stands twice in one mapping."""

    REFUSED = enum.auto()
    HARMLESS = enum.auto()
    """The last one counts where both have the same value, and under `dsl_definitions`; else it is refused."""
    ALLOWED = enum.auto()
    """The last one counts, as PyYAML has it, and with it Cloudify's parser."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what is read. Each has a message of its own that names it.

    Args:
        size: size of one text, in bytes.
        depth: levels of nesting, aliases followed.
        nodes: scalars, sequences and mappings, with aliases and merge keys expanded; an expanded node
            counts one more for each 64 characters of its text.
        second_reading: size of a text that the slow scanner may read, in characters.
        imports: files that one blueprint may import, at any distance.
    """

    size: int = 8 * MIB
    depth: int = 100
    nodes: int = 2_000_000
    second_reading: int = MIB // 4
    imports: int = 1000


DEFAULT_LIMITS = Limits()
