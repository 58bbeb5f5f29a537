"""`resolver doctor`: what is wrong on this machine, and what to do about it."""

from __future__ import annotations

import platform
import sqlite3
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.exit_codes import ExitCode
from resolver.cli.output import OutputFormat, put, put_answer
from resolver.config.filesystems import sqlite_warning
from resolver.errors import ResolverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SKEW = 60.0
"""Seconds by which a file may lie in the future before the clock is called wrong."""


class DoctorFinding(NamedTuple):
    """What one look has found.

    Args:
        about: what was looked at.
        state: `ok`, `warning` or `failed`.
        text: what was found.
        hint: what to do; empty for nothing.
    """

    about: str
    state: str
    text: str
    hint: str = ""


@click.command
@format_option
@common_options
def doctor(app: App, *, output_format: OutputFormat) -> int:
    """Look for what is wrong with this machine, the store and your access, and say what to do.

    Nothing is changed, and no value is read. Exits with 6 when something does not work.
    """
    found = [one for look in _LOOKS for one in _looked(app, look)]
    put_answer(output_format, [one._asdict() for one in found], lambda: _put(found))
    return ExitCode.UNAVAILABLE if any(one.state == "failed" for one in found) else ExitCode.DONE


def _put(found: Sequence[DoctorFinding]) -> None:
    for one in found:
        put(f"{one.state:<8}{one.about}: {one.text}")
        if one.hint:
            put(f"{'':<8}  hint: {one.hint}")


def _looked(app: App, look: Callable[[App], Iterator[DoctorFinding]]) -> list[DoctorFinding]:
    """What a look has found; an error is a finding, too."""
    try:
        return list(look(app))
    except ResolverError as error:
        about = (look.__doc__ or "").partition(":")[0].lower()
        return [DoctorFinding(about, "failed", error.message, error.hint or "")]


def _versions(_app: App) -> Iterator[DoctorFinding]:
    """Versions: of this program and what it runs on."""
    from importlib.metadata import version  # noqa: PLC0415 - for this alone

    own = version("blueprint-resolver")
    text = f"resolver {own}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    yield DoctorFinding("versions", "ok", text)


def _hardening(app: App) -> Iterator[DoctorFinding]:
    """Hardening: what other processes and disks could see."""
    from resolver.cli.secrets.edit import folders_in_memory  # noqa: PLC0415 - for this alone
    from resolver.delivery.memfd import why_no_memfd  # noqa: PLC0415 - as above

    lacks = [*app.lacks, *filter(None, [why_no_memfd()])]
    for lack in lacks:
        yield DoctorFinding("hardening", "warning", lack, "docs/delivery.md says what this means")
    if not lacks:
        yield DoctorFinding(
            "hardening", "ok", "core files are off, memory is private, memory files can be made"
        )
    if not folders_in_memory():
        hint = "let XDG_RUNTIME_DIR name a folder on a tmpfs"
        yield DoctorFinding("hardening", "warning", "`secrets edit` has no folder in memory", hint)


def _files(app: App) -> Iterator[DoctorFinding]:
    """Files: the state directory, the root keys and the clock."""
    settings = app.settings
    if settings.server_url is not None:
        yield DoctorFinding("files", "ok", "a server has the store; nothing is kept here but the profile")
        return
    open_to_others = [
        path for path in settings.key_files if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    for path in open_to_others:
        yield DoctorFinding(
            "files", "warning", f"others may read the root key {str(path)!r}", f"chmod 600 {path}"
        )
    database = settings.database_file
    if warning := sqlite_warning(database):
        yield DoctorFinding("files", "warning", warning)
    if database is not None and database.exists() and database.stat().st_mtime > time.time() + _SKEW:
        hint = "set the clock: expiry and records go by it"
        yield DoctorFinding("files", "warning", "the database was changed in the future", hint)
    if not open_to_others:
        yield DoctorFinding("files", "ok", f"state directory {str(settings.home)!r}")


def _store(app: App) -> Iterator[DoctorFinding]:
    """Store: whether it opens, with its root key."""
    facts = app.service.status()
    yield DoctorFinding("store", "ok", f"{app.service.mode}: {facts.place}")
    if not facts.rows_enforced:
        hint = "`resolver db upgrade --finish`, where the root key is"
        yield DoctorFinding("store", "warning", "rows changed by hand are not refused yet", hint)


def _access(app: App) -> Iterator[DoctorFinding]:
    """Access: who this run is."""
    identity = app.service.users.whoami(app.caller)
    tenants = len(identity.permissions)
    hint = "" if tenants else "ask an administrator for a role in a tenant"
    state = "ok" if tenants else "warning"
    yield DoctorFinding(
        "access", state, f"user {identity.username}, {tenants} tenant{'s' * (tenants != 1)}", hint
    )


_LOOKS = (_versions, _hardening, _files, _store, _access)
