"""What a blueprint defines: inputs, node templates and types, over all documents of its tree."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.suggestions import Suggestions
from resolver.dsl.budget import Budget
from resolver.dsl.dialects import CLOUDIFY, Dialect
from resolver.dsl.inheritance import Kind, Typed, Types, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.inheritance import Part


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
    def of(
        cls, declared: Mapping[Any, Any], field: str = "type", dialect: Dialect = CLOUDIFY
    ) -> InputType | None:
        """The type that a declaration names; None when it names none of these."""
        name = declared.get(field)
        if dialect.types and isinstance(name, str):
            name = dialect.types.get(name)
        return _BY_NAME.get(name) if isinstance(name, str) else None


_BY_NAME = {str(each): each for each in InputType}

_NO_TEXTS = {
    *(InputType.BOOLEAN, InputType.CAPABILITY_VALUE, InputType.DICT),
    *(InputType.FLOAT, InputType.INTEGER, InputType.LIST),
}


def is_text(declared: Mapping[Any, Any], dialect: Dialect = CLOUDIFY) -> bool:
    """Whether a declaration is one of a text."""
    declared_type = InputType.of(declared, dialect=dialect)
    return declared_type is not None and declared_type not in _NO_TEXTS


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
        dialect: their language.
    """

    def __init__(
        self,
        documents: Sequence[object],
        budget: Budget | None = None,
        open_imports: Sequence[OpenImport] = (),
        dialect: Dialect = CLOUDIFY,
    ) -> None:
        self.budget = budget or Budget()
        self.dialect = dialect
        self._open = open_imports
        self.types = Types(self._find, dialect.types or _BY_NAME, self.budget, dialect)
        self._documents = [dialect.sections(document) for document in documents if isinstance(document, dict)]
        self.is_whole = not dialect.template or any(
            dialect.template in document for document in documents if isinstance(document, dict)
        )
        """Whether inputs are declared here, if at all. A file of TOSCA types has those of what imports it."""
        if dialect.has_normative_types:
            from resolver.dsl.tosca_types import NORMATIVE  # noqa: PLC0415 - only TOSCA needs it

            self._documents.append(dialect.sections({**NORMATIVE}))
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

    def is_workflow_input(self, name: str, here: Path) -> bool:
        """Whether a name means an input of the workflow of TOSCA that a path leads into."""
        here = self.dialect.within(here)
        if not self.dialect.template or len(here) < 2 or here[0] != "workflows":  # noqa: PLR2004 - and its name
            return False
        workflow = self._find("workflows", here[1])
        inputs = workflow.get("inputs") if workflow is not None else None
        return isinstance(inputs, dict) and name in inputs

    def inputs(self) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """All inputs with their declarations."""
        seen: set[str] = set()
        for document in self._documents:
            entries = document.get("inputs")
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(name, str) and name not in seen:
                    seen.add(name)
                    yield name, entry if isinstance(entry, dict) else {}

    def input_value(self, value: Any, declared: Mapping[Any, Any] | None) -> Typed:  # noqa: ANN401 - plain data
        """A value that was given for an input; one that is not declared here is declared elsewhere."""
        if declared is None:
            return Typed(value, Unknown("the input is not declared in this blueprint"))
        return self.types.typed(value, declared)

    def input_default(self, declared: Mapping[Any, Any]) -> Typed | None:
        """The value of an input that none was given for.

        Returns:
            Its default, or what the defaults of its data type make when nothing required is left out; None
            without either.

        Raises:
            OutOfReachError: a type that is not in the tree may give it one.
        """
        default = declared.get("default")
        if default is None and self.dialect.template:
            return None
        typed = self.types.typed({} if default is None else default, declared)
        if default is not None:
            return typed
        return typed if self.types.whole(typed) and not self.types.lacks(typed) else None

    def inputs_like(self, name: str) -> str:
        """A question that offers inputs whose names are close to one that is not declared, or nothing."""
        return self._input_suggestions.question(name)

    def node(self, name: str) -> Mapping[Any, Any] | None:
        """A node template."""
        return self._find("node_templates", name)

    def node_names(self) -> Iterator[str]:
        """The names of all node templates."""
        for document in self._documents:
            entries = document.get("node_templates")
            for name in entries if isinstance(entries, dict) else ():
                self.budget.spend()
                if isinstance(name, str):
                    yield name

    def relationship_template(self, name: str) -> Mapping[Any, Any] | None:
        """A relationship template of TOSCA."""
        return self._find("relationship_templates", name)

    def property(self, node: Mapping[Any, Any], name: object) -> Part:
        """A property of a node template: its own value, or the default of its type.

        Returns:
            None when there is no such property.
        """
        return self.types.property(Kind.NODE, node.get("type"), node.get("properties"), name)
