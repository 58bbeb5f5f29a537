"""Evaluation of what stands in a call's argument: literals, static functions, and inner `get_secret` calls.

A result is known, or waits for values of secrets (`Needed`), or is a `Fault`. What a word was computed from
travels with it, so that a word that came out of a secret is never shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.core.intrinsic import (
    GET_SECRET,
    WRITTEN,
    GetSecret,
    Origin,
    call_name,
    holds_call,
    is_malformed,
)
from resolver.core.model import check_key
from resolver.core.problems import Reason
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.model import SecretValue

MAX_NESTING = 50
"""Deepest chain of functions and input defaults that is followed before it is taken for a cycle."""


class Fault(Exception):  # noqa: N818 - not an error of the package: the plan turns it into a Problem
    """A call that can't be evaluated.

    Args:
        reason: the stable code.
        message: one sentence without any value.
        hint: what to do about it.
        key: the key as it may be shown.
    """

    def __init__(self, reason: Reason, message: str, hint: str = "", key: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.key = key


@dataclass(frozen=True, slots=True)
class Need:
    """A secret whose value is needed, and the call that needs it.

    Args:
        key: the secret's key.
        origin: what the key was computed from.
        node: the mapping that is the call.
    """

    key: str
    origin: Origin
    node: Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and what it was computed from."""

    value: Any = field(repr=False)
    origin: Origin = WRITTEN


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


_TEXT_TYPES = frozenset({"string", "secret_key", "textarea", "regex"})
"""The input types of Cloudify's DSL whose values are text."""


class Values:
    """The values of secrets that were obtained in this run, each parsed as JSON at most once."""

    def __init__(self) -> None:
        self._texts: dict[str, SecretValue] = {}
        self._parsed: dict[str, Any] = {}

    def add(self, values: Mapping[str, SecretValue]) -> None:
        """Take over the values of one round."""
        self._texts.update(values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def look_up(self, call: GetSecret) -> Any:  # noqa: ANN401 - JSON data
        """What a call yields: the stored text, or with steps what they lead to in its JSON.

        Raises:
            Fault: the text is not JSON, a step leads nowhere, or the data holds an intrinsic function.
        """
        text = self._texts[call.key].reveal()
        if not call.steps:
            return text
        shown = call.key_origin.show(call.key)
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
                    shown,
                ) from None
            self._parsed[call.key] = data
        for number, step in enumerate(call.steps, 1):
            if not _leads(data, step):
                raise Fault(
                    Reason.NO_SUCH_STEP,
                    f"step {number} of the path, {call.steps_origin.show(step)}, "
                    f"leads nowhere in the JSON value of secret {shown}",
                    "compare the path with the document that is stored; a list takes whole numbers",
                    shown,
                )
            data = data[step]
        if isinstance(data, (dict, list)) and holds_call(data):
            raise Fault(
                Reason.VALUE_HOLDS_CALL,
                f"what the path takes out of secret {shown} would put a function call into the blueprint",
                "a secret's content is data: rename the key in the stored document",
                shown,
            )
        return data


