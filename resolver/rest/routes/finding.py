"""Which secrets a list or a search is about: Cloudify's fields, filter rules and constraints."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from resolver.core.listing import Field, Order
from resolver.core.model import check_key
from resolver.errors import InvalidRequestError
from resolver.rest.errors import BadFilterRuleError
from resolver.rest.routing import Body

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


class FilterRule(Body):
    """One rule of a search: all rules have to hold."""

    key: str
    values: list[str]
    operator: str
    type: str


class NamePattern(Body):
    """What a key looks like."""

    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    equals_to: str | None = None


class Constraints(Body):
    """What a blueprint says of a secret that an input names."""

    valid_values: list[str] | None = None
    name_pattern: NamePattern | None = None
    tenants: list[str] | None = None


Equal = Mapping[Field, Sequence[str | int | bool]]
Matches = Callable[[str], bool]
ProviderMatches = Callable[[str | None], bool]


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


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "any_of": lambda text, value: text == value,
    "not_any_of": lambda text, value: text != value,
    "contains": lambda text, value: value in text,
    "not_contains": lambda text, value: value not in text,
    "starts_with": lambda text, value: text.lower().startswith(value.lower()),
    "ends_with": lambda text, value: text.lower().endswith(value.lower()),
}


def rules_match(
    rules: Sequence[FilterRule] | None, constraints: Constraints | None
) -> tuple[Equal, Matches | None, ProviderMatches | None]:
    """What rules or constraints ask of fields, of keys, and of providers' names.

    Raises:
        BadFilterRuleError: a rule is malformed.
        InvalidRequestError: a constraint is malformed.
    """
    if constraints is not None:
        return (*_constrained(constraints), None)
    tests: dict[str, list[ProviderMatches]] = {"key": [], "provider_name": []}
    for rule in rules or ():
        test = _test_of(rule)
        tests[rule.key].append(test)
    of_key, of_provider = tests["key"], tests["provider_name"]
    return (
        {},
        (lambda key: all(test(key) for test in of_key)) if of_key else None,
        (lambda name: all(test(name) for test in of_provider)) if of_provider else None,
    )


def _test_of(rule: FilterRule) -> ProviderMatches:
    """The test that a rule makes of a word; what is not there is empty, and like no value."""
    if rule.type != "attribute":
        raise BadFilterRuleError(rule.model_dump(), "secrets have no labels: the type is `attribute`")
    if rule.key not in ("key", "provider_name"):
        raise BadFilterRuleError(rule.model_dump(), "the key is `key` or `provider_name`")
    if rule.operator == "is_not_empty":
        if rule.values:
            raise BadFilterRuleError(rule.model_dump(), "`is_not_empty` takes no values")
        return bool
    test = _TESTS.get(rule.operator)
    if test is None:
        known = ", ".join(_TESTS)
        raise BadFilterRuleError(rule.model_dump(), f"the operator is one of {known}, is_not_empty")
    if not rule.values:
        raise BadFilterRuleError(rule.model_dump(), "the rule has no values")
    for value in rule.values:
        try:
            check_key(value, "value")
        except InvalidRequestError as error:
            raise BadFilterRuleError(rule.model_dump(), error.message) from None
    combine = all if rule.operator.startswith("not_") else any
    return lambda text: combine(test(text or "", value) for value in rule.values)


def _constrained(constraints: Constraints) -> tuple[Equal, Matches | None]:
    equal: dict[Field, list[str | int | bool]] = {}
    if constraints.tenants is not None:
        equal[Field.TENANT] = list(constraints.tenants)
    if constraints.valid_values is not None:
        equal[Field.KEY] = list(constraints.valid_values)
    pattern = constraints.name_pattern
    if pattern is None:
        return equal, None
    starts, ends, contains, equals = (
        pattern.starts_with,
        pattern.ends_with,
        pattern.contains,
        pattern.equals_to,
    )
    if all(text is None for text in (starts, ends, contains, equals)):
        raise InvalidRequestError("`name_pattern` has none of starts_with, ends_with, contains, equals_to")
    return (
        equal,
        lambda key: (
            key.startswith(starts or "")
            and key.endswith(ends or "")
            and (contains or "") in key
            and equals in (None, key)
        ),
    )
