"""What evaluation works on: values of inputs and secrets, and what is known or needed on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from resolver.core.location import follow
from resolver.core.provenance import Provenance
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.calls import holds_call
from resolver.dsl.dialects import CLOUDIFY, Dialect
from resolver.dsl.problems import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import SecretValue
    from resolver.dsl.arguments import GetSecret


class Need(Redacted, frozen=True):
    """A secret whose value is needed, and the call that needs it.

    Args:
        key: the secret's key.
        provenance: what the key was computed from.
        node: the mapping that is the call.
    """

    key: str
    provenance: Provenance
    node: Mapping[Any, Any]


class Waiting(Exception):  # noqa: N818 - not a failure: the plan obtains the values and evaluates anew
    """Values of secrets have to be there before an evaluation can go on.

    Args:
        needs: which. They are no argument of the exception, whose text shows nothing.
    """

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__()
        self.needs = needs


class GivenInput(Redacted, frozen=True):
    """An input's value as the caller gave it.

    Args:
        value: what YAML makes of it.
        text: as it was typed, when it was typed as text; an input that is declared as text, or that names a
            secret, is this.
    """

    value: Any
    text: str | None = None


class Substitution(Redacted, frozen=True):
    """What is put in the place of one call, or is used to make that.

    Args:
        value: text or JSON data; secret.
        label: the key as it may be shown, for what is masked.
        used: keys of the secrets that went into it.
    """

    value: Any
    label: str
    used: frozenset[str]


class Values:
    """The values of secrets that were obtained in this run. Each is parsed, and each path followed, once.

    Args:
        budget: what the run may spend.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        self._texts: dict[str, SecretValue] = {}
        self._parsed: dict[str, Any] = {}
        self.taken: dict[tuple[str, tuple[str | int, ...], Dialect], Substitution] = {}
        """What was taken out of secrets so far, by key, path and language, with the first call's label."""

    def add(self, values: Mapping[str, SecretValue]) -> None:
        """Take over the values of one round."""
        self._texts.update(values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def look_up(self, call: GetSecret, dialect: Dialect = CLOUDIFY) -> Substitution:
        """The result of a call: the stored text, or what the path leads to in its JSON.

        Raises:
            Fault: the text is not JSON, a step leads nowhere, or the data holds an intrinsic function.
        """
        mark = call.key, call.path, dialect
        found = self.taken.get(mark)
        if found is None:
            label, used = call.key_provenance.label(call.key), frozenset((call.key,))
            found = self.taken[mark] = Substitution(self._look_up(call, dialect), label, used)
        return found

    def _look_up(self, call: GetSecret, dialect: Dialect) -> Any:  # noqa: ANN401 - JSON data
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
        data, wrong = follow(data, call.path)
        if wrong:
            raise Fault(
                Reason.NO_SUCH_STEP,
                f"step {wrong} of the path, {call.path_provenance.show(call.path[wrong - 1])}, "
                f"leads nowhere in the JSON value of secret {shown}",
                "compare the path with what is stored; a list takes whole numbers, a mapping names",
                key,
            )
        if isinstance(data, (dict, list)) and not dialect.prefix and holds_call(data, self._budget, dialect):
            raise Fault(
                Reason.VALUE_HOLDS_CALL,
                f"what the path takes out of secret {shown} would put a function call into the blueprint",
                "a secret's content is data: rename the key in the stored document",
                key,
            )
        return data
