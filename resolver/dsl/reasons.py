"""Why a call or a text is refused or warned of, as stable codes."""

from __future__ import annotations

import enum


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
    CREDENTIAL = "credential"
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
    APPROVAL_NEEDED = "approval_needed"
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
    # warnings of a whole repository
    SIMILAR_KEYS = "similar_keys"
    TOO_VISIBLE = "secret_too_visible"
    IN_PARTS = "secret_in_parts"


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

ONLY_LINT = (Reason.SIMILAR_KEYS, Reason.TOO_VISIBLE, Reason.IN_PARTS)
"""The reasons of warnings about all blueprints of a repository together."""


def kind_named(reason: Reason) -> str:
    """What options call the kind of warnings that a reason is of."""
    return reason.removeprefix("secret_").replace("_", "-")
