"""Properties of reading and rendering together, over texts that use all that YAML has."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.blueprint import DuplicateKeys, Limits, join, read, render
from resolver.dsl.calls import call_name
from resolver.dsl.functions import FUNCTIONS
from resolver.dsl.problems import Reason
from resolver.dsl.source import Tagged
from resolver.dsl.walk import rebuild
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from resolver.dsl.problems import Problem

T = TypeVar("T")

PLAIN = (
    "a b",
    "true",
    "No",
    "~",
    "null",
    "0",
    "017",
    "0b11",
    "0x_ff",
    "-1_000",
    "190:20:30",
    "1.5",
    "1e5",
    "6.8523e+5",
    ".inf",
    "-.INF",
    ".nan",
    "1:30.5",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:30",
    "2001-11-23 15:01:42 Z",
    "name",
    "x-1",
    "é",
    "𝄞",
    "a#b",
    "a:b",
    "=x",
    "<<x",
    "0o7",
    "09",
    "1_",
    "+.5",
    "-.5",
    "y",
    "off",
)
TAGGED = (
    "!!str 5",
    "!!int '7'",
    "!!float 3",
    "!!bool 'yes'",
    "!!null ''",
    "!!binary aGk=",
    "!!timestamp '2001-01-01'",
    "! 12",
    "!!set {a, b}",
    "!!omap [a: 1, b: 2]",
    "!!pairs [a: 1, a: {get_secret: k}]",
    "!!seq []",
    "!!map {}",
)
CUSTOM = ("!foo bar", "!foo {get_secret: k}", "!<tag:example.com,2000:x> [a]")
CALLS = sorted(FUNCTIONS)


class _Writer:
    """Writes one YAML text, node by node.

    Args:
        random: where all choices come from.
        custom: whether nodes with custom tags may appear.
    """

    def __init__(self, random: Random, *, custom: bool) -> None:
        self.random = random
        self.custom = custom
        self.anchors: list[tuple[str, str]] = []
        self.names = 0

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def stream(self) -> str:
        documents = [self.document() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        text = documents[0] if self.chance(60) else "%YAML 1.1\n---\n" + documents[0]
        for document in documents[1:]:
            text += self.random.choice(("---\n", "...\n---\n", "---  # next\n")) + document
        if self.chance(10):
            text = text.rstrip("\n")
        if self.chance(20):
            text = text.replace("\n", "\r\n")
        elif self.chance(5):
            text = text.replace("\n", "\r")
        return "\ufeff" + text if self.chance(10) else text

    def document(self) -> str:
        self.anchors = []
        if self.chance(10):
            return self.flow(3) + "\n"
        return self.mapping(0, 4) if self.chance(80) else self.sequence(0, 4)

    def scalar(self) -> str:
        kind = self.random.randrange(12)
        if kind < 6:
            return self.random.choice(PLAIN)
        if kind < 8:
            return "'" + self.random.choice(("it''s", "a # b", "{x}", "", "- é")) + "'"
        if kind < 10:
            return '"' + self.random.choice((r"a\tb\x41\u263a", '\\"', "a: b", "", r"\U0001F600")) + '"'
        if self.custom and self.chance(30):
            return self.random.choice(CUSTOM)
        return self.random.choice(TAGGED)

    def anchored(self, kind: str, write: Any) -> str:  # noqa: ANN401 - any of this class's methods
        if not self.chance(35):
            return str(write())
        self.names += 1
        name = f"n{self.names}"
        content = write()
        self.anchors.append((name, kind))
        tag = {"mapping": "!!map ", "sequence": "!!seq "}.get(kind, "") if self.chance(15) else ""
        return f"{tag}&{name} {content}" if self.chance(50) else f"&{name} {tag}{content}"

    def alias(self, *kinds: str) -> str | None:
        fitting = [name for name, kind in self.anchors if kind in kinds]
        return "*" + self.random.choice(fitting) if fitting else None

    def key(self) -> str:
        if self.chance(8) and (alias := self.alias("scalar")):
            return alias + " "
        self.names += 1
        return self.random.choice(("k{}", "'k{}'", '"k{}"', "k {}", "{}")).format(self.names)

    def flow(self, depth: int) -> str:
        kind = self.random.randrange(10 if depth else 4)
        if kind == 3 and (alias := self.alias("scalar", "mapping", "sequence")):
            return alias
        if kind < 4:
            return self.anchored(
                "scalar", self.random.choice((lambda: self.random.choice(PLAIN), lambda: "'q'"))
            )
        if kind < 6:
            return self.anchored("mapping", lambda: self.flow_call(depth - 1))
        if kind < 8:
            return self.anchored("mapping", lambda: self.flow_mapping(depth - 1))
        if kind == 8:
            return self.scalar()
        return self.anchored("sequence", lambda: self.flow_sequence(depth - 1))

    def flow_call(self, depth: int) -> str:
        name = "get_secret" if self.chance(60) else self.random.choice(CALLS)
        quote = self.random.choice(("", "", "'", '"'))
        call = f"{quote}{name}{quote}: {self.flow(depth)}"
        if self.chance(15):
            call += ", type: string"
        return self.random.choice(("{{{}}}", "{{ {} }}", "{{\n        {}  # in\n        }}")).format(call)

    def flow_mapping(self, depth: int) -> str:
        parts = [f"{self.key()}: {self.flow(depth)}" for _ in range(self.random.randrange(3))]
        parts += [f"<<: {self.merged(depth)}" for _ in range(self.random.choice((0, 0, 0, 1, 2)))]
        self.random.shuffle(parts)
        return "{" + ", ".join(parts) + "}"

    def merged(self, depth: int) -> str:
        kind = self.random.randrange(4)
        alias = self.alias("mapping")
        if kind == 0:
            return self.anchored("mapping", lambda: self.flow_mapping(max(depth - 1, 0)))
        if kind == 1:
            return self.anchored("mapping", lambda: self.flow_call(max(depth - 1, 0)))
        if kind == 2:
            members = [alias or "{}", self.anchored("mapping", lambda: self.flow_call(0)), "{z: 1}"]
            self.random.shuffle(members)
            return self.anchored("maps", lambda: "[" + ", ".join(members) + "]")
        return self.alias("mapping", "maps") or "{}"

    def flow_sequence(self, depth: int) -> str:
        parts = [self.flow(depth) for _ in range(self.random.randrange(4))]
        if self.chance(30):
            parts.append(f"get_secret: {self.flow(depth)}")
        return "[" + self.random.choice((", ", ",", " , ")).join(parts) + "]"

    def comment(self) -> str:
        return self.random.choice(("", "", "", "  # note", " # {get_secret: no}"))

    def gap(self, indent: int) -> str:
        return self.random.choice(("", "", "", "\n", f"{' ' * indent}# line\n", "# far left\n\n"))

    def block(self, indent: int, depth: int) -> str:
        """What follows a key's colon or a sequence's dash, to the end of its last line."""
        kind = self.random.randrange(10 if depth else 5)
        if kind < 4:
            return f" {self.flow(min(depth, 2))}{self.comment()}\n"
        if kind == 4:
            return (
                f" {self.random.choice('|>')}{self.random.choice(('', '-', '+'))}{self.comment()}\n"
                + "".join(
                    f"{' ' * (indent + 2)}{line}\n"
                    for line in self.random.choice((["text"], ["a", "b", ""], ["", "x"]))
                )
            )
        inner = indent + self.random.choice((1, 2, 4))
        if kind < 7:
            return self.anchored_block("mapping", lambda: self.call(inner, depth - 1))
        if kind < 9:
            return self.anchored_block("mapping", lambda: self.mapping(inner, depth - 1))
        return self.anchored_block("sequence", lambda: self.sequence(inner, depth - 1))

    def anchored_block(self, kind: str, write: Any) -> str:  # noqa: ANN401 - any of this class's methods
        properties = ""
        name = ""
        if self.chance(35):
            self.names += 1
            name = f"n{self.names}"
            properties += f" &{name}"
        if self.chance(10):
            properties += " !!map" if kind == "mapping" else " !!seq"
        if self.custom and self.chance(5):
            properties = f" !foo{properties}" if "!!" not in properties else properties
        content = write()
        if name:
            self.anchors.append((name, kind))
        return f"{properties}{self.comment()}\n{content}"

    def call(self, indent: int, depth: int) -> str:
        name = "get_secret" if self.chance(70) else self.random.choice(CALLS)
        lines = [f"{name}:{self.block(indent, depth)}"]
        if self.chance(15):
            lines = [f"? {name}\n{' ' * indent}:{self.block(indent, depth)}"]
        if self.chance(15):
            lines.append(self.random.choice(("type: string\n", "type:  # none\n", "? type\n")))
            self.random.shuffle(lines)
        return "".join(self.gap(indent) + " " * indent + line for line in lines)

    def mapping(self, indent: int, depth: int) -> str:
        lines = [f"{self.key()}:{self.block(indent, depth)}" for _ in range(self.random.randrange(1, 4))]
        lines += [f"<<: {self.merged(1)}\n" for _ in range(self.random.choice((0, 0, 0, 1, 2)))]
        return "".join(self.gap(indent) + " " * indent + line for line in lines)

    def sequence(self, indent: int, depth: int) -> str:
        lines = [f"-{self.block(indent, depth)}" for _ in range(self.random.randrange(1, 4))]
        if depth and self.chance(40):
            lines.append(
                "- " + self.call(indent + 2, depth - 1).lstrip(" \n").removeprefix("# line\n").lstrip()
            )
        return "".join(self.gap(indent) + " " * indent + line for line in lines)


@st.composite
def texts(draw: st.DrawFn, *, custom: bool = False) -> str:
    """YAML texts; most are valid."""
    return _Writer(draw(st.randoms(use_true_random=False)), custom=custom).stream()


CHARACTERS = st.characters(codec="utf-8")
VALUES = st.one_of(
    st.text(CHARACTERS),
    st.sampled_from(
        (
            "a\nb",
            '"',
            "'",
            "\\",
            "# x",
            "- a",
            "{{ x }}",
            "\x00\x1b[31m\x7f\x85\u2028\ufeff",
            "😀\U000e0041",
            "yes",
        )
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)


def calls_in(node: object, found: dict[int, Any] | None = None) -> dict[int, Any]:
    """The calls that are part of a document's data, by id."""
    found = {} if found is None else found
    if isinstance(node, dict):
        if id(node) not in found and call_name(node):
            found[id(node)] = node
        for value in node.values():
            calls_in(value, found)
    elif isinstance(node, (list, tuple)):
        for value in node:
            calls_in(value, found)
    return found


