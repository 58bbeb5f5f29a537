"""Check a blueprint against `schemas/blueprint.schema.json`: what `--check --strict` adds.

The schema is applied as it is, but for three things that keep the cost of hostile texts down and the
messages short: a node that the text shares is checked once, values are searched for calls by a loop rather
than by recursion, and a mapping that has to be a call gets one message.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from resolver.blueprint.imports import VERSION, VERSION_PREFIX
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.positions import EntryLocation, find_positions
from resolver.blueprint.text import in_order
from resolver.core.location import follow
from resolver.dsl.budget import Budget
from resolver.dsl.calls import call_name
from resolver.dsl.input_types import Match
from resolver.dsl.problems import Reason
from resolver.validation.json_schema import findings, rule_in_words
from resolver.validation.regex import match_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.exceptions import ValidationError

    from resolver.blueprint.document import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.problems import Problem
    from resolver.validation.json_schema import Keyword

SCHEMA = "blueprint.schema.json"

_REGEX = rule_in_words("format", "regex")

_NO_VERSION = f"must have {VERSION}"

_WRONG = (Match.INVALID, Match.UNKNOWN)

_NODE_STEPS = 20
"""Steps that checking a node with the schema counts as."""

_VALUE = "#/$defs/value"
_CALL = "#/$defs/call"
_ONLY_CALLS = "#/$defs/only_calls"


def strict_problems(
    blueprint: Blueprint, budget: Budget | None = None, *, included_by: Blueprint | None = None
) -> tuple[Problem, ...]:
    """Check a blueprint against the schema of the DSL, and its words against its version of the DSL.

    Args:
        blueprint: the blueprint; each document of its text is taken for one.
        budget: what the run may spend.
        included_by: the blueprint that imports it, whose version counts; None for a blueprint itself. What
            is imported need not state a version.

    Returns:
        What breaks the schema, in the order of the text; at most `MAX_PROBLEMS`.
    """
    budget = budget or Budget()
    main = included_by and included_by.documents[0]
    found: list[tuple[int, Path, str]] = []
    for number, document in enumerate(blueprint.documents):
        left = MAX_PROBLEMS - len(found)
        if not left:
            break
        found += [
            (number, path, rule) for path, rule in islice(_document_findings(document, budget, main), left)
        ]
    several = len(blueprint.documents) > 1
    locations = [EntryLocation(blueprint, path, number) for number, path, _ in found]
    positions = find_positions(locations, budget)
    problems = (
        blueprint.text.problem(
            Reason.SCHEMA,
            f"{_shown(location.path)} {rule}",
            positions[location],
            path=(f"document {location.document + 1}", *location.path) if several else location.path,
        )
        for location, (_, _, rule) in zip(locations, found, strict=True)
    )
    return tuple(in_order(problems))


def _document_findings(document: Any, budget: Budget, main: Any) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - documents are plain data
    stating = document if main is None else main
    version = stating.get(VERSION) if isinstance(stating, dict) else None
    checks = _Checks(version if isinstance(version, str) else "", budget)
    patterns: list[tuple[Path, str]] = []
    for path, rule in findings(document, SCHEMA, checks.keywords()):
        if rule == _REGEX:
            patterns.append((path, follow(document, path)[0]))
        elif main is None or path or rule != _NO_VERSION:
            yield path, rule
    # Compiling one may take years, too.
    answers = match_all([(pattern, "") for _, pattern in patterns], budget) if patterns else ()
    yield from (
        (path, _REGEX) for (path, _), answer in zip(patterns, answers, strict=True) if answer in _WRONG
    )


def _shown(path: Path) -> str:
    return repr(path[-1]) if path else "the blueprint"


class _Checks:
    """The keywords that are checked in this program's way, for one document.

    Args:
        version: the document's version of the DSL, as it is written.
        budget: what the run may spend.
    """

    def __init__(self, version: str, budget: Budget) -> None:
        self._budget = budget
        self._version = _numbers(version.removeprefix(VERSION_PREFIX))
        self._checked: set[tuple[str, int]] = set()
        self._searched: set[int] = set()

    def keywords(self) -> dict[str, Keyword]:
        """What to extend the validator with."""
        since = {name: partial(self._since, name) for name in ("x-since", "x-value-since")}
        return {"$ref": self._ref, "additionalProperties": self._names, "format": self._pattern, **since}

    @staticmethod
    def _pattern(_: Any, wanted: Any, data: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - as the library calls it
        """Note a text that has to be a regular expression, whether or not it is one."""
        if isinstance(data, str):
            yield _error("format", wanted, data, schema)

    def _ref(self, validator: Any, ref: str, data: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - as the library calls it
        self._budget.spend(_NODE_STEPS)
        if ref == _ONLY_CALLS and isinstance(data, dict) and call_name(data) is None:
            yield _error("call", ref, data, schema)
        elif ref in (_VALUE, _ONLY_CALLS):
            yield from self._calls(validator, data)
        elif (ref, id(data)) not in self._checked:
            if isinstance(data, (dict, list)):
                # No condition of the schema holds a reference, so that a second answer may be left out.
                self._checked.add((ref, id(data)))
            yield from _plain("$ref")(validator, ref, data, schema)

    def _calls(self, validator: Any, data: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - same
        """Check each call in a value, the inner ones too."""
        pending: list[tuple[Path, Any]] = [((), data)]
        calls: list[tuple[Path, Any]] = []
        while pending:
            path, node = pending.pop()
            if not isinstance(node, (dict, list)) or id(node) in self._searched:
                continue
            self._searched.add(id(node))
            self._budget.spend()
            if isinstance(node, dict) and call_name(node) is not None:
                calls.append((path, node))
            items = node.items() if isinstance(node, dict) else enumerate(node)
            pending += [((*path, step), item) for step, item in items]
        for path, node in calls:
            for error in validator.descend(node, {"$ref": _CALL}):
                error.path.extendleft(reversed(path))
                yield error

    def _since(
        self,
        name: str,
        _: Any,  # noqa: ANN401 - same
        since: str,
        data: Any,  # noqa: ANN401 - same
        schema: Any,  # noqa: ANN401 - same
    ) -> Iterator[ValidationError]:
        if data is not None and self._version and self._version < _numbers(since):
            yield _error(name, since, data, schema)

    @staticmethod
    def _names(validator: Any, wanted: Any, data: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - same
        if isinstance(data, dict) and not all(isinstance(name, str) for name in data):
            yield _error("names", wanted, data, schema)
        else:
            yield from _plain("additionalProperties")(validator, wanted, data, schema)


def _plain(keyword: str) -> Any:  # noqa: ANN401 - the library's own functions are untyped
    """The library's own check of a keyword."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to load

    return Draft202012Validator.VALIDATORS[keyword]


def _error(rule: str, wanted: Any, data: Any, schema: Any) -> ValidationError:  # noqa: ANN401 - same
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - slow to load

    return ValidationError("", validator=rule, validator_value=wanted, instance=data, schema=schema)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("_")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
