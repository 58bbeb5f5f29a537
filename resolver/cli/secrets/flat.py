"""`resolver secrets import --from` and `export --to`: names and values as `.env`, JSON and YAML have them."""

from __future__ import annotations

import enum
import os
import shutil
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from resolver.cli.exit_codes import ExitCode
from resolver.cli.files import read_file
from resolver.cli.output import OutputFormat, count, put, put_answer, say
from resolver.cli.progress import ProgressBar
from resolver.cli.prompts import demand_asked, demand_yes
from resolver.cli.streams import write_bytes
from resolver.core.transfer import ExportRequest, ImportRequest
from resolver.errors import ConflictError, InvalidRequestError, SinkRefusedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.cli.context import App
    from resolver.core.transfer import ExportResult, ImportResult
    from resolver.delivery.child_output import ChildOutput
    from resolver.transfer.flat import FlatEntry, NamedEntry

MAX_FLAT_FILE = 64 * 1024 * 1024
"""Largest file of names and values that is read, in bytes."""


class FlatFormat(enum.StrEnum):
    """Files that have names and values, and nothing more."""

    DOTENV = "dotenv"
    JSON = "json"
    YAML = "yaml"
    SOPS = "sops"


class FlatTarget(enum.StrEnum):
    """What names and values are written as."""

    DOTENV = "dotenv"
    JSON = "json"


class _EntryState(enum.StrEnum):
    """What an import means for an entry."""

    NEW = "new"
    SAME = "same"
    DIFFERENT = "different"
    EXISTS = "exists"
    EMPTY = "empty"
    INVALID = "invalid"


_WORDS = {
    _EntryState.NEW: "is new",
    _EntryState.SAME: "is there, with this value",
    _EntryState.DIFFERENT: "is there, with another value",
    _EntryState.EXISTS: "is there",
    _EntryState.EMPTY: "has no value, and is left out",
}


class FlatImport(NamedTuple):
    """What `import --from` was asked for.

    Args:
        source: the file; `-` is stdin.
        kind: what it is.
        tenant: where its secrets go.
        prefix: what each key begins with.
        names: `OLD=NEW`, as they were given.
        override: whether secrets that are there get the values of the file.
        dry_run: only show the plan.
        yes: do not ask.
    """

    source: str
    kind: FlatFormat
    tenant: str
    prefix: str
    names: Sequence[str]
    override: bool
    dry_run: bool
    yes: bool


class _PlannedLine(NamedTuple):
    """One line of the plan."""

    named: NamedEntry
    position: int
    state: _EntryState
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """The line as data. A name without a value is left out: it may be a piece of one."""
        entry, is_named = self.named.entry, self.state not in (_EntryState.EMPTY, _EntryState.INVALID)
        return {
            "position": self.position,
            "line": entry.line or None,
            "name": entry.name if is_named else None,
            "key": self.named.key if is_named else None,
            "state": self.state.value,
            "problem": self.problem or None,
        }

    def put(self) -> None:
        """Write the line for a person."""
        from resolver.transfer.flat import place_of  # noqa: PLC0415 - not for a page of help

        entry, key = self.named.entry, self.named.key
        where = place_of(entry, self.position)
        if self.state is _EntryState.INVALID:
            say(f"error: {where}: {self.problem}")
        elif self.state is _EntryState.EMPTY:
            put(f"{where}: {_WORDS[self.state]}")
        else:
            was = "" if key == entry.name else f" (from {entry.name})"
            put(f"{where}: {key}{was} {_WORDS[self.state]}")


