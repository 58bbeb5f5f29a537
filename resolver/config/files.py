"""Files and folders that only their owner may change: making and judging them, saying why one can't be read.

`demand_trusted` is the one judge of what is trusted: docs/operations.md lists what that is.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import shlex
import stat
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from resolver.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolver.errors import ResolverError


class Trusted(enum.StrEnum):
    """What is trusted, by what it is called in messages."""

    HOME = "state directory"
    CONFIG = "settings file"
    PROFILE = "profile"
    DATABASE = "database's folder"
    ROOT_KEY = "root key file"
    KEY_COMMAND = "root key command"
    TOKEN = "token file"  # noqa: S105 - a name, not a token
    AUTHORITIES = "file of authorities"
    CERTIFICATE = "certificate"
    PRIVATE_KEY = "private key"
    SOCKET = "socket's folder"
    PLUGIN = "plugin"


_MADE = frozenset({Trusted.HOME, Trusted.DATABASE, Trusted.SOCKET})
"""What is made when it is missing."""

_CREDENTIALS = frozenset({Trusted.ROOT_KEY, Trusted.TOKEN})
"""What holds a credential."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_MAX_GUARDED = 4096  # bytes
_MAX_LINKS = 40  # path_resolution(7)


def demand_trusted(path: Path, what: Trusted, error: type[ResolverError] = UsageError) -> None:
    """Refuse a file or folder that others than this user and root could change or replace.

    As sshd(8) does it: each part of the path, from the root on and through every link, belongs to this user
    or to root, and neither group nor others may write it. In a sticky folder, like /tmp, only its owner can
    replace what is there. On a file system that is mounted read-only nobody can, whatever the modes: that is
    how containers get secrets. Only what is made when it is missing may be missing: in a folder like /tmp
    somebody else could take a file away after it was read, or put one there before it is.

    Args:
        path: the file or folder.
        what: what it is called in the message.
        error: the class of the error.

    Raises:
        ResolverError: others could, or it is not there.
    """
    if os.name != "posix":
        return
    named, helps = called(what, path, holds_credential=what in _CREDENTIALS)
    try:
        parts, is_whole = _parts(path)
        found = next(((part, status) for part, status in parts if _may_be_written(part, status)), None)
        is_last = found is not None and found[0].resolve() == path.resolve()
    except (OSError, RuntimeError) as failure:  # RuntimeError: too many links
        reason = getattr(failure, "strerror", None) or "it has too many links"
        raise error(f"{named} can't be looked at: {reason}", hint=helps) from None
    if found is None:
        if not is_whole and what not in _MADE:
            raise error(f"{named} can't be read: {os.strerror(errno.ENOENT)}", hint=helps)
        return
    part, status = found
    quoted = shlex.quote(str(part))
    hint = f"chmod {'go-w' if stat.S_ISDIR(status.st_mode) else '600'} {quoted}"
    if status.st_uid not in (0, os.geteuid()):
        hint = f"chown -h {os.geteuid()} {quoted}"  # -h: of a link, not of where it leads to
    if is_last:
        raise error(f"{named} can be written by others", hint=hint)
    raise error(
        f"the directory {str(part)!r} of {named} can be written by others",
        hint=f"{hint}, or keep it in a directory of your own",
    )


def _parts(path: Path) -> tuple[list[tuple[Path, os.stat_result]], bool]:
    """The parts of a path from the root on, through every link, and whether all of them are there.

    Each is looked at once, with what lstat(2) says of it.
    """
    at = Path("/")
    parts = [(at, at.stat())]
    link: Path | None = None
    left = list(reversed(path.absolute().parts[1:]))
    links = 0
    while left:
        name = left.pop()
        if name == "..":
            at = at.parent
            continue
        part = at / name
        try:
            status = part.lstat()
        except (FileNotFoundError, NotADirectoryError):
            # What a process has open, as /dev/stdin: it is there, and need not be where the link says.
            return parts, link is not None and _is_descriptor(link)
        parts.append((part, status))
        if not stat.S_ISLNK(status.st_mode):
            at = part
            continue
        link = part
        links += 1
        if links > _MAX_LINKS:
            raise RuntimeError
        target = PurePath(part.readlink())
        at = Path("/") if target.is_absolute() else at
        left += [word for word in reversed(target.parts) if word != "/"]
    return parts, True


