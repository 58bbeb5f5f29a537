"""`resolver secrets export` and `import`."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, choice_option, common_options, format_option, tenant_option
from resolver.cli.exit_codes import ExitCode
from resolver.cli.files import read_file, read_map, read_password
from resolver.cli.output import OutputFormat, count, put, put_answer, say
from resolver.cli.progress import ProgressBar
from resolver.cli.prompts import ask_hidden
from resolver.cli.secrets.flat import FlatFormat, FlatImport, FlatTarget, export_flat, import_flat
from resolver.cli.secrets.options import rotated_option
from resolver.cli.streams import write_bytes
from resolver.config.files import written_beside
from resolver.core.model import SecretValue, Visibility
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import InvalidRequestError, UsageError
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.transfer import ExportResult, ImportResult

SHORTEST_PASSPHRASE = 8
"""Fewest characters of a passphrase (Cloudify's rule)."""

MAX_FILE = 1024 * 1024 * 1024
"""Largest file that is read, in bytes."""

_ASK_HINT = "give --passphrase-file FILE, or run it on a terminal to be asked"

_COMMAND_HINT = "like `resolver secrets export --to json -- COMMAND {}`"

_PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    metavar="FILE|-",
    help="The passphrase; - is stdin. Without it, asks on a terminal.",
)


def _read_passphrase(name: str | None, *, twice: bool) -> str | None:
    """The passphrase from a file, stdin, or a prompt; None when there is nobody to ask."""
    if name is None:
        if not sys.stdin.isatty():
            return None
        text = ask_hidden("Passphrase", twice=twice)
    else:
        text = read_password(name, "passphrase")
    if len(text) < SHORTEST_PASSPHRASE:
        raise UsageError(f"the passphrase is too short: it needs {SHORTEST_PASSPHRASE} characters at least")
    return text


@click.command(name="export")
@_PASSPHRASE_FILE
@click.option(
    "-o", "--output-path", "output", default="-", metavar="FILE|-", help="Where to; - is stdout, the default."
)
@click.option("--cloudify", is_flag=True, help="Write for `cfy secrets import`: no schemas, no versions.")
@click.option("--non-encrypted", is_flag=True, help="With --cloudify: write plain values.")
@click.option("--include-metadata", is_flag=True, help="With --cloudify: owners and times, too.")
@click.option("-a", "--all-tenants", is_flag=True, help="Those of all tenants in which you may export.")
@click.option("--filter-by", "search", default="", metavar="TEXT", help="Only keys with this text in them.")
@choice_option("-l", "--visibility", choices=Visibility, help="Only those with this visibility.")
@click.option(
    "--allow-plaintext-file",
    is_flag=True,
    help="Write plain values even to a regular file.",
)
@click.option("--allow-log", is_flag=True, help="Write plain values even though stdout is a log.")
@choice_option(
    "--to",
    "target",
    choices=FlatTarget,
    help="Hand names and plain values to a pipe, or to COMMAND: in place of {}, else on its stdin.",
)
@click.argument("words", nargs=-1, metavar="[-- COMMAND ARGS {}]")
@tenant_option
@common_options
def export(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    passphrase_file: str | None,
    output: str,
    cloudify: bool,
    non_encrypted: bool,
    include_metadata: bool,
    all_tenants: bool,
    search: str,
    visibility: Visibility | None,
    allow_plaintext_file: bool,
    allow_log: bool,
    target: FlatTarget | None,
    words: tuple[str, ...],
    tenant: str | None,
) -> int:
    """Write secrets to a file, sealed with a passphrase.

    Hidden ones whose values you may not see are left out, and counted. With --to, as a .env file or a JSON
    object, never to a file or a terminal.
    """
    if target is not None:
        others = (passphrase_file, output != "-", cloudify, allow_plaintext_file, allow_log, all_tenants)
        if any(others):
            raise UsageError(
                "--to hands the plain values of one tenant to a pipe or a command only",
                hint="leave out the options about files, formats and other tenants",
            )
        if words and "--" not in app.arguments:
            raise UsageError("a command stands behind `--`", hint=_COMMAND_HINT)
        request = ExportRequest(app.settings.tenant(tenant), search, visibility)
        return export_flat(app, target, request, words)
    if words:
        raise UsageError("a command goes with --to", hint=_COMMAND_HINT)
    _check_options(non_encrypted, include_metadata, cloudify=cloudify, passphrase_file=passphrase_file)
    if non_encrypted:
        _judge(output, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log)
    where = tenant or "" if all_tenants else app.settings.tenant(tenant)
    passphrase = None if non_encrypted else _read_passphrase(passphrase_file, twice=True)
    if passphrase is None and not non_encrypted:
        raise UsageError("no passphrase was given", hint=_ASK_HINT)
    wanted = ExportRequest(where, search, visibility, all_tenants, all_versions=not cloudify)
    found = app.service.transfer.export(app.caller, wanted)
    _write(output, _encode(found, passphrase, cloudify=cloudify, metadata=include_metadata))
    say(f"{count(len(found.secrets), 'secret')} exported")
    if found.left_out:
        say(f"note: {count(found.left_out, 'hidden or protected secret')} left out: not for you to see")
    if found.external:
        say(f"note: {count(found.external, 'secret')} left out, whose values are kept with providers")
    if lost := sum(one.secret.schema is not None for one in found.secrets) if cloudify else 0:
        say(f"note: the schemas of {count(lost, 'secret')} do not fit into Cloudify's format")
    return ExitCode.DONE


