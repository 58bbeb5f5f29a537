"""Which secrets a list or a search is about: Cloudify's fields, filter rules and constraints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from resolver.core.model import check_key
from resolver.core.query import Condition, Field, Likeness, Order
from resolver.errors import InvalidRequestError
from resolver.protocol.codec import MalformedError, decode, encode
from resolver.rest.errors import BadFilterRuleError

FIELDS = {
    "key": Field.KEY,
    "tenant_name": Field.TENANT,
    "visibility": Field.VISIBILITY,
    "resource_availability": Field.VISIBILITY,
    "is_hidden_value": Field.HIDDEN,
    "created_by": Field.OWNER,
    "provider_name": Field.PROVIDER,
    "created_at": Field.CREATED_AT,
    "updated_at": Field.UPDATED_AT,
}
"""What secrets can be sorted and filtered by; a value never."""


_BOOLEANS = {"true": True, "false": False}

_MAX_VALUES = 500
"""SQLite takes an expression of no more than 1000 levels, and each alternative is one."""

_MAX_EQUAL = 10_000
"""Each is a parameter of the statement, of which SQLite takes 32,766 and PostgreSQL 65,535."""


class FilterRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of a search: all rules have to hold."""

    key: str
    values: list[str]
    operator: str
    type: str


_SHAPE = "a rule has `key`, `values` (a list of texts), `operator` and `type`, and nothing else"

AnyRule = Any
"""A rule as it came; `read_rule` says whether it is one."""


def read_rule(given: Any) -> FilterRule:  # noqa: ANN401 - JSON data
    """A rule; BadFilterRuleError, with the rule as it came, when it is not even one by its shape."""
    with contextlib.suppress(MalformedError):
        return decode(FilterRule, given)
    raise BadFilterRuleError(given, _SHAPE)


class NamePattern(Struct, frozen=True):
    """What a key looks like."""

    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    equals_to: str | None = None


class Constraints(Struct, frozen=True):
    """What a blueprint says of a secret that an input names."""

    valid_values: list[str] | None = None
    name_pattern: NamePattern | None = None
    tenants: list[str] | None = None


Equal = Mapping[Field, Sequence[str | int | bool]]


def order_of(text: str) -> Order:
    """Read a field to sort by, with `-` for downwards.

    Raises:
        InvalidRequestError: secrets can't be sorted by it.
    """
    name = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+").strip()
    field = FIELDS.get(name)
    if field is None:
        raise InvalidRequestError("secrets can't be sorted by this field")
    return Order(field, text.startswith("-"))


def wanted_fields(parameters: Iterable[tuple[str, str]]) -> Equal:
    """Read the parameters of a list that are fields with a value they must have.

    Raises:
        InvalidRequestError: there is no such field.
    """
    equal: dict[Field, list[str | int | bool]] = {}
    for name, value in parameters:
        if name.startswith("_"):
            continue
        field = FIELDS.get(name)
        if field is None:
            raise InvalidRequestError("a parameter is no field that secrets can be filtered by")
        if field is Field.HIDDEN:
            flag = _BOOLEANS.get(value.lower())
            if flag is None:
                raise InvalidRequestError("`is_hidden_value` is not a boolean: write true or false")
            equal.setdefault(field, []).append(flag)
        else:
            equal.setdefault(field, []).append(value)
    return equal


_OPERATORS: Mapping[str, tuple[Likeness, bool]] = {
    "any_of": (Likeness.EQUAL, False),
    "contains": (Likeness.CONTAINS, False),
    "starts_with": (Likeness.STARTS, True),
    "ends_with": (Likeness.ENDS, True),
}
"""What each operator asks, and whether upper and lower case are the same to it; `not_` before one negates."""

_NEGATED = ("not_any_of", "not_contains")

_RULE_FIELDS = {"key": Field.KEY, "provider_name": Field.PROVIDER}


def rules_match(
    rules: Sequence[AnyRule] | None, constraints: Constraints | None
) -> tuple[Equal, Sequence[Condition]]:
    """What rules or constraints ask of fields.

    Raises:
        BadFilterRuleError: a rule is malformed.
        InvalidRequestError: a constraint is malformed, or there are too many values.
    """
    if constraints is not None:
        return _constrained(constraints)
    conditions = [_condition_of(read_rule(rule)) for rule in rules or ()]
    if sum(max(1, len(condition.texts)) for condition in conditions) > _MAX_VALUES:
        raise InvalidRequestError(f"filter rules have at most {_MAX_VALUES} values together")
    return {}, conditions


def _condition_of(rule: FilterRule) -> Condition:
    if rule.type != "attribute":
        raise _bad(rule, "secrets have no labels: the type is `attribute`")
    field = _RULE_FIELDS.get(rule.key)
    if field is None:
        raise _bad(rule, "the key is `key` or `provider_name`")
    if rule.operator == "is_not_empty":
        if rule.values:
            raise _bad(rule, "`is_not_empty` takes no values")
        return Condition(field, None)
    if rule.operator not in (*_OPERATORS, *_NEGATED):
        raise _bad(rule, f"the operator is one of {', '.join((*_OPERATORS, *_NEGATED))}, is_not_empty")
    if not rule.values:
        raise _bad(rule, "the rule has no values")
    for value in rule.values:
        try:
            check_key(value, "value")
        except InvalidRequestError as error:
            raise _bad(rule, error.message) from None
    likeness, any_case = _OPERATORS[rule.operator.removeprefix("not_")]
    return Condition(field, likeness, rule.values, any_case, negated=rule.operator in _NEGATED)


def _bad(rule: FilterRule, reason: str) -> BadFilterRuleError:
    return BadFilterRuleError(encode(rule), reason)


def _constrained(constraints: Constraints) -> tuple[Equal, Sequence[Condition]]:
    equal: dict[Field, list[str | int | bool]] = {}
    if constraints.tenants is not None:
        equal[Field.TENANT] = list(constraints.tenants)
    if constraints.valid_values is not None:
        equal[Field.KEY] = list(constraints.valid_values)
    if any(len(values) > _MAX_EQUAL for values in equal.values()):
        raise InvalidRequestError(f"a constraint has at most {_MAX_EQUAL} values")
    pattern = constraints.name_pattern
    if pattern is None:
        return equal, ()
    likenesses = {
        Likeness.STARTS: pattern.starts_with,
        Likeness.ENDS: pattern.ends_with,
        Likeness.CONTAINS: pattern.contains,
        Likeness.EQUAL: pattern.equals_to,
    }
    given = {likeness: text for likeness, text in likenesses.items() if text is not None}
    if not given:
        raise InvalidRequestError("`name_pattern` has none of starts_with, ends_with, contains, equals_to")
    return equal, [Condition(Field.KEY, likeness, [text]) for likeness, text in given.items()]
