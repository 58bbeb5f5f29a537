"""What travels when keys are used or checked: the requests and the answers of `/use` and `/check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from resolver.core.location import Location, Position
from resolver.core.model import Secret
from resolver.core.policy import Verdict
from resolver.core.provenance import Provenance
from resolver.core.redacted import Redacted
from resolver.core.results import KeyStatus, Refusal, UsedSecret, WantedKey

MAX_KEYS = 10_000
"""Most keys that one request may name."""

_Count = Annotated[int, Meta(ge=0, le=2**31)]


class SentLocation(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a call stands, as a client says; line 0 stands for a position that is not known."""

    source: str
    line: _Count = 0
    column: _Count = 0
    path: tuple[int | str, ...] = ()

    @classmethod
    def of(cls, location: Location) -> SentLocation:
        """A location as it is sent."""
        at = location.position
        path = tuple(step if type(step) is int else sendable(str(step)) for step in location.path)
        return cls(sendable(location.source), at.line if at else 0, at.column if at else 0, path)

    @property
    def location(self) -> Location:
        """The location that was sent."""
        return Location(self.source, Position(self.line, self.column) if self.line else None, self.path)


class SentProvenance(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key was computed from: names of inputs and secrets, and whether the context went into it."""

    secrets: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    context: bool = False

    @classmethod
    def of(cls, provenance: Provenance) -> SentProvenance:
        """A provenance as it is sent: what is never shown is left out."""
        return cls(provenance.secrets, provenance.inputs, provenance.context)

    @property
    def provenance(self) -> Provenance:
        """The provenance that was sent."""
        return Provenance(self.secrets, self.inputs, context=self.context)


class SentKey(Redacted, frozen=True, forbid_unknown_fields=True):
    """A key whose value is wanted, with its calls."""

    key: str
    calls: tuple[SentLocation, ...] = ()
    calls_total: _Count = 0
    provenance: SentProvenance = field(name="origin", default=SentProvenance())
    needs_value: bool = field(name="placed", default=True)

    @classmethod
    def of(cls, wanted: WantedKey, most_calls: int) -> SentKey:
        """A wanted key as it is sent."""
        return cls(
            wanted.key,
            tuple(SentLocation.of(location) for location in wanted.locations(most_calls)),
            wanted.calls_total,
            SentProvenance.of(wanted.provenance),
            wanted.needs_value,
        )


class UseRequest(Redacted, frozen=True, forbid_unknown_fields=True):
    """The keys that one round of a blueprint needs, and the digests of the blueprints by their names."""

    tenant: str
    keys: Annotated[Sequence[SentKey], Meta(max_length=MAX_KEYS)]
    digests: Annotated[
        Mapping[str, Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]], Meta(max_length=MAX_KEYS)
    ] = field(default_factory=dict)


class UseResult(Redacted, frozen=True):
    """All values that were asked for, by key."""

    secrets: Mapping[str, UsedSecret]


class CheckRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that a check is about."""

    tenant: str
    keys: Annotated[Sequence[str], Meta(max_length=MAX_KEYS)]


class CheckedKey(Struct, frozen=True):
    """What a check says of one key."""

    secret: Secret | None
    refusal: Verdict | None
    expired: bool
    due: bool

    @classmethod
    def of(cls, status: KeyStatus) -> CheckedKey:
        """A status as it is sent; what a provider did wrong stays on the server."""
        refusal = None if status.refusal is None else status.refusal.verdict
        return cls(status.secret, refusal, status.expired, status.due)

    @property
    def status(self) -> KeyStatus:
        """The status that was sent."""
        refusal = None if self.refusal is None else Refusal(self.refusal)
        return KeyStatus(self.secret, refusal, expired=self.expired, due=self.due)


class CheckResult(Struct, frozen=True):
    """What a check says, by key."""

    keys: Mapping[str, CheckedKey]


def sendable(text: str) -> str:
    """A name that can be sent: bytes of a file's name that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()
