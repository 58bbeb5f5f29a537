"""Using secrets that are on a server: one request for each round of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.session import RefusedKeysError, Remote
from resolver.core.audit import MAX_CALL_SITES
from resolver.core.policy import Verdict
from resolver.core.results import KeyStatus, UseAnswer
from resolver.protocol.codec import encode
from resolver.protocol.use import CheckRequest, CheckResult, SentKey, UseRequest, UseResult, sendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.results import WantedKey


class RemoteUse(Remote):
    """Obtains values for blueprints."""

    def use(
        self, caller: Caller, tenant: str, uses: Sequence[WantedKey], digests: Mapping[str, str]
    ) -> UseAnswer:
        """Obtain the values that one round of a blueprint needs: all of them, or none.

        Raises:
            NotPermittedError: the caller may not use secrets in this tenant at all.
            UnavailableError: the server can't be reached, or can't do it.
        """
        request = UseRequest(
            tenant,
            [SentKey.of(use, MAX_CALL_SITES) for use in uses],
            {sendable(name): digest for name, digest in digests.items()},
        )
        try:
            found = self._server.ask(caller, UseResult, "POST", "/use", encode(request), asks=True)
        except RefusedKeysError as error:
            verdicts = {refusal.verdict for refusal in error.refusals.values()}
            if Verdict.ALLOWED in verdicts or not error.refusals.keys() <= {use.key for use in uses}:
                raise self._server.nonsense() from None
            return UseAnswer(refusals=error.refusals)
        if found.secrets.keys() != {use.key for use in uses if use.needs_value}:
            raise self._server.nonsense()
        return UseAnswer(secrets=found.secrets)

    def check(self, caller: Caller, tenant: str, keys: Iterable[str]) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used, without decrypting or using anything.

        Raises:
            NotPermittedError: the caller may neither list nor use secrets in this tenant.
            UnavailableError: the server can't be reached, or can't do it.
        """
        wanted = list(keys)
        body = encode(CheckRequest(tenant, wanted))
        found = self._server.ask(caller, CheckResult, "POST", "/check", body, asks=True)
        if found.keys.keys() != set(wanted) or any(
            status.refusal is Verdict.ALLOWED for status in found.keys.values()
        ):
            raise self._server.nonsense()
        return {key: checked.status for key, checked in found.keys.items()}