def import_flat(app: App, wanted: FlatImport, output_format: OutputFormat) -> int:
    """Show what an import would do, ask, and do it: all of it, or nothing.

    Args:
        app: the command.
        wanted: what was asked for.
        output_format: how to print the answer.

    Returns:
        The exit code: 3 when an entry is wrong, 8 when secrets that are there stay as they are.
    """
    from resolver.transfer.flat import with_keys  # noqa: PLC0415 - not for a page of help

    named = with_keys(_read(app, wanted.source, wanted.kind), wanted.prefix, _read_names(wanted.names))
    planned = _plan(app, wanted, named)
    states = Counter(one.state for one in planned)
    answer: dict[str, Any] = {"plan": [one.as_json() for one in planned], "imported": 0}
    kept = _EntryState.DIFFERENT, _EntryState.EXISTS
    chosen = [
        one for one in planned if one.state is _EntryState.NEW or (wanted.override and one.state in kept)
    ]
    refused = bool(states[_EntryState.INVALID])
    asks = not (wanted.yes or wanted.dry_run or refused or not chosen)
    if asks:
        demand_asked(output_format)
        _put_plan(planned)
        demand_yes(f"Store {count(len(chosen), 'secret')} in tenant {wanted.tenant!r}?")
    if chosen and not refused and not wanted.dry_run:
        done = _store(app, wanted, chosen)
        if done.colliding and not wanted.override:
            raise ConflictError(
                "a key of the file was taken meanwhile: nothing is stored", hint="run it again"
            )
        answer["imported"] = done.stored
        planned = _with_errors(planned, chosen, done)
        refused = bool(done.errors)
        answer["plan"] = [one.as_json() for one in planned]
    put_answer(output_format, answer, lambda: None if asks and not refused else _put_plan(planned))
    if output_format is not OutputFormat.JSON:
        _say_end(wanted, planned, answer["imported"], refused=refused)
    if refused:
        return ExitCode.INVALID_BLUEPRINT
    stays = not wanted.override and any(states[one] for one in kept)
    return ExitCode.CONFLICT if stays and not wanted.dry_run else ExitCode.DONE


def _put_plan(planned: Sequence[_PlannedLine]) -> None:
    for one in planned:
        one.put()


def _say_end(wanted: FlatImport, planned: Sequence[_PlannedLine], stored: int, *, refused: bool) -> None:
    if refused:
        say("error: nothing is stored, since entries are wrong")
        say("  hint: mend them in the file, or name keys with --map OLD=NEW")
        return
    if not wanted.dry_run:
        put(f"{count(stored, 'secret')} imported")
    stays = sum(one.state in (_EntryState.DIFFERENT, _EntryState.EXISTS) for one in planned)
    if stays and not wanted.override:
        say(f"note: {count(stays, 'secret')} there already, left as they are")
        say("  hint: --override-collisions gives them the values of the file")
    if any("$" in one.named.entry.value for one in planned) and wanted.kind is FlatFormat.DOTENV:
        say("note: values with a $ are taken as they stand, and nothing in them is expanded")


def _plan(app: App, wanted: FlatImport, named: Sequence[NamedEntry]) -> Sequence[_PlannedLine]:
    """What the store says of each entry, without storing anything."""
    asked = [number for number, one in enumerate(named) if one.entry.value and not one.problem]
    entries = [named[number].as_import(wanted.tenant) for number in asked]
    request = ImportRequest(wanted.tenant, entries, override=wanted.override, values_only=True, dry_run=True)
    with ProgressBar(len(entries)) as bar:
        found = app.service.transfer.import_(app.caller, request, bar)
    taken = set(found.colliding.get(wanted.tenant, ()))
    places = {number: at for at, number in enumerate(asked)}
    planned = []
    for number, one in enumerate(named):
        at = places.get(number)
        state, problem = _EntryState.NEW, one.problem
        if at is None:
            state = _EntryState.INVALID if problem else _EntryState.EMPTY
        elif at in found.errors:
            state, problem = _EntryState.INVALID, _words(found.errors[at])
        elif at in found.compared:
            state = _EntryState.SAME if found.compared[at] else _EntryState.DIFFERENT
        elif one.key in taken:
            state = _EntryState.EXISTS
        planned.append(_PlannedLine(one, number, state, problem))
    return planned


def _store(app: App, wanted: FlatImport, chosen: Sequence[_PlannedLine]) -> ImportResult:
    entries = [one.named.as_import(wanted.tenant) for one in chosen]
    request = ImportRequest(wanted.tenant, entries, override=wanted.override, values_only=True, atomic=True)
    with ProgressBar(len(entries)) as bar:
        return app.service.transfer.import_(app.caller, request, bar)


