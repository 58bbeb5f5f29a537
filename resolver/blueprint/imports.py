"""Look for calls in the files that a blueprint imports, so that none is passed over in silence.

A local import inside the blueprint's folder is read; what belongs to the manager (URLs, plugins, other
blueprints, and files that are not there) is kept. How an import is written follows Cloudify's
`dsl_parser.elements.imports`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml
from yaml import CSafeLoader, SafeLoader

from resolver.blueprint.limits import DEFAULT_LIMITS
from resolver.blueprint.parsing import PARSER_ERRORS
from resolver.blueprint.reader import read
from resolver.blueprint.text import position_of
from resolver.core.document import Position
from resolver.core.intrinsic import call_name
from resolver.core.problems import Problem, Reason
from resolver.core.walk import find_calls
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.blueprint.document import Blueprint
    from resolver.blueprint.limits import Limits

IMPORTS = "imports"
REMOTE = frozenset({"http", "https", "ftp", "plugin", "blueprint"})
NAMESPACE_DELIMITER = "--"

_VERSION = "tosca_definitions_version"
_VERSION_PREFIX = "cloudify_dsl_"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What the imports of one blueprint came to.

    Args:
        kept: imports that are left to the manager, as they are written.
        problems: imports that hold calls, or that may not be read.
    """

    kept: tuple[str, ...]
    problems: tuple[Problem, ...]


class _RefusedImportError(Exception):
    """An import may not be read; the text says why."""


def check_imports(blueprint: Blueprint, base: Path, limits: Limits = DEFAULT_LIMITS) -> ImportReport:
    """Read the local imports of a blueprint, theirs too, and report those that hold `get_secret` calls.

    Args:
        blueprint: the blueprint whose imports are followed.
        base: the blueprint's folder. Nothing outside it is read.
        limits: bounds on each file and on the number of files.
    """
    return _Check(blueprint, base, limits).run()


class _Check:
    def __init__(self, blueprint: Blueprint, base: Path, limits: Limits) -> None:
        self._blueprint = blueprint
        self._root = Path(os.path.realpath(base))
        self._limits = limits
        self._kept: dict[str, None] = {}
        self._problems: list[Problem] = []
        self._seen: set[Path] = set()
        self._pending: deque[tuple[Blueprint, Path]] = deque([(blueprint, self._root)])
        self._version = _version_of(blueprint)

    def run(self) -> ImportReport:
        while self._pending:
            importer, folder = self._pending.popleft()
            for document, index, name in _imports_of(importer):
                try:
                    self._follow(importer, folder, name, (document, index))
                except _RefusedImportError as error:
                    message = f"the import {name!r} is refused: {error}"
                    self._report(Reason.IMPORT_REFUSED, message, importer, (document, index))
        return ImportReport(tuple(self._kept), tuple(self._problems))

    def _follow(self, importer: Blueprint, folder: Path, name: str, place: tuple[int, int]) -> None:
        target = name.rpartition(NAMESPACE_DELIMITER)[2]
        if _is_remote(name) or _is_remote(target):
            self._kept[name] = None
            return
        path = self._find(folder, target)
        if path is None:
            self._kept[name] = None
            return
        if path in self._seen:
            return
        self._seen.add(path)
        if len(self._seen) > self._limits.imports:
            raise _RefusedImportError(f"more than {self._limits.imports} files are imported")
        shown = path.relative_to(self._root).as_posix()
        data = _read_file(path, self._limits.size)
        try:
            imported = read(data, shown, self._limits)
        except BlueprintError as error:
            self._problems += error.problems
            return
        if imported.digest == self._blueprint.digest:
            return  # a circle: the blueprint's own calls are resolved where they stand
        call = next((call for document in imported.documents for _, call in find_calls(document)), None)
        if call is not None:
            position = imported.position_of(call)
            line = position.line if position else 1
            self._report(
                Reason.IMPORT_HOLDS_CALLS,
                f"the imported file {shown!r} holds a get_secret call on line {line}, where none is resolved",
                importer,
                place,
                hint="move what holds the call into the blueprint itself",
            )
        self._pending.append((imported, path.parent))

    def _find(self, folder: Path, target: str) -> Path | None:
        """The file that an import names, or None when there is no such file."""
        if target.startswith("file:"):
            raise _RefusedImportError("a file: address leads out of the blueprint's folder")
        pure = PurePosixPath(target)
        if pure.is_absolute() or Path(target).is_absolute():
            raise _RefusedImportError("an absolute path leads out of the blueprint's folder")
        if ".." in pure.parts:
            raise _RefusedImportError("a path with '..' may lead out of the blueprint's folder")
        if "\0" in target:
            raise _RefusedImportError("a path can't hold a null character")
        names = [target]
        if self._version:
            # Cloudify prefers `types_1_3.yaml` to `types.yaml` in a blueprint of version 1.3.
            stem, suffix = os.path.splitext(target)  # noqa: PTH122 - as Cloudify splits it, folders included
            names.insert(0, f"{stem}_{self._version}{suffix}")
        for parent in dict.fromkeys((folder, self._root)):
            for name in names:
                path = parent / name
                if os.path.lexists(path):
                    return self._inside(path)
        return None

    def _inside(self, path: Path) -> Path:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._root):
            raise _RefusedImportError("a symbolic link leads out of the blueprint's folder")
        return real

    def _report(
        self, reason: Reason, message: str, importer: Blueprint, place: tuple[int, int], *, hint: str = ""
    ) -> None:
        document, index = place
        position = _position_of_import(importer, document, index)
        self._problems.append(
            Problem(
                reason,
                message,
                source=importer.name,
                position=position,
                path=(IMPORTS, index),
                hint=hint,
                line_text=importer.line_at(position),
            )
        )


def _version_of(blueprint: Blueprint) -> str:
    root = blueprint.documents[0]
    version = root.get(_VERSION) if isinstance(root, dict) else None
    if isinstance(version, str) and version.startswith(_VERSION_PREFIX):
        return version.removeprefix(_VERSION_PREFIX)
    return ""


def _imports_of(blueprint: Blueprint) -> Iterator[tuple[int, int, str]]:
    """The imports as they are written, with the numbers of their document and of their place in the list."""
    for number, document in enumerate(blueprint.documents):
        entries = document.get(IMPORTS) if isinstance(document, dict) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, str):
                yield number, index, entry
            elif isinstance(entry, dict) and call_name(entry) is None:
                yield from ((number, index, name) for name in entry if isinstance(name, str))


def _is_remote(target: str) -> bool:
    return target.partition(":")[0] in REMOTE


def _read_file(path: Path, limit: int) -> bytes:
    # O_NOFOLLOW: the path has no symbolic links left, so one found now was put there in between.
    # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _RefusedImportError("it is not a regular file")
            return file.read(limit + 1)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.EISDIR}:  # a socket; a folder
            raise _RefusedImportError("it is not a regular file") from None
        raise _RefusedImportError(f"it can't be read ({error.strerror})") from None


def _position_of_import(blueprint: Blueprint, document: int, index: int) -> Position:
    """Where an entry of the imports stands; the start of the text when that can't be told."""
    for loader in (CSafeLoader, SafeLoader):
        try:
            root = list(yaml.compose_all(blueprint.text.content, Loader=loader))[document]
        except PARSER_ERRORS:
            continue
        for key, value in root.value:
            if key.value == IMPORTS:
                return position_of(value.value[index].start_mark)
    return Position(1, 1)
