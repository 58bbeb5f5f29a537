"""The values of scalars by YAML 1.1, as PyYAML's safe loader has them.

PyYAML's own resolver and constructor do the work, so that a scalar means here what it means to whoever loads
the text next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from yaml.constructor import SafeConstructor
from yaml.error import YAMLError
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

if TYPE_CHECKING:
    from re import Pattern

STANDARD: Final = "tag:yaml.org,2002:"


def _tags(*kinds: str) -> frozenset[str]:
    return frozenset(STANDARD + kind for kind in kinds)


COLLECTION_TAGS: Final = _tags("map", "set", "seq", "omap", "pairs")

KEY_TAGS: Final = _tags("merge", "value")
"""Tags that only a mapping key may have."""

SCALAR_TAGS: Final = _tags("null", "bool", "int", "float", "binary", "timestamp", "str")

STANDARD_TAGS: Final = COLLECTION_TAGS | KEY_TAGS | SCALAR_TAGS

_NUMBER_TAGS: Final = _tags("int", "float")

MAX_NUMBER: Final = 10_000
"""Longest number, in characters: one in base 60, `1:59:59`, takes time by the square of its length."""


class SpecialKey:
    """A scalar that means something only as a mapping key: `<<` (merge) or `=` (value)."""

    def __init__(self, sign: str) -> None:
        self.sign = sign

    def __repr__(self) -> str:
        return f"<{self.sign}>"


MERGE: Final = SpecialKey("<<")
VALUE: Final = SpecialKey("=")


class ScalarError(Exception):
    """A scalar does not have the form that its tag asks for."""


_constructor = SafeConstructor()
_implicit_types: dict[str, list[tuple[str, Pattern[str]]]] = Resolver.yaml_implicit_resolvers


def tagged_scalar(tag: str, text: str) -> Any:  # noqa: ANN401 - any scalar type of YAML
    """The value of a scalar with a standard tag.

    Args:
        tag: one of `SCALAR_TAGS` or `KEY_TAGS`, in full.
        text: the scalar's content.

    Raises:
        ScalarError: the content is not what the tag asks for.
    """
    if tag == STANDARD + "merge":
        return MERGE
    if tag == STANDARD + "value":
        if text != VALUE.sign:
            raise ScalarError(f"not {VALUE.sign!r}, which alone is a value")  # PyYAML takes it for its text
        return VALUE
    if tag in _NUMBER_TAGS and len(text) > MAX_NUMBER:
        raise ScalarError(f"a number of more than {MAX_NUMBER} characters")
    construct = SafeConstructor.yaml_constructors[tag]
    try:
        return construct(_constructor, ScalarNode(tag, text))
    except (YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
        # PyYAML lets Python's own errors through: months beyond 12, `!!bool maybe`, integers of more digits
        # than Python converts. Their texts speak of Python, so none is passed on.
        raise ScalarError(f"not a valid {tag.removeprefix(STANDARD)}") from None


def plain_scalar(text: str) -> Any:  # noqa: ANN401 - any scalar type of YAML
    """The value of a plain scalar, by YAML 1.1's implicit types.

    Raises:
        ScalarError: the text has the form of a type, but stands for no value of it.
    """
    for tag, pattern in _implicit_types.get(text[:1], ()):
        if pattern.match(text):
            return tagged_scalar(tag, text)
    return text


_WORDS: Final = {
    spelled: plain_scalar(spelled)
    for word in ("yes", "no", "true", "false", "on", "off", "null", "~", "")
    for spelled in (word, word.capitalize(), word.upper())
}
"""All plain scalars that begin with a letter, or with nothing, and are no strings."""


class PlainScalars(dict[str, Any]):
    """Plain scalars and their values, each worked out once; `special_keys` counts the `<<` and `=` met."""

    def __init__(self) -> None:
        super().__init__(_WORDS)
        self.special_keys = 0

    def __missing__(self, text: str) -> Any:  # noqa: ANN401 - any scalar type of YAML
        value = text if text[0].isalpha() else plain_scalar(text)
        if isinstance(value, SpecialKey):
            self.special_keys += 1  # not stored, so that each one is counted
        else:
            self[text] = value
        return value
