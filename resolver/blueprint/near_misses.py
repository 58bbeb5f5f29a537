"""Find what was meant as a `get_secret` call and is none: a misspelt name, or a call that is part of a text.

Nothing is resolved there and nothing is an error: the text would be deployed as the password. Prose that
mentions the function is not meant; a near miss has the form of a call.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.text import BLANKS, BREAKS
from resolver.dsl.dialects import CLOUDIFY, GET_SECRET, Dialect
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.source import Tagged
from resolver.dsl.walk import children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.blueprint.document import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.budget import Budget

_CANDIDATE = re.compile(r"g(?:et[-\w$.]{0,16}?|[et]{0,3}[-_ ]?)s[ecrt]{3,7}")
"""What a text in lower case has wherever there may be a near miss; begins with a letter to be fast."""

_FIRST_KEY = re.compile(rf"\{{(?:[{BLANKS}]++|#[^{BREAKS}]*+)*+[\"']?")

_LONGEST_NAME = 40
_CLOSENESS = 0.85
_PLAIN = "getsecret"
_WORDS = re.compile(r"[^a-z0-9]+")
_FAMILY = re.compile(r"get[a-z0-9]*secrets?")

_NAME = r"\$?get[-_ ]?secrets?"
_ARGUMENT = r"(?:[\"']?[\w./$-]+[\"']?|\[[^\[\]\r\n]*\]|\{[^{}\r\n]*\})"  # no opening bracket: linear


@cache
def _whole() -> re.Pattern[str]:  # compiled for texts that may be a near miss: few have any
    return re.compile(rf"\s*+{_NAME}\s*+(?::\s*+{_ARGUMENT}|\(.*\))\s*+", re.IGNORECASE)


@cache
def _within() -> re.Pattern[str]:
    return re.compile(
        rf"\{{\s*+[\"']?{_NAME}[\"']?\s*+(?::\s*+{_ARGUMENT}\s*+\}}|\([^()\r\n]*\))"
        r"|\{[{%][^{}%\r\n]{0,200}?(?<!\w)get[-_]?secrets?(?!\w)"
        rf"|^[ \t]*(?:- +)?{GET_SECRET}:[ \t]+{_ARGUMENT}[ \t]*$",
        re.IGNORECASE | re.MULTILINE,
    )


_PROSE = frozenset({"description", "display_label", "error_message"})
"""Names of entries whose text is for people."""

_NAMED = frozenset({"inputs", "outputs", "parameters", "properties", "workflows"})
_INTERFACES = frozenset({"interfaces", "source_interfaces", "target_interfaces"})


class _Miss(NamedTuple):
    """A near miss: where it stands in its document, what it is, and what helps."""

    path: Path
    message: str
    hint: str


def near_misses(blueprint: Blueprint, budget: Budget, dialect: Dialect = CLOUDIFY) -> Iterator[Problem]:
    """What was meant as a call in a blueprint and is none, without positions.

    Args:
        blueprint: the blueprint that was read.
        budget: what the run may spend.
        dialect: its language.
    """
    if not _is_worth_a_walk(blueprint, dialect):
        return
    several = len(blueprint.documents) > 1
    for number, document in enumerate(blueprint.documents, 1):
        prefix: Path = (f"document {number}",) if several else ()
        for miss in islice(_misses(document, budget, dialect), MAX_PROBLEMS):
            yield Problem(
                Reason.NEAR_MISS, miss.message, blueprint.name, path=(*prefix, *miss.path), hint=miss.hint
            )


def _is_worth_a_walk(blueprint: Blueprint, dialect: Dialect) -> bool:
    """Whether the text names the function, or something like it, anywhere but as the key of a call."""
    text = blueprint.text.content
    found = {candidate.start() for candidate in _CANDIDATE.finditer(text.lower())}
    if not found:
        return False
    for span in blueprint.parsed.spans.values():
        name = dialect.secret_name(span.node)
        if name is not None:
            key = _FIRST_KEY.match(text, span.start)
            start = span.start if key is None else key.end()
            if text.startswith(name, start):
                found.discard(start + len(dialect.prefix))
    return not _are_in_comments(text, sorted(found))


def _are_in_comments(text: str, indexes: Sequence[int]) -> bool:
    """Whether the lines of these characters, in order, are comments, or look like some within a text."""
    behind = 0
    for index in indexes:
        if index < behind:
            continue  # of a line that was looked at
        if not text[text.rfind("\n", behind, index) + 1 or behind : index].lstrip().startswith("#"):
            return False
        behind = text.find("\n", index) + 1 or len(text)
    return True


def _misses(document: object, budget: Budget, dialect: Dialect) -> Iterator[_Miss]:
    if isinstance(document, (str, Tagged)):
        yield from _in_scalar((), document, dialect)
        return
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [((), document)]
    while pending:
        here, node = pending.pop()
        if id(node) in seen or not isinstance(node, (dict, list, tuple)):
            continue
        seen.add(id(node))
        budget.spend(1 + len(node))
        if isinstance(node, dict):
            yield from _in_mapping(here, node, dialect)
        for step, item in node.items() if isinstance(node, dict) else enumerate(node):
            if type(item) is str:
                if len(item) <= len(_PLAIN) or step in _PROSE or id(item) in seen:
                    continue
                seen.add(id(item))  # aliases may repeat a long one very often
            if isinstance(item, (str, Tagged)):
                name = step if isinstance(step, (str, int)) else str(step)
                yield from _in_scalar((*here, name), item, dialect)
        pending += children(here, node)


def _in_scalar(here: Path, value: str | Tagged, dialect: Dialect) -> Iterator[_Miss]:
    if isinstance(value, Tagged):
        name = value.tag.lstrip("!")
        if name == GET_SECRET or _resembles(name, dialect):
            yield _misspelt(here, f"the tag {_shown(value.tag)}", dialect)
    elif _CANDIDATE.search(value.lower()) and (_whole().fullmatch(value) or _within().search(value)):
        yield _Miss(
            here,
            f"a call of {dialect.get_secret} inside a text is a part of the text, and is not resolved",
            f"write the call as a value of its own, without quotes: {{ {dialect.get_secret}: KEY }}; "
            "concat puts texts and calls together",
        )


def _in_mapping(here: Path, node: Mapping[Any, Any], dialect: Dialect) -> Iterator[_Miss]:
    """The near misses among a mapping's keys."""
    for name, value in node.items():
        if not isinstance(name, str):
            continue
        if (value is None and _whole().fullmatch(name)) or ("{" in name and _within().search(name)):
            hint = (
                "write a space behind the colon"
                if value is None
                else f"write {{ {dialect.get_secret}: KEY }}"
            )
            yield _Miss((*here, name), f"{_shown(name)} is a name, and no call of {dialect.get_secret}", hint)
    if len(node) == 1 or (len(node) == 2 and "type" in node):  # noqa: PLR2004 - the name and `type`
        name = next((key for key in node if key != "type"), None)
        if (
            isinstance(name, str)
            and _is_argument(node[name])
            and not _is_section(here)
            and _resembles(name, dialect)
        ):
            yield _misspelt((*here, name), _shown(name), dialect)