def _with_errors(
    planned: Sequence[_PlannedLine], chosen: Sequence[_PlannedLine], done: ImportResult
) -> Sequence[_PlannedLine]:
    """The plan, with what turned out to be wrong when it was to be stored."""
    wrong = {chosen[at].position: _words(problems) for at, problems in done.errors.items()}
    return [
        _PlannedLine(one.named, one.position, _EntryState.INVALID, wrong[one.position])
        if one.position in wrong
        else one
        for one in planned
    ]


def _words(problems: Mapping[str, Any]) -> str:
    texts = (", ".join(text) if isinstance(text, list) else text for text in problems.values())
    return "; ".join(f"{field}: {text}" for field, text in zip(problems, texts, strict=True))


def _read_names(given: Sequence[str]) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for word in given:
        old, equals, new = word.rpartition("=")
        if not equals or not old or not new:
            raise UsageError("--map takes OLD=NEW: a name in the file, and the key to use")
        if old in names:
            raise UsageError(f"--map names {old!r} twice")
        names[old] = new
    return names


def _read(app: App, source: str, kind: FlatFormat) -> Sequence[FlatEntry]:
    """The names and values of a file; no error repeats anything of it."""
    from resolver.transfer import dotenv, flat  # noqa: PLC0415 - not for a page of help

    if kind is FlatFormat.SOPS:
        return flat.read_json(_decrypted(app, source))
    data = _read_regular(source).removeprefix(b"\xef\xbb\xbf")
    match kind:
        case FlatFormat.DOTENV:
            return dotenv.read(_text(data))
        case FlatFormat.JSON:
            _text(data)
            return flat.read_json(data)
        case FlatFormat.YAML:
            from resolver.blueprint.flat import read_names  # noqa: PLC0415 - not for a page of help

            _text(data)
            return [flat.FlatEntry(*one) for one in read_names(data, "the file")]
        case _:
            assert_never(kind)


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidRequestError(
            "the file is not UTF-8 text, or has a null character in it",
            hint="`iconv -f UTF-16 -t UTF-8 FILE` converts what Windows programs often write",
        )
    return text


def _read_regular(source: str) -> bytes:
    """What is in a file, a pipe or stdin; devices and folders are refused before they are opened."""
    if source != "-":
        try:
            mode = Path(source).stat().st_mode
        except (OSError, ValueError):
            mode = stat.S_IFREG  # said by what opens it
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise UsageError(f"{source!r} is no file", hint="name a file, a pipe, or - for stdin")
    data = read_file(source, MAX_FLAT_FILE + 1)
    if len(data) > MAX_FLAT_FILE:
        raise _too_large()
    return data


def _too_large() -> UsageError:
    return UsageError(f"the file has more than {MAX_FLAT_FILE // 1024**2} MiB", hint="split it")


def _decrypted(app: App, source: str) -> bytes:
    """What the user's own `sops` makes of a file, as JSON through a pipe.

    It gets our stdin and stderr, for it may ask for a passphrase; of our environment all but what opens the
    store.
    """
    import subprocess  # noqa: PLC0415 - only sops is started

    from resolver.delivery.child import WITHHELD  # noqa: PLC0415 - as above

    if source == "-":
        raise UsageError(
            "sops needs a file, since its name says what is in it",
            hint="`sops --decrypt --output-type json FILE | resolver secrets import --from json - --yes`",
        )
    if not Path(source).is_file():
        raise UsageError(f"there is no file {source!r}")
    program = shutil.which("sops")
    if program is None:
        raise UnavailableError(
            "there is no `sops` command here", hint="install it; its folder must be in PATH"
        )
    withheld = app.withheld(WITHHELD)
    environment = {name: value for name, value in os.environ.items() if name not in withheld}
    words = [program, "--decrypt", "--output-type", "json", str(Path(source).absolute())]
    try:
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as process:  # noqa: S603 - its purpose
            data = process.stdout.read(MAX_FLAT_FILE + 1) if process.stdout else b""
            if len(data) > MAX_FLAT_FILE:
                process.kill()
    except OSError as error:
        raise UnavailableError(f"`sops` can't be started: {error.strerror}") from None
    if len(data) > MAX_FLAT_FILE:
        raise _too_large()
    if process.returncode:
        raise UnavailableError(
            f"`sops` ended with {process.returncode}, and nothing is imported",
            hint="its own message is above; `sops --decrypt FILE` must work here",
        )
    return data


