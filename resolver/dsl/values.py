"""What evaluation works on: values of inputs and secrets, and what is known or needed on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.core.provenance import WRITTEN, Provenance
from resolver.dsl.calls import GetSecret, holds_call
from resolver.dsl.context import leads
from resolver.dsl.problems import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.model import SecretValue


@dataclass(slots=True)  # as good as frozen, which would make each of these many cost several times as much
class Need:
    """A secret whose value is needed, and the call that needs it.

    Args:
        key: the secret's key.
        provenance: what the key was computed from.
        node: the mapping that is the call.
    """

    key: str = field(repr=False)
    provenance: Provenance
    node: Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and what it was computed from."""

    value: Any = field(repr=False)
    provenance: Provenance = WRITTEN


@dataclass(frozen=True, slots=True)
class Needed:
    """The values that have to be there before evaluation can go on."""

    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class GivenInput:
    """An input's value as the caller gave it.

    Args:
        value: what YAML makes of it.
        text: as it was typed, when it was typed as text; an input that is declared as text, or that names a
            secret, is this.
    """

    value: Any = field(repr=False)
    text: str | None = field(default=None, repr=False)


@dataclass(slots=True)  # as good as frozen, which would make each of these many cost several times as much
class Substitution:
    """What is put in the place of one call, or is used to make that.

    Args:
        value: text or JSON data; secret.
        label: the key as it may be shown, for what is masked.
        used: keys of the secrets that went into it.
    """

    value: Any = field(repr=False)
    label: str
    used: frozenset[str] = field(repr=False)


class Values:
    """The values of secrets that were obtained in this run; each and each path is looked at at most once."""

    def __init__(self) -> None:
        self._texts: dict[str, SecretValue] = {}
        self._parsed: dict[str, Any] = {}
        self.taken: dict[tuple[str, tuple[str | int, ...]], Substitution] = {}
        """What was taken out of secrets so far, by key and steps, labelled by the first call that did so."""

    def add(self, values: Mapping[str, SecretValue]) -> None:
        """Take over the values of one round."""
        self._texts.update(values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def look_up(self, call: GetSecret) -> Substitution:
        """What a call yields: the stored text, or with steps what they lead to in its JSON.

        Raises:
            Fault: the text is not JSON, a step leads nowhere, or the data holds an intrinsic function.
        """
        mark = call.key, call.path
        found = self.taken.get(mark)
        if found is None:
            label, used = call.key_provenance.label(call.key), frozenset((call.key,))
            found = self.taken[mark] = Substitution(self._look_up(call), label, used)
        return found

    def _look_up(self, call: GetSecret) -> Any:  # noqa: ANN401 - JSON data
        text = self._texts[call.key].reveal()
        if not call.path:
            return text
        shown, key = call.key_provenance.show(call.key), call.key_provenance.bare(call.key)
        if call.key in self._parsed:
            data = self._parsed[call.key]
        else:
            try:
                data = json.loads(text)
            except (ValueError, RecursionError):  # a number too long for int() is a plain ValueError
                raise Fault(
                    Reason.NOT_JSON,
                    f"the value of secret {shown} is not JSON, so nothing can be taken out of it",
                    "leave out the path, or store a JSON document under this key",
                    key,
                ) from None
            self._parsed[call.key] = data
        for number, step in enumerate(call.path, 1):
            if not leads(data, step):
                raise Fault(
                    Reason.NO_SUCH_STEP,
                    f"step {number} of the path, {call.path_provenance.show(step)}, "
                    f"leads nowhere in the JSON value of secret {shown}",
                    "compare the path with what is stored; a list takes whole numbers, a mapping names",
                    key,
                )
            data = data[step]
        if isinstance(data, (dict, list)) and holds_call(data):
            raise Fault(
                Reason.VALUE_HOLDS_CALL,
                f"what the path takes out of secret {shown} would put a function call into the blueprint",
                "a secret's content is data: rename the key in the stored document",
                key,
            )
        return data