def same(one: object, other: object) -> bool:
    """Equality that knows types, key order, and that not-a-number is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(map(same, one.items(), other.items()))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return one == other


def sharing(node: object, seen: dict[int, int] | None = None) -> list[int]:
    """Which containers of a document are the same object: their numbers in the order of a walk."""
    seen = {} if seen is None else seen
    if not isinstance(node, (dict, list, tuple, set)):
        return []
    if id(node) in seen:
        return [seen[id(node)]]
    seen[id(node)] = len(seen)
    numbers = [seen[id(node)]]
    for value in node.values() if isinstance(node, dict) else node:
        numbers += sharing(value, seen)
    return numbers


EXAMPLES = int(os.environ.get("ROUND_TRIP_EXAMPLES", "40"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def load(text: str) -> list[Any] | None:
    """What PyYAML's safe loader makes of a text, None when it refuses."""
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, AttributeError):
        return None


def attempt(make: Callable[[], T]) -> T | list[Problem]:
    """What a function returns, or the problems for which it refuses."""
    try:
        return make()
    except BlueprintError as error:
        return list(error.problems)


@many
@given(texts())
def test_reading_agrees_with_the_safe_loader(text: str) -> None:
    """What is read is what PyYAML's safe loader makes of the text, sharing included; both refuse the same."""
    expected = load(text)
    for duplicate_keys in DuplicateKeys:
        refused = {
            Reason.TOO_DEEP,
            *({Reason.DUPLICATE_KEY} if duplicate_keys is not DuplicateKeys.ALLOWED else ()),
        }
        try:
            documents = read(text.encode(), "text", duplicate_keys=duplicate_keys).documents
        except BlueprintError as error:
            reasons = {problem.reason for problem in error.problems}
            assert expected is None or reasons <= refused, reasons
            continue
        assert expected is not None
        assert same(documents, expected), (documents, expected)
        assert [sharing(d) for d in documents] == [sharing(d) for d in expected]


