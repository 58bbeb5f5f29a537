"""What is meant as a call and is none is found, and prose is not taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.blueprint import near_misses as module
from resolver.blueprint.near_misses import near_misses
from resolver.blueprint.reader import read
from resolver.core.location import format_path
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem, Reason
from tests.real_blueprints import BLUEPRINTS, CORPUS, SKIPPED

HANDED = Path(__file__).parent / "cases" / "near_misses.yaml"

TEXT = "a call of get_secret inside a text is a part of the text, and is not resolved"


def found(text: str) -> list[Problem]:
    """The near misses of a text."""
    misses = list(near_misses(read(text.encode(), "b.yaml"), Budget()))
    assert {miss.reason for miss in misses} <= {Reason.NEAR_MISS}
    return misses


def test_the_handed_case() -> None:
    """Each line but the good call is a near miss, and a misspelt name comes with the right one."""
    misses = {miss.path[0]: miss for miss in found(HANDED.read_text())}
    assert "".join(sorted(map(str, misses))) == "abcdefhij"
    assert {name for name, miss in misses.items() if miss.hint == "did you mean 'get_secret'?"} == set(
        "abcdeij"
    )
    assert {name for name, miss in misses.items() if miss.message == TEXT} == set("fh")


@pytest.mark.parametrize(
    "value",
    [
        "{ get_secrets: k }",
        "{ GET_SECRET: [k, a] }",
        "{ 'get secret': { get_input: x } }",
        "{ get_secert: k }",
        "{ gte_secret: k }",
        "{ get_sercet: k, type: string }",
        "{ $get_secret: k }",
        "{get_secret:k}",
        "get_secret:k",
        "[get_secret:k]",
        "${get_secret:k}",
        "get_secret('k')",
        "'{ get_secret: k }'",
        "'{ getSecret: [k, a] }'",
        "'postgres://u:{ get_secret: { get_input: x } }@h'",
        """'{"get_secret": "k"}'""",
        "'{{ get_secret: k }}'",
        "'{{ get_secret(k) | b64 }}'",
        "'{{ x ~ get_secret }}'",
        "'{% set a = get_secret(1) %}'",
        "|\n  a:\n    get_secret: k\n",
        ">-\n  x { get_secret: k } y\n",
        "!get_secret k",
        "!getSecret [k, a]",
        "{ concat: [a, 'b { get_secret: k }'] }",
        "{ '{ get_secret: k }': 1 }",
        "{ a: &a { getSecret: k }, b: *a }",
    ],
)
def test_near_misses(value: str) -> None:
    """Misspelt names and calls inside texts are found, once for what aliases share."""
    (miss,) = found(f"p: {value}\n")
    assert miss.path[0] == "p"
    assert miss.hint


@pytest.mark.parametrize(
    "value",
    [
        "{ get_secret: k }",
        "{ get_secret : k }",
        "{ get_secret: [k, a], type: string }",
        "{ # get_secret\n get_secret: k } # { getSecret: k }",
        "use get_secret to get a secret",
        "'get_secret: reads a secret'",
        "|\n  get_secret: reads a secret.\n  Write get_secrets(x) not { get_secret } here.\n",
        "{ description: 'write { get_secret: k }' }",
        "{ set_secret: k }",
        "{ get_secret_name: k }",
        "{ getters: k }",
        "{ get_secrets: true }",
        "{ getSecret: { implementation: a, inputs: {} } }",
        "{ get_secrets: k, other: k }",
        "{ interfaces: { i: { get_secrets: scripts/get.sh } } }",
        "{ properties: { get_secrets: k } }",
        "'$(get_secret k)'",
        "'def get_secret(key): return {key: 1}'",
        "{ get_input: get_secrets }",
    ],
)
def test_what_is_none(value: str) -> None:
    """Calls, prose, and names that a blueprint gives are no near misses."""
    assert found(f"p: {value}\n") == []


def test_paths_name_the_document() -> None:
    """In a text of several documents the path begins with the document."""
    text = "a: 1\n---\nb: [{ c: { getSecret: k } }]\n--- '{ get_secret: k }'\n"
    assert [format_path(miss.path) for miss in found(text)] == [
        "['document 2'].b[0].c.getSecret",
        "['document 3']",
    ]


def test_a_text_of_good_calls_is_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that looks like a call is one, the documents are not gone through again."""
    good = "a: { get_secret: k }\nb:\n  get_secret: k\nc: &c {get_secret: [k, 1]}\nd: { 'get_secret': k }\n"
    walked: list[object] = []
    monkeypatch.setattr(module, "_misses", lambda document, *_: walked.append(document) or ())
    assert found(good + "  # { getSecret: k }\n") == []
    assert walked == []
    found(good + "e: 1 # get_secret\n")
    assert len(walked) == 1


def test_long_texts_are_searched_once() -> None:
    """A long text that aliases repeat is one near miss, and the walk spends from the run's budget."""
    long = "x" * 1000 + "{ get_secret: k }"
    assert len(found(f"a: &a '{long}'\nb: [{', '.join(['*a'] * 100)}]\n")) == 1
    blueprint = read(b"a: '{ get_secret: k }'\nb: [" + b"1, " * 1000 + b"1]\n", "b.yaml")
    budget = Budget(1000)
    with pytest.raises(Exception, match="nothing was resolved"):
        list(near_misses(blueprint, budget))


@pytest.mark.skipif(not BLUEPRINTS, reason=SKIPPED)
def test_public_blueprints_have_none() -> None:
    """No near miss is seen in what people wrote without one."""
    for path in BLUEPRINTS:
        assert found(path.read_text()) == [], path.relative_to(CORPUS)


@pytest.mark.parametrize(
    "unit",
    [
        "{get_secret: [",
        "{get_secret: {",
        "{get_secret(",
        "{get_secret: a",
        "{{ get",
        "{% gets",
        "- get_secret: ",
    ],
)
def test_the_search_of_a_hostile_text_ends(unit: str) -> None:
    """What begins like a call and never ends costs no more than its length: a square would take hours."""
    assert len(found(f"a: '{unit * 30_000}'")) <= 1
    assert len(found("a: |\n" + f"  {unit}\n" * 20_000)) <= 1
    assert found(f"a: 1\n# {unit * 300_000}\n") == []