def _is_descriptor(link: Path) -> bool:
    """Whether a link is one of those in proc(5) that stand for what a process has open."""
    try:
        return link.lstat().st_dev == Path("/proc/self").lstat().st_dev and link.exists()
    except OSError:
        return False


def _may_be_written(path: Path, status: os.stat_result) -> bool:
    """Whether someone else than root and this user may write a file, or change what a folder holds."""
    is_ours = status.st_uid in (0, os.geteuid())
    is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    if is_ours and (stat.S_ISLNK(status.st_mode) or is_sticky or not status.st_mode & _OTHERS_WRITE):
        return False
    if is_ours and stat.S_ISDIR(status.st_mode) and _is_own_group(status) and not _has_list(path):
        return False
    real = path.parent if stat.S_ISLNK(status.st_mode) else path
    return not os.statvfs(real).f_flag & os.ST_RDONLY


def _is_own_group(status: os.stat_result) -> bool:
    """Whether only a group of this user's own, in which there is nobody else, may write a folder besides.

    Where each user has such a group, folders are made so that it may write them.
    """
    if status.st_mode & stat.S_IWOTH or os.geteuid() == 0:
        return False
    import grp  # noqa: PLC0415 - few need them
    import pwd  # noqa: PLC0415 - as above

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    is_private = (group.gr_gid, group.gr_name) == (user.pw_gid, user.pw_name)
    return is_private and set(group.gr_mem) <= {user.pw_name}


def _has_list(path: Path) -> bool:
    """Whether a list (ACL) says who else may use a folder; its group's bits are then the most of theirs."""
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:  # a file system without such lists
        return False


def make_directory(path: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        StoreError: it can't be made.
    """
    try:
        for folder in (*reversed(path.parents), path):  # `parents=True` heeds no mode for those above
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise StoreError(f"the folder {str(path)!r} can't be made: {error.strerror}") from None


def make_private(path: Path) -> None:
    """Make an empty file, unless it is there.

    Raises:
        StoreError: it can't be made.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the file {str(path)!r} can't be made: {error.strerror}") from None


def is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StoreError: its folder does not let one see.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"{str(path)!r} can't be looked at: {error.strerror}") from None
    return True


def read_guarded(
    path: Path,
    what: Trusted,
    error: type[ResolverError],
    *,
    strict: bool,
    warn: Callable[[str], None],
    hint: str = "",
) -> str:
    """Read a file on which everything depends, unless others may write it.

    Args:
        path: the file.
        what: what it is called in messages.
        error: the class of errors.
        strict: refuse what would be warned of.
        warn: called with a sentence when others can read the file.
        hint: what to do when it is not there.

    Raises:
        ResolverError: it can't be read, or others may write it.
    """
    named, helps = called(what, path, holds_credential=what in _CREDENTIALS)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_GUARDED + 1)
    except OSError as failure:
        is_missing = isinstance(failure, FileNotFoundError | NotADirectoryError)
        raise unreadable(named, path, failure, error, hint=helps or hint * is_missing) from None
    demand_trusted(path, what, error)
    if status.st_mode & _OTHERS_READ:
        if strict:
            raise error(
                f"{named} can be read by others, which strict_key_file forbids",
                hint=f"chmod 600 {shlex.quote(str(path))}",
            )
        warn(f"{named} can be read by others: chmod 600 {shlex.quote(str(path))}")
    return content.decode("ascii", errors="replace")


_MAX_NAME = 255
"""Characters of a file's name, at most, on usual file systems."""