def demand_reader(*, has_command: bool) -> None:
    """Refuse to write plain values anywhere but to a pipe or a command, before any is decrypted.

    Raises:
        SinkRefusedError: stdout is a terminal, a file or a log.
    """
    from resolver.delivery.stdout_policy import StdoutKind, check_stdout  # noqa: PLC0415

    if has_command:
        return
    hint = "pipe into the command that reads them, or start it: `secrets export --to json -- COMMAND {}`"
    problem = "stdout is a terminal"
    try:
        if check_stdout(1, 2, os.environ, allow_plaintext_file=False, allow_log=False) is StdoutKind.STREAM:
            return
    except SinkRefusedError as error:
        problem = error.message
    raise SinkRefusedError(problem, hint=hint)


def export_flat(app: App, target: FlatTarget, wanted: ExportRequest, command: Sequence[str]) -> int:
    """Hand current values to a pipe, or to a command that is started for it.

    Args:
        app: the command.
        target: what they are written as.
        wanted: which ones.
        command: what gets them, in place of `{}` or on its stdin; none for stdout.

    Returns:
        The exit code, of the command where there is one.
    """
    demand_reader(has_command=bool(command))
    found = app.service.transfer.export(app.caller, wanted)
    data = _written(found, target)
    if not command:
        write_bytes(data)
        _say_left_out(found)
        return ExitCode.DONE
    from resolver.delivery.child import WITHHELD, run  # noqa: PLC0415 - only for a command
    from resolver.delivery.child_input import WHOLE, MemoryFiles, StdinFile  # noqa: PLC0415
    from resolver.delivery.stdout_policy import is_terminal_or_log  # noqa: PLC0415 - as above

    withheld = app.withheld(WITHHELD)
    app.service.close()
    _say_left_out(found)
    output = _masking(found) if is_terminal_or_log(1, 2, os.environ) else None
    is_named = any("{}" in word for word in command[1:])
    given = MemoryFiles({WHOLE: data}) if is_named else StdinFile(data)
    del found, data  # the one copy is the command's
    ended = run(command, given, environ=os.environ, supervisor=output, withheld=withheld)
    if output is not None and output.count:
        say(f"note: {count(output.count, 'value')} masked in what the command printed; this is best effort")
    if ended.problem:
        say(f"error: {ended.problem}")
    if ended.signal is not None:
        from resolver.delivery.signals import die_by  # noqa: PLC0415

        die_by(ended.signal)
    return ended.code


def _masking(found: ExportResult) -> ChildOutput | None:
    """What masks values in the output of a command, as `exec` does; None where none can be looked for."""
    from resolver.delivery.child_output import ChildOutput  # noqa: PLC0415 - only masked runs need it
    from resolver.delivery.masking import needles_for  # noqa: PLC0415 - as above
    from resolver.transfer.dotenv import quoted  # noqa: PLC0415 - as above

    values = [(one.secret.key, one.value.reveal()) for one in found.secrets]
    needles, short = needles_for((key, value, [quoted(value)[1:-1]]) for key, value in values)
    if short:
        say(f"note: masking is best effort; too short to be masked is something of: {', '.join(short)}")
    return ChildOutput(needles) if needles else None


def _written(found: ExportResult, target: FlatTarget) -> bytes:
    import json  # noqa: PLC0415

    pairs = [(one.secret.key, one.value.reveal()) for one in found.secrets]
    match target:
        case FlatTarget.JSON:
            return json.dumps(dict(pairs), indent=1, ensure_ascii=False).encode() + b"\n"
        case FlatTarget.DOTENV:
            from resolver.transfer import dotenv  # noqa: PLC0415

            return dotenv.write(pairs).encode()
        case _:
            assert_never(target)


def _say_left_out(found: ExportResult) -> None:
    say(f"{count(len(found.secrets), 'secret')} exported")
    if found.left_out:
        say(f"note: {count(found.left_out, 'hidden or protected secret')} left out: not for you to see")
    if found.external:
        say(f"note: {count(found.external, 'secret')} left out, whose values are kept with providers")
