"""Problems of a blueprint for keys that were refused, each with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from resolver.core.policy import Verdict
from resolver.core.providers import ASK_PROVIDER
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


class KeySuggestions:
    """The keys that a caller may list in a tenant, asked for when a missing one makes them of use."""

    def __init__(self, service: ResolvingService, caller: Caller, tenant: str) -> None:
        self.tenant = tenant
        self._service = service
        self._caller = caller
        self._suggestions = Suggestions(self._seen)

    def _seen(self) -> Sequence[str]:
        try:
            return [secret.key for secret in self._service.secrets.list(self._caller, self.tenant).items]
        except ResolverError:  # one who may use but not list; or the store is gone, as the run will report
            return ()

    def suggest(self, key: str) -> str:
        """A question that offers keys close to a missing one; empty without any."""
        return self._suggestions.question(key)


def refuse(plan: Plan, uses: Sequence[KeyUse], refusals: Mapping[str, Refusal], keys: KeySuggestions) -> None:
    """Add a problem to a plan for each key that was refused.

    Args:
        plan: what the keys are needed for.
        uses: the keys that were asked for, with their calls.
        refusals: which of them were refused, and why.
        keys: what is close to a missing one.
    """
    for use in uses:
        refusal = refusals.get(use.key)
        if refusal is None:
            continue
        match refusal.verdict:
            case Verdict.ABSENT | Verdict.INVISIBLE:
                message = f"secret {use.shown} was not found in tenant {keys.tenant!r}"
                plan.refuse(use, Reason.NOT_FOUND, message, _advice(use, keys))
            case Verdict.EXPIRED:
                message = f"secret {use.shown} of tenant {keys.tenant!r} has expired"
                plan.refuse(use, Reason.EXPIRED, message, "give it a new value and time, or another secret")
            case Verdict.UNAVAILABLE:
                # Where a computed key leads is as secret as the key.
                cause = "its provider failed" if use.provenance.secrets else refusal.cause
                message = f"secret {use.shown} of tenant {keys.tenant!r} is kept elsewhere: {cause}"
                plan.refuse(use, Reason.UNAVAILABLE, message, ASK_PROVIDER)
            case Verdict.HIDDEN:
                message = (
                    f"secret {use.shown} of tenant {keys.tenant!r} has a hidden value, "
                    "which this server gives to uploaded blueprints only"
                )
                plan.refuse(use, Reason.NOT_PERMITTED, message, "have the server resolve the blueprint")
            case Verdict.ALLOWED | Verdict.ROLE | Verdict.TOKEN | Verdict.OTHER_TENANT:
                # A refusal that says "allowed" is no refusal that anyone makes; it refuses all the same.
                plan.refuse(
                    use,
                    Reason.NOT_PERMITTED,
                    f"secret {use.shown} may not be used in tenant {keys.tenant!r} by this user and token",
                    "`resolver whoami` shows what they may do",
                )
            case _:
                assert_never(refusal.verdict)


def _advice(use: KeyUse, keys: KeySuggestions) -> str:
    """What to do about a missing key. One that was not written in the blueprint is compared with nothing."""
    provenance = use.provenance
    if provenance.inputs and not provenance.secrets:
        return "check the value given for the input"
    listing = f"`resolver secrets list -t {keys.tenant}` shows what there is"
    if provenance.secrets or provenance.context:
        return listing
    return f"{keys.suggest(use.key)} {listing}".lstrip()
