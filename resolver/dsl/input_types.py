"""Checks of input values against what a blueprint declares: types, item types, constraints, data types.

The rules are those of Cloudify's `dsl_parser.constraints` and `dsl_parser.utils.parse_value`, with one more:
an input whose type is a text of some kind is not given a list or a mapping. What only a manager can answer
(which nodes and deployments there are, what filters and labels let through) is left to it, and what holds an
intrinsic function is not looked into, since its value comes later. No message repeats any part of a value.
"""

from __future__ import annotations

import enum
import heapq
import math
import operator
import reprlib
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, assert_never

from resolver.core.model import is_key
from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.redacted import Redacted
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.calls import holds_call, is_call
from resolver.dsl.definitions import InputType, is_text
from resolver.dsl.inheritance import Kind, OutOfReachError, Typed
from resolver.dsl.problems import Problem, Reason, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.dsl.definitions import Definitions
    from resolver.dsl.dialects import Dialect
    from resolver.dsl.values import GivenInput

MAX_NESTING = 50
"""Levels of data types within one another that a value is followed through."""

MAX_NAMES = 20
"""Most names or values that a message lists."""

_PROBLEM = 50
"""Steps, and entries of a list, that a problem counts as."""

_LARGE_INTEGER = 1 << 64
"""Python refuses to write very large numbers in decimal digits."""

MAX_SHOWN = 80
"""The longest name or argument of a constraint that a message repeats, in characters."""


class Match(enum.StrEnum):
    """The result of matching a regular expression with the beginning of a text."""

    MATCHES = "matches"
    DIFFERS = "differs"
    INVALID = "invalid"
    """It is not a regular expression."""
    UNKNOWN = "unknown"
    """It takes too long to find out."""


MatchAll: TypeAlias = Callable[[Sequence[tuple[str, str]]], Sequence[Match]]
"""Matches patterns with texts in bounded time; all at once, because each start costs."""


def match_none(pairs: Sequence[tuple[str, str]]) -> Sequence[Match]:
    """Match nothing: for callers who have no way to do so in bounded time."""
    return [Match.UNKNOWN] * len(pairs)


class NamedSecret(Redacted, frozen=True):
    """A secret that an input of type `secret_key` names.

    Args:
        name: the input's name.
        key: the secret's key.
        provenance: whether the caller gave it or the blueprint's default did.
    """

    name: str
    key: str
    provenance: Provenance


def check_inputs(
    definitions: Definitions, given: Mapping[str, GivenInput], match_all: MatchAll
) -> list[Problem]:
    """Check the values of all inputs that a blueprint declares: what is given, or the default.

    Args:
        definitions: what the blueprint and its imports define.
        given: values given for inputs, by name.
        match_all: matches regular expressions, which come from blueprints and inputs.

    Returns:
        What does not fit, with its path and without a source.
    """
    questions = _Answers(definitions.budget)
    problems = _problems(definitions, given, questions)
    if not questions.asked:
        return problems
    # Now that all questions are known, they are asked, and everything is looked at with the answers.
    pairs = list(questions.asked)
    answers = dict(zip(pairs, match_all(pairs), strict=True))
    return _problems(definitions, given, _Answers(definitions.budget, answers))


def _problems(definitions: Definitions, given: Mapping[str, GivenInput], answers: _Answers) -> list[Problem]:
    problems: list[Problem] = []
    for name, declared in definitions.inputs():
        definitions.budget.spend()
        for misfit in _misfits(definitions, answers, name, declared, given):
            message = f"{misfit.subject} {misfit.message}"
            definitions.budget.spend(_PROBLEM, _PROBLEM * NODE + len(message) + len(misfit.hint))
            problems.append(Problem(Reason.BAD_INPUT, message, path=("inputs", name), hint=misfit.hint))
    return problems


