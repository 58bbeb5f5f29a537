"""Operations and workflows: which plugin or script each leads to, and what their inputs need."""

from __future__ import annotations

import re
from collections import ChainMap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.dsl.semantics.names import Misuse, Section, items, mapping, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resolver.core.location import Path
    from resolver.dsl.semantics.names import Names

HOST_AGENT: Final = "host_agent"

_SCRIPT: Final = "script"
"""Ends the names of the plugins that run scripts."""

_SCRIPT_INPUTS: Final = ("script_path", "script_source")

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES: Final = frozenset("%?#")
"""Characters that mean something else in the address of a file."""

_NUMBERS: Final = ("executor", "max_retries", "retry_interval", "timeout", "timeout_recoverable")

OperationName = tuple[str, str]
"""The name of an interface and that of an operation in it."""


class OperationEntry(NamedTuple):
    """An operation as a type or a template writes it.

    Args:
        implementation: what it does; empty for nothing, or what is derived.
        inputs: values in a template, declarations in a type.
        executor: what it says of where it runs.
        is_nothing: whether it says that nothing is to be done.
        path: where it is.
    """

    implementation: str
    inputs: Mapping[Any, Any]
    executor: object
    is_nothing: bool
    path: Path


def operations_of(interfaces: object, path: Path) -> Iterator[tuple[OperationName, OperationEntry]]:
    """The operations of interfaces, by name."""
    for interface_name, interface in items(interfaces):
        for name, entry in items(interface):
            yield (interface_name, name), operation_of(entry, (*path, interface_name, name))


def operation_of(entry: object, path: Path, implementation: str = "implementation") -> OperationEntry:
    """An operation or a workflow, in its short form or its long one."""
    if isinstance(entry, str):
        return OperationEntry(entry, {}, None, not entry, path)
    fields = mapping(entry)
    written = fields.get(implementation)
    leads_to = written if isinstance(written, str) else ""
    inputs = mapping(fields.get("inputs"))
    is_nothing = not leads_to and not inputs and all(fields.get(name) is None for name in _NUMBERS)
    return OperationEntry(leads_to, inputs, fields.get("executor"), is_nothing, path)


class Interfaces:
    """The operations of a type, with those that it derives.

    Args:
        own: those that the type itself has.
        parent: the operations of what it derives from.
        is_whole: whether all that may have operations is known.
        resolver: says what is wrong with an operation, and where it runs.
    """

    def __init__(
        self,
        own: Mapping[OperationName, OperationEntry],
        parent: Interfaces | None,
        resolver: Implementations,
        *,
        is_whole: bool,
    ) -> None:
        self.operations: ChainMap[OperationName, OperationEntry] = (
            ChainMap(dict(own)) if parent is None else ChainMap(dict(own), *parent.operations.maps)
        )
        self.is_whole = is_whole
        self.faults: dict[OperationName, Misuse] = _left(parent.faults if parent else {}, own)
        self.lacks: dict[OperationName, str] = _left(parent.lacks if parent else {}, own)
        self.on_hosts: dict[OperationName, str] = _left(parent.on_hosts if parent else {}, own)
        for name, operation in own.items():
            if operation.is_nothing:
                continue
            lack = missing_input(operation, {})
            if lack is not None:
                self.lacks[name] = lack
            target = resolver.target(operation, operation.inputs)
            if target.misuse is not None:
                self.faults[name] = target.misuse
            elif target.executor == HOST_AGENT:
                self.on_hosts[name] = target.plugin


def _left(
    inherited: Mapping[OperationName, Any], own: Mapping[OperationName, OperationEntry]
) -> dict[Any, Any]:
    return {name: each for name, each in inherited.items() if name not in own}


def missing_input(operation: OperationEntry, given: Mapping[Any, Any]) -> str | None:
    """An input that an operation of a type asks for, and that has neither a default nor a value."""
    for name, declared in items(operation.inputs):
        if name not in given and "default" not in mapping(declared):
            return name
    return None


class Target(NamedTuple):
    """What an operation leads to.

    Args:
        plugin: the plugin; empty when it is not known, or there is none.
        executor: where it runs; empty when it is not known.
        misuse: what is wrong.
    """

    plugin: str = ""
    executor: str = ""
    misuse: Misuse | None = None


class Implementations:
    """Finds what implementations lead to.

    Args:
        names: what the blueprint defines.
        has_file: whether there is a file beside the blueprint; None when that is not known.
    """

    def __init__(self, names: Names, has_file: Callable[[str], bool | None]) -> None:
        self._names = names
        self._has_file = has_file
        self._plugins = {name: mapping(entry) for name, entry in names.entries(Section.PLUGINS)}
        self._lengths = sorted({len(name) for name in self._plugins})
        self._runs_scripts = any(name.endswith(_SCRIPT) for name in self._plugins) or not names.is_closed

    def target(
        self, operation: OperationEntry, inputs: Mapping[Any, Any], *, kind: str = "operation", step: str = ""
    ) -> Target:
        """What an operation leads to.

        Args:
            operation: the operation or workflow.
            inputs: its inputs or parameters.
            kind: what it is.
            step: where its implementation is, in its long form.
        """
        leads_to = operation.implementation
        if not leads_to:
            return Target()
        path = operation.path
        self._names.budget.spend(len(self._lengths) + 1)
        plugins = [
            leads_to[:length]
            for length in self._lengths
            if leads_to[length : length + 1] == "." and leads_to[:length] in self._plugins
        ]
        is_there = self._is_there(leads_to)
        if _ADDRESS.match(leads_to) or "\n" in leads_to.strip() or is_there:
            return self._script(operation, inputs, kind)
        if len(plugins) > 1:
            message = f"{kind} {shown(path[-1])} may mean plugin {shown(plugins[0])} or {shown(plugins[1])}"
            return Target(misuse=Misuse(path, message))
        if plugins:
            declared = self._plugins[plugins[0]].get("executor")
            executor = operation.executor or declared
            return Target(plugins[0], executor if isinstance(executor, str) else "")
        if is_there is None or self._may_be_plugin(leads_to):
            return Target()
        word = leads_to.partition(".")[0]
        hint = self._names.like(Section.PLUGINS, word) if "/" not in leads_to else ""
        message = (
            f"{kind} {shown(path[-1])} leads to {shown(leads_to)}, which is neither in a plugin nor a file"
        )
        return Target(misuse=Misuse((*path, step) if step else path, message, hint))

    def _script(self, operation: OperationEntry, inputs: Mapping[Any, Any], kind: str) -> Target:
        path = operation.path
        given = next((name for name in _SCRIPT_INPUTS if name in inputs), "")
        if given:
            message = f"{kind} {shown(path[-1])} is a script, and so can't have {given!r} among its inputs"
            return Target(misuse=Misuse(path, message))
        if not self._runs_scripts:
            message = f"{kind} {shown(path[-1])} is a script, and there is no plugin that runs scripts"
            return Target(misuse=Misuse(path, message))
        return Target("", operation.executor if isinstance(operation.executor, str) else "auto")

    def _is_there(self, name: str) -> bool | None:
        """Whether a file is beside the blueprint; None when that is not known."""
        local = name.rpartition("--")[2]
        if _ESCAPES.intersection(local) or "\n" in local or "\0" in local:
            return None
        return self._has_file(local)

    def _may_be_plugin(self, leads_to: str) -> bool:
        """Whether an import that is left to the manager may have the plugin, or the file."""
        return self._names.may_come(Section.PLUGINS, leads_to)
