"""The names that a blueprint defines, what may define more of them, and what is found to be wrong."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.core.suggestions import Suggestions
from resolver.dsl.calls import call_name
from resolver.dsl.definitions import OWN_PREFIX, OpenImport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.budget import Budget

MAX_SHOWN: Final = 80
"""The longest name that a message repeats, in characters."""

MAX_IN_A_ROW: Final = 5
"""Most names of a circle that a message repeats."""


class Section(enum.StrEnum):
    """The sections of a blueprint whose entries are referred to by name."""

    DATA_TYPES = "data_types"
    GROUPS = "groups"
    INPUTS = "inputs"
    NODE_TEMPLATES = "node_templates"
    NODE_TYPES = "node_types"
    PLUGINS = "plugins"
    POLICY_TRIGGERS = "policy_triggers"
    POLICY_TYPES = "policy_types"
    RELATIONSHIPS = "relationships"

    @property
    def singular(self) -> str:
        """What one of its entries is called."""
        return "relationship type" if self is Section.RELATIONSHIPS else self.value[:-1].replace("_", " ")


_OF_BLUEPRINTS = frozenset({Section.GROUPS, Section.INPUTS, Section.NODE_TEMPLATES})
"""What plugins and base types don't define."""


class Outside(NamedTuple):
    """What is left to the manager, and may define names that are not known here.

    Args:
        imports: the imports.
        blueprints: those of them that may define more than types and plugins.
    """

    imports: Sequence[OpenImport]
    blueprints: Sequence[OpenImport]


class Misuse(NamedTuple):
    """Something that Cloudify's parser refuses.

    Args:
        path: where it is, in the one document that the blueprint and its imports make.
        message: one sentence without any value.
        hint: what helps.
    """

    path: Path
    message: str
    hint: str = ""


class EnoughError(Exception):
    """As much is found as is reported."""


class Names:
    """The definitions of one blueprint and its imports, merged into one document.

    Args:
        document: the document.
        outside: what is left to the manager.
        budget: what the run may spend.
        limit: how many findings are wanted.
    """

    def __init__(self, document: Mapping[Any, Any], outside: Outside, budget: Budget, limit: int) -> None:
        self.budget = budget
        self.found: list[Misuse] = []
        self._document = document
        self._outside = outside
        self._limit = limit
        self._suggestions: dict[str, Suggestions] = {}

    def entries(self, section: str) -> Iterator[tuple[str, Any]]:
        """The entries of a section, by name."""
        for name, entry in self._section(section).items():
            self.budget.spend()
            if isinstance(name, str):
                yield name, entry

    def _section(self, section: str) -> Mapping[Any, Any]:
        entries = self._document.get(section)
        return entries if isinstance(entries, dict) and call_name(entries) is None else {}

    def find(self, section: Section, name: object) -> Mapping[Any, Any] | None:
        """The definition of a name; None when there is none here, or an import may replace it."""
        entries = self._section(section)
        if not isinstance(name, str) or name not in entries:
            return None
        if name.startswith(OWN_PREFIX) and self._outside.imports:
            return None
        return mapping(entries[name])

    def is_unknown(self, section: Section, name: str) -> bool:
        """Whether nothing defines a name, and nothing left to the manager may."""
        return name not in self._section(section) and not self.may_come(section, name)

    def may_come(self, section: Section, name: str) -> bool:
        """Whether an import that is left to the manager may define a name, or what begins with one."""
        imports = self._outside.blueprints if section in _OF_BLUEPRINTS else self._outside.imports
        return any(each.may_define(name) for each in imports)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is left to the manager."""
        return not self._outside.imports

    def report(self, path: Path, message: str, hint: str = "") -> None:
        """Add a finding.

        Raises:
            EnoughError: it was the last one that is wanted.
        """
        self.found.append(Misuse(path, message, hint))
        if len(self.found) >= self._limit:
            raise EnoughError

    def check_defined(self, section: Section, name: object, path: Path) -> bool:
        """Report a name that nothing defines.

        Returns:
            Whether something defines it, or may do so.
        """
        if not isinstance(name, str) or not self.is_unknown(section, name):
            return True
        self.report(path, f"{section.singular} {shown(name)} is not defined", self.like(section, name))
        return False

    def like(self, section: Section, name: str) -> str:
        """A question that offers names of a section that are close to another one, or nothing."""
        if section not in self._suggestions:
            self._suggestions[section] = Suggestions(lambda: [key for key, _ in self.entries(section)])
        return self._suggestions[section].question(name)


def mapping(entry: object) -> Mapping[Any, Any]:
    """An entry as a mapping; empty when it is something else, which the schema reports."""
    return entry if isinstance(entry, dict) else {}


def items(entry: object) -> Iterator[tuple[str, Any]]:
    """The named entries of a mapping."""
    return ((name, value) for name, value in mapping(entry).items() if isinstance(name, str))


def is_function(value: object) -> bool:
    """Whether a value is a call, whose result is not known yet."""
    return isinstance(value, dict) and call_name(value) is not None


def shown(name: object) -> str:
    """A name as a message repeats it."""
    return repr(name[: MAX_SHOWN + 1] if isinstance(name, str) else name)[: MAX_SHOWN + 2]


def in_a_row(names: Sequence[str]) -> str:
    """The first of some names that follow one another."""
    return " -> ".join([*map(shown, names[:MAX_IN_A_ROW]), *["..."][: len(names) > MAX_IN_A_ROW]])


def circles(
    starts: Iterable[str], leads_to: Callable[[str], Iterable[str]], budget: Budget
) -> Iterator[list[str]]:
    """Each way found from a name back to itself, with that name at both ends.

    Depth first, without recursion: a way may be as long as the text allows.

    Args:
        starts: where to begin.
        leads_to: the names that a name leads to, paid for.
        budget: what the run may spend.
    """
    done: set[str] = set()
    for start in starts:
        trail: dict[str, None] = {}
        pending: list[tuple[str, bool]] = [(start, False)]
        while pending:
            name, is_left = pending.pop()
            budget.spend()
            if is_left:
                trail.pop(name)
                done.add(name)
            elif name in trail:
                budget.spend(len(trail))
                yield [*list(trail)[list(trail).index(name) :], name]
            elif name not in done:
                trail[name] = None
                pending.append((name, True))
                pending += [(other, False) for other in leads_to(name)]
