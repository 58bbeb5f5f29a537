"""Inputs as the command line gives them: files, `NAME=VALUE` and `NAME:=YAML`. Values count as secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.blueprint.limits import DEFAULT_LIMITS, MIB, DuplicateKeys
from resolver.blueprint.reader import read
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.source import Tagged
from resolver.dsl.values import GivenInput
from resolver.errors import BlueprintError, BudgetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.dsl.budget import Budget


def parse_inputs(items: Iterable[str]) -> dict[str, GivenInput]:
    """Read inputs; a later one wins.

    Args:
        items: paths of YAML or JSON files that hold a mapping, `NAME=VALUE` or `NAME:=YAML`.

    Raises:
        UsageError: a file can't be read, or a name is empty.
        BlueprintError: a file or value is not valid YAML. Nothing of it is repeated.
    """
    inputs: dict[str, GivenInput] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals:
            inputs |= _from_file(item)
            continue
        forced = name.endswith(":")
        name = name.removesuffix(":")
        if not name:
            raise UsageError("an input has no name", hint="write --inputs NAME=VALUE")
        if forced:
            inputs[name] = GivenInput(_load(text, f"input {name!r}"))
        else:
            inputs[name] = GivenInput(_lenient(text), text)
    return inputs


def _lenient(text: str) -> Any:  # noqa: ANN401 - YAML data
    """What YAML makes of a typed text; the text itself when it is no YAML."""
    try:
        return _load(text, "")
    except BlueprintError:
        return text


def _load(text: str, name: str) -> Any:  # noqa: ANN401 - YAML data
    if not text.strip():
        return text
    return read_plain(text.encode("utf-8", "surrogateescape"), name)


def _from_file(path: str) -> dict[str, GivenInput]:
    values = read_file_of_values(path, "inputs", Reason.BAD_INPUT, hint="give a file, or NAME=VALUE")
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise UsageError(f"the inputs file {path!r} does not hold a mapping of names to values")
    return {name: GivenInput(value) for name, value in values.items()}


def read_file_of_values(path: str, kind: str, reason: Reason, *, hint: str = "") -> Any:  # noqa: ANN401 - YAML data
    """Read a file that may hold secrets: no message repeats anything of it.

    Args:
        path: the file.
        kind: what the file holds, for messages: `inputs`, `context`.
        reason: of the problems.
        hint: what to do about a file that can't be read.

    Raises:
        UsageError: the file can't be read.
        BlueprintError: it is not one valid document of plain data.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(DEFAULT_LIMITS.size + 1)
    except OSError as error:
        message = f"the {kind} file {path!r} can't be read: {error.strerror}"
        raise UsageError(message, hint=hint) from None
    return read_plain(data, f"{kind} file {path!r}", reason)


_REFUSED = {
    Reason.NOT_UTF8: "is not UTF-8",
    Reason.EMPTY: "is empty",
    Reason.DUPLICATE_KEY: "has a key twice in one mapping",
    Reason.TOO_LARGE: f"is larger than {DEFAULT_LIMITS.size // MIB} MiB",
    Reason.TOO_DEEP: f"is nested deeper than {DEFAULT_LIMITS.depth} levels",
    Reason.TOO_MANY_NODES: f"has more than {DEFAULT_LIMITS.nodes} nodes once aliases are followed",
}
"""What is wrong with a text whose words are not repeated; of other reasons, that it is not valid YAML."""


def read_plain(
    data: bytes, name: str, reason: Reason = Reason.BAD_INPUT, budget: Budget | None = None
) -> Any:  # noqa: ANN401 - YAML data
    """Read one document that may hold secrets: no message repeats anything of it.

    Args:
        data: the bytes.
        name: what to call it in messages.
        reason: of the problems.
        budget: what the run may spend.

    Raises:
        BudgetError: there is no time left.
        BlueprintError: it is not one valid document of plain data.
    """
    documents: Sequence[Any] = ()
    problems: list[Problem] = []
    try:
        documents = read(data, name, budget=budget, duplicate_keys=DuplicateKeys.REFUSED).documents
    except BudgetError:
        raise
    except BlueprintError as error:
        # Not in the reader's words: its problems hold lines of the text, and its messages may repeat a value.
        problems = [
            Problem(
                reason,
                f"{name} {_REFUSED.get(problem.reason, 'is not valid YAML')}",
                source=name,
                position=problem.position,
            )
            for problem in error.problems
        ]
    if problems:  # raised here, where the reader's error is not its context
        raise BlueprintError(problems)
    if len(documents) != 1 or isinstance(documents[0], Tagged):
        raise BlueprintError([Problem(reason, f"{name} does not hold one plain document", source=name)])
    return documents[0]
