"""What a blueprint defines: inputs, node templates and their properties, over all documents of its tree."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.redacted import Redacted
from resolver.core.suggestions import Suggestions
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.calls import call_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_ANCESTRY = 50
"""Longest chain of `derived_from` that is followed before it is taken for a cycle."""


class InputType(enum.StrEnum):
    """The input types of Cloudify's DSL that are no data types."""

    BLUEPRINT_ID = "blueprint_id"
    BOOLEAN = "boolean"
    CAPABILITY_VALUE = "capability_value"
    DEPLOYMENT_ID = "deployment_id"
    DICT = "dict"
    FLOAT = "float"
    INTEGER = "integer"
    LIST = "list"
    NODE_ID = "node_id"
    NODE_INSTANCE = "node_instance"
    NODE_TYPE = "node_type"
    OPERATION_NAME = "operation_name"
    REGEX = "regex"
    SCALING_GROUP = "scaling_group"
    SECRET_KEY = "secret_key"  # noqa: S105 - a type's name
    STRING = "string"
    TEXTAREA = "textarea"

    @classmethod
    def of(cls, declared: Mapping[Any, Any], field: str = "type") -> InputType | None:
        """The type that a declaration names; None when it names none of these."""
        return _BY_NAME.get(name) if isinstance(name := declared.get(field), str) else None


_BY_NAME = {str(each): each for each in InputType}

_NO_TEXTS = {
    *(InputType.BOOLEAN, InputType.CAPABILITY_VALUE, InputType.DICT),
    *(InputType.FLOAT, InputType.INTEGER, InputType.LIST),
}


def is_text(declared: Mapping[Any, Any]) -> bool:
    """Whether a declaration is one of a text."""
    declared_type = InputType.of(declared)
    return declared_type is not None and declared_type not in _NO_TEXTS


class Property(Redacted, frozen=True):
    """The value of a property; a given input may be part of it.

    Args:
        value: its value, with what its data type adds.
        is_whole: whether no type that is not in the tree may add to it.
    """

    value: Any
    is_whole: bool = True


NAMESPACE_DELIMITER = "--"
"""Stands between a namespace and the name that is imported into it."""

OWN_PREFIX = "cloudify."
"""Begins the names of Cloudify's own definitions, which no namespace is put before."""


class OpenImport(msgspec.Struct, frozen=True):
    """An import whose definitions are not known, since the manager has the file.

    Args:
        name: the import as it is written.
        namespace: the whole namespace that it is imported into; empty for none.
    """

    name: str
    namespace: str = ""

    def may_define(self, name: str) -> bool:
        """Whether a definition in it may have a name, by the rules of Cloudify's parser."""
        prefix = self.namespace and self.namespace + NAMESPACE_DELIMITER
        return name.startswith((prefix, OWN_PREFIX))


