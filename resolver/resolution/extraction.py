"""Takes credentials out of blueprints: what becomes a secret, under which key, and the text to write."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from resolver.blueprint import Blueprint, read
from resolver.blueprint.credentials import LITERAL, Credential, Sign, find_credentials, name_of
from resolver.blueprint.text import BOM
from resolver.blueprint.text_scalars import Replacement, TextScalar, replace_scalars
from resolver.core.model import SecretValue, is_key
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.dialects import DIALECTS, Dialect, dialect_of
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.core.formats import DialectName
    from resolver.core.location import Path
    from resolver.resolution.run import BlueprintText

MASK = "********"


class FoundCredential(Redacted, frozen=True):
    """A credential in a blueprint.

    Args:
        blueprint: the blueprint.
        credential: the credential.
        dialect: the language of its document.
        hidden: the names in the blueprints that have a value in them: neither keys nor messages repeat them.
    """

    blueprint: Blueprint
    credential: Credential
    dialect: Dialect
    hidden: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """Its path, with the document's number where there are several."""
        scalar = self.credential.scalar
        several = len(self.blueprint.documents) > 1
        steps = tuple(MASK if step in self.hidden else step for step in scalar.path)
        return (f"document {scalar.document + 1}", *steps) if several else steps

    @property
    def what(self) -> str:
        """What it is, in words."""
        named = self.credential.sign is Sign.NAME and name_of(self.credential.scalar) in self.hidden
        return f"the value of {MASK!r}" if named else self.credential.what

    @property
    def value(self) -> SecretValue | None:
        """The value of the secret that it can be; None when it has to stay."""
        return None if self.credential.kept else SecretValue(self.credential.scalar.value)

    def problem(self) -> Problem:
        """The place as a problem, without the line that it stands in."""
        credential, text = self.credential, self.blueprint.text
        return Problem(
            Reason.CREDENTIAL,
            f"this is most likely a credential: {self.what}",
            text.name,
            text.position_at(credential.scalar.start),
            self.path,
            hint=credential.kept or "`resolver extract` makes it a secret",
        )


class Rewritten(Redacted, frozen=True):
    """A blueprint whose credentials are secrets.

    Args:
        blueprint: what it was.
        text: what it is to be, without a credential that became a secret.
        before: what it was, with each credential masked.
        after: what it is to be, with each credential masked that stays.
        telling: texts that may stand nowhere in what is printed: the values, by their lines.
    """

    blueprint: Blueprint
    text: str
    before: str
    after: str
    telling: frozenset[str]


class Taken(Protocol):
    """Tells whether a key may be used for a value, which may be there under it already."""

    def __call__(self, key: str, value: SecretValue) -> bool:
        """Whether no secret has the key, or one with this very value."""


