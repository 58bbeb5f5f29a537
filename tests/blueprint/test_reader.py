"""What `read` accepts, and what it makes of it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml

from resolver.blueprint import Limits, read
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.source import Tagged
from resolver.errors import BlueprintError


def document(text: str) -> Any:  # noqa: ANN401 - plain data
    """The only document of a text."""
    (only,) = read(text.encode(), "text").documents
    return only


def refused(data: str | bytes, limits: Limits | None = None) -> list[Problem]:
    """The problems of a text that is refused."""
    with pytest.raises(BlueprintError) as caught:
        read(data.encode() if isinstance(data, str) else data, "text", limits or Limits())
    return list(caught.value.problems)


def reasons(data: str | bytes, limits: Limits | None = None) -> list[Reason]:
    """Why a text is refused, in order."""
    return [problem.reason for problem in refused(data, limits)]


def test_a_blueprint_knows_its_name_and_digest() -> None:
    """The digest is SHA-256 of the bytes as they came, byte order mark included."""
    data = b"\xef\xbb\xbfa: 1\r\n"
    blueprint = read(data, "my.yaml")
    assert blueprint.name == "my.yaml"
    assert blueprint.digest == hashlib.sha256(data).hexdigest()
    assert repr(blueprint) == "<Blueprint 'my.yaml'>"


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: [1, two, 3.0]}\n",
        "- a\n- - b\n  - c\n",
        "--- a\n--- b\n...\n---\n",
        "base: &b {x: 1, y: 2}\nd: {<<: *b, y: 3, z: 4}\n",
        "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {z: 0, <<: [*a, *b]}\n",
        "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: *a, z: 0, <<: *b}\n",
        "a: &a {<<: {x: 1}, y: 2}\nb: {w: 1, <<: *a}\n",
        "a: {<<: {1: x}, true: y}\n",
        "{=: 1, <<: {=: 2, b: 3}}",
        "!!set {a, b}",
        "!!set {<<: {a: 1}, b}",
        "!!omap [a: 1, b: 2]",
        "!!pairs [a: 1, a: 2]",
        "x: &s !!set {a, b}\ny: {<<: *s}\n",
        "x: {<<: !!omap [a: 1, b: 2]}",
        "!!str 5",
        "! '5'",
        "a: !\nb: ! ''\n? !\n: c\n",
        "!<tag:yaml.org,2002:int> '5'",
        "!!map {a: 1}",
        "!!seq [a]",
        "!!merge x: {a: 1}",
        "{&m <<: {a: 1}, b: {*m : {c: 1}}}",
        "? a\n",
        "a: 'it''s'\r\nb: |\r\n  x\r\n",
        "a: 1\rb: 2\r",
        "ключ: значение 😀\n",
        "a: >-\n  folded\n  text\n\n\nb: |+\n  kept\n\n",
    ],
)
def test_what_is_read_is_what_the_safe_loader_reads(text: str) -> None:
    """Values, types and the order of keys are those of PyYAML's safe loader."""
    expected = list(yaml.safe_load_all(text))
    found = read(text.encode(), "text").documents
    assert repr(found) == repr(expected)


def test_shared_nodes_are_shared_objects() -> None:
    """An alias is the same object as its anchor, and merged values are those of the merged mapping."""
    data = document("a: &a {x: [1]}\nb: *a\nc: {<<: *a}\n")
    assert data["b"] is data["a"]
    assert data["c"] is not data["a"]
    assert data["c"]["x"] is data["a"]["x"]


def test_anchors_belong_to_their_document() -> None:
    """The same anchor may be defined in each document, and is unknown in the next one."""
    assert read(b"&a x\n---\n[&a y, *a]\n", "text").documents == ["x", ["y", "y"]]
    assert reasons("&a x\n---\n*a\n") == [Reason.SYNTAX]


def test_what_only_the_python_scanner_accepts_is_read() -> None:
    """Cloudify reads `concat:[` in a flow mapping, which libyaml refuses; it is read here too."""
    assert document("a: {concat:[x, {get_secret: k}]}") == {"a": {"concat": ["x", {"get_secret": "k"}]}}
    text = "a: {concat:[x]}"
    (problem,) = refused(text, Limits(second_reading=5))
    assert problem.reason is Reason.SYNTAX
    assert problem.hint == (
        "a slower scanner might accept it, which is asked up to 5 characters; this text has 15"
    )