def _check_options(
    non_encrypted: bool,  # noqa: FBT001 - as the option
    include_metadata: bool,  # noqa: FBT001 - as the option
    *,
    cloudify: bool,
    passphrase_file: str | None,
) -> None:
    if (non_encrypted or include_metadata) and not cloudify:
        raise UsageError(f"--{'non-encrypted' if non_encrypted else 'include-metadata'} goes with --cloudify")
    if non_encrypted and passphrase_file is not None:
        raise UsageError("--non-encrypted and --passphrase-file were given", hint="give one of them")


def _encode(found: ExportResult, passphrase: str | None, *, cloudify: bool, metadata: bool) -> bytes:
    from resolver.bootstrap import transfer  # noqa: PLC0415 - cryptography is slow to load

    if cloudify:
        data: Any = transfer.write_cloudify(found.secrets, passphrase, metadata=metadata)
        return json.dumps(data, indent=1).encode() + b"\n"
    return json.dumps(transfer.write_sealed(found.secrets, passphrase or ""), indent=1).encode() + b"\n"


def _judge(output: str, *, allow_plaintext_file: bool, allow_log: bool) -> None:
    """Refuse to write plain values where they would stay, before any is decrypted."""
    from resolver.delivery.stdout_policy import check_stdout  # noqa: PLC0415
    from resolver.errors import SinkRefusedError  # noqa: PLC0415

    if output == "-":
        check_stdout(1, 2, os.environ, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log)
        return
    try:
        is_pipe = stat.S_ISFIFO(Path(output).stat().st_mode)
    except OSError:
        is_pipe = False
    if not is_pipe and not allow_plaintext_file:
        raise SinkRefusedError(
            "the values would lie in a regular file, readable by whoever gets it",
            hint="leave out --non-encrypted; --allow-plaintext-file writes them to disk all the same",
        )


