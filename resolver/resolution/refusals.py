"""Problems of a blueprint for keys that were refused, each with what to do about it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, assert_never

from resolver.core.policy import Verdict
from resolver.core.providers import ASK_PROVIDER
from resolver.core.query import KEY_ALONE, Listing
from resolver.core.suggestions import Suggestions
from resolver.dsl.problems import Reason
from resolver.errors import ResolverError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.ports.service import ResolvingService
    from resolver.core.results import Refusal
    from resolver.dsl.key_use import KeyUse
    from resolver.dsl.plan import Plan


_MOST_LOOKS = 10
"""For so many missing keys of a run, other tenants are looked at."""

_MOST_FOUND = 100
_MOST_NAMED = 3


class KeySuggestions:
    """Suggestions for missing keys among those a caller may list in a tenant, looked up when first needed."""

    def __init__(self, service: ResolvingService, caller: Caller, tenant: str) -> None:
        self.tenant = tenant
        self._service = service
        self._caller = caller
        self._suggestions = Suggestions(self._seen)
        self._looks_left = _MOST_LOOKS

    @functools.cached_property
    def _seen_keys(self) -> Sequence[str] | None:
        """The keys that the caller may list; None for one who may use but not list, or without a store."""
        try:
            return [secret.key for secret in self._service.secrets.list(self._caller, self.tenant).items]
        except ResolverError:
            return None

    @property
    def listing(self) -> str:
        """How to see which keys there are, for this caller."""
        if self._seen_keys is None:
            return "who may list the secrets of the tenant can tell what there is"
        return f"`resolver secrets list -t {self.tenant}` shows what there is"

    def _seen(self) -> Sequence[str]:
        return self._seen_keys or ()

    def suggest(self, key: str) -> str:
        """Where else there is a missing key, and a question that offers close ones; empty without any."""
        others = self._elsewhere(key)
        elsewhere = f"there is one in tenant {' and '.join(map(repr, others))}." if others else ""
        return f"{elsewhere} {self._suggestions.question(key)}".strip()

    def _elsewhere(self, key: str) -> list[str]:
        """The first other tenants in which the caller may list this key."""
        if self._looks_left == 0:
            return []
        self._looks_left -= 1
        listing = Listing(search=key, size=_MOST_FOUND, searched=KEY_ALONE)
        try:
            found = self._service.secrets.list(self._caller, "", listing, all_tenants=True).items
        except ResolverError:
            return []
        names = {one.tenant.name for one in found if one.key == key}
        return sorted(names - {self.tenant})[:_MOST_NAMED]


def refuse(plan: Plan, uses: Sequence[KeyUse], refusals: Mapping[str, Refusal], keys: KeySuggestions) -> None:
    """Add a problem to a plan for each key that was refused.

    Args:
        plan: what the keys are needed for.
        uses: the keys that were asked for, with their calls.
        refusals: which of them were refused, and why.
        keys: what is close to a missing one.
    """
    for use in uses:
        if refusal := refusals.get(use.key):
            plan.refuse(use, *_explained(use, refusal, keys))


def _explained(use: KeyUse, refusal: Refusal, keys: KeySuggestions) -> tuple[Reason, str, str]:
    """The reason, message and hint for a key that was refused."""
    secret = f"secret {use.shown} of tenant {keys.tenant!r}"
    match refusal.verdict:
        case Verdict.ABSENT | Verdict.INVISIBLE:
            message = f"secret {use.shown} was not found in tenant {keys.tenant!r}"
            return Reason.NOT_FOUND, message, _advice(use, keys)
        case Verdict.EXPIRED:
            return (
                Reason.EXPIRED,
                f"{secret} has expired",
                "take another secret; who may update this one gives it a new value and time",
            )
        case Verdict.UNAVAILABLE:
            # Where a computed key leads is as secret as the key.
            cause = "its provider failed" if use.provenance.secrets else refusal.cause
            reason = Reason.NOT_AT_PROVIDER if refusal.is_missing else Reason.PROVIDER
            return reason, f"{secret} is kept elsewhere: {cause}", ASK_PROVIDER
        case Verdict.PROTECTED:
            message = f"{secret} is protected, and its use here is not approved"
            return Reason.APPROVAL_NEEDED, message, "`resolve --wait-approval 15m` asks for it"
        case Verdict.HIDDEN:
            message = f"{secret} has a hidden value, which this server gives to uploaded blueprints only"
            return Reason.NOT_PERMITTED, message, "have the server resolve the blueprint"
        case Verdict.ALLOWED | Verdict.ROLE | Verdict.TOKEN | Verdict.OTHER_TENANT:
            # Nobody refuses with "allowed"; whoever did would refuse all the same.
            message = f"secret {use.shown} may not be used in tenant {keys.tenant!r} by this user and token"
            return Reason.NOT_PERMITTED, message, "`resolver whoami` shows what they may do"
        case _:
            assert_never(refusal.verdict)


def _advice(use: KeyUse, keys: KeySuggestions) -> str:
    """The hint for a missing key. One that is not written in the blueprint is compared with no others."""
    provenance = use.provenance
    if provenance.inputs and not provenance.secrets:
        return "check the value given for the input"
    if provenance.secrets or provenance.context:
        return keys.listing
    return f"{keys.suggest(use.key)} {keys.listing}".lstrip()
