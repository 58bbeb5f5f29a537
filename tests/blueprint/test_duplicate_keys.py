"""Keys that stand twice in one mapping: harmless ones, refused ones, and `--allow-duplicate-keys`."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from resolver.blueprint import DuplicateKeys, read, render
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import find_calls
from resolver.errors import BlueprintError
from tests.cloudify import ask, needs_cloudify
from tests.effort import lines_run

HANDED = Path(__file__).parent / "cases" / "dup_definitions.yaml"

TWICE = "the key {!r} is there twice in one mapping, "


def warned(text: str, duplicate_keys: DuplicateKeys = DuplicateKeys.HARMLESS) -> list[Problem]:
    """The warnings of a text, which is read as PyYAML reads it."""
    blueprint = read(text.encode(), "b.yaml", duplicate_keys=duplicate_keys)
    assert blueprint.documents == list(yaml.safe_load_all(text))
    return list(blueprint.warnings)


def refused(text: str, duplicate_keys: DuplicateKeys = DuplicateKeys.HARMLESS) -> list[Problem]:
    """The problems of a text."""
    with pytest.raises(BlueprintError) as caught:
        read(text.encode(), "b.yaml", duplicate_keys=duplicate_keys)
    return list(caught.value.problems)


def test_the_handed_case() -> None:
    """Under `dsl_definitions` only anchors count: a warning that shows both places."""
    (warning,) = warned(HANDED.read_text())
    assert (warning.reason, warning.position and warning.position.line) == (Reason.DUPLICATE_KEY, 4)
    assert (
        warning.message
        == TWICE.format("env") + "under dsl_definitions, where only anchors count, first at b.yaml:3:3"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 1\n",
        "a: {b: [1, {c: x}], d: 1.5}\na: {d: 1.5, b: [1, {c: x}]}\n",
        "a: {get_secret: k}\na:\n  get_secret: k\n",
        "a: &x {b: 1}\na: *x\n",
        "m: {<<: {a: 1}, b: 1, b: 1}\n",
        "s: !!set {a, a}\n",
        "dsl_definitions: {a: {b: 1, b: 2}, c: &c {d: 1}, c: &e {d: 2}}\nx: [*c, *e]\n",
        "dsl_definitions: {a: 1}\ndsl_definitions: {a: 2}\n",
    ],
)
def test_harmless(text: str) -> None:
    """Equal values, and names under `dsl_definitions`, are warnings."""
    warnings = warned(text)
    assert {warning.reason for warning in warnings} == {Reason.DUPLICATE_KEY}
    assert all("first at b.yaml:" in warning.message for warning in warnings)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2\n",
        "a: 1\na: true\n",
        "a: 1\na: 1.0\n",
        "a: 0.0\na: -0.0\n",
        "a: [1, 2]\na: [2, 1]\n",
        "a: {1: x}\na: {true: x}\n",
        "a: !t x\na: !t y\n",
        "m: {<<: {a: 1}, b: 1, b: 2}\n",
        "{get_secret: a, get_secret: b}\n",
        "dsl_definitions: {a: &a {b: 1, b: 2}}\n",
        "dsl_definitions: {a: &a {b: {c: {d: 1, d: 2}}}}\n",
        "dsl_definitions: &d {a: 1, a: 2}\n",
        "x: {dsl_definitions: {a: 1, a: 2}}\n",
        "dsl_definitions: {a: 1}\nx: {a: 1, a: 2}\n",
    ],
)
def test_refused(text: str) -> None:
    """Elsewhere the error shows both places; inside an anchored definition each entry counts."""
    (problem,) = refused(text)
    assert problem.reason is Reason.DUPLICATE_KEY
    assert ", first at b.yaml:" in problem.message
    assert "--allow-duplicate-keys" in problem.hint
    if "!t" not in text:
        assert {warning.reason for warning in warned(text, DuplicateKeys.ALLOWED)} == {Reason.DUPLICATE_KEY}


def test_both_places() -> None:
    """The problem stands at the later key, and names the place of the first one."""
    (problem,) = refused("x:\n  a: 1\n  b: 2\n  a: 3\n")
    assert (problem.position and problem.position.line, problem.line_text) == (4, "  a: 3")
    assert problem.message == TWICE.format("a") + "first at b.yaml:2:3"
    assert len(refused("a: 1\na: 1\na: 2\n")) == 2


def test_what_is_wrong_besides_is_reported_too() -> None:
    """A duplicate that is allowed hides nothing else."""
    for duplicate_keys in DuplicateKeys:
        reasons = {problem.reason for problem in refused("a: 1\na: 1\nb: 2001-99-99\n", duplicate_keys)}
        assert Reason.BAD_SCALAR in reasons
    assert [problem.reason for problem in refused("x: !!omap [{a: 1, a: 1}]\n", DuplicateKeys.ALLOWED)] == [
        Reason.BAD_SCALAR
    ]


def test_values_are_read_once_more_only_where_keys_repeat() -> None:
    """Ten times the equal keys take about ten times the work, and a hundred of them are the end."""

    def work(text: str) -> int:
        with lines_run() as run:
            refused(text)
        return run.lines

    big = ", ".join(f"k{n}: {n}" for n in range(300))
    one = f"a: {{{big}}}\n" + "a: {}\n" * 100
    ten = f"a: {{{big}}}\n" + "a: {}\n" * 1000
    assert work(ten) < 15 * work(one)
    assert len(refused("a: 1\n" * 1000)) == MAX_PROBLEMS


KEPT = """\
a: {p: &p {get_secret: j}, q: {get_secret: lost}}
a: {q: {get_secret: k}}
b: *p
c: {<<: {x: {get_secret: lost}}, x: 1, x: {get_secret: k}}
"""


def test_calls_in_a_value_that_does_not_count() -> None:
    """They stay in the text, but for what an alias takes from there; what counts is replaced."""
    blueprint = read(KEPT.encode(), "b.yaml", duplicate_keys=DuplicateKeys.ALLOWED)
    calls = [call for _, call in find_calls(blueprint.documents[0])]
    assert sorted(call["get_secret"] for call in calls) == ["j", "k", "k"]
    results = {id(call): call["get_secret"].upper() for call in calls}
    text = render(blueprint, results).text
    assert text == (
        'a: {p: &p "J", q: {get_secret: lost}}\na: {q: "K"}\nb: *p\n'
        'c: {<<: {x: {get_secret: lost}}, x: 1, x: "K"}\n'
    )
    assert yaml.safe_load(text) == {"a": {"q": "K"}, "b": "J", "c": {"x": "K"}}


def generated(seed: int) -> str:
    """A text with keys that repeat, in mappings that are anchored, merged and shared."""
    draw = random.Random(seed)
    lines, anchors = [], ["z"]
    for number in range(draw.randint(2, 8)):
        entries = []
        for _ in range(draw.randint(1, 5)):
            kind = draw.randrange(4)
            if kind == 0:
                entries.append(f"<<: *{draw.choice(anchors)}")
            elif kind == 1:
                merged = ", ".join(f"*{name}" for name in draw.choices(anchors, k=2))
                entries.append(f"<<: [{merged}, {{a: {number}, a: x}}]")
            else:
                value = f"*{draw.choice(anchors)}" if draw.random() < 0.3 else draw.choice("123")
                entries.append(f"{draw.choice('abc')}: {value}")
        anchor = f"n{number}"
        lines.append(f"{draw.choice('pqr')}: &{anchor} {{{', '.join(entries)}}}\n")
        anchors.append(anchor)
    return "dsl_definitions: {z: &z {a: 0, a: 9, b: 8}}\n" + "".join(lines)


def test_the_last_one_wins_as_in_pyyaml() -> None:
    """With `ALLOWED` a text is read as PyYAML's safe loader reads it, merge keys and anchors included."""
    for seed in range(300):
        text = generated(seed)
        assert read(text.encode(), "b.yaml", duplicate_keys=DuplicateKeys.ALLOWED).documents == [
            yaml.safe_load(text)
        ], text


@needs_cloudify
def test_the_last_one_wins_as_in_cloudify() -> None:
    """The loader of Cloudify's own parser reads the same."""
    texts = [generated(seed) for seed in range(300)] + [KEPT, "{1: a, true: b, 1.0: c}", HANDED.read_text()]
    code = (
        "import json, sys; from dsl_parser import yaml_loader\n"
        "print(json.dumps([yaml_loader.load(text, 'b').restore() for text in json.load(sys.stdin)]))"
    )
    answer = ask(code, texts)
    for text, loaded in zip(texts, answer, strict=True):
        (document,) = read(text.encode(), "b.yaml", duplicate_keys=DuplicateKeys.ALLOWED).documents
        assert json.loads(json.dumps(document)) == loaded, text