def _write(output: str, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all; or stdout, or a pipe."""
    if output == "-":
        write_bytes(data)
        return
    path = Path(output)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        with written_beside(path, data) as partial:
            partial.replace(path)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "the name is malformed"
        raise UsageError(f"the file {output!r} can't be written: {cause}") from None


@click.command(name="import")
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("-i", "--input-path", "source", metavar="FILE|-", help="The same as FILE; - is stdin.")
@choice_option(
    "--from",
    "kind",
    choices=FlatFormat,
    help="It has names and values; `sops` decrypts one of its own. Shows a plan, and asks.",
)
@click.option("--prefix", default="", metavar="TEXT", help="With --from: what each key begins with.")
@click.option(
    "--map",
    "names",
    multiple=True,
    metavar="OLD=NEW",
    help="With --from: the key that a name becomes. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="With --from: show the plan, and do nothing.")
@click.option("--yes", is_flag=True, help="With --from: do not ask.")
@_PASSPHRASE_FILE
@click.option(
    "-m",
    "--tenant-map",
    "tenant_map",
    metavar="FILE",
    help='JSON file {"tenant in the file": "tenant here"}; others keep their names.',
)
@click.option("--override-collisions", is_flag=True, help="Give secrets that are there the imported values.")
@rotated_option
@click.option("--non-encrypted", is_flag=True, help="The values are plain: ask for no passphrase.")
@format_option
@tenant_option
@common_options
def import_(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    file: str | None,
    source: str | None,
    kind: FlatFormat | None,
    prefix: str,
    names: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    passphrase_file: str | None,
    tenant_map: str | None,
    override_collisions: bool,
    rotated: bool,
    non_encrypted: bool,
    output_format: OutputFormat,
    tenant: str | None,
) -> int:
    """Read secrets from an export, or a .env or JSON file.

    An export is one of resolver or cfy, or a JSON object of keys and values. Good entries are stored although
    others are not: all of them together, or none when the import fails. With --from, one that is wrong stops
    all of them. Exits with 3 when an entry was wrong, else with 8 when a key was taken and not overridden.
    """
    if source is not None and file is not None:
        raise UsageError("two files were given", hint="give FILE, or -i FILE")
    source = file if source is None else source
    if source is None:
        raise UsageError("no file was given", hint="give FILE; - is stdin")
    if kind is not None:
        if passphrase_file is not None or tenant_map is not None or rotated or non_encrypted:
            raise UsageError("--from reads names and values", hint="leave the options about exports out")
        where = app.settings.tenant(tenant)
        wanted_flat = FlatImport(
            source, kind, where, prefix, names, override=override_collisions, dry_run=dry_run, yes=yes
        )
        return import_flat(app, wanted_flat, output_format)
    if prefix or names or dry_run or yes:
        raise UsageError("--prefix, --map, --dry-run and --yes go with --from", hint="like --from dotenv")
    if source == passphrase_file == "-":
        raise UsageError("stdin ('-') can be named only once")
    where = app.settings.tenant(tenant)
    targets = read_map(tenant_map, "tenant map", "names of tenants", str)
    entries = _read_entries(
        source, passphrase_file, where, ask=not non_encrypted, override=override_collisions
    )
    wanted = ImportRequest(where, entries, targets, override_collisions, rotated)
    with ProgressBar(len(entries)) as bar:
        done = app.service.transfer.import_(app.caller, wanted, bar)
    put_answer(
        output_format,
        {
            "imported": done.stored,
            "unchanged": done.unchanged,
            "colliding_secrets": done.colliding,
            "secrets_errors": {str(position): problems for position, problems in done.errors.items()},
        },
        lambda: _put_imported(done, where if _is_one(entries, where) else "", overridden=override_collisions),
    )
    if done.errors:
        return ExitCode.INVALID_BLUEPRINT
    return ExitCode.CONFLICT if done.colliding and not override_collisions else ExitCode.DONE


def _is_one(entries: Sequence[ImportEntry], tenant: str) -> bool:
    """Whether all entries go to one tenant, as those of a file do that names none."""
    return all(entry.tenant == tenant for entry in entries)


def _put_imported(done: ImportResult, tenant: str, *, overridden: bool) -> None:
    """Say what was done; with the tenant that all of it is in, if there is one."""
    put(f"{count(done.stored, 'secret')} imported" + (f" into tenant {tenant!r}" if tenant else ""))
    if done.unchanged:
        say(f"note: {count(done.unchanged, 'secret')} had the imported value already: no new version")
    for name, keys in done.colliding.items():
        what = "there already" if overridden else "there already, left as they are"
        more = len(keys) - MAX_NAMED
        named = f"{', '.join(keys[:MAX_NAMED])}{f' and {more} more' if more > 0 else ''}"
        say(f"note: tenant {name!r}: {count(len(keys), 'secret')} {what}: {named}")
    if len(done.errors) > MAX_NAMED:
        say(f"note: {len(done.errors)} entries are wrong, --format json has all; the first are:")
    for position, problems in islice(done.errors.items(), MAX_NAMED):
        for field, problem in problems.items():
            text = ", ".join(problem) if isinstance(problem, list) else problem
            say(f"error: entry {position}: {field}: {text}")


MAX_NAMED = 20
"""Most keys and entries that are named."""


_FORMATS_HINT = (
    'it must be from `resolver` or `cfy secrets export`, or a JSON object like {"db_password": "its value"}'
)

_SOPS_HINT = "`resolver secrets import --from sops FILE` decrypts it with your `sops`"

_ASSIGNMENT = re.compile(rb"\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=")


def _hint_for(text: bytes) -> str:
    """What helps with a file that is not JSON, by what it seems to be."""
    lines = [line for line in text[:_LOOKED_AT].splitlines() if line.strip() and not line.startswith(b"#")]
    if b"\nsops:" in text:
        return _SOPS_HINT
    if lines and _ASSIGNMENT.match(lines[0]):
        return "it looks like a .env file: `resolver secrets import --from dotenv FILE`"
    return _FORMATS_HINT


_LOOKED_AT = 64 * 1024
"""How much of a file is looked at to say what it seems to be, in bytes."""


_MOST_FIELDS = 2
"""Fields of an entry of a list of keys and values; those of an export have more."""


def _named(positions: Sequence[int]) -> str:
    """Entries by their positions, the first few of them; a key may be a value in the wrong place."""
    named = ", ".join(map(str, positions[:MAX_NAMED]))
    more = f" and {len(positions) - MAX_NAMED} more" if len(positions) > MAX_NAMED else ""
    return f"entry {named}{more}" if len(positions) == 1 else f"each of the entries {named}{more}"


def _pairs(text: bytes, data: Any) -> Sequence[tuple[str, str]]:  # noqa: ANN401 - JSON data
    """The keys and values of a JSON object of texts, or of a list of `{key, value}`; empty for others.

    Raises:
        InvalidRequestError: a key stands twice, or an entry is no text or has other fields.
    """
    if isinstance(data, list):
        wrong = [
            at for at, one in enumerate(data) if not isinstance(one, dict) or one.keys() != {"key", "value"}
        ]
        if len(wrong) == len(data) or any(isinstance(one, dict) and len(one) > _MOST_FIELDS for one in data):
            return ()
        if wrong:
            raise InvalidRequestError(f"{_named(wrong)} of the list has not the two fields `key` and `value`")
        pairs = [(one["key"], one["value"]) for one in data]
    else:
        pairs = list(data.items()) if isinstance(data, dict) and "format" not in data else []
    wrong = [at for at, pair in enumerate(pairs) if not all(isinstance(word, str) for word in pair)]
    if wrong and len(wrong) == len(pairs):
        return ()
    if wrong:
        raise InvalidRequestError(
            f"{_named(wrong)} of the file is no text", hint="a secret is text: put what is none into quotes"
        )
    try:
        is_unique = len(dict(pairs)) == len(pairs) and (not pairs or parse(text) is not None)
    except ValueError:
        is_unique = False
    if not is_unique:
        raise InvalidRequestError("a key stands twice in the file, or a value is half a character")
    return pairs


def _read_entries(
    source: str, passphrase_file: str | None, tenant: str, *, ask: bool, override: bool
) -> list[ImportEntry]:
    from resolver.bootstrap import transfer  # noqa: PLC0415 - cryptography is slow to load
    from resolver.transfer import cloudify, sealed  # noqa: PLC0415

    text = read_file(source, MAX_FILE)
    try:
        data = cloudify.parse(text)
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, hint=_hint_for(text)) from None
    if isinstance(data, dict) and "sops" in data:
        raise InvalidRequestError("the file is encrypted by sops", hint=_SOPS_HINT)
    if sealed.is_sealed(data):
        passphrase = _read_passphrase(passphrase_file, twice=False)
        if passphrase is None:
            raise UsageError("the file is sealed, and no passphrase was given", hint=_ASK_HINT)
        return list(transfer.read_sealed(data, passphrase))
    pairs = _pairs(text, data)
    if pairs and override:
        raise UsageError(
            "--override-collisions goes with an export, which says who may know of each secret",
            hint="give new values with `resolver secrets create --update-if-exists`",
        )
    if pairs:
        return [ImportEntry(key, tenant, (VersionWithValue(1, SecretValue(value)),)) for key, value in pairs]
    if not isinstance(data, list):
        raise InvalidRequestError("the file is no export of secrets", hint=_FORMATS_HINT)
    needed = ask and cloudify.is_any_encrypted(data)
    given = needed or passphrase_file is not None
    passphrase = _read_passphrase(passphrase_file, twice=False) if given else None
    if needed and passphrase is None:
        raise UsageError("the values are encrypted, and no passphrase was given", hint=_ASK_HINT)
    return list(transfer.read_cloudify(data, passphrase))