def named_secrets(definitions: Definitions, given: Mapping[str, GivenInput]) -> Iterator[NamedSecret]:
    """The secrets that inputs of type `secret_key` name, also as items of a list.

    Args:
        definitions: what the blueprint and its imports define.
        given: values given for inputs, by name.
    """
    for name, declared in definitions.inputs():
        dialect = definitions.dialect
        declared_type = InputType.of(declared, dialect=dialect)
        item_type = InputType.of(declared, "item_type", dialect)
        has_items = declared_type is InputType.LIST and item_type is InputType.SECRET_KEY
        if declared_type is not InputType.SECRET_KEY and not has_items:
            continue
        if name in given:
            value, provenance = (
                _typed(given[name], declared, definitions.dialect),
                Provenance(inputs=frozenset((name,))),
            )
        else:
            value, provenance = declared.get("default"), WRITTEN
        for key in value if has_items and isinstance(value, list) else [value]:
            if isinstance(key, str) and is_key(key):
                yield NamedSecret(name, key, provenance)


def undeclared(definitions: Iterable[Definitions], given: Iterable[str]) -> list[Problem]:
    """Refuse given inputs that neither a blueprint of a run nor an import left to the manager declares.

    Args:
        definitions: what each of the blueprints and its imports define.
        given: the names.
    """
    definitions = list(definitions)
    declared = {name for each in definitions for name, _ in each.inputs()}
    known = f"declared are: {_listed(heapq.nsmallest(MAX_NAMES + 1, declared))}"
    known = known if declared else "no input is declared"
    return [
        Problem(Reason.BAD_INPUT, f"input {_cut(name)} is not declared", hint=known)
        for name in given
        if name not in declared and not any(each.undecided(name) for each in definitions)
    ]


class _Answers:
    """Answers about regular expressions; questions without an answer are collected, and count as matches.

    Args:
        budget: what the run may spend.
        known: the answers, by pattern and text.
    """

    def __init__(self, budget: Budget, known: Mapping[tuple[str, str], Match] | None = None) -> None:
        self._budget = budget
        self._known = known or {}
        self.asked: dict[tuple[str, str], None] = {}

    def match(self, pattern: str, text: str) -> Match:
        answer = self._known.get((pattern, text))
        if answer is None:
            self._budget.spend(1, len(pattern) + len(text))
            self.asked[pattern, text] = None
        return answer or Match.MATCHES


class _Misfit(NamedTuple):
    """What is wrong with a value: what is meant, in which way it does not fit, and what helps."""

    subject: str
    message: str
    hint: str = ""


def _misfits(
    definitions: Definitions,
    answers: _Answers,
    name: str,
    declared: Mapping[Any, Any],
    given: Mapping[str, GivenInput],
) -> Iterator[_Misfit]:
    """What is wrong with the value of an input: what is given, or the default."""
    is_given = name in given
    if is_given and definitions.dialect.is_fixed(declared):
        yield _Misfit(f"input {_cut(name)}", "has a fixed value, so that none can be given")
        return
    value = _typed(given[name], declared, definitions.dialect) if is_given else declared.get("default")
    if is_given or value is not None:
        subject = f"the {'value given for' if is_given else 'default of'} input {_cut(name)}"
        yield from _Checker(definitions, answers, is_given=is_given).check(subject, value, declared)


def _typed(given: GivenInput, declared: Mapping[Any, Any], dialect: Dialect) -> Any:  # noqa: ANN401 - inputs are plain data
    """A given value as the input takes it; for an input that is a text, as it was typed."""
    return given.text if given.text is not None and is_text(declared, dialect) else given.value


