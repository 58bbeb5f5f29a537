"""Evaluation of calls, by the table of functions.

A result is `Known`; or values of secrets have to be obtained first (`Waiting`), or it can't be had (`Fault`).
What a word was computed from travels with it, so that a word that came out of a secret is never shown.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from resolver.core.location import follow
from resolver.core.provenance import WRITTEN, Provenance, joint_provenance
from resolver.core.redacted import Redacted
from resolver.dsl.arguments import GetSecret, from_words, is_word, literal
from resolver.dsl.context import DeploymentContext, UnansweredError
from resolver.dsl.definitions import is_text
from resolver.dsl.dialects import SecretForm
from resolver.dsl.functions import (
    ContextFunction,
    Known,
    ReadingFunction,
    RunTimeFunction,
    StaticFunction,
)
from resolver.dsl.inheritance import Kind, OutOfReachError, Typed, Unknown
from resolver.dsl.problems import Fault, Reason, kind_of
from resolver.dsl.topology import (
    Entity,
    FoundProperties,
    FoundProperty,
    entity_of,
    find_along,
    find_on_hosts,
    find_property,
)
from resolver.dsl.values import Need, Values, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.budget import Budget
    from resolver.dsl.definitions import Definitions
    from resolver.dsl.values import GivenInput

MAX_NESTING = 50
"""Deepest chain of functions, input defaults and properties before it is taken for a cycle."""

MAX_STEPS = 200_000
"""Most nodes that the evaluation of one call visits: inputs that refer to inputs can grow without bound."""

LOOK_UP = 25
"""Steps that a look-up of an input or a property counts as: about what it takes beside those it makes."""

MAX_NAMES = 5
"""Most names that a message lists of what stands beside a call."""

_PARTIAL_HINT = "--partial keeps such calls for the orchestrator"


class Evaluator:
    """Evaluates calls of one blueprint.

    Args:
        definitions: its inputs, nodes and types.
        inputs: values given for inputs, by name.
        values: the secrets' values obtained so far.
        context: facts about the deployment.
        budget: what the run may spend.
    """

    def __init__(
        self,
        definitions: Definitions,
        inputs: Mapping[str, GivenInput],
        values: Values,
        context: DeploymentContext,
        budget: Budget,
    ) -> None:
        self.budget = budget
        self.definitions = definitions
        self.inputs = inputs
        self.values = values
        self.context = context

    def read(self, node: Mapping[Any, Any], here: Path) -> GetSecret:
        """Read what one `get_secret` call asks for.

        Args:
            node: the mapping that is the call.
            here: its path, which says what SELF, SOURCE and TARGET mean.

        Raises:
            Fault: the call is malformed, or its argument can't be evaluated.
            Waiting: its argument needs the values of secrets.
        """
        return literal(node, self.definitions.dialect) or Evaluation(self, here).read(node, 0)

    def evaluate(self, node: object, here: Path) -> Known:
        """Evaluate any call, or data with calls in it.

        Raises:
            Fault: something in it is not known before deployment, or is malformed.
            Waiting: it needs the values of secrets.
        """
        return Evaluation(self, here).evaluate(node, 0)


class _Step(Redacted, frozen=True):
    """A step of the path into an input or a property.

    Args:
        number: which of its call's path, from 1.
        word: the name or index.
        provenance: what it was computed from.
    """

    number: int
    word: Any
    provenance: Provenance

    @property
    def described(self) -> str:
        """The step in words."""
        return f"step {self.number} of the path, {self.provenance.show(self.word)},"


class _Origin(Redacted, frozen=True):
    """Where a value is read from, for messages about it.

    Args:
        what: the input or property.
        reason: the reason to give when a step leads nowhere in it.
        provenance: what the words that name it were computed from.
        given: for a value that the caller gave, what to call it; empty for one that is written.
        result: the provenance of what is read from it.
    """

    what: str
    reason: Reason
    provenance: Provenance
    given: str = ""
    result: Provenance = WRITTEN


class Evaluation:
    """The evaluation of one call, which counts the nodes that it visits.

    Args:
        blueprint: what it is evaluated from.
        here: the call's path.
    """

    def __init__(self, blueprint: Evaluator, here: Path) -> None:
        self._blueprint = blueprint
        self._definitions = blueprint.definitions
        self._dialect = blueprint.definitions.dialect
        self._here = here
        self._budget = blueprint.budget
        self._visited = 0

    def evaluate(self, node: Any, depth: int) -> Known:  # noqa: ANN401 - documents are plain data
        """Evaluate a node with all that stands in it."""
        if not isinstance(node, (dict, list)):
            return Known(self._text(node) if isinstance(node, str) and self._dialect.prefix else node)
        visited = 1 + len(node)
        self._visited += visited
        self._budget.spend(visited)
        if depth > MAX_NESTING or self._visited > MAX_STEPS:
            raise Fault(
                Reason.BAD_ARGUMENT,
                "functions, input defaults and properties refer to each other without an end in sight",
                "look for one that refers to itself",
            )
        if isinstance(node, list):
            items = self._each(node, depth + 1)
            return Known([item.value for item in items], joint_provenance(item.provenance for item in items))
        if self._dialect.is_malformed(node):
            return self.get_secret(node, depth)
        name = self._dialect.call_name(node)
        if name is None:
            items = self._each(node.values(), depth + 1)
            names = map(self._key_text, node) if self._dialect.prefix else node
            data = {key: item.value for key, item in zip(names, items, strict=True)}
            return Known(data, joint_provenance(item.provenance for item in items))
        return self._call(name, node, depth)

    def _each(self, nodes: Iterable[Any], depth: int, *, key_first: bool = False) -> list[Known]:
        """Evaluate several nodes; all the values that they need are needed together.

        Args:
            nodes: the nodes.
            depth: the levels around each.
            key_first: whether the first one names a secret.
        """
        known: list[Known] = []
        needs: list[Need] = []
        for node in nodes:
            try:
                known.append(self._key(node, depth) if key_first else self.evaluate(node, depth))
            except Waiting as waiting:
                needs += waiting.needs
            key_first = False
        if needs:
            raise Waiting(needs)
        return known

    def _call(self, name: str, node: Mapping[Any, Any], depth: int) -> Known:
        """Evaluate a call as the table of functions says."""
        function = self._dialect.function(name)
        if isinstance(function, ReadingFunction):
            return function.evaluate(self, node, depth)
        argument = self.evaluate(node[name], depth + 1)
        match function:
            case StaticFunction():
                return Known(function.compute(argument.value, self._budget), argument.provenance)
            case ContextFunction():
                words = argument.value
                if function.begins_with_node and isinstance(words, list) and words:
                    words = [self._node_name(words[0], name), *words[1:]]
                try:
                    value = function.answer(self._blueprint.context, words)
                except UnansweredError:
                    raise _unanswered(name) from None
                self._budget.spend(len(value) if isinstance(value, list) else 1)
                return Known(value, argument.provenance | Provenance(context=True))
            case RunTimeFunction():
                raise _unanswered(name)
            case _:
                assert_never(function)

    def _text(self, text: str) -> str:
        """What a text means in a language that escapes."""
        if self._dialect.is_call_of_text(text):
            raise _unanswered(text)
        return self._dialect.unescaped(text)

    def _key_text(self, key: object) -> object:
        if isinstance(key, str) and self._dialect.is_call_of_text(key):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"the function {key!r} stands beside other keys, so it is not a call",
                f"give the call a mapping of its own, or double the {self._dialect.prefix} of a key",
            )
        return self._dialect.unescaped(key) if isinstance(key, str) else key

    # get_secret

    def get_secret(self, call: Mapping[Any, Any], depth: int) -> Known:
        """Evaluate a `get_secret` call."""
        asked, values = self.read(call, depth), self._blueprint.values
        if asked.key not in values:
            raise Waiting((Need(asked.key, asked.key_provenance, call),))
        used = frozenset((asked.key,))
        provenance = Provenance(secrets=asked.key_provenance.secrets or used, used=used)
        provenance |= asked.key_provenance | asked.path_provenance
        return Known(values.look_up(asked, self._dialect).value, provenance)

    def read(self, node: Mapping[Any, Any], depth: int) -> GetSecret:
        """Read what a `get_secret` call asks for."""
        dialect = self._dialect
        written = literal(node, dialect)
        if written is not None:
            return written
        get_secret = dialect.secret_name(node)
        if dialect.is_malformed(node):
            others = [repr(str(name)) for name in node if name != get_secret]
            shown = others[:MAX_NAMES] + [f"{len(others) - MAX_NAMES} more"] * (len(others) > MAX_NAMES)
            raise Fault(
                Reason.NOT_A_CALL,
                f"{get_secret} stands beside {', '.join(shown)}, so it is not a call",
                "give the call a mapping of its own",
            )
        items: Any = node[get_secret]
        whole = WRITTEN
        if isinstance(items, (dict, str)):
            known = self._key(items, depth + 1)
            items, whole = known.value, known.provenance
            if isinstance(items, str):
                return from_words([Known(items)], whole, dialect.form)
        if not isinstance(items, list):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"get_secret takes a key or a list of a key and steps, not {kind_of(items)}",
                "quote a key that YAML reads as something else" if not isinstance(items, dict) else "",
            )
        if len(items) < (2 if dialect.form is SecretForm.STEPS else 1):
            raise Fault(
                Reason.BAD_ARGUMENT,
                "a list given to get_secret needs a key and at least one step",
                "write the key alone to get the stored text",
            )
        return from_words(self._each(items, depth + 1, key_first=True), whole, dialect.form)

    def _key(self, node: Any, depth: int) -> Known:  # noqa: ANN401 - documents are plain data
        """Evaluate what names a secret: an input that was typed as text stays text."""
        if isinstance(node, dict) and self._dialect.call_name(node) == f"{self._dialect.prefix}get_input":
            return self.get_input(node, depth, is_key=True)
        return self.evaluate(node, depth)

    # get_input and get_property

    def get_input(
        self, call: Mapping[Any, Any], depth: int, *, is_key: bool = False, onward: Sequence[_Step] = ()
    ) -> Known:
        """Evaluate a `get_input` call.

        Args:
            call: the call.
            depth: the levels around it.
            is_key: whether the input names a secret.
            onward: steps into its result, which is evaluated no further than they lead.
        """
        self._budget.spend(LOOK_UP)
        argument = self.evaluate(call[f"{self._dialect.prefix}get_input"], depth + 1)
        words = argument.value if isinstance(argument.value, list) else [argument.value]
        if not words or not isinstance(words[0], str):
            raise Fault(Reason.BAD_ARGUMENT, "get_input takes an input's name, or a list that begins with it")
        name, *path = words
        provenance = argument.provenance
        steps = [*_steps("get_input", path, provenance), *onward]
        shown = provenance.show(name)
        if self._definitions.is_workflow_input(name, self._here):
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"input {shown} is one of the workflow, which is given when that is run",
                _PARTIAL_HINT,
            )
        declared = self._definitions.input(name)
        given = self._blueprint.inputs.get(name)
        if given is None:
            start = self._default(name, declared, provenance, is_key=is_key)
        else:
            as_text = not steps and (is_key or is_text(declared or {}, self._dialect))
            value = given.text if as_text and given.text is not None else given.value
            start = self._definitions.input_value(value, declared)
            provenance |= Provenance(inputs=frozenset((provenance.label(name),)))
        origin = _Origin(
            f"the value of input {shown}",
            Reason.BAD_INPUT,
            argument.provenance,
            "" if given is None else f"the value given for input {shown}",
            provenance,
        )
        found = self._follow(start, steps, origin, depth)
        return Known(found.value, provenance | found.provenance)

    def _default(
        self, name: str, declared: Mapping[Any, Any] | None, provenance: Provenance, *, is_key: bool
    ) -> Typed:
        """The value of an input that none was given for."""
        if declared is not None:
            try:
                default = self._definitions.input_default(declared)
            except OutOfReachError as error:
                raise _not_known(
                    f"the value of input {provenance.show(name)}", error.why, provenance
                ) from None
            if default is not None:
                return default
            if declared.get("required") is False and not is_key:
                return Typed(None)
        question = ""
        if declared is None:
            self._refuse_undecided("input", name, provenance)
            if not self._definitions.is_whole:
                raise Fault(
                    Reason.NOT_KNOWN_YET,
                    f"input {provenance.show(name)} may be declared by what imports this file",
                    f"resolve the file that has {self._dialect.template}",
                )
            question = self._definitions.inputs_like(name) if provenance is WRITTEN else ""
        raise Fault(
            Reason.BAD_INPUT,
            f"input {provenance.show(name)} {'is not declared' if declared is None else 'has no value'}",
            f"{question} give it with --inputs NAME=VALUE, or a default in the blueprint".lstrip(),
            later=declared is not None,
        )

    def _refuse_undecided(self, kind: str, name: str, provenance: Provenance) -> None:
        """Refuse to say anything of a name that an import may define which the manager has."""
        by = self._definitions.undecided(name)
        if by is not None:
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"the {kind} {provenance.show(name)} may be defined by the import {by.name!r}, of which "
                "nothing is known here",
                _PARTIAL_HINT,
                with_manager=True,
            )

    def get_property(self, call: Mapping[Any, Any], depth: int, *, onward: Sequence[_Step] = ()) -> Known:
        """Evaluate a `get_property` call.

        Args:
            call: the call.
            depth: the levels around it.
            onward: steps into its result, which is evaluated no further than they lead.
        """
        self._budget.spend(LOOK_UP)
        argument = self.evaluate(call[f"{self._dialect.prefix}get_property"], depth + 1)
        words, provenance = argument.value, argument.provenance
        if not isinstance(words, list) or len(words) < 2:  # noqa: PLR2004 - a node and a property
            raise Fault(
                Reason.BAD_ARGUMENT,
                "get_property takes a list that begins with a node and a property",
            )
        if not is_word(words[1]):
            raise Fault(
                Reason.BAD_ARGUMENT, f"the property given to get_property is {kind_of(words[1])}, not text"
            )
        name, found_at = self._find_property(words, provenance)
        shown, node = provenance.show(words[1]), provenance.show(name)
        origin = _Origin(f"the property {shown} of node {node}", Reason.BAD_ARGUMENT, provenance)
        found: list[Known] = []
        for start, here, rest in found_at.each:
            if start is None:
                raise Fault(Reason.BAD_ARGUMENT, f"node {node} has no property {shown}")
            if isinstance(start, Unknown):
                raise _not_known(origin.what, start.why, provenance)
            steps = _steps("get_property", rest, provenance)
            with self._within(here):
                found.append(
                    self._follow(start, steps if found_at.is_list else [*steps, *onward], origin, depth)
                )
        result = joint_provenance((provenance, *(each.provenance for each in found)))
        if not found_at.is_list:
            return Known(found[0].value, result)
        value, wrong = follow([each.value for each in found], [step.word for step in onward])
        if wrong:
            raise _astray(onward[wrong - 1], origin)
        return Known(value, result)

    def _find_property(self, words: Sequence[Any], provenance: Provenance) -> tuple[str, FoundProperties]:
        """Find what `get_property` reads: the name of where it begins, and the property itself."""
        definitions, here = self._definitions, self._dialect.within(self._here)
        if self._dialect.template:
            entity = entity_of(definitions, words[0], here)
            if entity is not None:
                name = str(words[0])
                if isinstance(entity, Unknown):
                    return name, FoundProperties((FoundProperty(entity),))
                if self._dialect.prefix:
                    return name, find_along(definitions, entity, words[1:])
                find = find_on_hosts if words[0] == "HOST" else find_property
                return name, FoundProperties((find(definitions, entity, words[1:]),))
        name = self._node_name(words[0], "get_property")
        template = definitions.node(name)
        if template is None:
            self._refuse_undecided("node template", name, provenance)
            raise Fault(Reason.BAD_ARGUMENT, f"there is no node template {provenance.show(name)}")
        start = definitions.property(template, words[1])
        return name, FoundProperties((FoundProperty(start, ("node_templates", name), words[2:]),))

    def _follow(self, start: Typed, steps: Sequence[_Step], origin: _Origin, depth: int) -> Known:
        """Follow steps into a value, and evaluate what they lead to and nothing beside it.

        A call on the way is evaluated, too, no further than the rest of the steps lead.
        """
        types = self._definitions.types
        for number, step in enumerate(steps):
            if isinstance(start.value, dict) and self._dialect.call_name(start.value) is not None:
                return self._evaluated(start.value, steps[number:], origin, depth)
            part = types.part(start, self._dialect.escaped(step.word))
            if part is None:
                raise _astray(step, origin)
            if isinstance(part, Unknown):
                raise _not_known(
                    f"what {step.described} leads to in {origin.what}", part.why, origin.provenance
                )
            start = part
        try:
            value = types.whole(start)
        except OutOfReachError as error:
            raise _not_known(origin.what, error.why, origin.provenance) from None
        return self._evaluated(value, (), origin, depth)

    def _evaluated(self, node: Any, steps: Sequence[_Step], origin: _Origin, depth: int) -> Known:  # noqa: ANN401 - plain data
        """Evaluate what stands in an input or a property: calls in it are calls like any other.

        No message repeats any of what was given for an input.
        """
        try:
            return self._evaluate_to(node, steps, origin, depth + 1)
        except Waiting as waiting:
            if not origin.given:
                raise
            marked = [
                msgspec.structs.replace(need, provenance=need.provenance | origin.result)
                for need in waiting.needs
            ]
            raise Waiting(marked) from None
        except Fault as fault:
            # In a language that escapes, any text that was given could be the name of a function.
            if not origin.given or (fault.reason is Reason.NOT_KNOWN_YET and not self._dialect.prefix):
                raise
            raise Fault(
                fault.reason,
                f"{origin.given} holds a call that can't be evaluated",
                fault.hint,
                later=fault.later,
            ) from None

    def _evaluate_to(self, node: Any, steps: Sequence[_Step], origin: _Origin, depth: int) -> Known:  # noqa: ANN401 - same
        """Evaluate a node as far as some steps lead into it."""
        name = self._dialect.call_name(node) if steps else None
        if name == f"{self._dialect.prefix}get_input":
            return self.get_input(node, depth, onward=steps)
        if name == f"{self._dialect.prefix}get_property":
            return self.get_property(node, depth, onward=steps)
        known = self.evaluate(node, depth)
        value, wrong = follow(known.value, [step.word for step in steps])
        if wrong:
            raise _astray(steps[wrong - 1], origin)
        return Known(value, known.provenance)

    @contextmanager
    def _within(self, here: Path) -> Iterator[None]:
        """Evaluate what stands in a node template or a relationship: SELF in it means what has it."""
        outer, self._here = self._here, here
        try:
            yield
        finally:
            self._here = outer

    def _node_name(self, word: object, function: str) -> str:
        """The node that a word names: itself, or what SELF, SOURCE and TARGET stand for here."""
        here = self._dialect.within(self._here)
        inside = len(here) > 1 and here[0] == "node_templates"
        if self._dialect.template:
            entity = entity_of(self._definitions, word, here)
            if isinstance(entity, Entity) and entity.kind is Kind.NODE:
                return str(entity.here[1])
            inside = False
        if word == "SELF" and inside:
            return str(here[1])
        if word in ("SOURCE", "TARGET") and inside and len(here) > 3 and here[2] == "relationships":  # noqa: PLR2004
            if word == "SOURCE":
                return str(here[1])
            node = self._definitions.node(str(here[1])) or {}
            relationship, wrong = follow(node, ["relationships", here[3]])
            if not wrong and isinstance(relationship, dict):
                return str(relationship.get("target"))
        if word in ("SELF", "SOURCE", "TARGET") or (word == "HOST" and self._dialect.template):
            # A template that nodes merge in, or a type's default: the word gets its meaning there.
            raise Fault(
                Reason.NOT_KNOWN_YET,
                f"{word} has no meaning for {function} in this place",
                "it means a node within node_templates, and what merges this in",
            )
        if not isinstance(word, str):
            raise Fault(Reason.BAD_ARGUMENT, f"the node given to {function} is {kind_of(word)}, not text")
        return word


def _unanswered(name: str) -> Fault:
    return Fault(
        Reason.NOT_KNOWN_YET,
        f"the call needs {name}, whose result is not known before deployment",
        "--context answers it, --partial keeps such calls for the orchestrator",
    )


def _not_known(what: str, why: str, provenance: Provenance) -> Fault:
    """A value to which a type that is not in the tree may add."""
    if provenance is not WRITTEN:  # its name would say which node or input is meant
        why = "a type that it may come from is not in this blueprint"
    message = f"{what} is not known as a whole: {why}"
    return Fault(Reason.NOT_KNOWN_YET, message, _PARTIAL_HINT, with_manager=True)


def _astray(step: _Step, origin: _Origin) -> Fault:
    return Fault(origin.reason, f"{step.described} leads nowhere in {origin.what}")


def _steps(function: str, words: Sequence[object], provenance: Provenance) -> list[_Step]:
    """Read the steps of a path: Cloudify takes text and whole numbers, and truth values for these."""
    for number, word in enumerate(words, 1):
        if not isinstance(word, (str, int)):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"step {number} of the path given to {function} is {kind_of(word)}, "
                "not text or a whole number",
            )
    return [_Step(number, word, provenance) for number, word in enumerate(words, 1)]