def _results(documents: Any, data: st.DataObject) -> dict[int, object]:  # noqa: ANN401 - plain data
    calls: dict[int, Any] = {}
    for document in documents:
        calls_in(document, calls)
    chosen = data.draw(st.lists(st.booleans(), min_size=len(calls), max_size=len(calls)))
    return {mark: data.draw(VALUES) for mark, keep in zip(calls, chosen, strict=True) if keep}


@many
@given(texts(), st.data())
def test_rendering_is_what_rebuilding_gives(text: str, data: st.DataObject) -> None:
    """Loading the rendered text gives the documents with the results in place."""
    try:
        blueprint = read(text.encode(), "text")
    except BlueprintError:
        return
    results = _results(blueprint.documents, data)
    rendered = render(blueprint, results)
    expected = [rebuild(document, results) for document in blueprint.documents]
    assert same(load(rendered.text), expected), (rendered.text, load(rendered.text), expected)
    if not results:
        assert rendered.text == text


class _Opaque(yaml.SafeLoader):
    """PyYAML's safe loader, with an opaque object for each node with a custom tag."""


_Opaque.add_constructor(None, lambda _, node: Tagged(node.tag))


@many
@given(texts(custom=True), st.data())
def test_custom_tags_stay_opaque(text: str, data: st.DataObject) -> None:
    """The same holds where nodes with custom tags are, for a loader that takes them for opaque objects."""
    try:
        blueprint = read(text.encode(), "text")
    except BlueprintError:
        return
    results = _results(blueprint.documents, data)
    rendered = attempt(lambda: render(blueprint, results))
    if isinstance(rendered, list):
        assert [problem.reason for problem in rendered] == [Reason.CUSTOM_TAG]
        return
    expected = [rebuild(document, results) for document in blueprint.documents]
    assert same(list(yaml.load_all(rendered.text, _Opaque)), expected), rendered.text


@many
@given(st.lists(texts(), min_size=1, max_size=3))
def test_joined_texts_load_as_all_their_documents(parts: list[str]) -> None:
    """A stream of several texts loads as the documents of each in turn."""
    documents = []
    for part in parts:
        expected = load(part)
        if not expected:
            return
        documents += expected
    joined = join([(f"file {number}", part) for number, part in enumerate(parts)])
    assert same(load(joined), documents), joined


@many
@given(
    st.binary(max_size=40)
    | st.text(st.sampled_from("{}[]:,-?&*!|>'\"%@` \n\tab<=#\ufeff\x85"), max_size=30).map(str.encode)
)
def test_reading_raises_nothing_else(data: bytes) -> None:
    """Whatever the bytes are, reading gives a blueprint or a BlueprintError with at least one problem."""
    found = attempt(lambda: read(data, "text", Limits(depth=8)))
    if isinstance(found, list):
        assert found
        assert all(problem.source == "text" for problem in found)


@pytest.mark.parametrize("broken", ["a: b", "a: &x 1"])
def test_an_unchanged_blueprint_keeps_its_text(broken: str) -> None:
    """Rendering without results gives the text itself."""
    assert render(read(broken.encode(), "text"), {}).text == broken