def called(what: str, name: str | Path, *, holds_credential: bool) -> tuple[str, str]:
    """What messages call a file, and a hint where its name is not shown: it may be what the file holds.

    A password, a token or a key is easily given where the name of its file belongs, and messages are
    collected as logs. So a file that holds a credential is named when it is there, or leads through a folder
    that is; any other one unless its name has line breaks or is too long to be one.

    Args:
        what: what it is called.
        name: its path, as it was given.
        holds_credential: whether there is a credential in such a file.
    """
    text = str(name)
    is_long = not text.isprintable() or max(map(len, text.split("/"))) > _MAX_NAME
    if is_long or (text and holds_credential and not _leads_somewhere(text)):
        return (
            f"the {what}",
            "give the name of a file, like ./NAME, not what is in it; GitLab has variables of type File",
        )
    return f"the {what} {text!r}", ""


def _leads_somewhere(text: str) -> bool:
    """Whether a path is there, or begins with a folder that is."""
    first, separator, _ = text.lstrip("/").partition("/")
    try:
        return os.path.lexists(text) or (
            bool(separator) and Path("/" if text[0] == "/" else "", first).is_dir()
        )
    except (OSError, ValueError):
        return False


def unreadable(
    named: str,
    path: str | Path,
    failure: OSError | ValueError,
    error: type[ResolverError] = UsageError,
    *,
    hint: str = "",
) -> ResolverError:
    """The error that says why a file can't be read, and whose it is where that is the reason.

    Args:
        named: what the message calls the file.
        path: the file or folder.
        failure: what reading it raised; never shown with what is in the file.
        error: the class of the error.
        hint: what to do where rights are not the reason.
    """
    if isinstance(failure, PermissionError):
        hint = _who_may_read(Path(path)) or hint
    if isinstance(failure, OSError):
        why = failure.strerror or type(failure).__name__
    else:
        why = "it is not UTF-8 text" if isinstance(failure, UnicodeDecodeError) else "the name is malformed"
    return error(f"{named} can't be read: {why}", hint=hint)


def _who_may_read(path: Path) -> str:
    """To whom a file belongs that this user may not read, or the folder above it that lets nobody through."""
    if os.name != "posix":
        return ""
    for part in (path, *path.absolute().parents):
        try:
            status = part.stat()
        except OSError:
            continue  # the folder above it lets one not even look
        owner, own = _user(status.st_uid), _user(os.geteuid())
        whose = f"{str(part)!r} belongs to {owner}, mode {stat.S_IMODE(status.st_mode):04o}"
        if owner == own:
            return (
                f"{whose}: chmod u+{'rx' if stat.S_ISDIR(status.st_mode) else 'r'} {shlex.quote(str(part))}"
            )
        return f"{whose}, and this runs as {own}: run it as {owner}, or have the owner let you read it"
    return ""


def _user(number: int) -> str:
    """A user's name, or the number of one who has none."""
    import pwd  # noqa: PLC0415 - for a refusal only

    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


def write_private(path: Path, text: str, *, replace: bool = False) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Args:
        path: the file.
        text: its content.
        replace: whether it may replace another one.

    Raises:
        StoreError: it can't be written, or is there and may not be replaced.
    """
    try:
        with written_beside(path, text.encode()) as partial:
            if replace:
                partial.replace(path)
            else:
                os.link(partial, path)
    except OSError as error:
        raise StoreError(f"the file {str(path)!r} can't be made: {error.strerror}") from None


@contextlib.contextmanager
def written_beside(path: Path, data: bytes, like: os.stat_result | None = None) -> Iterator[Path]:
    """A new file on the disk beside another one, to be put in its place: so that is whole at any time.

    Args:
        path: the file that it is for.
        data: its content.
        like: whose mode and, where possible, owner it gets; without it only this user may read it.

    Raises:
        OSError: it can't be written.
        ValueError: the path can't be one.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if like is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            file.flush()
            os.fsync(descriptor)
        yield partial
    finally:
        with contextlib.suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
