"""The static functions whose arguments are plain data: `concat`, `merge` and the `string_` family.

Their meaning is that of Cloudify's `dsl_parser.functions`. Arguments come evaluated, and no message repeats
them: they may have come out of a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.problems import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KINDS = {
    type(None): "nothing",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
    str: "text",
}


def kind(value: object) -> str:
    """What a value is, in words: never the value."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _bad(message: str) -> Fault:
    return Fault(Reason.BAD_ARGUMENT, message)


def _listed(name: str, argument: object, least: int, most: int | None, takes: str) -> Sequence[Any]:
    """The items of a list argument, after checking how many there are."""
    if not isinstance(argument, list):
        raise _bad(f"{name} takes {takes}, not {kind(argument)}")
    if len(argument) < least or (most is not None and len(argument) > most):
        raise _bad(f"{name} takes {takes}, and was given {len(argument)}")
    return argument


def _text(name: str, number: int, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(f"argument {number} of {name} is {kind(value)}, not text")
    return value


def _whole(name: str, number: int, value: object) -> int:
    # Python counts a boolean as a number, and so does Cloudify's check; nobody means it.
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(f"argument {number} of {name} is {kind(value)}, not a whole number")
    return value


def concat(argument: object) -> str:
    """Join what `str()` makes of each item, so that True stays `True`."""
    return "".join([str(item) for item in _listed("concat", argument, 0, None, "a list")])


def merge(argument: object) -> dict[Any, Any]:
    """One mapping of several; later ones win."""
    merged: dict[Any, Any] = {}
    for number, item in enumerate(_listed("merge", argument, 0, None, "a list of mappings"), 1):
        if not isinstance(item, dict):
            raise _bad(f"argument {number} of merge is {kind(item)}, not a mapping")
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


PLAIN_FUNCTIONS: dict[str, Callable[[object], Any]] = {
    function.__name__: function
    for function in (concat, merge, string_find, string_lower, string_replace, string_split, string_upper)
}
"""The functions here, by name."""
