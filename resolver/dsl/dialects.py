"""The dialects of blueprints: where their sections are, how functions are called, and how a secret is named.

A document's `tosca_definitions_version` decides on its dialect; what it leaves open, the user may decide.
Whoever reads calls asks the document's dialect and never its version. A new dialect is a line in `DIALECTS`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.formats import DialectName
from resolver.dsl.functions import FUNCTIONS, TOSCA_FUNCTIONS, Function, RunTimeFunction, StaticFunction

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = "tosca_definitions_version"
"""The key whose value names a document's version of its language."""

ESCAPE = "$"
"""Begins the names of functions in TOSCA 2.0; doubled, it begins a text or a key that is data."""

GET_SECRET = "get_secret"  # noqa: S105 - a function's name


class SecretForm(enum.Enum):
    """How the argument of `get_secret` is read, when it is no single key."""

    STEPS = enum.auto()
    """A list of a key and one or more steps into the value."""
    KEY_OR_STEPS = enum.auto()
    """The same, where a list of a key alone is that key."""
    PATH = enum.auto()
    """A path in a vault, and options of the form `name=value`."""


class Dialect(msgspec.Struct, frozen=True, eq=False, repr_omit_defaults=True):
    """What one family of versions has in common.

    Args:
        name: what `--dialect` calls it.
        functions: the functions, by their names as they are written.
        get_secret: the name that a secret is asked for by, as it is written.
        aliases: other names for the same.
        prefix: begins the names of all functions; text and keys that begin with it are escaped.
        form: how the argument of `get_secret` is read.
        template: the section that has inputs and node templates; empty where they stand at the top.
        lists_only: whether a mapping calls a function of plain data only with a list.
        takes_type: whether `type` may stand beside a function's name.
        has_normative_types: whether the types of TOSCA Simple Profile are there without an import.
        types: the types that are no data types, with Cloudify's names for them; empty for Cloudify's own.
    """

    name: DialectName
    functions: Mapping[str, Function]
    get_secret: str = GET_SECRET
    aliases: tuple[str, ...] = ()
    prefix: str = ""
    form: SecretForm = SecretForm.KEY_OR_STEPS
    template: str = ""
    lists_only: bool = False
    takes_type: bool = False
    types: Mapping[str, str] = MappingProxyType({})
    has_normative_types: bool = False

    def __repr__(self) -> str:
        return f"<Dialect {self.name.value}>"

    # calls

    def function(self, name: str) -> Function:
        """The function of a name that `call_name` gave."""
        # A marked name says that it is a function; what it does, only an orchestrator that has it knows.
        return self.functions.get(name) or RunTimeFunction(name)

    def _is_marked(self, text: object) -> bool:
        """Whether a text begins with the prefix, and is not escaped."""
        return isinstance(text, str) and text[:1] == self.prefix and text[1:2] not in ("", self.prefix)

    def call_name(self, node: Mapping[Any, Any]) -> str | None:
        """The intrinsic function that a mapping calls, as it is written; None when the mapping is data."""
        size = len(node)
        if size == 1:
            (name,) = node
            found = self.functions.get(name)
            if found is None:
                return name if self.prefix and self._is_marked(name) else None
            # A property may well be called `token`.
            is_data = self.lists_only and type(found) is StaticFunction and type(node[name]) is not list
            return None if is_data else name
        if size == 2 and self.takes_type and "type" in node:  # noqa: PLR2004 - the name and `type`
            for name in node:
                if name != "type" and name in self.functions:
                    return str(name)
        return None

    def secret_name(self, node: Mapping[Any, Any]) -> str | None:
        """The name among a mapping's keys that a secret is asked for by; None when there is none."""
        if self.get_secret in node:
            return self.get_secret
        return next((name for name in self.aliases if name in node), None) if self.aliases else None

    def is_malformed(self, node: Mapping[Any, Any]) -> bool:
        """Whether `get_secret` stands beside keys that it may not stand beside."""
        return self.secret_name(node) is not None and self.call_name(node) is None

    # texts of a language that escapes

    def is_call_of_text(self, text: str) -> bool:
        """Whether a text is a call: one of a function without arguments, whose name it is."""
        return bool(self.prefix) and self._is_marked(text)

    def unescaped(self, text: str) -> str:
        """What a text or key of a document means."""
        return text[1:] if self.prefix and text.startswith(self.prefix * 2) else text

    def escaped(self, value: Any) -> Any:  # noqa: ANN401 - plain data
        """Write plain data so that this language reads it as it is; the same object where nothing changes."""
        if not self.prefix:
            return value
        if isinstance(value, str):
            return self.prefix + value if value.startswith(self.prefix) else value
        if isinstance(value, dict):
            keys, items = (
                [self.escaped(key) for key in value],
                [self.escaped(each) for each in value.values()],
            )
            if _are_same(keys, value) and _are_same(items, value.values()):
                return value
            return dict(zip(keys, items, strict=True))
        if isinstance(value, (list, tuple)):
            items = [self.escaped(each) for each in value]
            return value if _are_same(items, value) else type(value)(items)
        return value

    # sections

    def sections(self, document: dict[Any, Any]) -> dict[Any, Any]:
        """A document's sections as Cloudify has them: inputs and node templates beside the types."""
        if not self.template:
            return document
        template = document.get(self.template)
        sections = {
            **document,
            "relationships": document.get("relationship_types"),
            "inputs": None,
            **(template if isinstance(template, dict) else {}),
        }
        inputs = sections["inputs"]
        if isinstance(inputs, dict):
            sections["inputs"] = {name: self._with_default(entry) for name, entry in inputs.items()}
        return sections

    def _with_default(self, declared: Any) -> Any:  # noqa: ANN401 - plain data
        """An input's declaration, with the value that it fixes as its default."""
        is_fixed = isinstance(declared, dict) and self.is_fixed(declared)
        return {**declared, "default": declared["value"]} if is_fixed else declared

    def is_fixed(self, declared: Mapping[Any, Any]) -> bool:
        """Whether an input is declared with its value, so that none can be given."""
        return bool(self.template) and "value" in declared

    def compares(self, type_name: object) -> bool:
        """Whether constraints of a type can be checked: `1 GB` and `900 MB` are no texts to compare."""
        return not self.types or type_name is None or type_name in _COMPARED

    def path(self, section: str) -> tuple[str, ...]:
        """The path of a section of inputs or node templates in a document."""
        return (self.template, section) if self.template else (section,)

    def within(self, path: tuple[Any, ...]) -> tuple[Any, ...]:
        """A path as it is in `sections`."""
        return path[1:] if self.template and path[:1] == (self.template,) else path


