"""Imports: how they are written.

The rules follow Cloudify's `dsl_parser.elements.imports`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from resolver.blueprint.positions import EntryLocation
from resolver.dsl.calls import call_name
from resolver.dsl.definitions import NAMESPACE_DELIMITER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.blueprint.document import Blueprint

IMPORTS = "imports"
REMOTE = frozenset({"http", "https", "ftp", "plugin", "blueprint"})

VERSION = "tosca_definitions_version"
VERSION_PREFIX = "cloudify_dsl_"


class Import(msgspec.Struct, frozen=True):
    """One entry of a blueprint's imports.

    Args:
        name: the import as it is written, its namespace included.
        properties: what it sets for the plugins in the file; None when it sets nothing.
        location: its entry in the blueprint.
    """

    name: str
    properties: object
    location: EntryLocation

    def __repr__(self) -> str:
        # Properties may hold values.
        return f"<Import {self.name!r}>"

    @property
    def namespace(self) -> str:
        """The prefix that the names in the file get; empty without one."""
        return self.name.rpartition(NAMESPACE_DELIMITER)[0]

    @property
    def target(self) -> str:
        """The file or address, without the namespace."""
        return self.name.rpartition(NAMESPACE_DELIMITER)[2]

    @property
    def is_rooted(self) -> bool:
        """Whether it is looked for in the main blueprint's folder first."""
        return False

    @property
    def is_remote(self) -> bool:
        """Whether it names something that is not looked for in the folder."""
        return any(word.partition(":")[0] in REMOTE for word in (self.name, self.target))

    @property
    def names_base_types(self) -> bool:
        """Whether it names Cloudify's own types as its documentation does, which no namespace changes."""
        is_address = "getcloudify.org/spec/cloudify/" in self.target and self.target.endswith("/types.yaml")
        return is_address or self.target == "cloudify/types/types.yaml"

    @property
    def defines_types_only(self) -> bool:
        """Whether it is a plugin or Cloudify's own types, which declare no inputs and no node templates."""
        return self.target.startswith("plugin:") or self.target.rpartition("/")[2] == "types.yaml"


def imports_of(blueprint: Blueprint) -> Iterator[Import]:
    """The imports of a blueprint, in the order of the text; what is no import is left out."""
    for number, document in enumerate(blueprint.documents):
        entries = document.get(IMPORTS) if isinstance(document, dict) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            location = EntryLocation(blueprint, (IMPORTS, index), number)
            if isinstance(entry, str):
                yield Import(entry, None, location)
            elif isinstance(entry, dict) and call_name(entry) is None:
                for name, properties in entry.items():
                    if isinstance(name, str):
                        yield Import(name, properties, location)


def version_of(blueprint: Blueprint) -> str:
    """The DSL version that a blueprint states, such as `1_3`; empty when it states none."""
    root = blueprint.documents[0]
    version = root.get(VERSION) if isinstance(root, dict) else None
    if isinstance(version, str) and version.startswith(VERSION_PREFIX):
        return version.removeprefix(VERSION_PREFIX)
    return ""
