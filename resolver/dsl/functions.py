"""The intrinsic functions: tables that say of each when its result is known, and how it is evaluated.

Names and meaning are those of Cloudify's `dsl_parser.functions`, and of TOSCA's specifications. A new
function is its code and its line in a table: what counts as a call, what is deferred and what `--evaluate`
evaluates follow from there. No message repeats an argument, which may have come out of a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.redacted import Redacted
from resolver.dsl import context
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.problems import Fault, Reason, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TEXT = 16 * 1024 * 1024
"""Longest text that a function may make, in characters."""

_FEW = 100
"""Length from which on a text is searched for in linear time."""

_COMPARED = 1000
"""Characters that are compared in a step."""


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
        compute: makes the result of the argument, after counting what that costs.
    """

    name: str
    compute: Callable[[Any, Budget], Any]


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


def _room_for(name: str, length: int, budget: Budget) -> None:
    """Count the text that a function is about to make."""
    if length > MAX_TEXT:
        raise _bad(f"{name} makes a text of over {MAX_TEXT} characters")
    budget.spend(1, length)


def _search(text: str, wanted: str, budget: Budget) -> None:
    """Count the search for one text in another, which may compare each character with several."""
    budget.spend(1 + len(text) * min(len(wanted), _FEW) // _COMPARED)


def concat(argument: object, budget: Budget) -> str:
    """Join what `str()` makes of each item, so that True stays `True`."""
    items = _listed("concat", argument, 0, None, "a list")
    length = 0
    for item in items:
        length += budget.text_length(item)
    _room_for("concat", length, budget)
    try:
        return "".join([str(item) for item in items])
    except ValueError:  # Python's own bound on the digits that it converts
        raise _bad("an item of concat is a whole number of too many digits to be written") from None


def merge(argument: object, budget: Budget) -> dict[Any, Any]:
    """One mapping of several; later ones win."""
    merged: dict[Any, Any] = {}
    for number, item in enumerate(_listed("merge", argument, 0, None, "a list of mappings"), 1):
        if not isinstance(item, dict):
            raise _bad(f"argument {number} of merge is {kind_of(item)}, not a mapping")
        budget.spend(len(item), len(item) * NODE)
        merged |= item
    return merged


def string_find(argument: object, budget: Budget) -> int:
    """The index of the first occurrence of a text in another, -1 without one."""
    words = _listed("string_find", argument, 2, 2, "two texts")
    text, wanted = _text("string_find", 1, words[0]), _text("string_find", 2, words[1])
    _search(text, wanted, budget)
    return text.find(wanted)


def string_replace(argument: object, budget: Budget) -> str:
    """A text with another one replaced, everywhere or as often as the fourth argument says."""
    name = "string_replace"
    words = _listed(name, argument, 3, 4, "three texts and possibly a count")
    haystack, needle, replacement = (_text(name, number, words[number - 1]) for number in (1, 2, 3))
    count = -1 if len(words) == 3 or words[3] is None else _whole(name, 4, words[3])  # noqa: PLR2004
    _search(haystack, needle, budget)
    found = haystack.count(needle)
    replaced = found if count < 0 else min(found, count)
    _room_for(name, len(haystack) + replaced * (len(replacement) - len(needle)), budget)
    return haystack.replace(needle, replacement, replaced)


def string_split(argument: object, budget: Budget) -> list[str] | str:
    """A text split at another one; with a third argument, one of the parts."""
    name = "string_split"
    words = _listed(name, argument, 2, 3, "two texts and possibly an index")
    text, separator = _text(name, 1, words[0]), _text(name, 2, words[1])
    if not separator:
        raise _bad("argument 2 of string_split is empty")
    _search(text, separator, budget)
    found = text.count(separator) + 1
    budget.spend(found, found * NODE + len(text))
    parts = text.split(separator)
    if len(words) == 2 or words[2] is None:  # noqa: PLR2004
        return parts
    index = _whole(name, 3, words[2])
    if not -len(parts) <= index < len(parts):
        raise _bad(f"argument 3 of string_split is out of range: there are {len(parts)} parts")
    return parts[index]


def string_lower(argument: object, budget: Budget) -> str:
    """A text in lower case."""
    return _cased("string_lower", argument, budget).lower()


def string_upper(argument: object, budget: Budget) -> str:
    """A text in upper case."""
    return _cased("string_upper", argument, budget).upper()


def _cased(name: str, argument: object, budget: Budget) -> str:
    """A text whose case is about to be changed: a character beyond ASCII may become three."""
    text = _text(name, 1, argument)
    budget.spend(1, len(text))
    length = len(text) if text.isascii() else len(text) + 2 * sum(not char.isascii() for char in text)
    _room_for(name, length, budget)
    return text


def _tosca_text(name: str, number: int, item: object) -> str:
    """An item as TOSCA joins it: text or a whole number; orchestrators write others in different ways."""
    if isinstance(item, str):
        return item
    if isinstance(item, int) and not isinstance(item, bool):
        try:
            return str(item)
        except ValueError:  # Python's own bound on the digits that it converts
            raise _bad(f"argument {number} of {name} is a whole number of too many digits") from None
    raise Fault(
        Reason.NOT_KNOWN_YET,
        f"argument {number} of {name} is {kind_of(item)}, which each orchestrator writes in its own way",
        "quote it, so that it is text",
    )


def _tosca_joined(name: str, items: Sequence[Any], delimiter: str, budget: Budget) -> str:
    texts = [_tosca_text(name, number, item) for number, item in enumerate(items, 1)]
    _room_for(name, sum(map(len, texts)) + len(delimiter) * max(len(texts) - 1, 0), budget)
    return delimiter.join(texts)


def tosca_concat(argument: object, budget: Budget) -> str | list[Any]:
    """One text of several, or one list."""
    items = _listed("concat", argument, 1, None, "a list")
    if all(isinstance(item, list) for item in items):
        budget.spend(sum(map(len, items)), NODE * sum(map(len, items)))
        return [each for item in items for each in item]
    return _tosca_joined("concat", items, "", budget)


def join(argument: object, budget: Budget) -> str:
    """The texts of a list, with a delimiter between them."""
    words = _listed("join", argument, 1, 2, "a list of texts and possibly a delimiter")
    items = _listed("join", words[0], 0, None, "a list of texts and possibly a delimiter")
    return _tosca_joined("join", items, _text("join", 2, words[1]) if len(words) > 1 else "", budget)


def token(argument: object, budget: Budget) -> str:
    """One of the parts of a text that a character separates."""
    words = _listed("token", argument, 3, 3, "a text, a separating character and an index")
    text, separator = (_text("token", number, words[number - 1]) for number in (1, 2))
    index = _whole("token", 3, words[2])
    if len(separator) != 1:
        raise Fault(
            Reason.NOT_KNOWN_YET,
            "argument 2 of token is not one character, which each orchestrator takes in its own way",
            "separate by one character",
        )
    budget.spend(1 + text.count(separator), NODE * text.count(separator) + len(text))
    parts = text.split(separator)
    if not 0 <= index < len(parts):
        raise _bad(f"argument 3 of token is out of range: there are {len(parts)} parts")
    return parts[index]


def _by_name(*functions: Function) -> Mapping[str, Function]:
    return {function.name: function for function in functions}


_GET_SECRET = ReadingFunction("get_secret", lambda evaluator, call, depth: evaluator.get_secret(call, depth))
_GET_INPUT = ReadingFunction("get_input", lambda evaluator, call, depth: evaluator.get_input(call, depth))
_GET_PROPERTY = ReadingFunction(
    "get_property", lambda evaluator, call, depth: evaluator.get_property(call, depth)
)
_GET_ATTRIBUTE = ContextFunction("get_attribute", context.get_attribute, begins_with_node=True)

FUNCTIONS = _by_name(
    _GET_SECRET,
    _GET_INPUT,
    _GET_PROPERTY,
    StaticFunction("concat", concat),
    StaticFunction("merge", merge),
    StaticFunction("string_find", string_find),
    StaticFunction("string_lower", string_lower),
    StaticFunction("string_replace", string_replace),
    StaticFunction("string_split", string_split),
    StaticFunction("string_upper", string_upper),
    _GET_ATTRIBUTE,
    ContextFunction("get_capability", context.get_capability),
    ContextFunction("get_environment_capability", context.get_environment_capability),
    ContextFunction("get_label", context.get_label),
    ContextFunction("get_sys", context.get_sys),
    RunTimeFunction("get_attributes_dict"),
    RunTimeFunction("get_attributes_list"),
    RunTimeFunction("get_consumers"),
    RunTimeFunction("get_group_capability"),
)
"""The intrinsic functions of Cloudify's DSL by their names."""

TOSCA_FUNCTIONS = _by_name(
    _GET_SECRET,
    _GET_INPUT,
    _GET_PROPERTY,
    StaticFunction("concat", tosca_concat),
    StaticFunction("join", join),
    StaticFunction("token", token),
    _GET_ATTRIBUTE,
    RunTimeFunction("get_artifact"),
    RunTimeFunction("get_nodes_of_type"),
    RunTimeFunction("get_operation_output"),
)
"""The intrinsic functions of TOSCA by their names."""