def test_libyamls_message_is_reported_when_both_scanners_refuse() -> None:
    """The second reading changes the message of no text that stays refused."""
    (problem,) = refused("a: [1\n")
    assert problem.message == "while parsing a flow sequence, did not find expected ',' or ']'"
    assert problem.position == Position(2, 1)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1\n", "indent with spaces: YAML takes no tabs there"),
        ("a: @b\n", "put a text that begins with @ in quotes"),
        ("a: `b`\n", "put a text that begins with ` in quotes"),
        ("a: %b\n", "put a text that begins with % in quotes"),
        ("a: [\n", ""),
        ("a: ]\n", ""),
    ],
)
def test_common_slips_get_a_hint(text: str, hint: str) -> None:
    """What people write who don't know YAML by heart is explained."""
    (problem,) = refused(text)
    assert (problem.reason, problem.hint) == (Reason.SYNTAX, hint)


def test_custom_tags_are_opaque() -> None:
    """A node with a custom tag is kept as its tag alone; calls inside are warned of, never searched."""
    blueprint = read(b"a: !foo {get_secret: k}\nb: !<x:y> 1\nc: !!python/none\n", "text")
    (data,) = blueprint.documents
    assert data == {"a": Tagged("!foo"), "b": Tagged("x:y"), "c": Tagged("tag:yaml.org,2002:python/none")}
    (warning,) = blueprint.warnings
    assert (warning.reason, warning.position) == (Reason.CUSTOM_TAG, Position(1, 9))
    assert read(b"a: !foo {get_input: k}\n", "text").warnings == ()


def test_anchors_inside_custom_tags_stay_usable() -> None:
    """An alias may name a node inside an opaque one."""
    assert document("a: !foo [&x {get_secret: k}]\nb: *x\nc: {<<: *x}\n")["b"] == {"get_secret": "k"}


def test_calls_in_lists_of_pairs_are_warned_of() -> None:
    """A pair is no mapping once it is loaded, so it is no call; that is not passed over in silence."""
    assert len(read(b"!!pairs [get_secret: k]", "text").warnings) == 1
    assert read(b"!!pairs [a: {get_secret: k}]", "text").warnings == ()


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: {get_secret: k}", 1, 4),
        ("a:\n  # c\n  get_secret: k\n", 3, 3),
        ("a: &p\n  get_secret: k\n", 2, 3),
        ("a: &p !!map {get_secret: k}", 1, 13),
        ("a: [x, get_secret: k]", 1, 8),
        ("\ufeffa: {get_secret: k}", 1, 4),
        ("é: 😀\r\nb: {get_secret: k}", 2, 4),
        ("a: 1\u2028b: {get_secret: k}", 2, 4),
        ("a: {<<: {get_secret: k}}", 1, 4),
        ("a: {get_secret: k, other: 1}", 1, 4),
    ],
)
def test_calls_have_positions(text: str, line: int, column: int) -> None:
    """Lines and columns count from 1, in characters, whatever precedes the call."""
    blueprint = read(text.encode(), "text")
    (document_,) = blueprint.documents
    node = next(value for value in document_.values() if isinstance(value, (dict, list)))
    node = node if isinstance(node, dict) else node[1]
    assert blueprint.position_of(node) == Position(line, column)
    assert "get_secret" in blueprint.line_at(Position(line, column))