def _are_same(new: Iterable[object], old: Iterable[object]) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))


_COMPARED = {"map": "dict", **{name: name for name in ("boolean", "float", "integer", "list", "string")}}
"""TOSCA's types whose values are compared as YAML has them, and what Cloudify calls them."""

_TYPES = {
    **_COMPARED,
    "range": "list",
    **dict.fromkeys(("bytes", "timestamp", "version", "scalar-unit.size", "scalar-unit.time"), "string"),
    **dict.fromkeys(("scalar-unit.frequency", "scalar-unit.bitrate"), "string"),
}
"""All of TOSCA's types that are no data types. The texts that have a form of their own are texts."""

CLOUDIFY = Dialect(DialectName.CLOUDIFY, FUNCTIONS, form=SecretForm.STEPS, takes_type=True)
"""Cloudify's DSL, and what states no version."""

TOSCA_1 = Dialect(
    DialectName.TOSCA_1,
    TOSCA_FUNCTIONS,
    template="topology_template",
    lists_only=True,
    types=_TYPES,
    has_normative_types=True,
)
"""TOSCA Simple Profile in YAML, 1.0 to 1.3."""

TOSCA_2 = Dialect(
    DialectName.TOSCA_2,
    {ESCAPE + name: function for name, function in TOSCA_FUNCTIONS.items()},
    get_secret=ESCAPE + GET_SECRET,
    prefix=ESCAPE,
    template="service_template",
    types=_TYPES,
)
"""TOSCA 2.0."""

YORC = Dialect(
    DialectName.YORC,
    {**TOSCA_FUNCTIONS, "get_vault_secret": TOSCA_FUNCTIONS[GET_SECRET]},
    aliases=("get_vault_secret",),
    form=SecretForm.PATH,
    template="topology_template",
    lists_only=True,
    types=_TYPES,
)
"""TOSCA 1 as the orchestrator Yorc has it, with secrets by their paths in a vault."""

DIALECTS = {dialect.name: dialect for dialect in (CLOUDIFY, TOSCA_1, TOSCA_2, YORC)}
"""All dialects by their names."""

_BY_VERSION = {
    **{f"tosca_simple_yaml_1_{minor}": TOSCA_1 for minor in range(4)},
    "tosca_2_0": TOSCA_2,
}

_FAMILY = "tosca_"


def dialect_of(document: object, chosen: Dialect | None = None) -> Dialect:
    """The dialect of a document, by its version.

    Args:
        document: the document.
        chosen: what the user says; it counts where the version leaves it open.
    """
    version = version_of(document)
    if version.startswith("cloudify_dsl_"):
        return CLOUDIFY
    stated = _BY_VERSION.get(version)
    if stated is None:
        return chosen or CLOUDIFY
    return chosen if chosen is not None and chosen.template == stated.template else stated


def is_unknown(version: str) -> bool:
    """Whether a version is one of TOSCA's that no dialect is known for."""
    return version.startswith(_FAMILY) and version not in _BY_VERSION


def version_of(document: object) -> str:
    """The version that a document states; empty when it states none."""
    version = document.get(VERSION) if isinstance(document, dict) else None
    return version if isinstance(version, str) else ""


SECRET_NAMES = frozenset(
    name for dialect in DIALECTS.values() for name in (dialect.get_secret, *dialect.aliases)
)
"""All names that some dialect asks for a secret by."""


def function_names() -> frozenset[str]:
    """All names that some dialect calls a function by."""
    return frozenset(name for dialect in DIALECTS.values() for name in dialect.functions)
