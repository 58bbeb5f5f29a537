"""Using secrets that are on a server: one request for each round of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.client.session import RefusedKeysError, Remote
from resolver.core.audit import MAX_CALL_SITES
from resolver.core.model import Secret
from resolver.core.policy import Verdict
from resolver.core.redacted import Redacted
from resolver.core.results import KeyStatus, Refusal, UseAnswer, UsedSecret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.core.location import Location
    from resolver.core.model import Caller
    from resolver.core.results import WantedKey


class _Used(Redacted, frozen=True):
    """The answer of `/use`."""

    secrets: Mapping[str, UsedSecret]


class _Status(Struct, frozen=True):
    """What the answer of `/check` tells of one key."""

    secret: Secret | None
    refusal: Verdict | None
    expired: bool
    due: bool


class _Checked(Struct, frozen=True):
    """The answer of `/check`."""

    keys: Mapping[str, _Status]


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
        body = {
            "tenant": tenant,
            "keys": [_wanted(use) for use in uses],
            "digests": {_text(name): digest for name, digest in digests.items()},
        }
        try:
            found = self._server.ask(caller, _Used, "POST", "/use", body, asks=True)
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
        body = {"tenant": tenant, "keys": wanted}
        found = self._server.ask(caller, _Checked, "POST", "/check", body, asks=True)
        if found.keys.keys() != set(wanted) or any(
            status.refusal is Verdict.ALLOWED for status in found.keys.values()
        ):
            raise self._server.nonsense()
        return {
            key: KeyStatus(
                status.secret,
                None if status.refusal is None else Refusal(status.refusal),
                expired=status.expired,
                due=status.due,
            )
            for key, status in found.keys.items()
        }


def _wanted(use: WantedKey) -> dict[str, Any]:
    provenance = use.provenance
    return {
        "key": use.key,
        "calls": [_site(site) for site in use.locations(MAX_CALL_SITES)],
        "calls_total": use.calls_total,
        "origin": {
            "secrets": sorted(provenance.secrets),
            "inputs": sorted(provenance.inputs),
            "context": provenance.context,
        },
        "placed": use.needs_value,
    }


def _site(site: Location) -> dict[str, Any]:
    at = site.position
    return {
        "source": _text(site.source),
        "line": at.line if at else 0,
        "column": at.column if at else 0,
        "path": [step if type(step) is int else _text(str(step)) for step in site.path],
    }


def _text(text: str) -> str:
    """A name that can be sent: bytes of a file's name that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()
