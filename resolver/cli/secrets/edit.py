"""`resolver secrets edit`: a value in the user's editor, in memory."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path

import click

from resolver.cli.context import App, common_options, format_option, tenant_option
from resolver.cli.output import OutputFormat, put_done, say
from resolver.cli.secrets.options import as_json, key_argument
from resolver.config.filesystems import file_system
from resolver.core.model import MAX_VALUE_BYTES, SecretValue, check_value
from resolver.core.secret_changes import SecretChange
from resolver.core.strict_json import read_json
from resolver.errors import InvalidRequestError, NotPermittedError, UsageError


@click.command
@key_argument
@tenant_option
@format_option
@common_options
def edit(app: App, *, key: str, tenant: str | None, output_format: OutputFormat) -> None:
    """Change a value in your editor, which gets it in memory.

    EDITOR or VISUAL names it: vim, nvim, nano or ed, which keep no copies on a disk. A value that was JSON
    has to be JSON again. What is left unchanged makes no version.
    """
    from resolver.delivery.child import WITHHELD  # noqa: PLC0415 - not for a page of help
    from resolver.delivery.editor import EditedFile, editor_command  # noqa: PLC0415 - as above

    command = editor_command(os.environ)
    where = app.settings.tenant(tenant)
    with closing(EditedFile(folders_in_memory())) as file:
        secret, value = app.service.secrets.show(app.caller, where, key)
        if value is None:
            raise NotPermittedError(
                f"the value of secret {key!r} is hidden", hint="`resolver secrets update` sets a new one"
            )
        if secret.provider is not None:
            raise UsageError(f"the value of secret {key!r} is kept with a provider", hint="change it there")
        old = value.reveal()
        file.write(old.encode())
        while True:
            file.edit(command, os.environ, app.withheld(WITHHELD))
            try:
                new = _edited(file.read(MAX_VALUE_BYTES + 2), old)
                change = SecretChange(value=SecretValue(new), if_version=secret.version)
                if new == old:
                    put_done(
                        output_format,
                        f"Secret `{key}`: value unchanged, version {secret.version}",
                        as_json(secret) | {"unchanged": True},
                    )
                    return
                written = app.service.secrets.update(app.caller, where, key, change)
                break
            except InvalidRequestError as error:
                # What was typed is not lost: it is still there to be mended.
                if not sys.stdin.isatty():
                    raise
                say(f"error: {error.message}")
                if not click.confirm("Edit it again?", default=True, err=True):
                    raise
    put_done(
        output_format,
        f"Secret `{key}` updated, version {written.version}",
        as_json(written) | {"unchanged": written.unchanged},
    )


def folders_in_memory(mounts: Path | None = None) -> list[str]:
    """The folders for temporary files that no disk has.

    Args:
        mounts: the list of mounts; by default the kernel's.
    """
    from resolver.delivery.fifo import candidate_folders  # noqa: PLC0415 - not for a page of help

    folders = candidate_folders(os.environ)
    return [folder for folder in folders if file_system(Path(folder), mounts) in ("tmpfs", "ramfs")]


def _edited(data: bytes, old: str) -> str:
    """The new value; the line break that editors put behind the last line does not count.

    Raises:
        InvalidRequestError: it can't be a value, or is no JSON although it was.
    """
    text = None
    with suppress(UnicodeDecodeError):
        text = data.decode()
    if text is None or "\0" in text:
        raise InvalidRequestError("the value is not valid UTF-8 text")
    if text.endswith("\n") and not old.endswith("\n"):
        text = text.removesuffix("\n")
    check_value(text)
    if _is_json(old) and not _is_json(text):
        raise InvalidRequestError(
            "the value was JSON, and is none any more",
            hint="`resolver secrets update KEY -f -` stores it all the same",
        )
    return text


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or list."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return False
    return True
