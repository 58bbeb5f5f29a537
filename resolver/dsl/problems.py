"""Problems of a blueprint: a record of each with its reason and location, and the error that leads to one."""

from __future__ import annotations

import enum

import msgspec

from resolver.core.location import Path, Position

_KINDS = {
    type(None): "nothing",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
    str: "text",
}


def kind_of(value: object) -> str:
    """The kind of a value in words, for messages, which never repeat the value."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


class Reason(enum.StrEnum):
    """Why a call or a text was refused. The values are stable: scripts match on them."""

    # the text
    NOT_UTF8 = "not_utf8"
    SYNTAX = "syntax"
    EMPTY = "empty"
    DUPLICATE_KEY = "duplicate_key"
    BAD_MAPPING_KEY = "bad_mapping_key"
    BAD_SCALAR = "bad_scalar"
    RECURSIVE_ALIAS = "recursive_alias"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_NODES = "too_many_nodes"
    BUDGET_SPENT = "budget_spent"
    CUSTOM_TAG = "custom_tag"
    UNKNOWN_VERSION = "unknown_version"
    SCHEMA = "schema"
    BAD_DEFINITION = "bad_definition"
    # imports
    IMPORT_REFUSED = "import_refused"
    IMPORT_HOLDS_CALLS = "import_holds_calls"
    # calls and their arguments
    NOT_A_CALL = "not_a_call"
    BAD_ARGUMENT = "bad_argument"
    BAD_INPUT = "bad_input"
    BAD_CONTEXT = "bad_context"
    NOT_KNOWN_YET = "not_known_yet"
    # access
    NOT_PERMITTED = "not_permitted"
    EXPIRED = "secret_expired"
    NOT_FOUND = "secret_not_found"
    NOT_AT_PROVIDER = "not_at_provider"
    PROVIDER = "provider_failed"
    UNAVAILABLE = "store_unavailable"
    # values
    UNREADABLE = "secret_unreadable"
    NOT_JSON = "not_json"
    NO_SUCH_STEP = "no_such_step"
    VALUE_HOLDS_CALL = "value_holds_call"
    # warnings, which nothing stops for unless that is asked for
    NEAR_MISS = "near_miss"
    UNDECLARED_INPUT = "undeclared_input"
    TEXT_FOR_TYPE = "text_for_type"
    DUE = "secret_due"
    UNUSED = "secret_unused"


ONLY_WARNINGS = (
    Reason.NEAR_MISS,
    Reason.UNDECLARED_INPUT,
    Reason.TEXT_FOR_TYPE,
    Reason.DUE,
    Reason.UNUSED,
)
"""The reasons that are none of errors, unless a run is told to fail on them."""

WARNINGS = (*ONLY_WARNINGS, Reason.DUPLICATE_KEY, Reason.CUSTOM_TAG, Reason.EXPIRED)
"""The reasons that warnings may have."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a blueprint, or keeps a call from being resolved; or a warning.

    Args:
        reason: the stable code.
        message: one sentence without any secret value.
        source: the blueprint's name as the user gave it; empty when no blueprint is at fault.
        position: where in the text, or None when it is not about one location.
        path: the path in the document.
        key: the secret's key as it may be shown; empty when there is none.
        hint: what to do about it.
        line_text: the source line at `position`, for the caret.
    """

    reason: Reason
    message: str
    source: str = ""
    position: Position | None = None
    path: Path = ()
    key: str = ""
    hint: str = ""
    line_text: str = ""


class Fault(Exception):  # noqa: N818 - not an error of the package: the plan turns it into a Problem
    """A call that can't be evaluated.

    Args:
        reason: the stable code.
        message: one sentence without any value.
        hint: what to do about it.
        key: the key as it may be shown.
        later: whether the orchestrator will be able to; where nothing needs the result, the call is left.
        with_manager: whether it can't because something is left to the manager, types or other definitions.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        hint: str = "",
        key: str = "",
        *,
        later: bool = False,
        with_manager: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.key = key
        self.later = later or reason is Reason.NOT_KNOWN_YET
        self.with_manager = with_manager