class Definitions:
    """The definitions of one blueprint.

    Args:
        documents: the blueprint's own document first, then those of its imports. The first definition of
            a name counts.
        budget: what the run may spend.
        open_imports: the imports that may define more inputs and node templates.
    """

    def __init__(
        self,
        documents: Sequence[object],
        budget: Budget | None = None,
        open_imports: Sequence[OpenImport] = (),
    ) -> None:
        self.budget = budget or Budget()
        self._open = open_imports
        self._documents = [document for document in documents if isinstance(document, dict)]
        self._input_suggestions = Suggestions(lambda: [name for name, _ in self.inputs()])

    def _find(self, section: str, name: object) -> Mapping[Any, Any] | None:
        if len(self._documents) > 1:
            self.budget.spend(len(self._documents))
        for document in self._documents:
            entries = document.get(section)
            if isinstance(entries, dict) and isinstance(name, str) and name in entries:
                entry = entries[name]
                return entry if isinstance(entry, dict) else {}
        return None

    def undecided(self, name: str) -> OpenImport | None:
        """The import that may define an input or a node template which nothing here defines, or None."""
        self.budget.spend(1 + len(self._open))
        return next((each for each in self._open if each.may_define(name)), None)

    def input(self, name: str) -> Mapping[Any, Any] | None:
        """The declaration of an input; empty when it declares nothing, None when there is no such input."""
        return self._find("inputs", name)

    def inputs(self) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """All inputs with their declarations."""
        seen: set[str] = set()
        for document in self._documents:
            entries = document.get("inputs")
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(name, str) and name not in seen:
                    seen.add(name)
                    yield name, entry if isinstance(entry, dict) else {}

    def inputs_like(self, name: str) -> str:
        """A question that offers inputs whose names are close to one that is not declared, or nothing."""
        return self._input_suggestions.question(name)

    def node(self, name: str) -> Mapping[Any, Any] | None:
        """A node template."""
        return self._find("node_templates", name)

    def property(self, node: Mapping[Any, Any], name: object) -> Property | None:
        """A property of a node template: its own, or the default of its type or of one that it derives from.

        What a data type adds to a mapping is in it, as Cloudify's parser has it.

        Returns:
            None when there is no such property.

        Raises:
            LookupError: it was not found, and a type that may declare it is not in the tree.
        """
        declared, is_known = self._declared(node.get("type"), name)
        own = node.get("properties")
        if isinstance(own, dict) and name in own:
            default = None if declared is None else declared.get("default")
            found = self.completed(own[name], None if declared is None else declared.get("type"), default)
            return found if is_known else Property(found.value, is_whole=False)
        if declared is None and not is_known:
            raise LookupError(name)
        if declared is None or "default" not in declared:
            return None
        return self.completed(declared["default"], declared.get("type"))

    def _declared(self, type_name: object, name: object) -> tuple[Mapping[Any, Any] | None, bool]:
        """The declaration of a property by a type or an ancestor, and whether these are all known."""
        for _ in range(MAX_ANCESTRY):
            if type_name is None:
                return None, True
            node_type = self._find("node_types", type_name)
            if node_type is None:
                return None, False
            declared = node_type.get("properties")
            if isinstance(declared, dict) and name in declared:
                declaration = declared[name]
                return declaration if isinstance(declaration, dict) else {}, True
            type_name = node_type.get("derived_from")
        return None, True

    def completed(
        self,
        value: Any,  # noqa: ANN401 - plain data
        type_name: object,
        default: object = None,
        depth: int = 0,
    ) -> Property:
        """A value with what its data type adds: the defaults of properties that it does not have.

        Args:
            value: the value.
            type_name: what it is declared as; None when it is not.
            default: what is declared as its default, of which its own properties are taken over.
            depth: levels of data types around it.
        """
        is_plain = type_name is None or (isinstance(type_name, str) and type_name in _BY_NAME)
        if is_plain or not isinstance(value, dict) or call_name(value) is not None or depth > MAX_ANCESTRY:
            return Property(value)
        properties = self.data_type_properties(str(type_name))
        if properties is None:
            return Property(value, is_whole=False)
        self.budget.spend(len(properties) + len(value), NODE * (len(properties) + len(value)))
        known = {key: declared["default"] for key, declared in properties.items() if "default" in declared}
        if isinstance(default, dict) and call_name(default) is None:
            known |= default
        parts = {
            key: self.completed(part, properties.get(key, {}).get("type"), known.get(key), depth + 1)
            for key, part in {**known, **value}.items()
        }
        return Property(
            {key: part.value for key, part in parts.items()},
            is_whole=all(part.is_whole for part in parts.values()),
        )

    def data_type_properties(self, name: str) -> Mapping[Any, Mapping[Any, Any]] | None:
        """The properties that a data type declares or derives, with their declarations.

        Returns:
            None when the type, or one that it derives from, is not in the tree: nothing can be said then.
        """
        properties: dict[Any, Mapping[Any, Any]] = {}
        type_name: object = name
        for _ in range(MAX_ANCESTRY):
            data_type = self._find("data_types", type_name)
            if data_type is None:
                return None
            declared = data_type.get("properties")
            self.budget.spend(len(declared) if isinstance(declared, dict) else 1)
            for key, declaration in declared.items() if isinstance(declared, dict) else ():
                properties.setdefault(key, declaration if isinstance(declaration, dict) else {})
            type_name = data_type.get("derived_from")
            if type_name is None:
                return properties
        return None