class _Checker:
    """Checks the value of one input.

    Args:
        definitions: what the blueprint and its imports define.
        answers: what matching regular expressions comes to.
        is_given: whether the caller gave the value; a default of the blueprint is checked less.
    """

    def __init__(self, definitions: Definitions, answers: _Answers, *, is_given: bool) -> None:
        self._definitions = definitions
        self._answers = answers
        self._is_given = is_given

    def check(self, subject: str, value: Any, declared: Mapping[Any, Any]) -> Iterator[_Misfit]:  # noqa: ANN401 - inputs are plain data
        """Check one value against the declaration of its input."""
        if is_call(value, self._definitions.dialect):
            return
        wrong = list(self._type(subject, value, declared.get("type"), 0))
        yield from wrong
        if wrong:
            return  # a constraint would only say again that the type is wrong
        item_type = declared.get("item_type")
        if declared.get("type") == "list" and item_type and isinstance(value, list):
            for number, item in enumerate(value, 1):
                if not is_call(item, self._definitions.dialect):
                    inner = f"item {number} of {subject}"
                    wrong = list(self._type(inner, item, item_type, 0))
                    yield from wrong or self._constraints(inner, item, declared)
        else:
            yield from self._constraints(subject, value, declared)

    def _type(self, subject: str, value: Any, name: object, depth: int) -> Iterator[_Misfit]:  # noqa: ANN401 - same
        if not isinstance(name, str) or is_call(value, self._definitions.dialect) or depth > MAX_NESTING:
            return
        input_type = InputType.of({"type": name}, dialect=self._definitions.dialect)
        if input_type is None:
            yield from self._data_type(subject, value, name, depth)
        elif wanted := unmet(value, input_type, is_given=self._is_given):
            yield _Misfit(subject, f"is {kind_of(value)}, not {wanted}")
        elif input_type is InputType.REGEX and self._answers.match(value, "") is Match.INVALID:
            yield _Misfit(subject, "is not a regular expression")
        elif input_type is InputType.SECRET_KEY and not is_key(str(value)):
            yield _Misfit(subject, "can't be the key of a secret")

    def _data_type(self, subject: str, value: Any, name: str, depth: int) -> Iterator[_Misfit]:  # noqa: ANN401 - same
        """Check a value of a type that the blueprint defines; one that is not in the tree is not known."""
        types = self._definitions.types
        try:
            properties = dict(types.properties(Kind.DATA, name))
        except OutOfReachError:
            return
        if not isinstance(value, dict):
            yield _Misfit(subject, f"is {kind_of(value)}, not a mapping as data type {_cut(name)} wants it")
            return
        self._definitions.budget.spend(len(value) + len(properties))
        if any(key not in properties for key in value):
            hint = f"its properties are: {_listed(properties)}"
            yield _Misfit(subject, f"has a property that data type {_cut(name)} does not have", hint)
        for key, declared in properties.items():
            if key in value:
                inner = f"property {_cut(key)} of {subject}"
                yield from self._type(inner, value[key], declared.declaration.get("type"), depth + 1)
            elif (
                self._is_given
                and declared.default is None
                and declared.declaration.get("required", True)
                and not value.get("use_external_resource")
            ):
                yield _Misfit(subject, f"lacks property {_cut(key)} of data type {_cut(name)}")
            elif self._is_given and isinstance(declared.default, Typed) and types.lacks(declared.default):
                inner = f"property {_cut(key)} of {subject}"
                yield _Misfit(inner, f"lacks a property that data type {_cut(declared.type_name)} requires")

    def _constraints(self, subject: str, value: Any, declared: Mapping[Any, Any]) -> Iterator[_Misfit]:  # noqa: ANN401 - same
        constraints = declared.get("constraints")
        if not self._definitions.dialect.compares(declared.get("type")):
            return
        if not isinstance(constraints, list) or holds_call(
            value, self._definitions.budget, self._definitions.dialect
        ):
            return
        for constraint in constraints:
            for name, argument in constraint.items() if isinstance(constraint, dict) else ():
                self._definitions.budget.spend(len(argument) if isinstance(argument, list) else 1)
                broken = (
                    ""
                    if is_call(argument, self._definitions.dialect)
                    else self._broken(name, argument, value)
                )
                if broken:
                    said = constraint.get("error_message")
                    yield _Misfit(subject, broken, said if isinstance(said, str) else "")

    def _broken(self, name: object, argument: Any, value: Any) -> str:  # noqa: ANN401 - plain data
        """How a value breaks a constraint; empty when it does not, and for what the manager decides on."""
        rule = _RULES.get(name) if isinstance(name, str) else None
        if rule is None:
            return self._unmatched(argument, value) if name == "pattern" else ""
        fits = isinstance(argument, list) == (name in _LISTS)
        if name == "in_range" and fits and self._definitions.dialect.types:
            argument = [
                end if word == _UNBOUNDED else word
                for word, end in zip(argument, (-math.inf, math.inf), strict=False)
            ]
        try:
            holds = fits and rule.holds(value, argument)
        except (TypeError, LookupError):
            fits = False
        if not fits:
            return f"is {kind_of(value)}, to which the constraint {name} as it is written does not apply"
        if holds:
            return ""
        return rule.words.format(
            " and ".join(map(_cut, argument)) if name == "in_range" else _shown(argument)
        )

    def _unmatched(self, pattern: Any, value: Any) -> str:  # noqa: ANN401 - plain data
        if not isinstance(value, str):
            return f"is {kind_of(value)}, to which the constraint pattern does not apply"
        found = self._answers.match(pattern, value) if isinstance(pattern, str) else Match.INVALID
        match found:
            case Match.MATCHES:
                return ""
            case Match.DIFFERS:
                return f"must match the pattern {_cut(pattern)}"
            case Match.INVALID:
                return "can't be checked, because the constraint's pattern is not a regular expression"
            case Match.UNKNOWN:
                return "can't be checked, because matching it with the constraint's pattern takes too long"
            case _:
                assert_never(found)