def test_other_mappings_have_no_position() -> None:
    """Only mappings with an intrinsic function's name are remembered; a line that is not there is empty."""
    blueprint = read(b"a: {b: c}", "text")
    assert blueprint.position_of(blueprint.documents[0]) is None
    assert blueprint.line_at(Position(7, 1)) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", Reason.SYNTAX),
        ("a: *b", Reason.SYNTAX),
        ("a: &x 1\nb: &x 2", Reason.SYNTAX),
        ("a: \x01", Reason.SYNTAX),
        ("a: \ud7ff\x00".encode(), Reason.SYNTAX),
        ('a: "\\ud800"', Reason.SYNTAX),
        ('a: "\\UFFFFFFFF"', Reason.SYNTAX),
        ("<<: 5", Reason.SYNTAX),
        ("<<: [{a: 1}, 5]", Reason.SYNTAX),
        ("a: &a 1\nb: {<<: *a}", Reason.SYNTAX),
        ("\ufeff\ufeffa: 1", Reason.SYNTAX),
        ("a: &a\n\ufeff  get_secret: k\n", Reason.SYNTAX),
        ("a: 1\r\ufeffb: 2", Reason.SYNTAX),
        ("a: 1\n---\n\ufeffb: 2", Reason.SYNTAX),
        ("a: 1\na: 2", Reason.DUPLICATE_KEY),
        ("{1: a, true: b}", Reason.DUPLICATE_KEY),
        ("{1: a, 0x1: c}", Reason.DUPLICATE_KEY),
        ("{=: a, '=': b}", Reason.DUPLICATE_KEY),
        ("{get_secret: a, get_secret: b}", Reason.DUPLICATE_KEY),
        ("&a x: 1\n*a : 2", Reason.DUPLICATE_KEY),
        ("[a]: 1", Reason.BAD_MAPPING_KEY),
        ("a: {{ name }}", Reason.BAD_MAPPING_KEY),
        ("? {get_secret: k}\n: 1", Reason.BAD_MAPPING_KEY),
        ("a: &a [1]\n*a : 1", Reason.BAD_MAPPING_KEY),
        ("!foo a: 1", Reason.BAD_MAPPING_KEY),
        ("? !foo [a]\n: 1", Reason.BAD_MAPPING_KEY),
        ("a: &a !foo x\n*a : 1", Reason.BAD_MAPPING_KEY),
        ("a: 2001-99-99", Reason.BAD_SCALAR),
        ("a: 1" + "0" * 5000, Reason.BAD_SCALAR),
        ("a: 1" + ":59" * 100_000, Reason.BAD_SCALAR),
        ("a: 1" + ":59" * 100_000 + ".5", Reason.BAD_SCALAR),
        ("a: !!int ''", Reason.BAD_SCALAR),
        ("a: !!bool maybe", Reason.BAD_SCALAR),
        ("a: !!float x", Reason.BAD_SCALAR),
        ("a: !!timestamp x", Reason.BAD_SCALAR),
        ("a: !!binary é", Reason.BAD_SCALAR),
        ("a: !!binary a", Reason.BAD_SCALAR),
        ("a: !!map x", Reason.BAD_SCALAR),
        ("a: !!map [x]", Reason.BAD_SCALAR),
        ("a: !!seq {x}", Reason.BAD_SCALAR),
        ("a: !!str [x]", Reason.BAD_SCALAR),
        ("a: !!omap {x: 1}", Reason.BAD_SCALAR),
        ("!!omap {get_secret: k}", Reason.BAD_SCALAR),
        ("!!pairs {<<: {a: 1}}", Reason.BAD_SCALAR),
        ("a: !!pairs [x]", Reason.BAD_SCALAR),
        ("a: !!pairs [{x: 1, y: 2}]", Reason.BAD_SCALAR),
        ("a: !!pairs [{<<: {x: 1}}]", Reason.BAD_SCALAR),
        ("a: <<", Reason.BAD_SCALAR),
        ("[=]", Reason.BAD_SCALAR),
        ("[!!value x]", Reason.BAD_SCALAR),
        ("{!!value x: 1}", Reason.BAD_SCALAR),
        ("&a [*a]", Reason.RECURSIVE_ALIAS),
        ("&a {b: {c: *a}}", Reason.RECURSIVE_ALIAS),
        ("a: &a {<<: *a}", Reason.RECURSIVE_ALIAS),
        ("", Reason.EMPTY),
        (" \n\n", Reason.EMPTY),
        ("# only a comment\n", Reason.EMPTY),
        ("\ufeff", Reason.EMPTY),
        (b"a: \xff", Reason.NOT_UTF8),
        ("a: 1".encode("utf-16"), Reason.NOT_UTF8),
    ],
)
def test_refused_texts(text: str | bytes, reason: Reason) -> None:
    """Whatever the safe loader refuses, and what would lose data, is refused with a reason of its own."""
    found = refused(text)
    assert [problem.reason for problem in found] == [reason]
    assert all(problem.source == "text" for problem in found)
    if reason is not Reason.EMPTY:
        assert found[0].position is not None


def test_a_document_may_be_empty_when_it_is_there() -> None:
    """A start mark alone is a document without content, unlike an empty text."""
    assert read(b"---\n", "text").documents == [None]


def test_repeated_merge_keys_and_overridden_keys_are_no_duplicates() -> None:
    """Merge keys may come twice, and a mapping's own keys override merged ones."""
    assert document("{<<: {a: 1}, <<: {a: 2}, a: 3}") == {"a": 3}


def test_all_problems_are_reported_together_and_in_order() -> None:
    """Both passes' findings come in the order of the text, each with its line."""
    text = "a: 1\na: 2\nb: {c: 2001-99-99}\n[k]: 1\nd: *nowhere\n"
    found = refused(text)
    assert [(problem.reason, str(problem.position)) for problem in found] == [
        (Reason.DUPLICATE_KEY, "Position(line=2, column=1)"),
        (Reason.BAD_SCALAR, "Position(line=3, column=8)"),
        (Reason.BAD_MAPPING_KEY, "Position(line=4, column=1)"),
        (Reason.SYNTAX, "Position(line=5, column=4)"),
    ]
    assert [problem.line_text for problem in found] == text.splitlines()[1:]