class Extraction:
    """The credentials of some blueprints, and what becomes of them.

    Args:
        texts: the blueprints.
        chosen: what they are read as whose version leaves it open.
        budget: what the run may spend.

    Attributes:
        places: the credentials, by blueprint and in the order of the text.

    Raises:
        BlueprintError: a text is no valid blueprint.
        UsageError: `detect-secrets` is not installed.
    """

    def __init__(
        self,
        texts: Sequence[BlueprintText],
        chosen: DialectName | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._budget = budget or Budget()
        self.blueprints = [_read(text, self._budget) for text in texts]
        dialect = DIALECTS.get(chosen) if chosen is not None else None
        found = [
            (blueprint, credential)
            for blueprint in self.blueprints
            for credential in find_credentials(blueprint, self._budget)
        ]
        scalars = [credential.scalar for _, credential in found]
        self._telling = frozenset(line for scalar in scalars for line in _telling(scalar.value))
        hidden = _names_that_tell(scalars, self._telling, self._budget)
        self.places = [
            FoundCredential(
                blueprint,
                credential,
                dialect_of(blueprint.documents[credential.scalar.document], dialect),
                hidden,
            )
            for blueprint, credential in found
        ]

    def keys(self, names: Mapping[str, str | None], is_free: Taken) -> dict[str, SecretValue]:
        """Choose a key for each credential: one for each value, made of the path where it stands first.

        Args:
            names: other keys for those that would be chosen; None for one that stays in the text.
            is_free: whether a key may be used for a value.

        Returns:
            The values by key.

        Raises:
            InvalidRequestError: a name is no key, is for two values, or for a value that it can't be for.
        """
        chosen: dict[str, SecretValue] = {}
        numbered: dict[str, Iterator[str]] = {}
        met: set[SecretValue] = set()
        for place in self.places:
            value = place.value
            if value is None or value in met:
                continue
            met.add(value)
            first = key_of(place)
            offered = numbered.setdefault(first, _numbers(first))
            proposed = next(key for key in offered if key not in chosen)
            wanted = names.get(proposed, proposed)
            if wanted is None:
                continue
            if wanted != proposed:
                if not is_key(wanted) or wanted in chosen or not is_free(wanted, value):
                    raise InvalidRequestError(
                        f"the key {wanted!r} can't be used in place of {proposed!r}",
                        hint="it begins with a letter, and is not yet in use for another value",
                    )
            else:
                while not is_free(wanted, value):
                    wanted = next(key for key in offered if key not in chosen)
            chosen[wanted] = value
        return chosen

    def rewrite(self, keys: Mapping[str, SecretValue]) -> list[Rewritten]:
        """The blueprints that change, each proven to mean what it meant.

        Args:
            keys: the values by key.

        Raises:
            BlueprintError: a text would mean something else.
        """
        by_value = {value: key for key, value in keys.items()}
        rewritten = []
        for _, grouped in itertools.groupby(self.places, key=lambda place: id(place.blueprint)):
            places = list(grouped)
            blueprint = places[0].blueprint
            calls = [
                Replacement(place.credential.scalar, _call(place.dialect, by_value[place.value]))
                for place in places
                if place.value in by_value
            ]
            if not calls:
                continue
            content = blueprint.text.content
            masks = [Replacement(place.credential.scalar, MASK) for place in places]
            stay = [mask for mask, place in zip(masks, places, strict=True) if place.value not in by_value]
            text = replace_scalars(content, calls)
            _prove(blueprint, text, keys, self._budget)
            rewritten.append(
                Rewritten(
                    blueprint,
                    (BOM if blueprint.has_bom else "") + text,
                    replace_scalars(content, masks),
                    replace_scalars(content, [*calls, *stay]),
                    self._telling,
                )
            )
        return rewritten


_FUNCTIONS = frozenset(dialect.get_secret for dialect in DIALECTS.values())
"""What the function is called that gives a secret's value."""


def _read(text: BlueprintText, budget: Budget) -> Blueprint:
    """A blueprint; what is wrong with one is said without its line, which may have a credential in it."""
    try:
        return read(text.data, text.name, budget=budget)
    except BlueprintError as error:
        problems = [replace(problem, line_text="") for problem in error.problems]
    raise BlueprintError(problems)


def _call(dialect: Dialect, key: str) -> str:
    return f"{{ {dialect.get_secret}: {key} }}"


_NOISE = frozenset(
    {
        *(
            "inputs",
            "node_templates",
            "properties",
            "default",
            "value",
            "interfaces",
            "outputs",
            "operations",
        ),
        *(
            "topology_template",
            "service_template",
            "dsl_definitions",
            "node_types",
            "data_types",
            "capabilities",
        ),
        *("relationships", "requirements", "kwargs", "resource_config", "lifecycle", "cloudify"),
    }
)
"""Steps of paths that say nothing of what a value is for."""

_OTHERS = re.compile(r"[^A-Za-z0-9_~-]+")
_LAST_STEPS = 2
_LONGEST_KEY = 200
"""Most characters of a key that is made of a path: fewer than a key may have, as it may get a number."""


def key_of(place: FoundCredential) -> str:
    """A key for a credential: the first and the last telling steps of its path, without any value."""
    scalar, left_out = place.credential.scalar, _NOISE | place.hidden
    steps = [step for step in scalar.path if isinstance(step, str) and step not in left_out]
    beside = scalar.beside.get("name")
    if scalar.path[-1:] == ("value",) and beside is not None and beside not in left_out:
        steps.append(beside)
    words = [_OTHERS.sub("_", step).strip("_") for step in [*steps[:1], *steps[1:][-_LAST_STEPS:]]]
    key = "_".join(word for word in words if word)[:_LONGEST_KEY] or "secret"
    return key if is_key(key) else f"secret_{key}"


def _numbers(key: str) -> Iterator[str]:
    """A key, and it with a number for those that would have the same."""
    yield key
    yield from (f"{key}_{number}" for number in itertools.count(2))


def _prove(blueprint: Blueprint, text: str, keys: Mapping[str, SecretValue], budget: Budget) -> None:
    """See that a text is read as the same documents, once its new calls have their values."""
    try:
        documents = read(text.encode(), blueprint.name, budget=budget).documents
    except BlueprintError:
        documents = []
    same = len(documents) == len(blueprint.documents) and all(
        _is_same(old, new, keys, budget) for old, new in zip(blueprint.documents, documents, strict=True)
    )
    if not same:
        raise BlueprintError(
            [
                Problem(
                    Reason.CREDENTIAL,
                    "the text can't be rewritten without changing what else it means; it is left as it is",
                    blueprint.name,
                    hint="write the calls by hand, or leave credentials out with --map",
                )
            ]
        )


def _is_same(old: Any, new: Any, keys: Mapping[str, SecretValue], budget: Budget) -> bool:  # noqa: ANN401 - plain data
    """Whether two documents are the same but for calls that stand where their values stood."""
    if isinstance(old, dict) and isinstance(new, dict):
        # An alias may bring a call to where none is resolved.
        literal = [name for name in old if name in LITERAL]
        if keys and not all(_is_same(old[name], new.get(name), {}, budget) for name in literal):
            return False
    seen: set[tuple[int, int]] = set()
    pending = [(old, new)]
    while pending:
        one, other = pending.pop()
        budget.spend(1)
        if (id(one), id(other)) in seen:
            continue
        if isinstance(one, str) and isinstance(other, dict):
            if not _is_call_of(one, other, keys):
                return False
            continue
        parts = _parts(one, other)
        if parts is None:
            return False
        if parts:
            seen.add((id(one), id(other)))
            pending += parts
    return True


def _parts(one: Any, other: Any) -> list[tuple[Any, Any]] | None:  # noqa: ANN401 - plain data
    """What stands in two nodes, in pairs; None when the nodes themselves differ."""
    if type(one) is not type(other):
        return None
    if isinstance(one, dict):
        return list(zip(one.values(), other.values(), strict=True)) if list(one) == list(other) else None
    if isinstance(one, (list, tuple)):
        return list(zip(one, other, strict=True)) if len(one) == len(other) else None
    return [] if repr(one) == repr(other) else None  # NaN is the same here, and a tag is not


def _is_call_of(value: str, call: Mapping[Any, Any], keys: Mapping[str, SecretValue]) -> bool:
    """Whether a mapping asks for the secret that has a value."""
    key = next(iter(call.values()), None) if len(call) == 1 and not _FUNCTIONS.isdisjoint(call) else None
    return isinstance(key, str) and key in keys and keys[key].reveal() == value


_LEAST_TELLING = 3
_LONGEST_SHOWN, _MOST_LOOKS = 2_000, 10_000_000
_SQUARE_PER_STEP = 2000


def _telling(value: object) -> Iterator[str]:
    """The lines of a value that are long enough to be found elsewhere."""
    yield from (line for one in str(value).splitlines() if len(line := one.strip()) >= _LEAST_TELLING)


def _names_that_tell(
    scalars: Sequence[TextScalar], telling: frozenset[str], budget: Budget
) -> frozenset[str]:
    """The names on the way to credentials, and beside them, that have a value in them."""
    names = {step for scalar in scalars for step in scalar.path if isinstance(step, str)}
    names.update(
        scalar.beside[word] for scalar in scalars for word in ("name", "key") if word in scalar.beside
    )
    joined = "\0".join(names)
    budget.spend(len(joined) * len(telling) // _SQUARE_PER_STEP)
    met = frozenset(value for value in telling if value in joined)
    budget.spend(len(names) * len(met))
    return frozenset(name for name in names if _tells(name, met))


def changed_lines(rewritten: Rewritten) -> Iterator[str]:
    """What changes, as lines of a unified diff without context, with all credentials masked.

    A value may stand beside its scalar, too, as in a comment: such a line is not shown, nor is a very long
    one.
    """
    from difflib import unified_diff  # noqa: PLC0415 - one command needs it

    name = rewritten.blueprint.name
    old, new = rewritten.before.splitlines(), rewritten.after.splitlines()
    looks = _MOST_LOOKS
    for number, line in enumerate(unified_diff(old, new, name, name, n=0, lineterm="")):
        is_content = number > 1 and line[:1] in "+-"  # behind the two lines with the names
        looks -= len(rewritten.telling) if is_content else 0
        if is_content and (looks < 0 or len(line) > _LONGEST_SHOWN):
            yield f"{line[:1]}(a line that is not shown: there is too much of it)"
        elif is_content and _tells(line, rewritten.telling):
            yield f"{line[:1]}(a line that is not shown: the value stands elsewhere in it, too)"
        else:
            yield line


def _tells(line: str, telling: frozenset[str]) -> bool:
    """Whether a value stands in a line; a short one only as a word, since it is in many others."""
    return any(
        value in line and (len(value) >= _LONG_WORD or value in _WORDS.findall(line)) for value in telling
    )


_LONG_WORD = 6
_WORDS = re.compile(r"[\w~.-]+")
