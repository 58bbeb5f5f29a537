"""What a word was computed from: only what the blueprint says, or also secrets, inputs and the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAMES = 20
"""Most names that stand for a word in messages: one word may come from any number of secrets."""


class Provenance(Redacted, frozen=True):
    """What a computed word was computed from.

    Args:
        secrets: keys of the secrets whose values went into it; such a word is itself secret.
        inputs: names of the inputs, given by the caller, that went into it.
        used: keys of all secrets whose values were needed on the way; never shown, since a key among them
            may itself have come out of a secret.
        context: whether a fact of the context that the caller supplied went into it.
    """

    secrets: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    context: bool = False

    def __or__(self, other: Provenance) -> Provenance:
        return joint_provenance((self, other))

    def label(self, key: str) -> str:
        """What stands for a secret that was found under a key: the key, unless it came out of a secret."""
        return self.show(key) if self.secrets else key

    @property
    def keys(self) -> str:
        """The keys of the secrets that went into it, for a label; empty without any."""
        return _listed(self.secrets)

    def show(self, word: object) -> str:
        """The word as a message may show it: as written, or only where it came from."""
        if self.secrets:
            return f"<from secret {_listed(self.secrets)}>"
        if self.inputs:
            return f"<from input {_listed(self.inputs)}>"
        if self.context:
            return "<from the context>"
        return repr(word)

    def bare(self, word: str) -> str:
        """The word for a field of its own, where one that is written in the blueprint needs no quotes."""
        return self.show(word) if self.secrets or self.inputs or self.context else word


def _listed(names: frozenset[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - MAX_NAMES} more" if len(shown) > MAX_NAMES else ""
    return ", ".join(shown[:MAX_NAMES]) + more


WRITTEN = Provenance()
"""The provenance of words that are written in the blueprint itself."""


def joint_provenance(provenances: Iterable[Provenance]) -> Provenance:
    """The provenance of what was put together from several parts, each of which is looked at once."""
    marked = [provenance for provenance in provenances if provenance is not WRITTEN]
    if not marked:
        return WRITTEN
    if len(marked) == 1:
        return marked[0]
    return Provenance(
        frozenset[str]().union(*(provenance.secrets for provenance in marked)),
        frozenset[str]().union(*(provenance.inputs for provenance in marked)),
        frozenset[str]().union(*(provenance.used for provenance in marked)),
        any(provenance.context for provenance in marked),
    )
