"""Imports: how they are written, which file one names, and reading that without leaving the folder.

How an import is written and where its file is looked for follow Cloudify's `dsl_parser.elements.imports`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from resolver.blueprint.positions import EntryLocation
from resolver.dsl.calls import call_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.blueprint.document import Blueprint

IMPORTS = "imports"
REMOTE = frozenset({"http", "https", "ftp", "plugin", "blueprint"})
NAMESPACE_DELIMITER = "--"

VERSION = "tosca_definitions_version"
VERSION_PREFIX = "cloudify_dsl_"


class RefusedImportError(Exception):
    """An import may not be read; the text says why."""


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
    def is_remote(self) -> bool:
        """Whether it names something that is not looked for in the folder."""
        return any(word.partition(":")[0] in REMOTE for word in (self.name, self.target))


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


class Folder:
    """A blueprint's folder, out of which no import leads.

    Args:
        base: its path; None for a blueprint that has no folder, in which no import is found.
        version: the main blueprint's DSL version; `types_1_3.yaml` may stand for `types.yaml`.
    """

    def __init__(self, base: Path | None, version: str) -> None:
        self.root = Path() if base is None else Path(os.path.realpath(base))
        self._exists = base is not None
        self._version = version

    def find(self, beside: Path, target: str) -> Path | None:
        """The file that an import names, or None when there is no such file.

        Args:
            beside: the folder of the importing file, where the file is looked for first.
            target: the import without its namespace.

        Returns:
            The file's path without symbolic links.

        Raises:
            RefusedImportError: the import leads out of the folder, or may do so.
        """
        if target.startswith("file:"):
            raise RefusedImportError("a file: address leads out of the blueprint's folder")
        pure = PurePosixPath(target)
        if pure.is_absolute() or Path(target).is_absolute():
            raise RefusedImportError("an absolute path leads out of the blueprint's folder")
        if ".." in pure.parts:
            raise RefusedImportError("a path with '..' may lead out of the blueprint's folder")
        if "\0" in target:
            raise RefusedImportError("a path can't hold a null character")
        if not self._exists:
            return None
        candidates = [beside / target, self.root / target]
        if self._version:
            # As Cloudify splits it: at the last dot of the whole path.
            stem, suffix = os.path.splitext(target)  # noqa: PTH122 - a Path would lose how it is written
            candidates.insert(1, self.root / f"{stem}_{self._version}{suffix}")
        for path in candidates:
            if os.path.lexists(path):
                real = Path(os.path.realpath(path))
                if not real.is_relative_to(self.root):
                    raise RefusedImportError("a symbolic link leads out of the blueprint's folder")
                return real
        return None


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file.

    Args:
        path: the file's path without symbolic links.
        limit: bytes to read at most; one more is read, which shows that a file is longer.

    Raises:
        RefusedImportError: it is no regular file, or can't be read.
    """
    # O_NOFOLLOW: the path has no symbolic links left, so one found now was put there in between.
    # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RefusedImportError("it is not a regular file")
            return file.read(limit + 1)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.EISDIR}:  # a socket; a folder
            raise RefusedImportError("it is not a regular file") from None
        raise RefusedImportError(f"it can't be read ({error.strerror})") from None