class Evaluator:
    """Evaluates arguments within one document.

    Args:
        document: the document whose `inputs` section has the defaults.
        inputs: values given for inputs, by name.
        values: the secrets' values obtained so far.
    """

    def __init__(self, document: object, inputs: Mapping[str, GivenInput], values: Values) -> None:
        section = document.get("inputs") if isinstance(document, dict) else None
        self._declared: Mapping[Any, Any] = section if isinstance(section, dict) else {}
        self._inputs = inputs
        self._values = values

    def secret(self, node: Mapping[Any, Any], depth: int = 0) -> Known | Needed:
        """Evaluate one `get_secret` call.

        Raises:
            Fault: the call can't be evaluated.
        """
        call = self.read(node, depth)
        if isinstance(call, Needed):
            return call
        if call.key not in self._values:
            return Needed((Need(call.key, call.key_origin, node),))
        used = frozenset((call.key,))
        named = call.key_origin.secrets or used
        origin = Origin(secrets=named, used=used) | call.key_origin | call.steps_origin
        return Known(self._values.look_up(call), origin)

    def read(self, node: Mapping[Any, Any], depth: int = 0) -> GetSecret | Needed:
        """Read what one `get_secret` call asks for.

        Raises:
            Fault: the call is malformed, or its argument can't be evaluated.
        """
        argument = node.get(GET_SECRET)
        if is_malformed(node):
            others = [str(name) for name in node if name != GET_SECRET]
            raise Fault(
                Reason.NOT_A_CALL,
                f"get_secret stands beside {', '.join(map(repr, others))}, so it is not a call",
                "give the call a mapping of its own",
            )
        if type(argument) is str:
            return GetSecret(_checked_key(argument, WRITTEN))
        if type(argument) is list and len(argument) > 1 and all(map(_is_word, argument)):
            key, *steps = argument
            if type(key) is str:
                return GetSecret(_checked_key(key, WRITTEN), tuple(steps))
        return self._read(argument, depth)

    def _read(self, argument: object, depth: int) -> GetSecret | Needed:
        """Read an argument that is not a bare key."""
        items: Any = argument
        whole = WRITTEN
        if isinstance(argument, dict):
            known = self._named(argument, depth + 1)
            if isinstance(known, Needed):
                return known
            items, whole = known.value, known.origin
            if isinstance(items, str):
                return GetSecret(_checked_key(items, whole), key_origin=whole)
        if not isinstance(items, list):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"get_secret takes a key or a list of a key and steps, not {_kind(items)}",
                "quote a key that YAML reads as something else",
            )
        if len(items) < 2:  # noqa: PLR2004 - a key and at least one step
            raise Fault(
                Reason.BAD_ARGUMENT,
                "a list given to get_secret needs a key and at least one step",
                "write the key alone to get the stored text",
            )
        words = [self._named(items[0], depth + 1)]
        words += [self.evaluate(item, depth + 1) for item in items[1:]]
        needs = [need for word in words if isinstance(word, Needed) for need in word.needs]
        if needs:
            return Needed(tuple(needs))
        return _from_words([word for word in words if isinstance(word, Known)], whole)

    def _named(self, node: Any, depth: int) -> Known | Needed:  # noqa: ANN401 - documents are plain data
        """Evaluate what names a secret: an input that was typed as text stays text."""
        if isinstance(node, dict) and call_name(node) == "get_input":
            return self._get_input(node["get_input"], depth, names=True)
        return self.evaluate(node, depth)

    def evaluate(self, node: Any, depth: int = 0) -> Known | Needed:  # noqa: ANN401 - documents are plain data
        """Evaluate what stands in an argument.

        Raises:
            Fault: something in it is not known before deployment, or is malformed.
        """
        if not isinstance(node, (dict, list)):
            return Known(node)
        if depth > MAX_NESTING:
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"functions and input defaults are nested more than {MAX_NESTING} deep",
                "look for an input whose default refers to itself",
            )
        if isinstance(node, dict):
            if is_malformed(node):
                return self.secret(node, depth)
            match call_name(node):
                case None:
                    return self._all(node, list(node), depth)
                case "get_secret":
                    return self.secret(node, depth)
                case "get_input":
                    return self._get_input(node["get_input"], depth)
                case "concat":
                    return self._concat(node["concat"], depth)
                case name:
                    raise Fault(
                        Reason.NOT_KNOWN_YET,
                        f"the argument needs {name}, whose result is not known before deployment",
                        "--partial keeps such calls for the orchestrator",
                    )
        return self._all(node, range(len(node)), depth)

    def _all(self, node: Any, keys: Any, depth: int) -> Known | Needed:  # noqa: ANN401 - a dict or a list
        """Evaluate each item of a collection."""
        new = dict.fromkeys(keys) if isinstance(node, dict) else [None] * len(node)
        origin = WRITTEN
        needs: list[Need] = []
        for key in keys:
            item = self.evaluate(node[key], depth + 1)
            if isinstance(item, Needed):
                needs.extend(item.needs)
            else:
                new[key] = item.value
                origin |= item.origin
        return Needed(tuple(needs)) if needs else Known(new, origin)

    def _get_input(self, argument: object, depth: int, *, names: bool = False) -> Known | Needed:
        evaluated = self.evaluate(argument, depth + 1)
        if isinstance(evaluated, Needed):
            return evaluated
        path = evaluated.value if isinstance(evaluated.value, list) else [evaluated.value]
        if not path or not isinstance(path[0], str):
            raise Fault(Reason.BAD_ARGUMENT, "get_input takes an input's name, or a list that begins with it")
        name, *steps = path
        shown = evaluated.origin.show(name)
        origin = evaluated.origin
        declared = self._declared.get(name)
        if name in self._inputs:
            origin |= Origin(inputs=frozenset((evaluated.origin.label(name),)))
            given = self._inputs[name]
            typed = declared.get("type") if isinstance(declared, dict) else None
            if given.text is not None and not steps and (names or typed in _TEXT_TYPES):
                found: Known | Needed = Known(given.text)
            else:
                found = self.evaluate(given.value, depth + 1)
        else:
            if not isinstance(declared, dict) or "default" not in declared:
                problem = "has no value" if name in self._declared else "is not declared"
                raise Fault(
                    Reason.BAD_INPUT,
                    f"input {shown} {problem}",
                    "give it with --inputs NAME=VALUE, or a default in the blueprint",
                )
            found = self.evaluate(declared["default"], depth + 1)
        if isinstance(found, Needed):
            return found
        data = found.value
        for number, step in enumerate(steps, 1):
            try:
                data = data[step]
            except (LookupError, TypeError):
                raise Fault(
                    Reason.BAD_INPUT,
                    f"step {number} of the path, {evaluated.origin.show(step)}, "
                    f"leads nowhere in the value of input {shown}",
                ) from None
        return Known(data, origin | found.origin)

    def _concat(self, argument: object, depth: int) -> Known | Needed:
        # Cloudify joins what Python's str() makes of each part, so True stays "True".
        if not isinstance(argument, list):
            raise Fault(Reason.BAD_ARGUMENT, f"concat takes a list, not {_kind(argument)}")
        parts = self.evaluate(argument, depth + 1)
        if isinstance(parts, Needed):
            return parts
        return Known("".join(str(part) for part in parts.value), parts.origin)


