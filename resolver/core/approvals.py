"""Approvals: the bundles that they are about, what is asked for, and what became of it."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from resolver.core.formats import DialectName, DocumentFormat
from resolver.core.redacted import Redacted
from resolver.core.times import later, parse_time_ahead
from resolver.errors import InvalidRequestError

MAX_BLUEPRINTS = 100
"""Most blueprints of one bundle."""

_Note = Annotated[str, Meta(max_length=1000)]
_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

REQUEST_DAYS = 7
"""Days within which a request has to be decided."""

MAX_GRANT_DAYS = 30
MAX_USES = 1000


class ApprovalState(enum.StrEnum):
    """What became of a request."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    SPENT = "spent"
    ENDED = "ended"
    NOT_NEEDED = "not_needed"


class BundledInput(Redacted, frozen=True, forbid_unknown_fields=True):
    """An input's value as it was given.

    Args:
        value: what YAML makes of it.
        text: as it was typed, when it was typed as text.
    """

    value: Any
    text: str | None = None


class BundledBlueprint(Struct, frozen=True, forbid_unknown_fields=True):
    """A blueprint with the local files that it imports.

    Args:
        name: what messages and records call it.
        text: its text.
        files: the texts of what it imports, by their paths from the root of its tree.
        folder: its folder, from that root.
        has_tree: whether imports may lead out of its folder by `..`, within the tree.
    """

    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    has_tree: bool = False


class Bundle(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that decides what a run asks for and writes: an approval is about all of it.

    Args:
        blueprints: the blueprints.
        inputs: values given for inputs, by name. No others are given later.
        context: facts about the deployment, as in a context file.
        format: the format of the resolved text.
        evaluate: whether the other functions are evaluated, too.
        merge_imports: whether each blueprint and its imports become one document.
        partial: whether calls are deferred whose argument is not known before deployment.
        dialect: what documents are read as whose version leaves it open.
        allow_duplicate_keys: whether the last value of a key counts that stands twice in one mapping.
    """

    blueprints: Annotated[Sequence[BundledBlueprint], Meta(min_length=1, max_length=MAX_BLUEPRINTS)]
    inputs: Mapping[str, BundledInput] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    format: DocumentFormat = DocumentFormat.YAML
    evaluate: bool = False
    merge_imports: bool = False
    partial: bool = False
    dialect: DialectName | None = None
    allow_duplicate_keys: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical bytes, hexadecimal: what is approved."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class ApprovedCall(Struct, frozen=True):
    """A call of a bundle that asks for a secret, in place.

    Args:
        source: the blueprint or imported file.
        line: its line, from 1; 0 where that is not known.
        column: its column, from 1; 0 where that is not known.
        end_line: the line of its last character; 0 where that is not known.
        end_column: the column after its last character.
        path: where it stands in the document, as people write it.
        key: the key that it asks for.
        protected: whether that secret is protected.
    """

    source: str
    line: int
    column: int
    end_line: int
    end_column: int
    path: str
    key: str
    protected: bool = False


class ApprovalRequest(Redacted, frozen=True, forbid_unknown_fields=True):
    """What is asked to be approved: the use of protected secrets by a bundle, or the end of a protection.

    Args:
        bundle: the bundle.
        unprotect: instead, the key of a secret that is to be protected no longer.
        reason: what it is for, in words for who decides.
    """

    bundle: Bundle | None = None
    unprotect: str | None = None
    reason: _Note = ""


class ApprovalGrant(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is granted.

    Args:
        uses: how many runs.
        lasts: until when, as a time or a distance like `24h`; 30 days at most.
        comment: words for who asked.
    """

    uses: Annotated[int, Meta(ge=1, le=MAX_USES)] = 1
    lasts: str = "24h"
    comment: _Note = ""

    def until(self, now: str) -> str:
        """When it ends.

        Raises:
            InvalidRequestError: the time is malformed, has passed, or is too far ahead.
        """
        end = parse_time_ahead(self.lasts, now, "the end of the approval")
        if end > later(now, MAX_GRANT_DAYS * 86400):
            raise InvalidRequestError(f"an approval lasts at most {MAX_GRANT_DAYS} days")
        return end


class ApprovalDenial(Struct, frozen=True, forbid_unknown_fields=True):
    """A denial, of a request or of what was granted before.

    Args:
        comment: words for who asked.
    """

    comment: _Note = ""


class ApprovedRun(Struct, frozen=True, forbid_unknown_fields=True):
    """Which bundle is to be resolved.

    Args:
        digest: of the bundle that the client has; nothing is resolved when another one was approved.
    """

    digest: _Digest


class Approval(Struct, frozen=True, kw_only=True):
    """A request, with what became of it.

    Args:
        id: its id; empty when no approval is needed.
        tenant: the tenant that was asked in.
        state: what became of it.
        digest: of the bundle; None when the end of a protection was asked for.
        keys: the protected secrets.
        requested_by: who asked.
        reason: what it is for.
        requested_at: UTC time.
        ends_at: UTC time until which it can be decided, or used.
        decided_by: who granted or denied it; None for nobody yet.
        decided_at: UTC time.
        comment: what that person said.
        uses: how many runs were granted.
        uses_left: how many are left.
    """

    id: str
    tenant: str
    state: ApprovalState
    digest: str | None
    keys: Sequence[str]
    requested_by: str
    reason: str
    requested_at: str
    ends_at: str
    decided_by: str | None = None
    decided_at: str | None = None
    comment: str | None = None
    uses: int = 0
    uses_left: int = 0


class ApprovalList(Struct, frozen=True):
    """Requests, the latest first."""

    items: Sequence[Approval]


class ApprovalDetails(Redacted, frozen=True):
    """What a request is about, for who decides.

    Args:
        approval: the request.
        bundle: the bundle; None when the end of a protection was asked for.
        calls: its calls, as the server found them.
    """

    approval: Approval
    bundle: Bundle | None = None
    calls: Sequence[ApprovedCall] = ()


class ResolvedBundle(Redacted, frozen=True):
    """The resolved text of a bundle, and what the reader should know of it.

    Args:
        text: the text, with the values in it.
        notes: warnings and notes, without any value.
        deferred: how many calls are left for the orchestrator.
        uses: how many secrets were used.
    """

    text: str
    notes: Sequence[str]
    deferred: int = 0
    uses: int = 0
