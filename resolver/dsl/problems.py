"""Problems of a blueprint: a record of each with its reason and location, and the error that leads to one."""

from __future__ import annotations

import msgspec

from resolver.core.location import Path, Position
from resolver.dsl.reasons import ONLY_WARNINGS, WARNINGS, Reason

__all__ = ["ONLY_WARNINGS", "WARNINGS", "Fault", "Problem", "Reason", "kind_of"]

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