def _is_word(item: object) -> bool:
    return type(item) is str or type(item) is int


def _leads(data: object, step: str | int) -> bool:
    if isinstance(data, dict):
        return isinstance(step, str) and step in data
    return isinstance(data, list) and isinstance(step, int) and -len(data) <= step < len(data)


def _from_words(words: list[Known], whole: Origin) -> GetSecret:
    """Read a key and its steps, all evaluated; `whole` is the origin of the list they stand in."""
    key, *steps = words
    if not isinstance(key.value, str):
        raise Fault(Reason.BAD_ARGUMENT, f"the key given to get_secret is {_kind(key.value)}, not text")
    key_origin, steps_origin = key.origin | whole, whole
    for number, step in enumerate(steps, 1):
        if not _is_word(step.value):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"step {number} of the path given to get_secret is {_kind(step.value)}, "
                "not text or a whole number",
            )
        steps_origin |= step.origin
    return GetSecret(
        _checked_key(key.value, key_origin),
        tuple(step.value for step in steps),
        key_origin,
        steps_origin,
    )


def _checked_key(key: str, origin: Origin) -> str:
    try:
        return check_key(key, f"key {origin.show(key)}" if key else "key")
    except InvalidRequestError as error:
        raise Fault(Reason.BAD_ARGUMENT, error.message, error.hint, origin.show(key)) from None


_KINDS = {
    type(None): "nothing",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
    str: "text",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")