def _misspelt(path: Path, what: str, dialect: Dialect) -> _Miss:
    return _Miss(
        path, f"{what} is no function, and nothing is resolved here", f"did you mean {dialect.get_secret!r}?"
    )


def _shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}...")


def _is_argument(value: object) -> bool:
    """Whether a value may be meant as a key, a list of key and steps, or a call that gives these."""
    if isinstance(value, dict):
        return len(value) == 1
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], (str, dict))
    return isinstance(value, str)


def _is_section(here: Path) -> bool:
    """Whether the keys of the mapping at a path are names that the blueprint gives, and no functions."""
    return here[-1:] != () and (here[-1] in _NAMED or (here[-2:-1] != () and here[-2] in _INTERFACES))


@lru_cache(maxsize=1000)
def _resembles(name: str, dialect: Dialect) -> bool:
    """Whether a name is close to that of the function, and no function's."""
    if (
        name in dialect.functions
        or name != dialect.unescaped(name)
        or not _LONGEST_NAME >= len(name) >= len(_PLAIN) - 1
    ):
        return False
    plain = _WORDS.sub("", name.lower())
    if not plain.startswith("g"):
        return False
    from difflib import SequenceMatcher  # noqa: PLC0415 - few runs need it

    return bool(_FAMILY.fullmatch(plain)) or SequenceMatcher(None, plain, _PLAIN).ratio() >= _CLOSENESS
