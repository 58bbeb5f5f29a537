"""Evaluation of calls: literals, static functions, what a context answers, and inner `get_secret` calls.

A result is known, or waits for values of secrets (`Needed`), or is a `Fault`. What a word was computed from
travels with it, so that a word that came out of a secret is never shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resolver.core.provenance import WRITTEN, Provenance, joint_provenance
from resolver.dsl.arguments import checked_key, from_words, is_word, literal
from resolver.dsl.calls import GET_SECRET, GetSecret, call_name, is_malformed
from resolver.dsl.context import DeploymentContext, Unanswered, leads
from resolver.dsl.definitions import is_text
from resolver.dsl.functions import PLAIN_FUNCTIONS, kind
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import Known, Need, Needed, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions, Property
    from resolver.dsl.values import GivenInput

MAX_NESTING = 50
"""Deepest chain of functions, input defaults and properties before it is taken for a cycle."""

MAX_STEPS = 200_000
"""Most nodes that the evaluation of one call visits: inputs that refer to inputs can grow without bound."""

MAX_NAMES = 5
"""Most names that a message lists of what stands beside a call."""

MAX_TEXT = 16 * 1024 * 1024
"""Longest text that a function may make, in characters."""


class Evaluator:
    """Evaluates calls of one blueprint.

    Args:
        definitions: its inputs, nodes and types.
        inputs: values given for inputs, by name.
        values: the secrets' values obtained so far.
        context: facts about the deployment.
    """

    def __init__(
        self,
        definitions: Definitions,
        inputs: Mapping[str, GivenInput],
        values: Values,
        context: DeploymentContext,
    ) -> None:
        self._definitions = definitions
        self._inputs = inputs
        self._values = values
        self._context = context

    def read(self, node: Mapping[Any, Any], here: Path) -> GetSecret | Needed:
        """Read what one `get_secret` call asks for.

        Args:
            node: the mapping that is the call.
            here: its path, which says what SELF, SOURCE and TARGET mean.

        Raises:
            Fault: the call is malformed, or its argument can't be evaluated.
        """
        written = literal(node)
        return written or _Evaluation(
            self._definitions, self._inputs, self._values, self._context, here
        ).read(node, 0)

    def evaluate(self, node: object, here: Path) -> Known | Needed:
        """Evaluate any call, or data with calls in it.

        Raises:
            Fault: something in it is not known before deployment, or is malformed.
        """
        return _Evaluation(self._definitions, self._inputs, self._values, self._context, here).evaluate(
            node, 0
        )


class _Evaluation:
    """The evaluation of one call; counts its steps."""

    def __init__(
        self,
        definitions: Definitions,
        inputs: Mapping[str, GivenInput],
        values: Values,
        context: DeploymentContext,
        here: Path,
    ) -> None:
        self._definitions = definitions
        self._inputs = inputs
        self._values = values
        self._context = context
        self._here = here
        self._steps = 0

    def _secret(self, node: Mapping[Any, Any], depth: int) -> Known | Needed:
        call = self.read(node, depth)
        if isinstance(call, Needed):
            return call
        if call.key not in self._values:
            return Needed((Need(call.key, call.key_provenance, node),))
        used = frozenset((call.key,))
        named = call.key_provenance.secrets or used
        provenance = Provenance(secrets=named, used=used) | call.key_provenance | call.path_provenance
        return Known(self._values.look_up(call).value, provenance)

    def read(self, node: Mapping[Any, Any], depth: int) -> GetSecret | Needed:
        """Read what one `get_secret` call asks for."""
        written = literal(node)
        if written is not None:
            return written
        if is_malformed(node):
            others = [repr(str(name)) for name in node if name != GET_SECRET]
            shown = others[:MAX_NAMES] + [f"{len(others) - MAX_NAMES} more"] * (len(others) > MAX_NAMES)
            raise Fault(
                Reason.NOT_A_CALL,
                f"get_secret stands beside {', '.join(shown)}, so it is not a call",
                "give the call a mapping of its own",
            )
        items: Any = node[GET_SECRET]
        whole = WRITTEN
        if isinstance(items, dict):
            known = self._named(items, depth + 1)
            if isinstance(known, Needed):
                return known
            items, whole = known.value, known.provenance
            if isinstance(items, str):
                return GetSecret(checked_key(items, whole), key_provenance=whole)
        if not isinstance(items, list):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"get_secret takes a key or a list of a key and steps, not {kind(items)}",
                "quote a key that YAML reads as something else" if not isinstance(items, dict) else "",
            )
        if len(items) < 2:  # noqa: PLR2004 - a key and at least one step
            raise Fault(
                Reason.BAD_ARGUMENT,
                "a list given to get_secret needs a key and at least one step",
                "write the key alone to get the stored text",
            )
        words = _gathered(
            [self._named(items[0], depth + 1), *(self.evaluate(item, depth + 1) for item in items[1:])]
        )
        return words if isinstance(words, Needed) else from_words(words, whole)

    def _named(self, node: Any, depth: int) -> Known | Needed:  # noqa: ANN401 - documents are plain data
        """Evaluate what names a secret: an input that was typed as text stays text."""
        if isinstance(node, dict) and call_name(node) == "get_input":
            return self._get_input(node["get_input"], depth, names=True)
        return self.evaluate(node, depth)

    def evaluate(self, node: Any, depth: int) -> Known | Needed:  # noqa: ANN401 - documents are plain data
        """Evaluate a node with all that stands in it."""
        if not isinstance(node, (dict, list)):
            return Known(node)
        self._steps += 1 + len(node)
        if depth > MAX_NESTING or self._steps > MAX_STEPS:
            raise Fault(
                Reason.BAD_ARGUMENT,
                "functions, input defaults and properties refer to each other without an end in sight",
                "look for one that refers to itself",
            )
        if isinstance(node, list):
            return self._all(node, range(len(node)), depth)
        if is_malformed(node):
            return self._secret(node, depth)
        name = call_name(node)
        match name:
            case None:
                return self._all(node, list(node), depth)
            case "get_secret":
                return self._secret(node, depth)
            case "get_input":
                return self._get_input(node[name], depth)
            case "get_property":
                return self._get_property(node[name], depth)
        argument = self.evaluate(node[name], depth + 1)
        return argument if isinstance(argument, Needed) else self._call(name, argument)

    def _call(self, name: str, argument: Known) -> Known:
        """Call a function whose argument is known."""
        plain = PLAIN_FUNCTIONS.get(name)
        if plain is not None:
            value = plain(argument.value)
            if isinstance(value, str) and len(value) > MAX_TEXT:
                raise Fault(Reason.BAD_ARGUMENT, f"{name} makes a text of over {MAX_TEXT} characters")
            return Known(value, argument.provenance)
        located = argument.value
        if name == "get_attribute" and isinstance(located, list) and located:
            located = [self._node_name(located[0], name), *located[1:]]
        try:
            value = self._context.answer(name, located)
        except Unanswered:
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"the call needs {name}, whose result is not known before deployment",
                "--context answers it, --partial keeps such calls for the orchestrator",
            ) from None
        return Known(value, argument.provenance | Provenance(context=True))

    def _all(self, node: Any, keys: Iterable[Any], depth: int) -> Known | Needed:  # noqa: ANN401 - a dict or a list
        """Evaluate each item of a collection."""
        new: Any = dict.fromkeys(keys) if isinstance(node, dict) else [None] * len(node)
        items = [(key, self.evaluate(node[key], depth + 1)) for key in keys]
        known = _gathered([item for _, item in items])
        if isinstance(known, Needed):
            return known
        for (key, _), item in zip(items, known, strict=True):
            new[key] = item.value
        return Known(new, joint_provenance(item.provenance for item in known))

    def _get_input(self, argument: object, depth: int, *, names: bool = False) -> Known | Needed:
        evaluated = self.evaluate(argument, depth + 1)
        if isinstance(evaluated, Needed):
            return evaluated
        path = evaluated.value if isinstance(evaluated.value, list) else [evaluated.value]
        if not path or not isinstance(path[0], str):
            raise Fault(Reason.BAD_ARGUMENT, "get_input takes an input's name, or a list that begins with it")
        name, *steps = path
        shown = evaluated.provenance.show(name)
        declared = self._definitions.input(name)
        provenance = evaluated.provenance
        if name in self._inputs:
            label = evaluated.provenance.label(name)
            provenance |= Provenance(inputs=frozenset((label,)))
            as_text = not steps and (names or is_text(declared or {}))
            given = self._inputs[name]
            value = given.text if as_text and given.text is not None else given.value
            found = self._given(self._completed(value, declared), shown, provenance, depth)
        else:
            found = self._default(name, declared, evaluated.provenance, depth, names=names)
        if isinstance(found, Needed):
            return found
        data = (
            found.value
            if declared is None
            else self._definitions.completed(found.value, declared.get("type")).value
        )
        for number, step in enumerate(steps, 1):
            _check_step("get_input", number, step)
            if not leads(data, step):
                raise Fault(
                    Reason.BAD_INPUT,
                    f"step {number} of the path, {evaluated.provenance.show(step)}, "
                    f"leads nowhere in the value of input {shown}",
                )
            data = data[step]
        return Known(data, provenance | found.provenance)

    def _default(
        self,
        name: str,
        declared: Mapping[Any, Any] | None,
        provenance: Provenance,
        depth: int,
        *,
        names: bool,
    ) -> Known | Needed:
        """What an input is when no value was given for it."""
        if declared is not None:
            default = declared.get("default")
            value = self._completed({} if default is None else default, declared)
            if default is not None or value:  # without a default, those of its data type
                return self.evaluate(value, depth + 1)
            if declared.get("required") is False and not names:
                return Known(None)
        near = ""
        if declared is None and provenance is WRITTEN:
            near = self._definitions.inputs_like(name)
        raise Fault(
            Reason.BAD_INPUT,
            f"input {provenance.show(name)} {'is not declared' if declared is None else 'has no value'}",
            f"{near} give it with --inputs NAME=VALUE, or a default in the blueprint".lstrip(),
            later=declared is not None,
        )

    def _completed(self, value: Any, declared: Mapping[Any, Any] | None) -> Any:  # noqa: ANN401 - plain data
        return value if declared is None else self._definitions.completed(value, declared.get("type")).value

    def _given(self, value: Any, shown: str, provenance: Provenance, depth: int) -> Known | Needed:  # noqa: ANN401 - same
        """Evaluate a given value: calls in it are calls like any other, and no message repeats any of it."""
        try:
            found = self.evaluate(value, depth + 1)
        except Fault as fault:
            if fault.reason is Reason.NOT_KNOWN_YET:
                raise
            raise Fault(
                fault.reason,
                f"the value given for input {shown} holds a call that can't be evaluated",
                fault.hint,
                later=fault.later,
            ) from None
        if isinstance(found, Needed):
            return Needed(
                tuple(replace(need, provenance=need.provenance | provenance) for need in found.needs)
            )
        return found

    def _get_property(self, argument: object, depth: int) -> Known | Needed:
        evaluated = self.evaluate(argument, depth + 1)
        if isinstance(evaluated, Needed):
            return evaluated
        words, provenance = evaluated.value, evaluated.provenance
        if not isinstance(words, list) or len(words) < 2:  # noqa: PLR2004 - a node and a property
            raise Fault(
                Reason.BAD_ARGUMENT,
                "get_property takes a list that begins with a node and a property",
            )
        if not is_word(words[1]):
            raise Fault(
                Reason.BAD_ARGUMENT, f"the property given to get_property is {kind(words[1])}, not text"
            )
        name = self._node_name(words[0], "get_property")
        node = self._definitions.node(name)
        if node is None:
            raise Fault(Reason.BAD_ARGUMENT, f"there is no node template {provenance.show(name)}")
        try:
            found = self._definitions.property(node, words[1])
        except LookupError:
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"property {provenance.show(words[1])} of node {provenance.show(name)} may come from a type "
                "that is not in this blueprint",
                "--partial keeps such calls for the orchestrator",
            ) from None
        if found is None:
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"node {provenance.show(name)} has no property {provenance.show(words[1])}",
            )
        return self._property_value(found, name, words[2:], provenance, depth)

    def _property_value(
        self,
        found: Property,
        node: str,
        steps: list[Any],
        provenance: Provenance,
        depth: int,
    ) -> Known | Needed:
        """Evaluate a property where it stands: SELF in it means the node that has it."""
        value = found.value
        outer, self._here = self._here, ("node_templates", node)
        try:
            for number, step in enumerate(steps, 1):
                _check_step("get_property", number, step)
                if isinstance(value, dict) and call_name(value) is not None:
                    evaluated = self.evaluate(value, depth + 1)
                    if isinstance(evaluated, Needed):
                        return evaluated
                    value, provenance = evaluated.value, provenance | evaluated.provenance
                if not leads(value, step):
                    later = isinstance(value, dict) and not found.is_whole
                    raise Fault(
                        Reason.NOT_KNOWN_YET if later else Reason.BAD_ARGUMENT,
                        f"step {number} of the path, {provenance.show(step)}, "
                        f"leads nowhere in the property of node {provenance.show(node)}"
                        + (", whose type is not in this blueprint" if later else ""),
                        "--partial keeps such calls for the orchestrator" if later else "",
                    )
                value = value[step]
            result = self.evaluate(value, depth + 1)
        finally:
            self._here = outer
        return result if isinstance(result, Needed) else Known(result.value, provenance | result.provenance)

    def _node_name(self, word: object, function: str) -> str:
        """The node that a word names: itself, or what SELF, SOURCE and TARGET stand for here."""
        here = self._here
        inside = len(here) > 1 and here[0] == "node_templates"
        if word == "SELF" and inside:
            return str(here[1])
        if word in ("SOURCE", "TARGET") and inside and len(here) > 3 and here[2] == "relationships":  # noqa: PLR2004
            if word == "SOURCE":
                return str(here[1])
            node = self._definitions.node(str(here[1])) or {}
            relationships = node.get("relationships")
            if leads(relationships, here[3]) and isinstance(relationships[here[3]], dict):  # type: ignore[index]
                return str(relationships[here[3]].get("target"))  # type: ignore[index]
        if word in ("SELF", "SOURCE", "TARGET"):
            # A template that nodes merge in, or a type's default: the word gets its meaning there.
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"{word} has no meaning for {function} in this place",
                "it means a node within node_templates, and what merges this in",
            )
        if not isinstance(word, str):
            raise Fault(Reason.BAD_ARGUMENT, f"the node given to {function} is {kind(word)}, not text")
        return word


def _check_step(function: str, number: int, step: object) -> None:
    """Refuse a step that is no word: Cloudify takes text and whole numbers, and truth values for these."""
    if not isinstance(step, (str, int)):
        raise Fault(
            Reason.BAD_ARGUMENT,
            f"step {number} of the path given to {function} is {kind(step)}, not text or a whole number",
        )


def _gathered(outcomes: list[Known | Needed]) -> list[Known] | Needed:
    """All that is known, or all that is needed."""
    needs = [need for outcome in outcomes if isinstance(outcome, Needed) for need in outcome.needs]
    return Needed(tuple(needs)) if needs else [outcome for outcome in outcomes if isinstance(outcome, Known)]