def test_problems_before_a_syntax_error_are_reported() -> None:
    """A syntax error ends the reading, but what was found before it is not forgotten."""
    assert reasons("a: 1\na: 2\n}") == [Reason.DUPLICATE_KEY, Reason.SYNTAX]
    assert reasons("[{a: 2001-99-99}, }") == [Reason.BAD_SCALAR, Reason.SYNTAX]


def test_a_bad_byte_has_a_position() -> None:
    """Text that is not UTF-8 is refused at the byte, and UTF-16 is recognised."""
    (problem,) = refused("a: 1\né: ".encode() + b"\xff\xfe")
    assert problem.message == "byte 0xff at offset 9 is not UTF-8"
    assert problem.position == Position(2, 4)
    assert problem.hint == "save the text as UTF-8"
    (problem,) = refused("a: 1".encode("utf-16"))
    assert problem.hint == "the text looks like UTF-16; save it as UTF-8"


def test_the_size_is_limited() -> None:
    """A text of the greatest size is read, one byte more is refused before anything is read."""
    assert read(b"a: 12", "text", Limits(size=5)).documents
    (problem,) = refused("a: 123", Limits(size=5))
    assert (problem.reason, problem.message) == (
        Reason.TOO_LARGE,
        "the text has 6 bytes, more than 5",
    )


def test_the_depth_is_limited() -> None:
    """Levels are counted through aliases, and a text far too deep needs no more time or stack."""
    assert read(b"[[[]]]", "text", Limits(depth=3)).documents
    assert reasons("[[[[]]]]", Limits(depth=3)) == [Reason.TOO_DEEP]
    assert reasons("[" * 100_000) == [Reason.TOO_DEEP]
    chain = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5))
    assert read(chain.encode(), "text", Limits(depth=6)).documents
    assert reasons(chain, Limits(depth=5)) == [Reason.TOO_DEEP]


def test_a_deep_text_with_another_problem_is_refused_in_time() -> None:
    """The pass that looks for all problems ends at the greatest depth too."""
    assert reasons("- 2001-99-99\n- &a x\n- " + "[" * 50_000 + "*a," * 50_000) == [Reason.BAD_SCALAR]


def test_the_depth_of_one_branch_does_not_count_for_the_next() -> None:
    """Only what is inside an anchored node counts for its aliases."""
    text = "- [[[[]]]]\n- &a [x]\n- [[[*a]]]\n---\n- [[[[]]]]\n"
    assert read(text.encode(), "text", Limits(depth=5)).documents


@pytest.mark.parametrize(
    "text", ["[&a [[[[]]], &b []], [[[*a]]]]", "{x: &a {x: {x: {x: {}}}, y: &b {}}, y: {x: {x: {x: *a}}}}"]
)
def test_the_depth_of_an_anchored_node_is_that_of_its_deepest_part(text: str) -> None:
    """An anchor within an anchored node does not make it look less deep."""
    assert read(text.encode(), "text", Limits(depth=8)).documents
    assert reasons(text, Limits(depth=7)) == [Reason.TOO_DEEP]


def laughs(line: str) -> str:
    """Nine levels, each nine times the one before."""
    levels = ["a0: &a0 {x: y}"]
    for level in range(1, 10):
        members = ", ".join([f"*a{level - 1}"] * 9)
        levels.append(line.format(n=level, members=members))
    return "\n".join(levels)


@pytest.mark.parametrize("line", ["a{n}: &a{n} [{members}]", "a{n}: &a{n} {{k{n}: v, <<: [{members}]}}"])
def test_nodes_are_counted_with_aliases_and_merges_expanded(line: str) -> None:
    """A text that expands to billions of nodes is refused without being expanded."""
    assert reasons(laughs(line)) == [Reason.TOO_MANY_NODES]


def test_few_nodes_may_be_many_characters() -> None:
    """A long scalar named often counts too, since writing it out would take as much."""
    text = f"a: &a {'x' * 6400}\nb: [{', '.join(['*a'] * 10)}]\n"
    assert read(text.encode(), "text", Limits(nodes=1100)).documents
    assert reasons(text, Limits(nodes=1000)) == [Reason.TOO_MANY_NODES]


def test_plain_nodes_are_counted() -> None:
    """Without any alias the limit holds for the whole text, however many documents it has."""
    assert read(b"[1, 2, 3]", "text", Limits(nodes=4)).documents
    assert reasons("[1, 2, 3, 4]", Limits(nodes=4)) == [Reason.TOO_MANY_NODES]
    assert reasons("--- 1\n--- 2\n--- 3\n", Limits(nodes=2)) == [Reason.TOO_MANY_NODES]
