"""A blueprint's folder, or the tree around it: which file an import names, and reading it without leaving.

Where a file is looked for follows Cloudify's `dsl_parser.elements.imports`. A file is opened from the
folder's own descriptor, one folder after the other, and no symbolic link is followed on the way: what was
looked up may have been replaced since. Files that a blueprint names, and not the user, are read in no
other way.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from resolver.core.closing import Closing
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NOCTTY", 0)
_FOLDER = _OPEN | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)
# Opening a FIFO would otherwise wait for a writer.
_FILE = _OPEN | getattr(os, "O_NONBLOCK", 0)


class RefusedImportError(Exception):
    """An import may not be read; the text says why.

    Args:
        message: why.
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Folder(Closing):
    """A blueprint's folder, out of which no import leads.

    Args:
        base: its path; None for a blueprint that has no folder, in which no import is found.
        version: the main blueprint's DSL version; `types_1_3.yaml` may stand for `types.yaml`.
        root: a folder around it that imports may lead to as well, by `..`; None for none.
        only_beside: a file is looked for beside the importing one only, as TOSCA has it.

    Raises:
        UsageError: the blueprint's folder is not within `root`.
    """

    def __init__(
        self, base: Path | None, version: str = "", root: Path | None = None, *, only_beside: bool = False
    ) -> None:
        self._only_beside = only_beside
        self.base = Path() if base is None else Path(os.path.realpath(base))
        self.root = self.base if root is None else Path(os.path.realpath(root))
        self._has_tree = root is not None
        if base is not None and not self.base.is_relative_to(self.root):
            raise UsageError(
                f"the blueprint's folder {str(base)!r} is not in {str(root)!r}, which --root names"
            )
        self._exists = base is not None
        self._version = version
        self._descriptor: int | None = None

    def close(self) -> None:
        """Forget the folder."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

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
        self._check(target)
        if not self._exists:
            return None
        candidates = [beside / target] if self._only_beside else [beside / target, self.root / target]
        if self._version:
            # As Cloudify splits it: at the last dot of the whole path.
            stem, suffix = os.path.splitext(target)  # noqa: PTH122 - a Path would lose how it is written
            candidates.insert(1, self.root / f"{stem}_{self._version}{suffix}")
        # Nothing outside is looked at; where links lead is judged when a file was found.
        within = [path for path in candidates if Path(os.path.normpath(path)).is_relative_to(self.root)]
        if not within:
            raise RefusedImportError("it leads out of the tree that --root names")
        for path in within:
            real = self._at(path)
            if real is not None:
                if not real.is_relative_to(self.root):
                    raise RefusedImportError("a symbolic link leads out of the blueprint's folder")
                return real
        return None

    def _at(self, path: Path) -> Path | None:
        """What is at a path, without symbolic links; None for nothing."""
        return _real(path) if os.path.lexists(path) else None

    def _check(self, target: str) -> None:
        """Refuse an import that names what is in no folder, or may lead out of this one."""
        if target.startswith("file:"):
            raise RefusedImportError("a file: address leads out of the blueprint's folder")
        pure = PurePosixPath(target)
        if pure.is_absolute() or Path(target).is_absolute():
            raise RefusedImportError("an absolute path leads out of the blueprint's folder")
        if ".." in pure.parts and not self._has_tree:
            raise RefusedImportError(
                "a path with '..' may lead out of the blueprint's folder",
                "--root DIR names a folder around it, within which such paths may lead",
            )
        if "\0" in target:
            raise RefusedImportError("a path can't hold a null character")

    def read(self, path: PurePath, limit: int) -> bytes:
        """Read a regular file within the folder.

        Args:
            path: the file's path without symbolic links, from the folder.
            limit: bytes to read at most; one more is read, which shows that a file is longer.

        Raises:
            RefusedImportError: it is no regular file, can't be read, or has become a symbolic link.
        """
        try:
            with os.fdopen(self._open(path), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise RefusedImportError("it is not a regular file")
                return file.read(limit + 1)
        except OSError as error:
            if error.errno in {errno.ENXIO, errno.EISDIR}:  # a socket; a folder
                raise RefusedImportError("it is not a regular file") from None
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise RefusedImportError("a symbolic link was put in its place while it was read") from None
            raise RefusedImportError(f"it can't be read ({error.strerror})") from None

    def _open(self, path: PurePath) -> int:
        """The descriptor of a file, which is opened folder by folder."""
        if not path.parts:
            raise RefusedImportError("it is not a regular file")
        *folders, name = path.parts
        if path.is_absolute() or ".." in path.parts:
            raise RefusedImportError("its path leads out of the blueprint's folder")
        if os.open not in os.supports_dir_fd:  # Windows, where no links are made without a right to
            return os.open(self.root / path, _FILE)
        if self._descriptor is None:
            self._descriptor = os.open(self.root, _FOLDER)
        here = self._descriptor
        try:
            for folder in folders:
                inner = os.open(folder, _FOLDER, dir_fd=here)
                if here != self._descriptor:
                    os.close(here)
                here = inner
            return os.open(name, _FILE, dir_fd=here)
        finally:
            if here != self._descriptor:
                os.close(here)


class GivenFiles(Folder):
    """The tree around a blueprint that came with all of its files: nothing is read from any disk.

    Args:
        files: the files, by their paths from the root.
        folder: the blueprint's folder, from there.
        version: the main blueprint's DSL version.
        has_tree: whether imports may lead out of that folder by `..`.
        only_beside: as for a folder.
    """

    def __init__(
        self, files: Mapping[str, bytes], folder: str, version: str, *, has_tree: bool, only_beside: bool
    ) -> None:
        super().__init__(None, version, only_beside=only_beside)
        self._files = files
        self.root = Path("/")
        self.base = Path(os.path.normpath(self.root / folder.lstrip("/")))
        self._has_tree, self._exists = has_tree, True

    def _at(self, path: Path) -> Path | None:
        at = Path(os.path.normpath(path))
        return at if at.relative_to(self.root).as_posix() in self._files else None

    def read(self, path: PurePath, limit: int) -> bytes:
        """A file."""
        return self._files[path.as_posix()][: limit + 1]


def _real(path: Path) -> Path:
    """A path without symbolic links."""
    try:
        return Path(os.path.realpath(path))
    except OSError:  # a link that was there is gone
        raise RefusedImportError("it was changed while it was looked up") from None