class _Rule(NamedTuple):
    """A constraint: whether a value holds to its argument, and what it asks for in words."""

    holds: Callable[[Any, Any], bool]
    words: str


_RULES = {
    "equal": _Rule(operator.eq, "must be {}"),
    "greater_than": _Rule(operator.gt, "must be greater than {}"),
    "greater_or_equal": _Rule(operator.ge, "must be {} or more"),
    "less_than": _Rule(operator.lt, "must be less than {}"),
    "less_or_equal": _Rule(operator.le, "must be {} or less"),
    "in_range": _Rule(lambda value, ends: bool(ends[0] <= value <= ends[1]), "must be between {}"),
    "valid_values": _Rule(lambda value, values: value in values, "must be one of {}"),
    "length": _Rule(lambda value, size: len(value) == size, "must have {} characters or items"),
    "min_length": _Rule(lambda value, size: len(value) >= size, "must have at least {} characters or items"),
    "max_length": _Rule(lambda value, size: len(value) <= size, "must have at most {} characters or items"),
}
"""The constraints that a value alone decides on, by operator; but for `pattern`."""

_UNBOUNDED = "UNBOUNDED"
"""Stands for no bound in a range of TOSCA."""

_LISTS = frozenset({"in_range", "valid_values"})
"""The constraints whose argument is a list."""


def unmet(value: object, input_type: InputType, *, is_given: bool) -> str:
    """What a built-in type wants and a value is not, in words; empty when it is."""
    match input_type:
        case InputType.INTEGER:
            fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case InputType.FLOAT:
            fits, wanted = isinstance(value, (int, float)) and not isinstance(value, bool), "a number"
        case InputType.BOOLEAN:
            fits, wanted = isinstance(value, bool), "a boolean"
        case InputType.LIST:
            fits, wanted = isinstance(value, list), "a list"
        case InputType.DICT:
            fits, wanted = isinstance(value, dict), "a mapping"
        case InputType.REGEX:
            fits, wanted = isinstance(value, str), "a regular expression"
        case InputType.SECRET_KEY:
            fits, wanted = isinstance(value, str), "text"
        case InputType.CAPABILITY_VALUE:
            return ""
        case (
            InputType.BLUEPRINT_ID
            | InputType.DEPLOYMENT_ID
            | InputType.NODE_ID
            | InputType.NODE_INSTANCE
            | InputType.NODE_TYPE
            | InputType.OPERATION_NAME
            | InputType.SCALING_GROUP
            | InputType.STRING
            | InputType.TEXTAREA
        ):
            # Cloudify takes anything for a text. Numbers are common, since YAML reads 0012 as one.
            fits, wanted = not (is_given and isinstance(value, (list, dict))), "text"
        case _:
            assert_never(input_type)
    return "" if fits else wanted


def _listed(names: Iterable[object]) -> str:
    shown = [_cut(name) for name in islice(names, MAX_NAMES + 1)]
    return ", ".join(shown[:MAX_NAMES]) + (", ..." if len(shown) > MAX_NAMES else "")


def _shown(argument: object) -> str:
    return _listed(argument) if isinstance(argument, list) else _cut(argument)


def _cut(word: object) -> str:
    """A word of the blueprint as a message repeats it."""
    text = _repr.repr(word) if isinstance(word, (dict, list)) else repr(_short(word))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


_repr = reprlib.Repr()
_repr.maxdict = _repr.maxlist = MAX_NAMES
_repr.maxstring = _repr.maxother = MAX_SHOWN


def _short(word: object) -> object:
    """A word that is not made long to be cut afterwards, or can't be written at all."""
    if isinstance(word, str):
        return word[: MAX_SHOWN + 1]
    return hex(word) if isinstance(word, int) and abs(word) >= _LARGE_INTEGER else word
