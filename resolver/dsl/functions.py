"""The intrinsic functions: one table that says of each when its result is known, and how it is evaluated.

Names and meaning are those of Cloudify's `dsl_parser.functions`. A new function is its code and its line in
`FUNCTIONS`: what counts as a call, what is deferred and what `--evaluate` evaluates follow from there. No
message repeats an argument, which may have come out of a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.redacted import Redacted
from resolver.dsl import context
from resolver.dsl.problems import Fault, Reason, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Known(Redacted, frozen=True):
    """A value, and what it was computed from."""

    value: Any
    provenance: Provenance = WRITTEN


class CallEvaluator(Protocol):
    """Evaluates calls whose functions read their argument; each stands some levels deep in other calls."""

    def get_secret(self, call: Mapping[Any, Any], depth: int) -> Known:
        """Evaluate a `get_secret` call."""

    def get_input(self, call: Mapping[Any, Any], depth: int) -> Known:
        """Evaluate a `get_input` call."""

    def get_property(self, call: Mapping[Any, Any], depth: int) -> Known:
        """Evaluate a `get_property` call."""


class StaticFunction(msgspec.Struct, frozen=True):
    """A function of plain data, which takes its argument evaluated.

    Args:
        name: its name.
        compute: makes the result of the argument.
    """

    name: str
    compute: Callable[[Any], Any]


class ReadingFunction(msgspec.Struct, frozen=True):
    """A function that reads its argument itself, and knows the blueprint, its inputs and the secrets' values.

    Args:
        name: its name.
        evaluate: evaluates a call.
    """

    name: str
    evaluate: Callable[[CallEvaluator, Mapping[Any, Any], int], Known]


class ContextFunction(msgspec.Struct, frozen=True):
    """A function that the deployment's context answers, and run time where the context has no answer.

    Args:
        name: its name.
        answer: makes the answer of the evaluated argument, or raises UnansweredError.
        begins_with_node: whether a list that it takes begins with a node, so that SELF, SOURCE and TARGET
            stand for one.
    """

    name: str
    answer: Callable[[context.DeploymentContext, Any], Any]
    begins_with_node: bool = False


class RunTimeFunction(msgspec.Struct, frozen=True):
    """A function whose result only the orchestrator knows, at run time."""

    name: str


Function: TypeAlias = StaticFunction | ReadingFunction | ContextFunction | RunTimeFunction


def _bad(message: str) -> Fault:
    return Fault(Reason.BAD_ARGUMENT, message)


def _listed(name: str, argument: object, least: int, most: int | None, takes: str) -> Sequence[Any]:
    """The items of a list argument, after checking how many there are."""
    if not isinstance(argument, list):
        raise _bad(f"{name} takes {takes}, not {kind_of(argument)}")
    if len(argument) < least or (most is not None and len(argument) > most):
        raise _bad(f"{name} takes {takes}, and was given {len(argument)}")
    return argument


def _text(name: str, number: int, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(f"argument {number} of {name} is {kind_of(value)}, not text")
    return value


def _whole(name: str, number: int, value: object) -> int:
    # Python counts a boolean as a number, and so does Cloudify's check; nobody means it.
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(f"argument {number} of {name} is {kind_of(value)}, not a whole number")
    return value


def concat(argument: object) -> str:
    """Join what `str()` makes of each item, so that True stays `True`."""
    return "".join([str(item) for item in _listed("concat", argument, 0, None, "a list")])


def merge(argument: object) -> dict[Any, Any]:
    """One mapping of several; later ones win."""
    merged: dict[Any, Any] = {}
    for number, item in enumerate(_listed("merge", argument, 0, None, "a list of mappings"), 1):
        if not isinstance(item, dict):
            raise _bad(f"argument {number} of merge is {kind_of(item)}, not a mapping")
        merged |= item
    return merged


def string_find(argument: object) -> int:
    """The index of the first occurrence of a text in another, -1 without one."""
    words = _listed("string_find", argument, 2, 2, "two texts")
    return _text("string_find", 1, words[0]).find(_text("string_find", 2, words[1]))


def string_replace(argument: object) -> str:
    """A text with another one replaced, everywhere or as often as the fourth argument says."""
    name = "string_replace"
    words = _listed(name, argument, 3, 4, "three texts and possibly a count")
    haystack, needle, replacement = (_text(name, number, words[number - 1]) for number in (1, 2, 3))
    count = -1 if len(words) == 3 or words[3] is None else _whole(name, 4, words[3])  # noqa: PLR2004
    return haystack.replace(needle, replacement, count)


def string_split(argument: object) -> list[str] | str:
    """A text split at another one; with a third argument, one of the parts."""
    name = "string_split"
    words = _listed(name, argument, 2, 3, "two texts and possibly an index")
    text, separator = _text(name, 1, words[0]), _text(name, 2, words[1])
    if not separator:
        raise _bad("argument 2 of string_split is empty")
    parts = text.split(separator)
    if len(words) == 2 or words[2] is None:  # noqa: PLR2004
        return parts
    index = _whole(name, 3, words[2])
    if not -len(parts) <= index < len(parts):
        raise _bad(f"argument 3 of string_split is out of range: there are {len(parts)} parts")
    return parts[index]


def string_lower(argument: object) -> str:
    """A text in lower case."""
    return _text("string_lower", 1, argument).lower()


def string_upper(argument: object) -> str:
    """A text in upper case."""
    return _text("string_upper", 1, argument).upper()


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        ReadingFunction("get_secret", lambda evaluator, call, depth: evaluator.get_secret(call, depth)),
        ReadingFunction("get_input", lambda evaluator, call, depth: evaluator.get_input(call, depth)),
        ReadingFunction("get_property", lambda evaluator, call, depth: evaluator.get_property(call, depth)),
        StaticFunction("concat", concat),
        StaticFunction("merge", merge),
        StaticFunction("string_find", string_find),
        StaticFunction("string_lower", string_lower),
        StaticFunction("string_replace", string_replace),
        StaticFunction("string_split", string_split),
        StaticFunction("string_upper", string_upper),
        ContextFunction("get_attribute", context.get_attribute, begins_with_node=True),
        ContextFunction("get_capability", context.get_capability),
        ContextFunction("get_environment_capability", context.get_environment_capability),
        ContextFunction("get_label", context.get_label),
        ContextFunction("get_sys", context.get_sys),
        RunTimeFunction("get_attributes_dict"),
        RunTimeFunction("get_attributes_list"),
        RunTimeFunction("get_consumers"),
        RunTimeFunction("get_group_capability"),
    )
}
"""All intrinsic functions by their names."""
