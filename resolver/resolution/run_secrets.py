"""The secrets of one run of an orchestrator that evaluates blueprints itself, and asks for them by key."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from resolver.core.closing import Closing
from resolver.core.policy import Verdict
from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.providers import ASK_PROVIDER
from resolver.dsl.calls import GET_SECRET
from resolver.dsl.key_use import Call, KeyUse
from resolver.dsl.source import DataSource
from resolver.dsl.walk import find_calls
from resolver.errors import (
    ApprovalNeededError,
    NotFoundError,
    NotPermittedError,
    ProviderError,
    UsageError,
    bare_errors,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from resolver.core.location import Path
    from resolver.core.model import Caller, SecretValue
    from resolver.core.ports.service import ResolvingService


def plan_source(name: str, document: object) -> DataSource:
    """An orchestrator's plan, as audit records name where a key was asked for."""
    return DataSource(name, (), json.dumps(document, sort_keys=True, default=str, skipkeys=True))


class RunSecrets(Closing):
    """Secrets by key, for one caller in one tenant, in memory until they are closed.

    Keys that stand in the documents given to `expect` are obtained together, once the first value is
    asked for: one request, one decision for each key, recorded before anything is decrypted. A key that was
    computed is obtained when it is asked for. Answers stay the same for the whole run. Several threads may
    ask.

    Args:
        service: where the secrets are.
        caller: who asks.
        tenant: the name of the tenant to ask in.
        name: what the audit trail calls the run's document.
    """

    def __init__(self, service: ResolvingService, caller: Caller, tenant: str, name: str) -> None:
        self._service: ResolvingService | None = service
        self._caller = caller
        self._tenant = tenant
        self._name = name
        self._source = plan_source(name, None)
        self._lock = threading.RLock()
        self._expected: dict[str, list[Call]] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._values: dict[str, SecretValue] = {}

    def __repr__(self) -> str:
        return f"RunSecrets({self._name!r}, tenant={self._tenant!r})"

    def close(self) -> None:
        """Drop the values, without waiting for a request of another thread. Closing twice does nothing."""
        self._service = None
        self._values = {}

    @property
    def values(self) -> Collection[SecretValue]:
        """The values obtained so far."""
        with self._lock:
            return list(self._values.values())

    def expect(self, document: object) -> None:
        """Note the keys that are written in a document; nothing is looked up yet."""
        with self._lock:
            self._source = plan_source(self._name, document)
            for key, path, node in written_keys(document):
                self._expected.setdefault(key, []).append(Call(self._source, path, node))

    @bare_errors
    def demand(self, key: str) -> None:
        """Say whether a secret may be used, without decrypting or using it.

        Raises:
            NotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
        """
        with self._lock:
            if key not in self._values:
                self._learn(key)
                self._raise(key, self._verdicts[key])

    @bare_errors
    def value(self, key: str) -> SecretValue:
        """The value of a secret.

        Raises:
            NotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
            UsageError: the run is over.
            UnavailableError: the store, a key or a provider is not available.
        """
        with self._lock:
            value = self._values.get(key)
            return self._obtain(key) if value is None else value

    def shown(self, key: str) -> str:
        """A key as a message may show it."""
        with self._lock:
            return self._provenance(key).show(key)

    @property
    def _opened(self) -> ResolvingService:
        service = self._service
        if service is None:
            raise self._over
        return service

    @property
    def _over(self) -> UsageError:
        return UsageError(f"the run {self._name!r} is over, and holds no secrets any more")

    def _learn(self, key: str) -> None:
        """Ask of all keys that are known by now whether they may be used, in one request."""
        wanted = [each for each in {**self._expected, key: []} if each not in self._verdicts]
        if wanted:
            for each, status in self._opened.use.check(self._caller, self._tenant, wanted).items():
                self._verdicts[each] = status.refusal.verdict if status.refusal else Verdict.ALLOWED

    def _obtain(self, key: str) -> SecretValue:
        """Obtain a key, and with it all that are expected and may be used; the value of the first."""
        service = self._opened
        self._learn(key)
        while True:
            wanted = [key]
            if self._verdicts[key] is Verdict.ALLOWED:
                wanted += [
                    each
                    for each in self._expected
                    if each != key and each not in self._values and self._verdicts[each] is Verdict.ALLOWED
                ]
            # Also a key that is known to be refused is asked for: the refusal is to be on record.
            uses = [KeyUse(each, self._provenance(each), self._calls(each)) for each in wanted]
            digests = {call.source.name: call.source.digest for use in uses for call in use.calls}
            answer = service.use.use(self._caller, self._tenant, uses, digests)
            if key in answer.refusals:
                self._raise(key, answer.refusals[key].verdict)
            if not answer.refusals:
                self._values = self._values | {each: secret.value for each, secret in answer.secrets.items()}
                if self._service is None:  # closed meanwhile
                    self._values = {}
                    raise self._over
                return answer.secrets[key].value
            # Rights have changed since they were learnt; what is still allowed is obtained without the rest.
            self._verdicts |= {each: refusal.verdict for each, refusal in answer.refusals.items()}

    def _calls(self, key: str) -> list[Call]:
        return self._expected.get(key) or [Call(self._source, (), {GET_SECRET: None})]

    def _provenance(self, key: str) -> Provenance:
        """What a key was computed from. One that is not written anywhere may hold any value of this run."""
        if key in self._expected:
            return WRITTEN
        written = frozenset(each for each in self._values if each in self._expected)
        return Provenance(secrets=written) if written else Provenance(context=True)

    def _raise(self, key: str, verdict: Verdict) -> None:
        if verdict is Verdict.ALLOWED:
            return
        shown = self._provenance(key).show(key)
        if verdict in (Verdict.ABSENT, Verdict.INVISIBLE):
            raise NotFoundError(
                f"secret {shown} was not found in tenant {self._tenant!r}",
                hint=f"`resolver secrets list -t {self._tenant}` shows what there is",
            )
        if verdict is Verdict.UNAVAILABLE:
            raise ProviderError(f"secret {shown} is kept elsewhere: its provider failed", hint=ASK_PROVIDER)
        if verdict is Verdict.PROTECTED:
            raise ApprovalNeededError(
                f"secret {shown} is protected, and used by approved runs of `resolve` only",
                hint="`resolve --wait-approval 15m` asks for it",
            )
        if verdict is Verdict.EXPIRED:
            raise NotPermittedError(f"secret {shown} has expired", hint="give it a new value and time")
        raise NotPermittedError(
            f"secret {shown} may not be used in tenant {self._tenant!r} by this user and token",
            hint="`resolver whoami` shows what they may do",
        )


def written_keys(document: object) -> Iterator[tuple[str, Path, Mapping[Any, Any]]]:
    """The keys that stand in a document's calls, those in arguments of other calls included."""
    pending = list(find_calls(document))
    while pending:
        path, node = pending.pop()
        argument = node[GET_SECRET]
        key = argument[0] if isinstance(argument, (list, tuple)) and argument else argument
        if isinstance(key, str):
            yield key, path, node
        pending += find_calls(argument, (*path, GET_SECRET))
